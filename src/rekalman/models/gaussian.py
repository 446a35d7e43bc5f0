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
It is drawn in the coordinates of the noise, `x_t = g(x_{t-1}) + S z` with `S S' = Q` and `z ~ N(0, I)`, so
that `Q` may be singular, or zero: a direction without noise is a column of zeros in `S`. The observation is
whitened by `W`, so that its entries enter one scalar at a time with unit noise. A scalar with the row `q` on
`z` and the innovation `e` leaves (Potter's square-root update; Bierman 1977, ch. V)

    z = q e / a + T z',   z' ~ N(0, I),   a = q'q + 1,   T = I - q q' / (a + sqrt(a)),

and the next scalar meets `z'` by the row `T` times its own: vectors alone, no matrix for each particle. The
density of the draw is that of the last `z'` over `prod sqrt(1 / a)`. The importance weight is exact for any
`h`; for a linear `h` it does not depend on the draw (the filter is fully adapted).

Singular process noise. `x_t - g(x_{t-1})` lies in the range of `Q`, and densities are those on that range
(as in `scipy.stats.multivariate_normal` with `allow_singular=True`), zero beside it. With `S` lower
triangular, column `j` zero where the pivot vanishes, `S + sum_j e_j e_j'` (over those `j`) is regular, and
its inverse `W` splits a gap into coordinates of the noise and components `j` that must vanish.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekalman.models.base import StateSpaceModel
from rekalman.models.checks import is_singular
from rekalman.models.products import row_dots, rows_times
from rekalman.models.residuals import Residual, difference
from rekalman.models.roots import noise_root
from rekalman.numerics.normals import standard_normals

LOG_2PI = 1.8378770664093453


TRANSITION_BLOCKS = {"A": "transition", "B": "input weights", "c": "offset of the transition"}
OBSERVATION_BLOCKS = {
    "C": "observation",
    "D": "direct input weights",
    "d": "offset of the observation",
}
NOISE_BLOCKS = {
    "Q": "covariance of the process noise",
    "R": "covariance of the observation noise",
    "m": "mean of the first state",
    "P": "covariance of the first state",
}


class WhitenedObservation(NamedTuple):
    """One observation, scaled to unit noise: `W y`, `W`, its normalising constant and its input."""

    target: Float[Array, " obs"]
    whitener: Float[Array, "obs obs"]
    log_norm: Float[Array, ""]
    u: Float[Array, " input"] | None


class PairTable(NamedTuple):
    """One side of the pair densities of a step.

    Attributes:
        factor: rows whose products are the log densities `(particles, states + 1)`.
        point: the mean `g(x)` of the old side, the state of the new side `(particles, states)`.
        frame: rows that vanish on the range of `Q`, zeros elsewhere `(states, states)`; None for a regular
            `Q`, where nothing need be tested.
    """

    factor: Float[Array, "*steps particles table"]
    point: Float[Array, "*steps particles states"]
    frame: Float[Array, "*steps states states"] | None


class GaussianModel(StateSpaceModel):
    r"""A model with transition mean $g$, observation mean $h$ and additive Gaussian noise.

    $$
    \begin{aligned}
    x_t &= g(x_{t-1}, u_t) + w_t, & w_t &\sim \mathcal{N}(0, Q), & x_1 &\sim \mathcal{N}(m, P), \\
    y_t &= h(x_t, u_t) + v_t, & v_t &\sim \mathcal{N}(0, R).
    \end{aligned}
    $$

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.5 * one, C=one, Q=one, R=one)
        >>> isinstance(model, rekalman.GaussianModel)
        True
        >>> float(model.transition_mean(jnp.array([[4.0]]), None)[0, 0])
        2.0
    """

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

    @property
    def gaussian(self) -> bool:
        """Always: the noise of transition and observation is additive and Gaussian."""
        return True

    @property
    def precise_observation(self) -> bool:
        """Whether `R` is singular."""
        return is_singular(self.R)

    @property
    def singular_transition(self) -> bool:
        """Whether `Q` is singular."""
        return is_singular(self.Q)

    @property
    def state_residual(self) -> Residual:
        """How two states are subtracted."""
        return difference

    @property
    def observation_residual(self) -> Residual:
        """How two observations are subtracted."""
        return difference

    def initial_moments(self) -> tuple[Array, Array]:
        """Mean and covariance of `x_1`."""
        return self.m, self.P

    @property
    def equations(self) -> str:
        """The model in one line for people; indices stand behind an underscore."""
        drive, direct = (" + B u", " + D u") if self.n_inputs else ("", "")
        return self._discrete("x_{t−1}", drive, "x", direct)

    def _discrete(self, old: str, drive: str, seen: str, direct: str, where: str = "") -> str:
        """The equations of a model in equal steps."""
        return (
            f"x_t = A {old}{drive} + c + w,  y_t = C {seen}{direct} + d + v,  w ~ N(0, Q), "
            f"v ~ N(0, R){where}."
        )

    @property
    def block_meanings(self) -> dict[str, str]:
        """What each block of parameters is, by its name."""
        return {**TRANSITION_BLOCKS, **OBSERVATION_BLOCKS, **NOISE_BLOCKS}

    @property
    def transition_blocks(self) -> tuple[str, ...]:
        """Names of the weights in which the transition is linear, in the order of their features."""
        return ()

    @property
    def observation_blocks(self) -> tuple[str, ...]:
        """Names of the weights in which the observation is linear, in the order of their features."""
        return ()

    @property
    def elementwise(self) -> bool:
        """Whether it is nonlinear by an elementwise function `f` of the state alone."""
        return False

    @property
    def linear_transition(self) -> Float[Array, "states states"] | None:
        """The matrix of the linear part of a step, the same at every step; None where there is none."""
        return None

    @property
    def unbounded_states(self) -> int:
        """Number of states, the first ones, that enter the transition without a bound."""
        return self.states

    def weights(self) -> dict[str, Array]:
        """What a gradient may move of the transition and the observation, by name."""
        names = (*self.transition_blocks, *self.observation_blocks)
        return {name: getattr(self, name) for name in names}

    def with_weights(self, weights: dict[str, Array]) -> GaussianModel:
        """The same model with other `weights`."""
        if not weights:  # functions have none
            return self
        names = list(weights)
        new = [weights[name] for name in names]
        return eqx.tree_at(lambda model: [getattr(model, name) for name in names], self, new)

    def stored_settings(self) -> dict[str, Any]:
        """What a file of the model holds beside its arrays.

        Raises:
            RekalError: a part of the model is code, which no file holds.
        """
        return {}

    def discrete(self, dt: Float[Array, ""] | float | None = None) -> GaussianModel:
        """The model in equal steps of length `dt`: one in discrete time is its own."""
        return self

    @property
    def hidden_name(self) -> str:
        """What the output reads, in words."""
        return "state" if self.states == 1 else "states"

    def output_features(self, x: Float[Array, "*batch states"]) -> Float[Array, "*batch states"]:
        """What the output reads: the states themselves."""
        return x

    @abc.abstractmethod
    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`g(x_{t-1}, u_t)` for each particle."""

    def transition_jacobian(
        self,
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "states states"]:
        """`dg/dx` at one state (by forward-mode differentiation unless overridden)."""
        return jax.jacfwd(lambda a: self.transition_mean(a[None], u, dt)[0])(x)

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
        """Draw `x_1 ~ N(m, P)`; `P` may be singular."""
        noise = self.draw(key, 1, particles)[0]
        return self.m + rows_times(noise, noise_root(self.P))

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
        """`g(x_{t-1}) + S noise`, `S S' = Q`; `Q` may be singular."""
        return self.transition_mean(x, u, dt) + rows_times(noise, noise_root(self.Q))

    def log_transition(
        self,
        x_next: Float[Array, " states"],
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """Log density of one transition, in nats, on the range of `Q` if that is singular."""
        mean = self.transition_mean(x[None], u, dt)[0]
        return log_noise_density(self.Q, x_next - mean, jnp.abs(x_next) + jnp.abs(mean))

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
        """Draw `y_t` given each particle; `R` may be singular."""
        noise = jax.random.normal(key, (x.shape[0], self.observations), x.dtype)
        return self.observation_mean(x, u) + rows_times(noise, noise_root(self.R))

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
            prior, S = jnp.broadcast_to(self.m, noise.shape), noise_root(self.P)
        else:
            prior, S = self.transition_mean(origin, u, dt), noise_root(self.Q)
        H = evidence.whitener @ self.observation_jacobian(prior, evidence.u)
        innovation = self.innovation(evidence, self.observation_mean(prior, evidence.u))
        z, log_a = _guided_noise(rows_times(H, S.T), innovation, noise)
        x = prior + rows_times(z, S)
        log_ratio = 0.5 * (row_dots(noise, noise) - row_dots(z, z) - log_a)
        return x, self.log_observation(evidence, x) + log_ratio

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[PairTable, PairTable]:
        """Whitened means and next states, with the columns that make the density one product."""
        whiten, frame = noise_coordinates(self.Q)
        mean = jax.vmap(self.transition_mean)(x, u, dt)
        s, z = rows_times(mean, whiten), rows_times(x_next, whiten)
        # Moving both by the same vector changes only the term in z; it keeps float32 exact.
        centre = z.mean(1, keepdims=True)
        s, z = s - centre, z - centre
        old = jnp.concatenate([s, -0.5 * row_dots(s, s)[..., None]], -1)
        new = jnp.concatenate([z, jnp.ones_like(z[..., :1])], -1)
        frames = jnp.broadcast_to(frame, (x.shape[0], *frame.shape))
        return PairTable(old, mean, frames), PairTable(new, x_next, frames)

    def confined(self, dt: Float[Array, " steps"] | None = None) -> Bool[Array, ""]:
        """Whether the process noise is singular, so that not every state can follow every other."""
        return (noise_coordinates(self.Q)[1] != 0).any()

    def log_pairs(self, old: PairTable, new: PairTable) -> Float[Array, "particles particles_next"]:
        """All pair densities of one step as one matrix product; -inf where there is no way."""
        pairs = old.factor @ new.factor.T
        if old.frame is None:
            return pairs
        reached = jnp.ones(pairs.shape, bool)
        here, there = rows_times(old.point, old.frame), rows_times(new.point, old.frame)
        frame = jnp.abs(old.frame)
        size = rows_times(jnp.abs(old.point), frame), rows_times(jnp.abs(new.point), frame)
        for k in range(self.states):
            off = jnp.abs(here[:, k, None] - there[None, :, k])
            reached &= off <= tolerance(size[0][:, k, None] + size[1][None, :, k])
        return jnp.where(reached, pairs, -jnp.inf)

    def log_matched(self, old: PairTable, new: PairTable) -> Float[Array, " particles"]:
        """Densities of the pairs `(old_i, new_i)`; -inf where there is no way."""
        matched = row_dots(old.factor, new.factor)
        if old.frame is None:
            return matched
        size = jnp.abs(old.point) + jnp.abs(new.point)
        reached = on_support(old.frame, new.point - old.point, size)
        return jnp.where(reached, matched, -jnp.inf)


def everywhere(tables: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
    """Pair tables of regular process noise, where every state can follow every other: nothing to test."""
    drop = lambda t: t._replace(frame=None) if isinstance(t, PairTable) else t  # noqa: E731
    return drop(tables[0]), drop(tables[1])


def noise_coordinates(
    Q: Float[Array, "n n"],
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """What splits a gap `S z`, `S S' = Q`: rows that give `z`, and rows that vanish on the range of `Q`.

    Both have zeros where the other has a row; of a regular `Q` the second is zero.
    """
    S = noise_root(Q)
    lost = jnp.diagonal(S) == 0
    W = _inverse_factor(S + jnp.diag(lost.astype(S.dtype)))
    return jnp.where(lost[:, None], 0.0, W), jnp.where(lost[:, None], W, 0.0)


def on_support(
    frame: Float[Array, "n n"], gap: Float[Array, "*many n"], size: Float[Array, "*many n"]
) -> Bool[Array, "*many"]:
    """Whether gaps lie in the range of a covariance but for rounding.

    Args:
        frame: the rows that vanish there (`noise_coordinates`).
        gap: differences of two states.
        size: sums of the absolute values of the two, which say how large their rounding is.
    """
    return (jnp.abs(rows_times(gap, frame)) <= tolerance(rows_times(size, jnp.abs(frame)))).all(-1)


def tolerance(size: Float[Array, "*many"]) -> Float[Array, "*many"]:
    """Rounding of the difference of two computed numbers, given the sum of their absolute values."""
    return 64 * jnp.finfo(size.dtype).eps * size


def log_noise_density(
    Q: Float[Array, "n n"], gap: Float[Array, " n"], size: Float[Array, " n"]
) -> Float[Array, ""]:
    """Log density of `N(0, Q)`, on the range of `Q` with respect to the volume there, in nats.

    Args:
        Q: a covariance, which may be singular.
        gap: where.
        size: as in `on_support`.
    """
    S, (whiten, frame) = noise_root(Q), noise_coordinates(Q)
    lost = jnp.diagonal(S) == 0
    z = rows_times(gap, whiten)
    volume = jnp.linalg.slogdet(S.T @ S + jnp.diag(lost.astype(S.dtype)))[1]
    rank = (~lost).sum()
    value = -0.5 * ((z * z).sum() + volume + LOG_2PI * rank)
    return jnp.where(on_support(frame, gap, size), value, -jnp.inf)


def _inverse_factor(L: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Inverse of a lower triangular factor."""
    return jax.scipy.linalg.solve_triangular(L, jnp.eye(L.shape[0], dtype=L.dtype), lower=True)


def _guided_noise(
    H: Float[Array, "particles_or_one obs states"],
    innovation: Float[Array, "particles obs"],
    noise: Float[Array, "particles states"],
) -> tuple[Float[Array, "particles states"], Float[Array, " particles_or_one"]]:
    """Noise given the observation, for all particles at once (see the module text).

    Args:
        H: how each observed scalar, of unit noise, depends on the noise of the transition.
        innovation: what is observed beyond the prediction.
        noise: standard normals.

    Returns:
        The noise of the transition, and the sum of `log a`.
    """
    count = H.shape[1]
    rows, gaps = [H[:, k] for k in range(count)], [innovation[:, k] for k in range(count)]
    log_a = jnp.zeros(H.shape[0], innovation.dtype)
    updates: list[tuple[Array, Array, Array]] = []
    for k, q in enumerate(rows):
        a = row_dots(q, q) + 1
        gain, damping = gaps[k] / a, 1 / (a + jnp.sqrt(a))
        for j in range(k + 1, count):
            along = row_dots(q, rows[j])
            gaps[j] = gaps[j] - along * gain
            rows[j] = rows[j] - q * (along * damping)[:, None]
        updates.append((q, gain, damping))
        log_a = log_a + jnp.log(a)
    z = noise
    for q, gain, damping in reversed(updates):
        z = z + q * (gain - row_dots(z, q) * damping)[:, None]
    return z, log_a
