"""Methods that learn next to nothing: what any model must beat."""
