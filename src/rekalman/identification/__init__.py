"""The learned dynamics in numbers: attractor, period, modes and noise."""

from rekalman.identification.identification import identify
from rekalman.identification.response import Distance, Responses, distance, responses
from rekalman.identification.result import Identification

__all__ = ["Distance", "Identification", "Responses", "distance", "identify", "responses"]
