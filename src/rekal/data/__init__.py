"""The one data container, and how it is read, cut, standardised and written for people."""

from rekal.data.container import Sequences
from rekal.numerics.placing import AnyArray

__all__ = ["AnyArray", "Sequences"]
