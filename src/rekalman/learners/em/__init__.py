"""Expectation-maximisation: E-steps by particles, Gaussian smoothers and exactly; M-steps."""
