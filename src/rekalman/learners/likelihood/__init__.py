"""Maximum likelihood and its score function, standard errors, NUTS."""
