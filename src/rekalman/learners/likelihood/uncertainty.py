r"""How far a linear model may be off, in the entries of its matrices.

The information of the free parameters, carried over to the blocks of the model: each of its eigenvectors is a
direction in which all blocks move together. What follows from the blocks has its standard error by the delta
method, however the model was parametrised, and a change of basis drops out.

Maximum likelihood leaves the observed information (`information.py`). Short of the maximum, where EM ends,
the Hessian need not be definite; the information of the innovations is (Harvey 1989, section 3.4.5). With
the innovation `e` of each entry given all before it, and its variance `f`,

    I_ij = sum (d_i e)(d_j e) / f + 1/2 (d_i log f)(d_j log f).
"""

from __future__ import annotations

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data import Sequences
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.gains import gains
from rekalman.filters.kalman.means import means
from rekalman.filters.kalman.system import linear_system
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.estimate import Estimate
from rekalman.learners.likelihood.information import LEAK, SMALLEST, STEP, Information, decomposed
from rekalman.learners.likelihood.likelihood import check_fit, in_double
from rekalman.learners.likelihood.parameters import Parameters, model_parameters
from rekalman.learners.likelihood.total import Group, form_of, groups_of
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear_model import LinearModel
from rekalman.numerics.placing import placed

BLOCKS = ("A", "B", "C", "D", "Q", "R")
MOST = 150  # parameters; the information takes two runs of the filter for each of them


