r"""Small driven systems: 150 to 500 samples to train on, another stretch to test the free simulation.

Measured ones come from the files of two benchmarks (`sysid.py`), cut short: the coupled drives under a binary
input (the 250 samples that Doerr et al. 2018 train on), and the first 300 samples of the cascaded tanks,
followed by 300 to test (the official test series is left alone).

Simulated ones are drawn from a seed, each with the input held for a few steps and a little noise:

    Hammerstein   v = u / sqrt(.1 + .9 u^2),  x_t = 1.5 x_{t-1} - .7 x_{t-2} + .2 v_t,  y = x + noise
    Wiener        x_t = 1.5 x_{t-1} - .7 x_{t-2} + .2 u_t,  y = x / sqrt(.1 + .9 x^2) + noise
    bilinear      x_t = .7 x_{t-1} + .4 u_t + .25 x_{t-1} u_t,  y = x + noise
    NARX          y_t = y_{t-1} / (1 + y_{t-1}^2) + u_t^3 (Narendra and Parthasarathy 1990),  noise on top
    disturbed     y_t = 1.6 y_{t-1} - .65 y_{t-2} + .05 u_t + noise, which drives the system as well
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rekalman.data import Sequences
from rekalman.datasets.sysid import Split, benchmark_table, columns_of, load_benchmark
from rekalman.foundation.arguments import seed_of
from rekalman.foundation.errors import RekalError

SAMPLES = {"drives": 250, "tanks": 300, "hammerstein": 300, "wiener": 250, "bilinear": 200, "narx": 500,
           "disturbed": 150}  # fmt: skip
"""Training samples of each; as many to test."""
MEASURED = ("drives", "tanks")
RUN_IN = 100  # steps before the first sample of a simulation

Steps = Float[np.ndarray, " steps"]


def small_driven(name: str, seed: int = 0, root: str | Path | None = None) -> Split:
    """Load or simulate one system.

    Args:
        name: one of `SAMPLES`.
        seed: what a simulated one is drawn from; those that were measured are always the same.
        root: the folder of the measured ones, as for `load_benchmark`.

    Returns:
        One series to train on and one to test, each with one input.

    Raises:
        RekalError: an unknown name, or a file that is not there.

    Example:
        split = small_driven("wiener", seed=3)
    """
    if name not in SAMPLES:
        raise RekalError(f"there is no small system {name!r}: use one of {', '.join(SAMPLES)}")
    steps = SAMPLES[name]
    if name == "drives":
        path, table = benchmark_table("sysid_ced/DATAPRBS.csv", root)
        (y,), (u,) = columns_of(path, table, ("z1",)), columns_of(path, table, ("u1",))
    elif name == "tanks":
        train = load_benchmark("tanks", root).train
        assert train.inputs is not None
        y, u = np.asarray(train.values)[0, :, 0], np.asarray(train.inputs)[0, :, 0]
    else:
        y, u = _SYSTEMS[name](np.random.default_rng(seed_of(seed)), RUN_IN + 2 * steps)
        y, u = y[RUN_IN:], u[RUN_IN:]
    return Split(_series(y[:steps], u[:steps]), _series(y[steps : 2 * steps], u[steps : 2 * steps]))


def _series(y: Steps, u: Steps) -> Sequences:
    return Sequences.from_arrays(y[None, :, None], inputs=u[None, :, None], input_names=("input",))


def _levels(random: np.random.Generator, steps: int, hold: int, reach: float) -> Steps:
    """Uniform levels, each held for some steps."""
    return np.repeat(random.uniform(-reach, reach, -(-steps // hold)), hold)[:steps]


def _second_order(drive: Steps) -> Steps:
    x = np.zeros(len(drive))
    for t in range(2, len(drive)):
        x[t] = 1.5 * x[t - 1] - 0.7 * x[t - 2] + 0.2 * drive[t]
    return x


def _saturated(v: Steps) -> Steps:
    return v / np.sqrt(0.1 + 0.9 * v**2)


def _hammerstein(random: np.random.Generator, steps: int) -> tuple[Steps, Steps]:
    u = _levels(random, steps, 5, 2.0)
    return _second_order(_saturated(u)) + 0.05 * random.normal(size=steps), u


def _wiener(random: np.random.Generator, steps: int) -> tuple[Steps, Steps]:
    u = _levels(random, steps, 5, 2.0)
    return _saturated(_second_order(u)) + 0.05 * random.normal(size=steps), u


def _bilinear(random: np.random.Generator, steps: int) -> tuple[Steps, Steps]:
    u, x = _levels(random, steps, 4, 1.0), np.zeros(steps)
    for t in range(1, steps):
        x[t] = 0.7 * x[t - 1] + 0.4 * u[t] + 0.25 * x[t - 1] * u[t]
    return x + 0.05 * random.normal(size=steps), u


def _narx(random: np.random.Generator, steps: int) -> tuple[Steps, Steps]:
    u, y = _levels(random, steps, 2, 1.5), np.zeros(steps)
    for t in range(1, steps):
        y[t] = y[t - 1] / (1 + y[t - 1] ** 2) + u[t] ** 3
    return y + 0.1 * random.normal(size=steps), u


def _disturbed(random: np.random.Generator, steps: int) -> tuple[Steps, Steps]:
    u, y = _levels(random, steps, 6, 2.0), np.zeros(steps)
    for t in range(2, steps):
        y[t] = 1.6 * y[t - 1] - 0.65 * y[t - 2] + 0.05 * u[t] + 0.08 * random.normal()
    return y, u


_SYSTEMS: dict[str, Callable[[np.random.Generator, int], tuple[Steps, Steps]]] = {
    "hammerstein": _hammerstein,
    "wiener": _wiener,
    "bilinear": _bilinear,
    "narx": _narx,
    "disturbed": _disturbed,
}
