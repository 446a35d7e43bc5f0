"""Learning of linear readouts: of echo state networks and of nonlinear autoregressions."""