class Uncertainty(eqx.Module):
    """The law of an estimated linear model about the true one.

    Attributes:
        directions: for each of the blocks A, B, C, D, Q, R how it moves in every direction
            `(directions, rows, columns)`.
        information: of every direction; 0 where the data do not determine it.
    """

    directions: dict[str, Float[np.ndarray, "directions rows columns"]]
    information: Float[np.ndarray, " directions"]

    def standard_errors(
        self, slopes: Float[np.ndarray, "directions ..."]
    ) -> Float[np.ndarray, "*functions"]:
        """Of functions of the blocks with these derivatives along the directions (delta method).

        NaN where one depends on a direction that the data do not determine, 0 where nothing can change it.
        """
        known = self.information > 0
        root = np.sqrt(np.where(known, self.information, 1.0))
        shape = (-1,) + (1,) * (slopes.ndim - 1)
        error = np.sqrt(((slopes / root.reshape(shape))[known] ** 2).sum(0))
        size, leak = (np.sqrt((part**2).sum(0)) for part in (slopes, slopes[~known]))
        return np.where(leak > LEAK * size, np.nan, error)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps."""
        return {"information": self.information, **self.directions}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> Uncertainty | None:
        """What `arrays` gave; None where there was none."""
        directions = {name: arrays[name] for name in BLOCKS if name in arrays}
        return cls(directions, arrays["information"]) if directions else None


def uncertainty_of(
    parameters: Parameters,
    vector: Float[np.ndarray, " parameters"],
    information: Information,
    interval: int | float,
) -> Uncertainty:
    """Carry the information of free parameters over to the blocks.

    Args:
        parameters: the free parameters and how a model is built of them.
        vector: their values.
        information: of these.
        interval: the step at which a model in continuous time is taken.
    """
    with jax.enable_x64(True):
        slopes = _block_slopes(parameters, placed(vector), placed(float(interval)))
    ways = information.scale[:, None] * information.vectors
    values = information.values
    return Uncertainty(
        {name: np.moveaxis(np.asarray(block) @ ways, -1, 0) for name, block in slopes.items()},
        np.where(values > SMALLEST * values.max(initial=0.0), values, 0.0),
    )


@eqx.filter_jit
def _block_slopes(
    parameters: Parameters, vector: Float[Array, " parameters"], interval: Float[Array, ""]
) -> dict[str, Float[Array, "rows columns parameters"]]:
    """Derivatives of the blocks in the free parameters."""

    def blocks(v: Array) -> dict[str, Array]:
        model = parameters.build(v).discrete(interval)
        return {name: getattr(model, name) for name in BLOCKS}

    return jax.jacfwd(blocks)(vector)


def estimated(result: Estimate, interval: int | float | None) -> Uncertainty | None:
    """The uncertainty of a linear maximum-likelihood estimate, if its standard errors were worked out.

    A model whose matrices change from step to step has none.
    """
    if result.information is None or not (result.model.linear and result.model.time_invariant):
        return None
    return uncertainty_of(result.parameters, result.vector, result.information, interval or 1.0)


def model_uncertainty(
    model: GaussianModel, data: Sequences, interval: int | float = 1.0
) -> Uncertainty:
    """The uncertainty of a linear model whose matrices were all learned from some series.

    The start (`m`, `P`) is taken as known: it does not gain precision with the length of a series.

    Args:
        model: the model at its maximum-likelihood estimate, or close to it.
        data: the series it was learned from, in its units.
        interval: the step at which a model in continuous time is taken.

    Raises:
        RekalError: the model is not linear or does not fit the data, a covariance is singular, the start is
            diffuse, or there are more than 150 parameters.
    """
    if not (model.linear and model.time_invariant):
        raise RekalError("intervals are worked out for linear models only")
    with jax.enable_x64(True):
        batch = in_double(as_batch(data, model))
        check_fit(model, batch)
        parameters = model_parameters(in_double(model), ("m", "P"))
        vector = np.asarray(parameters.vector, float)
        if vector.size > MOST:
            raise RekalError(
                f"intervals are worked out for at most {MOST} parameters, but the model has {vector.size}"
            )
        information = _information(parameters, vector, groups_of(batch))
    return uncertainty_of(parameters, vector, information, interval)


def _information(
    parameters: Parameters, vector: Float[np.ndarray, " parameters"], groups: tuple[Group, ...]
) -> Information:
    """That of the innovations, by central differences."""
    form = form_of(parameters.build(jnp.asarray(vector)))
    assert form is not None

    def at(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        white, log_f = _innovations(parameters, jnp.asarray(v), groups, form)
        return np.asarray(white), np.asarray(log_f)

    white = at(vector)[0]
    rows = []
    for i in range(vector.size):
        shift = np.zeros(vector.size)
        shift[i] = STEP * max(1.0, abs(vector[i]))
        (up, spread_up), (down, narrow) = at(vector + shift), at(vector - shift)
        moved, spread = (up - down) / (2 * shift[i]), (spread_up - narrow) / (2 * shift[i])
        rows.append(np.concatenate([moved + 0.5 * white * spread, spread / np.sqrt(2)]))
    slopes = np.stack(rows)
    slopes[~np.isfinite(slopes).all(1)] = 0.0  # the edge of what has a likelihood: not determined
    matrix = slopes @ slopes.T
    if not matrix.any():
        raise RekalError("the data say nothing of the parameters")
    return decomposed(matrix)


@eqx.filter_jit
def _innovations(
    parameters: Parameters,
    vector: Float[Array, " parameters"],
    groups: tuple[Group, ...],
    form: Form,
) -> tuple[Float[Array, " entries"], Float[Array, " entries"]]:
    """White innovations of all entries, each given all before it, and the logarithms of their variances."""
    model = cast(LinearModel, parameters.build(vector))

    def one(row: Any) -> tuple[Array, Array]:
        system = linear_system(model, *row)
        result = gains(system, form)
        scale = jnp.diagonal(result.whitener, axis1=-2, axis2=-1)
        scale = jnp.where(result.judged, scale, 1.0)  # what has no density tells nothing
        return means(system, result).white[..., 0], -2 * jnp.log(scale)[result.where]

    each = [jax.lax.map(one, (g.values, g.mask, g.inputs, g.dt)) for g in groups]
    joined = lambda k: jnp.concatenate([part[k].reshape(-1) for part in each])  # noqa: E731
    return joined(0), joined(1)
