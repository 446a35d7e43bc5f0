"""The one data container, and how it is read, cut, standardised and written for people."""

from rekalman.data.container import Sequences
from rekalman.numerics.placing import AnyArray

__all__ = ["AnyArray", "Sequences"]
