"""Data to learn from: embedded examples, published records that are downloaded once, and simulators."""

from rekal.datasets.breathing import load_breathing
from rekal.datasets.examples import EXAMPLES, load_example
from rekal.datasets.filmed import Filmed, Task
from rekal.datasets.gaps import hide, thin, untold
from rekal.datasets.kitti import load_kitti
from rekal.datasets.pendulum import pendulum
from rekal.datasets.pneumatic_arm import load_pneumatic_arm
from rekal.datasets.quad_link import quad_link
from rekal.datasets.source import open_data
from rekal.datasets.spring_damper import SpringDamper, spring_damper
from rekal.datasets.tasks import (
    imputation_task,
    interpolation_task,
    irregular_task,
    pendulum_task,
    quad_link_task,
    three_pendulums_task,
)
from rekal.datasets.three_pendulums import three_pendulums

__all__ = [
    "EXAMPLES",
    "Filmed",
    "SpringDamper",
    "Task",
    "hide",
    "imputation_task",
    "interpolation_task",
    "irregular_task",
    "load_breathing",
    "load_example",
    "load_kitti",
    "load_pneumatic_arm",
    "open_data",
    "pendulum",
    "pendulum_task",
    "quad_link",
    "quad_link_task",
    "spring_damper",
    "thin",
    "three_pendulums",
    "three_pendulums_task",
    "untold",
]
