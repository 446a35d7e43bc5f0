"""Data to learn from: embedded examples, published records that are downloaded once, and simulators."""

from rekalman.datasets.breathing import load_breathing
from rekalman.datasets.examples import EXAMPLES, load_example
from rekalman.datasets.filmed import Filmed, Task
from rekalman.datasets.gaps import hide, thin, untold
from rekalman.datasets.kitti import load_kitti
from rekalman.datasets.pendulum import pendulum
from rekalman.datasets.pneumatic_arm import load_pneumatic_arm
from rekalman.datasets.quad_link import quad_link
from rekalman.datasets.source import open_data
from rekalman.datasets.spring_damper import SpringDamper, spring_damper
from rekalman.datasets.tasks import (
    imputation_task,
    interpolation_task,
    irregular_task,
    pendulum_task,
    quad_link_task,
    three_pendulums_task,
)
from rekalman.datasets.three_pendulums import three_pendulums

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
