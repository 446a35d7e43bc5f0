"""Recurrent networks on a linear part, each a method."""
