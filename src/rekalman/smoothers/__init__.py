"""Backward passes over what a filter left."""
