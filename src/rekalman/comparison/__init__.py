"""Comparison of methods by rolling-origin evaluation on one's own data."""
