"""New series drawn from models and filters, and noise-free runs."""
