"""Parameters and densities, no algorithm."""
