"""Predictors: networks that say of each row, from the rows before it, what it will be."""
