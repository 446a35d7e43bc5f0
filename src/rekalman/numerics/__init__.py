"""Precision, memory, random numbers, compiled functions."""
