r"""Training on free simulation: the output-error method (Ljung 1999, sections 4.2 and 7.2).

Where a model is to run by itself for hundreds of steps, driven by nothing but its inputs, one-step
likelihoods are the wrong judge: process noise lets them forgive slow errors of the dynamics. Here the
noise-free model is simulated over each whole series,

    x_t = g(x_{t-1}, u_t),   loss = sum_t (y_t - h(x_t, u_t))^2 / (observed entries)  +  ridge * |weights|^2,

and its weights and the first state of every series are found by Levenberg and Marquardt's method, whose
Jacobian is carried forward through the simulation. Only stable models count: a step that would move the
linear part out of the unit circle is moved back (`stability.py`). Afterwards `R` is the variance of the
residuals, `Q` a
small share of the states' variance (so that a filter may still correct the state from a few first samples),
and `m`, `P` are the moments of the states visited.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.driven.least_squares import Local, levenberg_marquardt
from rekalman.learners.driven.stability import linear_block, slowest, spectral_radius, stabilised
from rekalman.learners.em.weights import shares_of
from rekalman.learners.likelihood.sensitivities import sensitivities
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.models.rbf import RBFNetwork
from rekalman.models.stochastic_rnn import StochasticRNN

FLOOR = 1e-4  # Q and R hold at least this share of the variance of states and outputs
LARGEST = 1e8  # variance of the states; nothing that single precision could follow has more
FIRST_SHARE = 1e-3  # the ridge on first states, as a share of that on weights

Simulable = StochasticRNN | RBFNetwork | LinearGaussian


class Simulation(TrainResult):
    """A model that was trained on its free simulation.

    Attributes:
        model: the model.
        history: the loss at the start and after each iteration; it stops by "converged", "iterations" or
            "interrupted".
        firsts: first state of each series.
    """

    firsts: Array


class SimulationError(eqx.Module):
    r"""Least squares of the free simulation (Ljung 1999, section 4.2).

    $$
    x_t = g(x_{t-1}, u_t), \qquad
    \ell = \frac{1}{n} \sum_t \lVert y_t - h(x_t, u_t) \rVert^2 + \lambda \lVert \theta \rVert^2
    $$

    over the $n$ observed entries, with the ridge $\lambda$ on the weights $\theta$.

    Attributes:
        iterations: of Levenberg and Marquardt's method, at most.
        ridge: penalty on the squared weights, or on their squared distance from a model that is given.
        tolerance: ends the search when an iteration lowers the loss by a smaller share.
        warm_up: steps at the beginning of each series that are simulated but not scored.

    Examples:
        >>> import rekalman
        >>> learner = rekalman.SimulationError(iterations=25, ridge=0.01)
        >>> data = rekalman.Sequences.from_csv("tanks.csv", inputs=("pump",))  # doctest: +SKIP
        >>> fit = rekalman.fit(data, "driven-rnn", learner, states=2)  # doctest: +SKIP
        >>> learner.warm_up  # samples that are not scored
        0
    """

    iterations: int = eqx.field(static=True, default=60)
    ridge: float = eqx.field(static=True, default=1e-3)
    tolerance: float = eqx.field(static=True, default=1e-5)
    warm_up: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        whole("iterations", self.iterations)
        whole("warm_up", self.warm_up, 0)
        for name in ("ridge", "tolerance"):
            real(name, getattr(self, name), least=0)

    def run(
        self,
        start: Simulable,
        data: Sequences | Batch,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
        center: Simulable | None = None,
    ) -> Simulation:
        """Train from a model on (standardised) series.

        Memory grows with weights times observed entries: 200 weights and 100,000 entries take 160 MB.

        Args:
            start: where to begin.
            data: the series.
            key: not used: nothing is drawn.
            callback: called after each iteration.
            center: a model of the same shape whose weights the ridge draws to; default zero.

        Returns:
            The model, its first states, and the loss at the start and after each iteration. An interrupt
            (Ctrl-C) ends the run with the best found so far.

        Raises:
            RekalError: the simulation of the start is not finite, or a state that is hardly seen has
                grown beyond all bounds.
            KeyboardInterrupt: Ctrl-C before the first step that made it better.
        """
        outside = jnp.result_type(float)
        result = self.minimise(start, as_batch(data, start), callback, center)
        if not np.trace(result.model.P) < LARGEST:
            raise RekalError("the states grow beyond all bounds: begin from a stable model")
        made = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), outside), result.model)
        return replace(result, model=made)

    def minimise(
        self,
        model: Simulable,
        batch: Batch,
        report: Callback | None = None,
        center: Simulable | None = None,
        firsts: Array | None = None,
    ) -> Simulation:
        """The same in double precision, from and with first states `(batch, states)` (default the mean `m`).

        Raises:
            RekalError: as for `run`.
            KeyboardInterrupt: as for `run`.
        """
        began = time.perf_counter()
        with jax.enable_x64(True):
            model, batch = jax.tree.map(_double, (model, batch))
            begun = jnp.broadcast_to(model.m, (batch.values.shape[0], model.states))
            firsts = begun if firsts is None else firsts
            start = ravel_pytree((model.weights(), firsts))[0]
            scored = batch.mask & (jnp.arange(batch.mask.shape[1]) >= self.warm_up)[:, None]
            middle = jnp.zeros_like(start)
            if center is not None:
                toward = jax.tree.map(_double, center.weights())
                middle = ravel_pytree((toward, jnp.zeros_like(firsts)))[0]
            fixed = (batch, scored, jnp.asarray(self.ridge), middle)
            limit = max(slowest(batch), spectral_radius(linear_block(model)))
            if limit >= 1:
                raise RekalError(
                    f"the simulation of the start grows without bound (spectral radius {limit:.4g}): begin "
                    "from a stable model"
                )

            def around(vector: np.ndarray) -> Local:
                value, slope, curvature = _around(model, jnp.asarray(vector), *fixed)
                return Local(float(value), np.asarray(slope), np.asarray(curvature))

            def value(vector: np.ndarray) -> float:
                return float(_value(model, jnp.asarray(vector), *fixed))

            def project(vector: np.ndarray) -> np.ndarray:
                moved = vector.copy()
                A = moved[: model.states**2].reshape(model.states, model.states)  # it comes first
                block = linear_block(model, A)
                if np.isfinite(block).all():
                    block[...] = stabilised(block, limit)
                return moved

            def after(step: int, value: float) -> None:
                if report is not None:
                    report(Progress(step, self.iterations, -0.5 * value))

            if not np.isfinite(value(np.asarray(start))):
                raise RekalError(
                    "the simulation of the start is not finite: begin from a stable model"
                )
            result = levenberg_marquardt(
                around, value, np.asarray(start), self.iterations, self.tolerance, after, project
            )
            opened = ravel_pytree((model.weights(), firsts))[1](jnp.asarray(result.point))
            made = with_noise(model.with_weights(opened[0]), opened[1], batch)
        rest = (result.stopped, time.perf_counter() - began, int(np.asarray(scored).sum()))
        loss = Iterations(
            "loss", "mean squared error", result.values, *rest, rises=False, monotone=True
        )
        return Simulation(made, loss, opened[1])

    def search(
        self,
        starts: Sequence[Simulable],
        batch: Batch,
        report: Callback | None = None,
    ) -> list[Simulation]:
        """Train from every start; the best come first.

        Raises:
            RekalError: there is no start, or not one of them can be simulated.
            KeyboardInterrupt: Ctrl-C before anything was learned; later it ends the search with the starts
                that were trained.
        """
        result, refused = [], RekalError("a search needs at least one start")
        for start in starts:
            try:
                result.append(self.run(start, batch, callback=report))
            except RekalError as error:
                refused = error
                continue
            except KeyboardInterrupt:
                if not result:
                    raise
                result[-1] = cast(Simulation, result[-1].interrupted())
                break
            if result[-1].stopped == "interrupted":
                break
        if not result:
            raise refused
        return sorted(result, key=lambda each: each.history.values[-1])


def simulated(
    model: GaussianModel, firsts: Float[Array, "batch states"], inputs: Array | None, steps: int
) -> Float[Array, "batch steps states"]:
    """The states of the noise-free model, from the first state of each series on."""

    def one(first: Array, u: Array | None) -> Array:
        def step(x: Array, u: Array | None) -> tuple[Array, Array]:
            x = model.transition_mean(x[None], u)[0]
            return x, x

        _, rest = jax.lax.scan(step, first, None if u is None else u[1:], length=steps - 1)
        return jnp.concatenate([first[None], rest])

    return jax.vmap(one, in_axes=(0, None if inputs is None else 0))(firsts, inputs)


def seen_from(
    model: GaussianModel, states: Float[Array, "batch steps states"], inputs: Array | None
) -> Float[Array, "batch steps obs"]:
    """Noise-free observations of states."""
    each = jax.vmap(lambda x, u: model.observation_mean(x[None], u)[0])
    return jax.vmap(each, in_axes=(0, None if inputs is None else 0))(states, inputs)


@eqx.filter_jit
def _run(
    model: GaussianModel, firsts: Array, inputs: Array | None, steps: int
) -> tuple[Array, Array]:
    states = simulated(model, firsts, inputs, steps)
    return states, seen_from(model, states, inputs)


def _opened(
    template: Simulable, vector: Array, batch: Batch
) -> tuple[Simulable, Array, Float[Array, "batch steps states"]]:
    """The model and the first states that a vector stands for, and the states they lead to."""
    count = batch.values.shape[0]
    blank = (template.weights(), jnp.zeros((count, template.states), vector.dtype))
    weights, firsts = ravel_pytree(blank)[1](vector)
    model = cast(Simulable, template.with_weights(weights))
    return model, firsts, simulated(model, firsts, batch.inputs, batch.values.shape[1])


def _ridge_of(template: Simulable, vector: Array, batch: Batch, ridge: Array) -> Float[Array, " q"]:
    """Roots of the factors on the squared entries of a vector."""
    firsts = jnp.full(batch.values.shape[0] * template.states, FIRST_SHARE, vector.dtype)
    shares = jnp.concatenate([ravel_pytree(shares_of(template))[0], firsts])
    return jnp.sqrt(ridge * shares)


def _residuals(
    template: Simulable,
    vector: Array,
    batch: Batch,
    scored: Bool[Array, "batch steps obs"],
    ridge: Float[Array, ""],
    middle: Float[Array, " q"],
) -> Float[Array, " residuals"]:
    """What is squared and summed: errors of the simulation, and scaled weights for the ridge."""
    model, _, states = _opened(template, vector, batch)
    error = jnp.where(scored, batch.values - seen_from(model, states, batch.inputs), 0.0)
    pulled = _ridge_of(template, vector, batch, ridge) * (vector - middle)
    return jnp.concatenate([error.ravel() / jnp.sqrt(scored.sum()), pulled])


@eqx.filter_jit
def _value(template: Simulable, vector: Array, *told: Array | Batch) -> Float[Array, ""]:
    return (_residuals(template, vector, *told) ** 2).sum()  # pyright: ignore[reportArgumentType]


@eqx.filter_jit
def _around(
    template: Simulable,
    vector: Array,
    batch: Batch,
    scored: Bool[Array, "batch steps obs"],
    ridge: Float[Array, ""],
    middle: Float[Array, " q"],
) -> tuple[Float[Array, ""], Float[Array, " q"], Float[Array, "q q"]]:
    if not template.elementwise:

        def twice(vector: Array) -> tuple[Array, Array]:
            error = _residuals(template, vector, batch, scored, ridge, middle)
            return error, error

        jacobian, error = jax.jacfwd(twice, has_aux=True)(vector)
        return (error**2).sum(), jacobian.T @ error, jacobian.T @ jacobian
    weights, firsts = ravel_pytree(
        (template.weights(), jnp.zeros((batch.values.shape[0], template.states), vector.dtype))
    )[1](vector)
    model = template.with_weights(weights)
    network = cast(StochasticRNN, model)
    seen, slopes = sensitivities(network, firsts, batch.inputs, batch.values.shape[1])
    root = jnp.sqrt(scored.sum())
    error = (jnp.where(scored, seen - batch.values, 0.0) / root).ravel()
    jacobian = (jnp.where(scored[..., None], slopes, 0.0) / root).reshape(error.size, -1)
    factors = _ridge_of(template, vector, batch, ridge)
    pulled = factors * (vector - middle)
    value = (error**2).sum() + (pulled**2).sum()
    return (
        value,
        jacobian.T @ error + factors * pulled,
        jacobian.T @ jacobian + jnp.diag(factors**2),
    )


Model = TypeVar("Model", bound=GaussianModel)


def with_noise(model: Model, firsts: Float[Array, "batch states"], batch: Batch) -> Model:
    """The model with the noise that goes with its simulation, and the law of its states.

    Args:
        model: what was trained.
        firsts: first state of each series.
        batch: what it was trained on.
    """
    states, seen = _run(model, firsts, batch.inputs, batch.values.shape[1])
    errors = batch.values - seen
    R = np.nanvar(np.where(batch.mask, errors, np.nan), axis=(0, 1)) + FLOOR
    live = np.asarray(states)[np.asarray(batch.valid)]
    spread = np.cov(live.T).reshape(model.states, model.states)
    floor = np.diag(FLOOR * np.maximum(np.diagonal(spread), FLOOR))
    values = tuple(jnp.asarray(v) for v in (floor, np.diag(R), live.mean(0), spread + floor))
    return eqx.tree_at(lambda m: (m.Q, m.R, m.m, m.P), model, values)


def _double(leaf: Array) -> Array:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.asarray(np.asarray(leaf), jnp.float64) if floating else leaf
