"""Training of networks that predict their next row, which are models in innovations form."""
