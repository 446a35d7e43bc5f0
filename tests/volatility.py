"""A model that shares nothing with the library's own: stochastic volatility with Student noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from rekalman.models.base import StateSpaceModel


class StochasticVolatility(StateSpaceModel):
    """`x_t = phi x_{t-1} + s t_5`, `y_t = exp(x_t / 2) t_4`; nothing but the required methods."""

    phi: float = 0.9
    scale: float = 0.4
    spread: float = 1.0

    @property
    def states(self):
        return 1

    @property
    def observations(self):
        return 1

    def sample_initial(self, key, particles):
        return self.spread * jax.random.normal(key, (particles, 1))

    def draw(self, key, steps, particles):
        return jax.random.t(key, 5.0, (steps, particles, 1))

    def sample_transition(self, noise, x, u, dt):
        return self.phi * x + self.scale * noise

    def log_transition(self, x_next, x, u, dt):
        logpdf = jax.scipy.stats.t.logpdf(x_next, 5.0, self.phi * x, self.scale)
        return jnp.asarray(logpdf).sum()

    def encode(self, y, mask, u, dt):
        return jnp.where(mask, y, 0.0), mask

    def log_observation(self, evidence, x):
        y, mask = evidence
        logpdf = jax.scipy.stats.t.logpdf(y, 4.0, 0.0, jnp.exp(x / 2))
        return jnp.where(mask, logpdf, 0.0).sum(-1)

    def observation_mean(self, x, u):
        return jnp.zeros_like(x)

    def sample_observation(self, key, x, u):
        return jnp.exp(x / 2) * jax.random.t(key, 4.0, x.shape)


def on_grid(model: StochasticVolatility, y: np.ndarray, mask: np.ndarray, points: int = 801):
    """Log-likelihood, filtered and smoothed means by quadrature on a fine grid."""
    grid = np.linspace(-9, 9, points)
    step = grid[1] - grid[0]
    kernel = stats.t.pdf(grid[None, :], 5, model.phi * grid[:, None], model.scale)
    likelihood = [
        stats.t.pdf(v, 4, 0, np.exp(grid / 2)) if seen else np.ones(points)
        for v, seen in zip(np.asarray(y)[:, 0], np.asarray(mask)[:, 0], strict=True)
    ]
    law, total, filtered = stats.norm.pdf(grid, 0, model.spread), 0.0, []
    for t, row in enumerate(likelihood):
        law = (law @ kernel * step if t else law) * row
        mass = law.sum() * step
        total += np.log(mass)
        law = law / mass
        filtered.append(law)
    back, smoothed = np.ones(points), [filtered[-1]]
    for t in reversed(range(len(likelihood) - 1)):
        back = kernel @ (likelihood[t + 1] * back) * step
        back /= back.max()
        law = filtered[t] * back
        smoothed.insert(0, law / law.sum() / step)
    means = lambda laws: np.asarray([law @ grid * step for law in laws])  # noqa: E731
    return total, means(filtered), means(smoothed)
