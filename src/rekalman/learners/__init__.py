"""What turns data into parameters."""
