"""Driven systems: ARX, output-error models and networks trained on their free simulation."""
