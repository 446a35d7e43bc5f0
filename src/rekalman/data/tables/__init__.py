"""Files and frames as columns of numbers."""
