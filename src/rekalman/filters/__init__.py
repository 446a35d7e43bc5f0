"""Recursions on a belief, forward in time."""
