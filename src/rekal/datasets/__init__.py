"""Data to learn from: embedded examples, published records that are downloaded once, and simulators."""

from rekal.datasets.breathing import load_breathing
from rekal.datasets.examples import EXAMPLES, load_example
from rekal.datasets.filmed import Filmed, Task
from rekal.datasets.kitti import load_kitti
from rekal.datasets.pendulum import pendulum
from rekal.datasets.pneumatic_arm import load_pneumatic_arm
from rekal.datasets.source import open_data
from rekal.datasets.tasks import pendulum_task

__all__ = [
    "EXAMPLES",
    "Filmed",
    "Task",
    "load_breathing",
    "load_example",
    "load_kitti",
    "load_pneumatic_arm",
    "open_data",
    "pendulum",
    "pendulum_task",
]
