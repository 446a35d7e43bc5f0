"""Methods whose models are structures of components."""
