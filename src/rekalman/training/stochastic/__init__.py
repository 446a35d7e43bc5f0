"""Training of stochastic networks: starts, their selection on held-out data, their noise."""
