"""What a user does with data: fit, forecast."""
