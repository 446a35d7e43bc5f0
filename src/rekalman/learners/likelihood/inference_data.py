"""Draws of a posterior as ArviZ takes them (Kumar and others 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.core.filter import Filter
from rekalman.core.trajectory import Filtered
from rekalman.data import Sequences
from rekalman.filters.kalman.filter import FormName, Kalman
from rekalman.filters.kalman.forms import RootForm
from rekalman.foundation.arviz_groups import arviz_groups
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.learners.likelihood.named_parameters import NamedParameters

if TYPE_CHECKING:
    from rekalman.learners.likelihood.nuts import Draws

STEP = "step"
"""Dimension of what there is of each observed step."""


class Predictions(NamedTuple):
    """What the models of all draws said of every step before it was seen.

    Attributes:
        log_density: of the whole observation, in nats.
        mean: of each entry.
        var: of each entry.
    """

    log_density: Float[np.ndarray, "chains draws used"]
    mean: Float[np.ndarray, "chains draws used obs"]
    var: Float[np.ndarray, "chains draws used obs"]


def inference_data(draws: Draws, data: Sequences | None, seed: int) -> Any:
    """The draws, and where the data are given what they say of them (see `Draws.to_inference_data`).

    Raises:
        RekalError: the data do not fit the model.
    """
    groups: dict[str, dict[str, np.ndarray]] = {
        "posterior": {name: draws.values[..., i] for i, name in enumerate(draws.names)},
        "sample_stats": dict(draws.statistics),
    }
    coords, dims = {}, {}
    if data is not None:
        used, predicted = predictions(draws, data)
        names = tuple(f"observed {name}" if name in draws.names else name for name in data.names)
        values = np.where(np.asarray(data.mask), np.asarray(data.values, float), np.nan)[used]
        noise = np.random.default_rng(seed).normal(size=predicted.mean.shape)
        drawn = predicted.mean + np.sqrt(predicted.var) * noise
        joint = names[0] if len(names) == 1 else "joint"
        groups["observed_data"] = {name: values[:, k] for k, name in enumerate(names)}
        groups["posterior_predictive"] = {name: drawn[..., k] for k, name in enumerate(names)}
        groups["log_likelihood"] = {joint: predicted.log_density}
        coords = {STEP: stamps(data, used)}
        dims = {name: [STEP] for name in (*names, joint)}
    return arviz_groups(groups, coords, dims)


def stamps(data: Sequences, used: Bool[np.ndarray, "batch steps"]) -> np.ndarray:
    """Time stamps of some steps, of several series with their names."""
    parts = []
    for i in range(data.batch):
        length = int(data.lengths[i])
        own = np.asarray(data.index(i))[used[i, :length]]
        several = data.batch > 1
        parts.append([f"{data.series_names[i]}: {each}" for each in own] if several else own)
    return np.concatenate(parts)


def predictions(
    draws: Draws, data: Sequences
) -> tuple[Bool[np.ndarray, "batch steps"], Predictions]:
    """One-step-ahead predictions under every draw.

    Args:
        draws: of the parameters.
        data: the series that were learned from.

    Returns:
        Which steps have a predictive density (something was observed, and what was seen before fixes a
        diffuse start), and the predictions of these.

    Raises:
        RekalError: the data do not fit the model.
    """
    chains, number, size = draws.vectors.shape
    with jax.enable_x64(True):
        parameters = in_double(draws.parameters)
        first = parameters.build(jnp.asarray(draws.vectors[0, 0]))
        batch = in_double(as_batch(data, first))
        algorithm = Kalman(first)
        form: FormName = "square-root" if algorithm.arithmetic is RootForm else "covariance"
        path = algorithm.run_batch(batch.values, batch.mask, batch.inputs, batch.dt)
        known = path.determined
        steps = np.asarray(batch.mask).shape[1]
        before = np.ones((data.batch, steps), bool)
        if algorithm.unknown and known is not None:
            before[:, 0] = False
            before[:, 1:] = np.broadcast_to(known, before.shape)[:, :-1]
        used = np.asarray(batch.mask).any(-1) & before
        vectors = jnp.asarray(draws.vectors.reshape(-1, size))
        density, mean, var = _predictions(parameters, vectors, batch, form)
    shape = (chains, number, int(used.sum()))
    used_of = lambda leaf: np.asarray(leaf)[:, used]  # noqa: E731
    return used[:, : data.steps], Predictions(
        used_of(density).reshape(shape),
        used_of(mean).reshape(*shape, -1),
        used_of(var).reshape(*shape, -1),
    )


@eqx.filter_jit
def _predictions(
    parameters: NamedParameters,
    vectors: Float[Array, "draws parameters"],
    batch: Batch,
    form: FormName,
) -> tuple[Array, Array, Array]:
    """Log densities, means and variances of every draw, series and step, one draw after the other."""

    def of_draw(vector: Array) -> tuple[Array, Array, Array]:
        algorithm = Kalman(parameters.build(vector), form)

        def of_series(row: Any) -> tuple[Array, Array, Array]:
            path = Filter.run(algorithm, *row)  # the recursion, which leaves all predictions
            said = cast(Filtered, path)
            return said.log_evidence, said.predicted.mean, said.predicted.var

        return jax.vmap(of_series)((batch.values, batch.mask, batch.inputs, batch.dt))

    return jax.lax.map(of_draw, vectors)
