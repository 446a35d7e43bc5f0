"""Predictors whose readout alone is learned: echo state networks and nonlinear autoregressions."""
