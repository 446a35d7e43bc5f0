r"""Models with additive Gaussian noise: fast pair densities and the linearised optimal proposal.

    x_t = g(x_{t-1}, u_t) + w_t,   w_t ~ N(0, Q)
    y_t = h(x_t, u_t) + v_t,       v_t ~ N(0, R)

Pair densities. With `Q = L L'`, `z = L^{-1} x_t` and `s = L^{-1} g(x_{t-1})`,

    log p(x_t | x_{t-1}) = z's - |s|^2 / 2 - |z|^2 / 2 + const,

and the term in `z` alone cancels in every backward kernel, so all N x N densities of a step are one
matrix product of `[s, -|s|^2 / 2]` and `[z, 1]`.

Missing entries. Rows and columns of `R` that are missing are replaced by those of the identity
before the Cholesky factor is taken, and the columns of its inverse `W` are masked; then
`|W (y - h)|^2` runs over observed entries alone and whatever stands in a missing entry changes
nothing.

Guided proposal. The law `p(x_t | x_{t-1}, y_t)` of the model linearised at `g(x_{t-1})` is Gaussian.
The observation is whitened by `W`, so that its entries enter one scalar at a time with unit noise
(Potter's square-root update; Bierman 1977, ch. V): with `S S' = Q`, for each row `b` of `W H`

    q = S' b,   a = q'q + 1,   mean += S q e / a,   S -= S q q' / (a + sqrt(a)),

`e` being the innovation of that scalar. `log det S` falls by `log(a) / 2`. The importance weight is
exact for any `h`; for a linear `h` it does not depend on the draw (the filter is fully adapted).
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekal.models.base import StateSpaceModel
from rekal.models.products import row_dots, rows_times
from rekal.normals import standard_normals

LOG_2PI = 1.8378770664093453


class WhitenedObservation(NamedTuple):
    """One observation, scaled to unit noise: `W y`, `W`, its normalising constant and its input."""

    target: Float[Array, " obs"]
    whitener: Float[Array, "obs obs"]
    log_norm: Float[Array, ""]
    u: Float[Array, " input"] | None


class GaussianModel(StateSpaceModel):
    """A model with transition mean `g`, observation mean `h` and covariances `Q`, `R`, `P`."""

    Q: Float[Array, "states states"]
    R: Float[Array, "obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]

    @property
    def states(self) -> int:
        """Number of state variables."""
        return self.m.shape[-1]

    @property
    def observations(self) -> int:
        """Number of observed variables."""
        return self.R.shape[-1]

    @abc.abstractmethod
    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`g(x_{t-1}, u_t)` for each particle."""

    def observation_jacobian(
        self, x: Float[Array, "particles states"], u: Float[Array, " input"] | None
    ) -> Float[Array, "particles_or_one obs states"]:
        """`dh/dx` at each particle (by forward-mode differentiation unless overridden).

        A Jacobian that is the same everywhere may have a first axis of length one: the guided
        proposal is then worked out once for all particles.
        """
        single = lambda a: self.observation_mean(a[None], u)[0]  # noqa: E731
        return jax.vmap(jax.jacfwd(single))(x)

    def sample_initial(self, key: PRNGKeyArray, particles: int) -> Float[Array, "particles states"]:
        """Draw `x_1 ~ N(m, P)`."""
        noise = self.draw(key, 1, particles)[0]
        return self.m + rows_times(noise, jnp.linalg.cholesky(self.P))

    def draw(
        self, key: PRNGKeyArray, steps: int, particles: int
    ) -> Float[Array, "steps particles states"]:
        """Standard normals for `steps` transitions."""
        return standard_normals(key, steps, (particles, self.states), self.m.dtype)

    def sample_transition(
        self,
        noise: Float[Array, "particles states"],
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`g(x_{t-1}) + L noise`."""
        return self.transition_mean(x, u, dt) + rows_times(noise, jnp.linalg.cholesky(self.Q))

    def log_transition(
        self,
        x_next: Float[Array, " states"],
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """Log density of one transition, in nats."""
        mean = self.transition_mean(x[None], u, dt)[0]
        return jnp.asarray(jax.scipy.stats.multivariate_normal.logpdf(x_next, mean, self.Q))

    def encode(
        self,
        y: Float[Array, " obs"],
        mask: Bool[Array, " obs"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> WhitenedObservation:
        """Whiten one observation (see the module text for missing entries)."""
        both = mask[:, None] & mask[None, :]
        R = jnp.where(both, self.R, jnp.eye(self.observations, dtype=self.R.dtype))
        if self.observations == 1:
            L = jnp.sqrt(R)
            inverse = 1 / L
        else:
            L = jnp.linalg.cholesky(R)
            inverse = _inverse_factor(L)
        whitener = inverse * mask[None, :]
        log_norm = -jnp.log(jnp.diagonal(L)).sum() - 0.5 * LOG_2PI * mask.sum()
        target = whitener @ jnp.where(mask, y, 0.0)
        return WhitenedObservation(target, whitener, log_norm, u)

    def log_observation(
        self, evidence: WhitenedObservation, x: Float[Array, "particles states"]
    ) -> Float[Array, " particles"]:
        """Log density of the observed entries given each particle, in nats."""
        residual = self.innovation(evidence, self.observation_mean(x, evidence.u))
        return evidence.log_norm - 0.5 * row_dots(residual, residual)

    def innovation(
        self, evidence: WhitenedObservation, mean: Float[Array, "particles obs"]
    ) -> Float[Array, "particles obs"]:
        """What an encoded observation differs from each predicted one, scaled to unit noise."""
        return evidence.target - rows_times(mean, evidence.whitener)

    def sample_observation(
        self,
        key: PRNGKeyArray,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
    ) -> Float[Array, "particles obs"]:
        """Draw `y_t` given each particle."""
        noise = jax.random.normal(key, (x.shape[0], self.observations), x.dtype)
        return self.observation_mean(x, u) + rows_times(noise, jnp.linalg.cholesky(self.R))

    def propose(
        self,
        noise: Float[Array, "particles states"],
        origin: Float[Array, "particles states"] | None,
        evidence: WhitenedObservation,
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "particles states"], Float[Array, " particles"]]:
        """Draw from the linearised optimal proposal; the log weight makes up for it exactly."""
        if origin is None:
            prior, S0 = jnp.broadcast_to(self.m, noise.shape), jnp.linalg.cholesky(self.P)
        else:
            prior, S0 = self.transition_mean(origin, u, dt), jnp.linalg.cholesky(self.Q)
        H = evidence.whitener @ self.observation_jacobian(prior, evidence.u)
        innovation = self.innovation(evidence, self.observation_mean(prior, evidence.u))
        shift, S, log_a = _potter(S0, H, innovation)
        draw = rows_times(noise, S[0]) if S.shape[0] == 1 else (S * noise[:, None, :]).sum(-1)
        move = shift + draw
        x = prior + move
        white = rows_times(move, _inverse_factor(S0))
        log_ratio = 0.5 * (row_dots(noise, noise) - row_dots(white, white) - log_a)
        return x, self.log_observation(evidence, x) + log_ratio

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[Array, Array]:
        """Whitened means and next states, with the columns that make the density one product."""
        whiten = _inverse_factor(jnp.linalg.cholesky(self.Q))
        s = rows_times(jax.vmap(self.transition_mean)(x, u, dt), whiten)
        z = rows_times(x_next, whiten)
        # Moving both by the same vector changes only the term in z; it keeps float32 exact.
        centre = z.mean(1, keepdims=True)
        s, z = s - centre, z - centre
        old = jnp.concatenate([s, -0.5 * row_dots(s, s)[..., None]], -1)
        new = jnp.concatenate([z, jnp.ones_like(z[..., :1])], -1)
        return old, new

    def log_pairs(
        self, old: Float[Array, "particles table"], new: Float[Array, "particles_next table"]
    ) -> Float[Array, "particles particles_next"]:
        """All pair densities of one step as one matrix product."""
        return old @ new.T

    def log_matched(
        self, old: Float[Array, "particles table"], new: Float[Array, "particles table"]
    ) -> Float[Array, " particles"]:
        """Densities of the pairs `(old_i, new_i)`."""
        return row_dots(old, new)


def _inverse_factor(L: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Inverse of a lower triangular factor."""
    return jax.scipy.linalg.solve_triangular(L, jnp.eye(L.shape[0], dtype=L.dtype), lower=True)


def _potter(
    S0: Float[Array, "states states"],
    H: Float[Array, "particles_or_one obs states"],
    innovation: Float[Array, "particles obs"],
) -> tuple[
    Float[Array, "particles states"],
    Float[Array, "particles_or_one states states"],
    Float[Array, " particles_or_one"],
]:
    """Sequential square-root update with unit observation noise, for all particles at once.

    Returns the shift of the mean, the updated square root and the sum of `log a`.
    """
    obs, states = H.shape[1:]
    S = jnp.broadcast_to(S0, (H.shape[0], states, states))
    shift = jnp.zeros((innovation.shape[0], states), innovation.dtype)
    log_a = jnp.zeros(H.shape[0], innovation.dtype)
    for k in range(obs):
        b = H[:, k]
        q = (S * b[:, :, None]).sum(1)
        a = (q * q).sum(-1) + 1
        Sq = (S * q[:, None, :]).sum(-1)
        e = innovation[:, k] - (b * shift).sum(-1)
        shift = shift + Sq * (e / a)[:, None]
        S = S - Sq[:, :, None] * q[:, None, :] / (a + jnp.sqrt(a))[:, None, None]
        log_a = log_a + jnp.log(a)
    return shift, S, log_a
