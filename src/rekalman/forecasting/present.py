"""What a filter of films tells of the present step, as a forecast of horizon 0."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np

from rekalman.core.filter import Belief, Filter
from rekalman.forecasting.components import Components, components
from rekalman.forecasting.labels import Labels
from rekalman.forecasting.result import Forecast
from rekalman.foundation.errors import RekalError


def present(algorithm: Filter, belief: Belief, origin: int) -> Forecast:
    """The distribution of the targets of a step after its frame.

    Args:
        algorithm: a filter that watches films.
        belief: after the frame.
        origin: number of the step, counted from 0.

    Raises:
        RekalError: the filter does not watch films, or tells of a step before it sees it.
    """
    if not algorithm.estimates_target:
        raise RekalError(
            "the model has no estimate of a step that it has seen: it predicts each step before it comes "
            "(forecast); one of films that decodes the posterior has"
        )
    made = _components(algorithm, belief)
    return Forecast(
        means=np.asarray(made.means)[None],
        log_weights=np.asarray(made.log_weights)[None],
        cov=np.asarray(made.cov if made.cov.ndim == 2 else made.cov[None]),
        path=np.asarray(made.path)[None],
        origins=np.array([origin]),
        series=np.zeros(1, int),
        horizons=(0,),
        labels=Labels.plain(algorithm.observations),
        binary=algorithm.binary,
    )


@eqx.filter_jit
def _components(algorithm: Filter, belief: Belief) -> Components:
    now = algorithm.observe(belief)
    return components(jax.tree.map(lambda leaf: leaf[None], now), None)
