"""Standardising and power transforms."""
