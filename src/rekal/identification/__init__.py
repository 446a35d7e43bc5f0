"""The learned dynamics in numbers: attractor, period, modes and noise."""

from rekal.identification.identification import identify
from rekal.identification.response import Distance, Responses, distance, responses
from rekal.identification.result import Identification

__all__ = ["Distance", "Identification", "Responses", "distance", "identify", "responses"]
