"""The one data container, and how it is read, cut, standardised and written for people."""

from rekal.placing import AnyArray
from rekal.sequences.container import Sequences

__all__ = ["AnyArray", "Sequences"]
