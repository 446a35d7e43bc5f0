"""Evolution of recurrent networks whose readout is a linear regression: Evolino."""
