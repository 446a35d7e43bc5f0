"""Scores, consistency of a filter, naive forecasts, what filtering leaves."""
