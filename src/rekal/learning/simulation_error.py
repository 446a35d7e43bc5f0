r"""Training on free simulation: the output-error method (Ljung 1999, section 4.2 and 7.2).

Where a model is to run by itself for hundreds of steps, driven by nothing but its inputs, one-step
likelihoods are the wrong judge: process noise lets them forgive slow errors of the dynamics. Here the
noise-free model is simulated over each whole series,

    x_t = g(x_{t-1}, u_t),   loss = sum_t (y_t - h(x_t, u_t))^2 / (observed entries)  +  ridge * |weights|^2,

and its weights and the first state of every series are found by L-BFGS. Afterwards `R` is the variance of the
residuals, `Q` a small share of the states' variance (so that a filter may still correct the state from a few
first samples), and `m`, `P` are the moments of the states visited.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from rekal.errors import RekalError
from rekal.learning.batch import Batch
from rekal.learning.em import EMResult, Progress
from rekal.models.stochastic_rnn import StochasticRNN

WEIGHTS = ("A", "B", "c", "C", "D", "d")
FLOOR = 1e-4  # Q and R hold at least this share of the variance of states and outputs


class SimulationError(eqx.Module):
    """Least squares of the free simulation.

    Attributes:
        iterations: of L-BFGS, at most.
        ridge: penalty on the squared weights.
        warm_up: steps at the beginning of each series that are simulated but not scored.
    """

    iterations: int = eqx.field(static=True, default=500)
    ridge: float = eqx.field(static=True, default=1e-5)
    warm_up: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if self.iterations < 1:
            raise RekalError(f"iterations must be at least 1, but is {self.iterations}")
        if self.ridge < 0:
            raise RekalError(f"ridge must not be negative, but is {self.ridge}")
        if self.warm_up < 0:
            raise RekalError(f"warm_up must not be negative, but is {self.warm_up}")

    def run(
        self,
        model: StochasticRNN,
        batch: Batch,
        report: Callable[[Progress], None] | None = None,
    ) -> EMResult:
        """Train from `model` on (standardised) series.

        Returns:
            The model, and as its history minus half the mean squared error after each iteration. An
            interrupt (Ctrl-C) ends the run with the best found so far.

        Raises:
            RekalError: the simulation of the start is not finite.
        """
        began, history = time.perf_counter(), []
        best: list[tuple[float, np.ndarray]] = []
        stopped = "converged"
        outside = jnp.result_type(float)
        with jax.enable_x64(True):
            wide = lambda tree: jax.tree.map(_double, tree)  # noqa: E731
            model, batch = wide(model), wide(batch)
            weights = {name: getattr(model, name) for name in WEIGHTS}
            firsts = jnp.broadcast_to(model.m, (batch.values.shape[0], model.states))
            vector, back = ravel_pytree((weights, firsts))
            scored = batch.mask & (jnp.arange(batch.mask.shape[1]) >= self.warm_up)[:, None]

            @jax.jit
            def loss(vector: Array) -> tuple[Array, Array]:
                def value(vector: Array) -> Array:
                    weights, firsts = back(vector)
                    error = self._residuals(_with(model, weights), firsts, batch)
                    fit = jnp.where(scored, error, 0.0) ** 2
                    size = sum((leaf**2).sum() for leaf in weights.values())
                    return fit.sum() / scored.sum() + self.ridge * size

                return jax.value_and_grad(value)(vector)

            def evaluate(vector: np.ndarray) -> tuple[float, np.ndarray]:
                found, slope = loss(jnp.asarray(vector))
                value, slope = float(found), np.asarray(slope)
                if not (np.isfinite(value) and np.isfinite(slope).all()):
                    return 1e10, np.zeros_like(vector)
                if not best or value < best[0][0]:
                    best[:] = [(value, vector.copy())]
                return value, slope

            def after(_: np.ndarray) -> None:
                history.append(-0.5 * best[0][0])
                if report is not None:
                    report(Progress(len(history), self.iterations, history[-1]))

            if evaluate(np.asarray(vector))[0] >= 1e10:
                raise RekalError(
                    "the simulation of the start is not finite: begin from a stable model"
                )
            try:
                found = scipy.optimize.minimize(
                    evaluate, np.asarray(vector), jac=True, method="L-BFGS-B", callback=after,
                    options={"maxiter": self.iterations, "maxfun": 2 * self.iterations, "maxcor": 30},
                )  # fmt: skip
                stopped = "converged" if found.success else "iterations"
            except KeyboardInterrupt:
                stopped = "interrupted"
            weights, firsts = back(jnp.asarray(best[0][1]))
            made = self._with_noise(_with(model, weights), firsts, batch)
        made = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), outside), made)
        return EMResult(made, np.array(history), stopped, time.perf_counter() - began)

    def _residuals(
        self, model: StochasticRNN, firsts: Float[Array, "batch states"], batch: Batch
    ) -> Float[Array, "batch steps obs"]:
        states = simulated(model, firsts, batch)
        u = batch.inputs
        each = jax.vmap(lambda x, u: model.observation_mean(x[None], u)[0])
        seen = jax.vmap(each, in_axes=(0, None if u is None else 0))(states, u)
        return batch.values - seen

    def _with_noise(
        self, model: StochasticRNN, firsts: Float[Array, "batch states"], batch: Batch
    ) -> StochasticRNN:
        """The noise that goes with the simulation, and the law of its states."""
        live = np.asarray(batch.valid)
        states = np.asarray(simulated(model, firsts, batch))[live]
        error = np.where(batch.mask, self._residuals(model, firsts, batch), np.nan)
        R = np.nanvar(error, axis=(0, 1)) + FLOOR
        spread = np.cov(states.T).reshape(model.states, model.states)
        Q = np.diag(FLOOR * np.maximum(np.diagonal(spread), FLOOR))
        P = spread + FLOOR * np.eye(model.states)
        values = (jnp.asarray(v) for v in (Q, np.diag(R), states.mean(0), P))
        return eqx.tree_at(lambda m: (m.Q, m.R, m.m, m.P), model, tuple(values))


def simulated(
    model: StochasticRNN, firsts: Float[Array, "batch states"], batch: Batch
) -> Float[Array, "batch steps states"]:
    """The states of the noise-free model, from the first state of each series on."""
    steps = batch.values.shape[1]

    def one(first: Array, u: Array | None) -> Array:
        def step(x: Array, u: Array | None) -> tuple[Array, Array]:
            x = model.transition_mean(x[None], u)[0]
            return x, x

        later = None if u is None else u[1:]
        _, rest = jax.lax.scan(step, first, later, length=steps - 1)
        return jnp.concatenate([first[None], rest])

    return jax.vmap(one, in_axes=(0, None if batch.inputs is None else 0))(firsts, batch.inputs)


def _with(model: StochasticRNN, weights: dict[str, Array]) -> StochasticRNN:
    return eqx.tree_at(
        lambda m: tuple(getattr(m, name) for name in weights), model, tuple(weights.values())
    )


def _double(leaf: Array) -> Array:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.asarray(np.asarray(leaf), jnp.float64) if floating else leaf
