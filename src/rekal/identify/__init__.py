"""The learned dynamics in numbers: attractor, period, modes and noise."""

from rekal.identify.identification import Identification, identify

__all__ = ["Identification", "identify"]
