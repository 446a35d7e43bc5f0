r"""The log-likelihood of many series, grouped so that what they share is worked out once.

That of a linear model is exact, with its gradient in closed form. That of a model of two functions is the one
that an extended or unscented filter reports, and automatic differentiation goes through the filter.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rekalman.filters.choice import Filtering
from rekalman.filters.kalman.batch import solved
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.kalman.forms import Form
from rekalman.filters.kalman.system import LinearSystem, linear_system
from rekalman.filters.nonlinear import NonlinearFilter
from rekalman.learners.batch import Batch
from rekalman.learners.likelihood.parameters import Parameters
from rekalman.learners.likelihood.score import log_likelihood, score
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear_model import LinearModel
from rekalman.numerics.placing import placed, taken

Row = tuple[Array, Array | None, Array | None, Array | None]
"""Values, mask, inputs and time steps of one series."""


class Group(eqx.Module):
    """Series of one length; without a mask nothing is missing in any of them.

    Attributes:
        values: of the series.
        mask: True where observed, or None.
        inputs: known inputs, or None.
        dt: time since the step before, or None.
        length: number of real steps, where padding follows them; None = all.
    """

    values: Float[Array, "batch steps obs"]
    mask: Bool[Array, "batch steps obs"] | None
    inputs: Float[Array, "batch steps input"] | None
    dt: Float[Array, "batch steps"] | None = None
    length: Int[Array, ""] | None = None


def groups_of(batch: Batch, by_length: bool = False, whole: bool = False) -> tuple[Group, ...]:
    """Complete series by their lengths, cut to them; the others together, padded as they are.

    Args:
        batch: the series.
        by_length: cut the others to their lengths, too: a function of the user may run away on padding.
        whole: leave complete series padded where they are longer than their padding, so that a training on
            the beginnings of the series finds everything compiled.
    """
    valid, mask = np.asarray(batch.valid), np.asarray(batch.mask)
    lengths = valid.sum(1)
    complete = (mask == valid[..., None]).all((1, 2))
    groups = []

    def cut(leaf: Array | None, rows: np.ndarray, steps: int) -> Array | None:
        return None if leaf is None else taken(leaf, rows, slice(steps))

    for steps in sorted({int(n) for n in lengths[complete]} - {0}):
        rows = np.flatnonzero(complete & (lengths == steps))
        padded = whole and batch.dt is None and 2 * steps >= valid.shape[1]
        end = valid.shape[1] if padded else steps
        rest = (cut(leaf, rows, end) for leaf in (batch.inputs, batch.dt))
        values = taken(batch.values, rows, slice(end))
        length = placed(np.asarray(steps, np.int32)) if padded else None
        groups.append(Group(values, None, *rest, length=length))
    gappy = np.flatnonzero(~complete)
    longest = int(lengths[gappy].max(initial=0))
    for steps in sorted({int(n) for n in lengths[gappy]} - {0}) if by_length else [longest]:
        rows = gappy[lengths[gappy] == steps] if by_length else gappy
        if not rows.size:
            continue
        rest = (cut(leaf, rows, steps) for leaf in (batch.inputs, batch.dt))
        seen = (taken(leaf, rows, slice(steps)) for leaf in (batch.values, batch.mask))
        groups.append(Group(*seen, *rest))
    return tuple(groups)


def form_of(model: GaussianModel) -> Form | None:
    """How a linear model's covariances are carried, looked up before it is traced; None for any other."""
    return Kalman(cast(LinearModel, model)).arithmetic if model.linear else None


def total_log_likelihood(
    model: GaussianModel,
    groups: tuple[Group, ...],
    filtering: Filtering | None = None,
    form: Form | None = None,
) -> Float[Array, ""]:
    """Sum over all series, in nats; differentiable in every array of the model.

    Args:
        model: a linear model, or any with additive Gaussian noise.
        groups: the series.
        filtering: the Gaussian filter of a model that is not linear.
        form: how covariances are carried (`form_of`); None asks the model, which cannot tell while it is
            traced whether its observations are free of noise.
    """
    if model.linear:
        linear = cast(LinearModel, model)
        options = Kalman(linear).arithmetic if form is None else form

        def one(row: Row, length: Array | None) -> Array:
            return log_likelihood(_system(linear, row, length), options)
    else:
        assert filtering is not None
        algorithm = cast(NonlinearFilter, filtering.of(model))

        def one(row: Row, length: Array | None) -> Array:
            assert length is None  # a filter of such a model is run to the end of its data
            return algorithm.sweep(*row).log_evidence.sum()

    total = jnp.zeros((), model.Q.dtype)
    for group in groups:
        rows = (group.values, group.mask, group.inputs, group.dt)
        single = partial(one, length=group.length)
        if group.values.shape[0] == 1:
            each = single(jax.tree.map(lambda leaf: leaf[0], rows))
        elif group.mask is None or not model.linear:
            each = jax.vmap(single)(rows)
        else:
            each = jax.lax.map(single, rows)
        total = total + each.sum()
    return total


def _system(model: LinearModel, row: Row, length: Array | None) -> LinearSystem:
    """One series of a group; nothing is observed in its padding."""
    system = linear_system(model, *row)
    if length is None:
        return system
    real = jnp.arange(len(system.seen)) < length
    return system._replace(seen=jnp.where(real, system.seen, 0.0))


def value_and_gradient(
    parameters: Parameters,
    vector: Float[Array, " parameters"],
    groups: tuple[Group, ...],
    filtering: Filtering | None = None,
    form: Form | None = None,
) -> tuple[Float[Array, ""], Float[Array, " parameters"]]:
    """The log-likelihood and its slope in the free parameters.

    That of a linear model on a single series goes through the function that its filter has compiled, too.
    """
    if form is not None and len(groups) == 1 and len(groups[0].values) == 1:
        system = _compiled_system(parameters, vector, groups[0])
        value, slopes = score(form, system, *solved(system, form))
        return value, _slope(parameters, vector, groups[0], slopes)
    return _compiled(parameters, vector, groups, filtering, form)


@eqx.filter_jit
def _compiled_system(
    parameters: Parameters, vector: Float[Array, " parameters"], group: Group
) -> LinearSystem:
    """The system of a group of one series."""
    rows = (group.values, group.mask, group.inputs, group.dt)
    model = cast(LinearModel, parameters.build(vector))
    return _system(model, jax.tree.map(lambda leaf: leaf[0], rows), group.length)


@eqx.filter_jit
def _slope(
    parameters: Parameters,
    vector: Float[Array, " parameters"],
    group: Group,
    slopes: LinearSystem,
) -> Float[Array, " parameters"]:
    """The slope in the parameters, from those in the arrays of the system."""
    of = lambda v: _compiled_system(parameters, v, group)._replace(settled=None)  # noqa: E731
    return jax.vjp(of, vector)[1](slopes)[0]


@eqx.filter_jit
def _compiled(
    parameters: Parameters,
    vector: Float[Array, " parameters"],
    groups: tuple[Group, ...],
    filtering: Filtering | None,
    form: Form | None,
) -> tuple[Float[Array, ""], Float[Array, " parameters"]]:
    """The same in one function, for several series and for models that are not linear."""

    def total(v: Array) -> Array:
        return total_log_likelihood(parameters.build(v), groups, filtering, form)

    return jax.value_and_grad(total)(vector)
