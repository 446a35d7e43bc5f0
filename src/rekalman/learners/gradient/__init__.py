"""Back-propagation through time, with checkpoints."""
