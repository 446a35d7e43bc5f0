"""Readouts and networks that are tracked while data arrive."""
