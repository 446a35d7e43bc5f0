"""Training of predictors whose readout is learned in closed form."""
