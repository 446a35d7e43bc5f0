r"""Nonlinear systems with a known model, drawn and filtered exactly but for the number of particles.

* Van der Pol: $\dot x = v$, $\dot v = \mu (1 - x^2) v - x$, in steps of .2; $x$ is seen.
* Lorenz: $\sigma = 10$, $\rho = 28$, $\beta = 8/3$, in steps of .05; the first coordinate is seen.
* bistable: $\dot x = \alpha (x - x^3)$, in steps of .2: two wells, between which noise carries it.

Each step is four of Runge and Kutta. Process noise enters after each step; the noise of the observation is
told as a share of the standard deviation of what is seen.

The published nonlinear table (kevin1zc/transformer-as-kalman-filter, data/simple_nonlinear_system.py) has
four states, each moved by sines and cosines of 2.5 times itself, by powers that are clipped and by a weak
coupling, and two rows of nonlinear features of them. `published` draws systems by its rule, with random
numbers of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.filters.particle import ParticleFilter
from rekalman.models.nonlinear import NonlinearGaussian
from rekalman.simulation.models import simulate
from rekalman.studies.rnn_or_kalman.systems import STEPS


class Curved(NamedTuple):
    """A system of one name: its model, with the noise of the observation that was asked for."""

    name: str
    model: NonlinearGaussian


def _stepped(flow: Callable[[Array], Array], step: float, parts: int = 4) -> Callable[..., Array]:
    """Some steps of Runge and Kutta of fourth order."""
    h = step / parts

    def move(x: Array, u: Any = None, dt: Any = None) -> Array:
        for _ in range(parts):
            a = flow(x)
            b = flow(x + h / 2 * a)
            c = flow(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + flow(x + h * c))
        return x

    return move


def van_der_pol(mu: float, noise: float) -> Curved:
    """Van der Pol's oscillator.

    Args:
        mu: how nonlinear it is.
        noise: of the observation, as a share of its deviation of about 1.4.
    """
    flow = lambda x: jnp.stack([x[1], mu * (1 - x[0] ** 2) * x[1] - x[0]])  # noqa: E731
    return _curved(
        f"Van der Pol, mu {mu:g}", _stepped(flow, 0.2), 0.02 * np.eye(2), 1.4 * noise, np.eye(2)
    )


def lorenz(noise: float) -> Curved:
    """Lorenz's system.

    Args:
        noise: of the observation, as a share of its deviation of about 8.
    """

    def flow(x: Array) -> Array:
        return jnp.stack(
            [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]
        )

    start = np.diag([60.0, 80.0, 70.0])
    made = _curved("Lorenz", _stepped(flow, 0.05), 0.05 * np.eye(3), 8 * noise, start)
    model = made.model
    return Curved(
        made.name,
        NonlinearGaussian.create(
            model.f, model.h, model.Q, model.R, np.array([0.0, 0.0, 24.0]), start
        ),
    )


def bistable(alpha: float, noise: float) -> Curved:
    """A particle in two wells.

    Args:
        alpha: how steep they are.
        noise: of the observation, as a share of its deviation of about 1.
    """
    flow = lambda x: alpha * (x - x**3)  # noqa: E731
    return _curved(
        f"bistable, alpha {alpha:g}", _stepped(flow, 0.2), 0.09 * np.eye(1), noise, np.eye(1)
    )


def _curved(name: str, f: Any, Q: np.ndarray, noise: float, P: np.ndarray) -> Curved:
    n = len(Q)
    see = lambda x, u=None: x[:1]  # noqa: E731
    return Curved(name, NonlinearGaussian.create(f, see, Q, noise**2 * np.eye(1), np.zeros(n), P))


def published(states: int, seed: int) -> Curved:
    """A system by the rule of the published nonlinear table, from its own first state.

    Args:
        states: number of states; two rows are seen.
        seed: of its random numbers, which are ours.
    """
    rng = np.random.default_rng([seed, states, 98])
    low = np.array([0.15, 0.8, 0.8, 0.3, 0.1, 0.05, 0.2, 0.1, 0.02])
    size = np.array([0.15, 0.8, 0.8, 0.4, 0.2, 0.15, 0.3, 0.15, 0.05])
    linear, sine, cosine, bend, square, cube, mix, damping, centring = low + size * rng.random(9)
    coupling = jnp.asarray(mix * 0.3 * rng.normal(size=(states, states)))
    seen = np.array([0.3, 0.4, 0.4, 0.3, 0.3]) + np.array([0.4, 0.8, 0.8, 0.6, 0.5]) * rng.random(5)
    project = rng.normal(size=(5 * states, 2))
    project = jnp.asarray(project / np.linalg.norm(project, axis=0))

    def f(x: Array, u: Any = None, dt: Any = None) -> Array:
        moved = linear * x + sine * jnp.sin(2.5 * x) + cosine * jnp.cos(2.5 * x)
        moved = moved + bend * jnp.tanh(1.5 * x) + coupling @ x
        moved = moved + square * jnp.clip(x * x, -3, 3) + cube * jnp.clip(x**3, -3, 3)
        return (1 - damping) * moved - centring * x

    def h(x: Array, u: Any = None) -> Array:
        each = (x, jnp.sin(x), jnp.cos(x), jnp.tanh(x), jnp.tanh(x * x))
        return jnp.concatenate([a * b for a, b in zip(seen, each, strict=True)]) @ project

    eye = np.eye(states)
    # Their first row is that of the state one step after a start of deviation 1.5.
    model = NonlinearGaussian.create(
        f, h, 0.01 * eye, 0.01 * np.eye(2), np.zeros(states), 2.25 * eye
    )
    return Curved(f"published rule, {states} states", model)


def drawn(
    system: Curved, count: int, seed: int, burn_in: int = 100
) -> tuple[np.ndarray, np.ndarray]:
    """States and observations of series `(count, steps, ...)`.

    Args:
        system: the system.
        count: number of series.
        seed: of the noise.
        burn_in: steps before the first row.
    """
    x, y = simulate(system.model, STEPS, jax.random.key(seed), count, burn_in=burn_in)
    return np.asarray(x, float), np.asarray(y, float)


def particle_answer(
    system: Curved,
    values: Float[np.ndarray, "series steps obs"],
    particles: int,
    seed: int,
    before: int = 60,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts of each row, and filtered means of the state, by a bootstrap filter with the true model.

    Series that begin past a transient get as many steps without a row before them, in which the particles
    go through it, too.

    Args:
        system: the system.
        values: its series.
        particles: number of particles.
        seed: of the filter.
        before: steps without a row before the first one.
    """
    single = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_array(leaf) else leaf, system.model
    )
    algorithm = ParticleFilter(single, particles=particles, proposal="bootstrap")
    keys = jax.random.split(jax.random.key(seed), len(values))
    each = [
        _one(algorithm, jnp.asarray(y, jnp.float32), key, before)
        for y, key in zip(values, keys, strict=True)
    ]
    forecast, filtered = (np.stack([np.asarray(one[i], float) for one in each]) for i in (0, 1))
    return forecast, filtered


@eqx.filter_jit
def _one(algorithm: ParticleFilter, y: Array, key: Array, before: int) -> tuple[Array, Array]:
    """Of one series: the mean of what is seen of the state a step ahead, and of the state."""
    rows = jnp.concatenate([jnp.zeros((before, y.shape[1]), y.dtype), y])
    seen = jnp.broadcast_to((jnp.arange(len(rows)) >= before)[:, None], rows.shape)
    path = algorithm.run(rows, seen, key=key)
    weights = jax.nn.softmax(path.log_weights, -1)
    filtered = jnp.einsum("tp,tpn->tn", weights, path.x)
    model: Any = algorithm.model
    moved = lambda x: jax.vmap(lambda one: model.h(model.f(one, None, None), None))(x)  # noqa: E731
    ahead = jax.lax.map(lambda row: row[0] @ moved(row[1]), (weights, path.x))
    return ahead[before - 1 : -1], filtered[before:]
