"""Data to learn from: embedded examples, and published records that are downloaded once."""

from rekal.datasets.breathing import load_breathing
from rekal.datasets.examples import EXAMPLES, load_example
from rekal.datasets.source import open_data

__all__ = ["EXAMPLES", "load_breathing", "load_example", "open_data"]
