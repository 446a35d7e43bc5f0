r"""The likeliest scale of a series, from the one-step errors that a model leaves of it.

With series `i` divided by a scale `s_i` its innovations, normalised by what the model says of their size, are
`e_it`. The likelihood as a function of a factor `f` on that scale is largest where their mean square is one:

    d/df sum_t [-log f - (e_it / f)^2 / 2] = 0   at   f^2 = mean_t e_it^2.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from rekalman.core.filter import Filter
from rekalman.data import Sequences
from rekalman.data.scales.panel import Panel
from rekalman.fitting.verbs import filter


def scale_factors(algorithm: Filter, prepared: Sequences) -> Float[np.ndarray, " batch"]:
    """By what the scale of each series is to be multiplied; 1 where no innovation is known.

    Args:
        algorithm: the filter of the model.
        prepared: the series, divided by their scales.
    """
    white = np.asarray(filter(algorithm, prepared).white)
    known = np.isfinite(white)
    square = np.where(known, white, 0.0) ** 2
    mean = square.sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
    return np.sqrt(np.where(mean > 0, mean, 1.0))


def multiplied(panel: Panel, names: tuple[str, ...], factors: np.ndarray) -> Panel:
    """The same, with the scales of some series multiplied."""
    scale = np.array(panel.scale)
    scale[[panel.names.index(name) for name in names]] *= factors[:, None]
    return dataclasses.replace(panel, scale=scale)
