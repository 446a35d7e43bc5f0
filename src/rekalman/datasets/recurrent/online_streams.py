"""Five streams on which online rules of recurrent networks are compared: chaotic maps, sunspots, a laser.

As in the benchmark of sketched RTRL (sonaradarcn/sketched-rtrl, 2026): several lanes run side by side, of a
simulated system from different starts, of a measured series from different places of it, again and again. Of
a system with several coordinates the first alone is seen.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices

TRANSIENT = 64
"""Steps of a stream that are left out."""
FILES = {"sunspots": ("sunspot_monthly.txt", 3000), "laser": ("santa_fe_laser.txt", 1000)}
"""Measured series: the file, and after how many steps a lane begins again."""
STREAMS = ("henon", "mackey-glass", "lorenz", *FILES)
CAUSAL = 2000
"""Steps from which mean and deviation are taken where they are to be known ahead."""

Lanes = Float[np.ndarray, "lanes steps"]


def online_stream(
    name: str,
    steps: int,
    lanes: int = 8,
    seed: int = 0,
    *,
    causal: bool = True,
    root: str | Path | None = None,
) -> Lanes:
    """Standardised lanes of one of the streams.

    Args:
        name: one of `STREAMS`.
        steps: of each lane.
        lanes: number of lanes.
        seed: of the starts of the lanes; those of the Henon map are always the same.
        causal: whether a lane is standardised by its first 2,000 steps, or by all.
        root: folder of the measured series; None = `$REKAL_DATA/online_rnn`.

    Raises:
        RekalError: the name is unknown, or the file is not there.
    """
    random = np.random.default_rng(seed)
    if name in FILES:
        raw = _measured(name, lanes, random, root)
    elif name in STREAMS:
        make = {"henon": henon, "mackey-glass": mackey_glass, "lorenz": lorenz_x}[name]
        raw = make(steps + TRANSIENT, lanes, random)[:, TRANSIENT:]
    else:
        raise RekalError(f"unknown stream {name!r}: {choices(name, STREAMS)}")
    known = raw[:, : min(CAUSAL, raw.shape[1])] if causal else raw
    mean, deviation = known.mean(1, keepdims=True), known.std(1, keepdims=True)
    whole = (raw - mean) / deviation
    return np.tile(whole, -(-steps // whole.shape[1]))[:, :steps]


def begins(name: str, steps: int) -> Bool[np.ndarray, " steps"]:
    """Rows of a stream that do not follow from the one before: where a measured series begins again.

    Args:
        name: one of `STREAMS`.
        steps: length of the stream.
    """
    period = FILES[name][1] + 1 if name in FILES else steps
    return np.arange(steps) % period == 0


def henon(steps: int, lanes: int, random: np.random.Generator) -> Lanes:
    r"""$x' = 1 - 1.4 x^2 + y$, $y' = 0.3 x$ (Henon 1976); lanes begin a hundredth apart."""
    x, y, path = 0.1 + 0.01 * np.arange(lanes), np.zeros(lanes), []
    for _ in range(steps):
        path.append(x)
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
    return np.stack(path, 1)


def mackey_glass(steps: int, lanes: int, random: np.random.Generator) -> Lanes:
    r"""$\dot x = 0.2 x_{-\tau} / (1 + x_{-\tau}^{10}) - 0.1 x$, $\tau = 17$, by Euler steps of 1."""
    delay = 17
    path = list((1.2 + 0.2 * random.random((lanes, delay + 1))).T)
    for _ in range(steps):
        late, x = path[-delay], path[-1]
        path.append(x + 0.2 * late / (1 + late**10) - 0.1 * x)
    return np.stack(path[delay + 1 :], 1)


def lorenz_x(steps: int, lanes: int, random: np.random.Generator) -> Lanes:
    """The first coordinate of the Lorenz system, by Euler steps of 0.01, of which every second is seen."""
    x, y, z = (1 + 0.1 * random.normal(size=(lanes, 3))).T
    path = []
    for i in range(100 + 2 * steps):
        x, y, z = (
            x + 0.1 * (y - x),
            y + 0.01 * (x * (28 - z) - y),
            z + 0.01 * (x * y - 8 / 3 * z),
        )
        if i >= 100 and i % 2 == 0:
            path.append(x)
    return np.stack(path, 1)


def _measured(name: str, lanes: int, random: np.random.Generator, root: str | Path | None) -> Lanes:
    """Lanes that begin at even distances of a series and run on in a circle: a period and one row more."""
    if root is None and "REKAL_DATA" not in os.environ:
        raise RekalError("give the folder of the measured streams, or set REKAL_DATA")
    folder = Path(os.environ["REKAL_DATA"]) / "online_rnn" if root is None else Path(root)
    file, period = FILES[name]
    path = folder / file
    if not path.exists():
        raise RekalError(f"{path}: no such file")
    series = np.loadtxt(path, np.float64)
    begin = int(random.integers(len(series))) + TRANSIENT
    first = begin + np.arange(lanes) * (len(series) // lanes)
    return series[(first[:, None] + np.arange(period + 1)) % len(series)]
