"""The learned dynamics in numbers: attractor, period, modes and noise."""

from rekal.identify.identification import identify
from rekal.identify.response import Distance, Responses, distance, responses
from rekal.identify.result import Identification

__all__ = ["Distance", "Identification", "Responses", "distance", "identify", "responses"]
