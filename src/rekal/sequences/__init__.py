"""The one data container, and how it is read, cut, standardised and written for people."""

from rekal.sequences.container import AnyArray, Sequences

__all__ = ["AnyArray", "Sequences"]
