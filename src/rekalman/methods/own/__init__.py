"""Methods that begin with a model of one's own."""
