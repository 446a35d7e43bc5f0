r"""A linear model in continuous time, observed at any times.

    dx  = (F x + G u + g) dt + dW,     Cov dW = Q dt
    y_t = C x_t + D u_t + d + v_t,     v_t ~ N(0, R)

`Q` is a diffusion covariance, per unit of time: for `L dB` with a standard Brownian motion `B` it is `L L'`.
The input `u_t` is held constant over the step into `t`. Each step is discretised exactly, whatever its length
(`discretise.py`), so that nothing depends on how densely a series was sampled.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import (
    block_shapes,
    check_block_shapes,
    check_covariances,
    check_stable_flow,
    is_singular,
)
from rekalman.models.defaults import Initial, filled, input_count, start_of
from rekalman.models.discretise import exact_step
from rekalman.models.gaussian import (
    NOISE_BLOCKS,
    OBSERVATION_BLOCKS,
    PairTable,
    WhitenedObservation,
)
from rekalman.models.linear import LinearGaussian, stationary_moments
from rekalman.models.linear_model import Blocks, LinearModel
from rekalman.models.products import rows_times
from rekalman.numerics.precision import in_own_precision, made_in_double


class LinearContinuous(LinearModel):
    r"""A linear stochastic differential equation with noisy observations.

    $$
    \begin{aligned}
    dx &= (F x + G u + g)\,dt + dW, & \operatorname{Cov}(dW) &= Q\,dt, \\
    y_t &= C x_t + D u_t + d + v_t, & v_t &\sim \mathcal{N}(0, R).
    \end{aligned}
    $$

    The input is held constant over the step into $t$; each step is discretised exactly, whatever its length.

    Attributes:
        F: drift `(states, states)`, per unit of time.
        G: input weights `(states, inputs)`, per unit of time.
        g: offset of the drift `(states,)`, per unit of time.
        C: observation `(obs, states)`.
        D: direct input weights `(obs, inputs)`.
        d: offset of the observation `(obs,)`.
        Q: covariance of the noise that a unit of time adds `(states, states)`.
        R: covariance of the observation noise `(obs, obs)`.
        m: mean of the state at the first observation `(states,)`.
        P: its covariance `(states, states)`.
        interval: length of a step where none is given.
        initial: "given", "stationary" or "diffuse", as for `LinearGaussian`.
        flat: diffuse coordinates.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearContinuous.create(
        ...     F=-0.5 * one, C=one, Q=one, R=0.1 * one, initial="stationary"
        ... )  # an Ornstein-Uhlenbeck process behind noise
        >>> times = np.array([0.0, 0.3, 2.0])
        >>> data = rekalman.Sequences.from_arrays(np.array([1.0, 0.4, -0.2]), times=times, irregular=True)
        >>> round(float(rekalman.filter(rekalman.Kalman(model), data).log_likelihood), 2)
        -3.06
    """

    F: Float[Array, "states states"]
    G: Float[Array, "states inputs"]
    g: Float[Array, " states"]
    C: Float[Array, "obs states"]
    D: Float[Array, "obs inputs"]
    d: Float[Array, " obs"]
    Q: Float[Array, "states states"]
    R: Float[Array, "obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]
    interval: float = eqx.field(static=True, default=1.0)  # pyright: ignore[reportIncompatibleMethodOverride]
    initial: Initial = eqx.field(static=True, default="given")
    flat: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def singular_transition(self) -> bool:
        """Whether the process noise of a whole step is singular."""
        return is_singular(self.discrete().Q)

    @property
    def equations(self) -> str:
        """The stochastic differential equation and the observation, for people."""
        drive, direct = (" + G u", " + D u") if self.n_inputs else ("", "")
        return (
            f"dx = (F x{drive} + g) dt + dW,  y = C x{direct} + d + v,  Cov dW = Q dt, v ~ N(0, R)."
        )

    @property
    def block_meanings(self) -> dict[str, str]:
        """What each block of parameters is, by its name."""
        drift = {"F": "drift", "G": "input weights", "g": "offset of the drift"}
        noise = {**NOISE_BLOCKS, "Q": "covariance of the noise that a unit of time adds"}
        return {**drift, **OBSERVATION_BLOCKS, **noise}

    @classmethod
    @made_in_double
    def create(
        cls,
        F: AnyArray,
        C: AnyArray,
        Q: AnyArray,
        R: AnyArray,
        *,
        G: AnyArray | None = None,
        g: AnyArray | None = None,
        D: AnyArray | None = None,
        d: AnyArray | None = None,
        m: AnyArray | None = None,
        P: AnyArray | None = None,
        interval: int | float = 1.0,
        initial: Initial = "given",
        flat: tuple[int, ...] | None = None,
    ) -> LinearContinuous:
        """Build a model from the blocks one cares about; the others are zero (`P`: identity).

        Args:
            F: drift, per unit of time.
            C: observation.
            Q: covariance of the noise that a unit of time adds (`L L'` for a noise `L dB`).
            R: observation noise covariance.
            G: input weights of the drift.
            g: offset of the drift.
            D: input weights of the observation.
            d: offset of the observation.
            m: mean of the first state.
            P: its covariance.
            interval: length of a step where the series are sampled regularly.
            initial: see the class.
            flat: diffuse coordinates of a diffuse start; default all.

        Raises:
            RekalError: a block whose shape does not fit, a covariance that is not positive
                semi-definite, an interval that is not above 0, or a stationary start of an unstable
                model.
        """
        if np.ndim(F) != 2 or np.ndim(C) != 2:
            raise RekalError(
                f"F and C must be matrices, but their shapes are {np.shape(F)} and {np.shape(C)}"
            )
        if not (interval > 0 and math.isfinite(interval)):
            raise RekalError(f"interval must be a time above 0, but is {interval}")
        n, p, k = np.shape(F)[0], np.shape(C)[0], input_count(G, D)
        cov, chosen = start_of(P, n, initial, flat)
        given = {
            "F": F, "G": G, "g": g, "C": C, "D": D, "d": d, "Q": Q, "R": R, "m": m, "P": cov,
        }  # fmt: skip
        blocks = filled(given, block_shapes(n, p, k))
        check_block_shapes(blocks, n, p, k)
        check_covariances({name: blocks[name] for name in ("Q", "R", "P")})
        if initial == "stationary":
            check_stable_flow(blocks["F"])
        return cls(**blocks, interval=float(interval), initial=initial, flat=chosen)

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.G.shape[-1]

    @property
    def diffuse(self) -> tuple[int, ...]:
        """Coordinates of `x_1` with a flat law."""
        return self.flat

    @property
    def continuous(self) -> bool:
        """It takes steps of unequal length."""
        return True

    @property
    def transition_blocks(self) -> tuple[str, ...]:
        """Drift, input weights, offset."""
        return ("F", "G", "g")

    def stored_settings(self) -> dict[str, Any]:
        """The length of a step, and how the first state is known."""
        return {"interval": self.interval, "initial": self.initial, "flat": list(self.flat)}

    def discrete(self, dt: Float[Array, ""] | float | None = None) -> LinearGaussian:
        """The model of equal steps of length `dt` (default: `interval`) with the same law."""
        step = exact_step(self.F, self.Q, self.interval if dt is None else dt)
        return LinearGaussian(
            A=step.A, B=step.integral @ self.G, c=step.integral @ self.g, C=self.C, D=self.D,
            d=self.d, Q=step.Q, R=self.R, m=self.m, P=self.P, initial=self.initial, flat=self.flat,
        )  # fmt: skip

    @in_own_precision
    def blocks(self, dt: Float[Array, " steps"] | None = None) -> Blocks:
        """The matrices of every step; of equal steps, each once."""
        if dt is None:
            return self.discrete().blocks()
        step = jax.vmap(exact_step, in_axes=(None, None, 0))(self.F, self.Q, dt)
        B, c = step.integral @ self.G, step.integral @ self.g
        constant = (self.C, self.D, self.d, self.R)
        C, D, d, R = (block[None] for block in constant)
        return Blocks(step.A, B, c, C, D, d, step.Q, R)

    @in_own_precision
    def initial_moments(self) -> tuple[Array, Array]:
        """Mean and covariance of `x_1`."""
        if self.initial != "stationary":
            return self.m, self.P
        # Steps of the time in which the fastest part moves: a longer one would lose digits.
        speed = jnp.linalg.norm(self.F, 1)
        step = exact_step(self.F, self.Q, 1 / jnp.where(speed > 0, speed, 1.0))
        return stationary_moments(step.A, step.integral @ self.g, step.Q)

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " inputs"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """The mean after a step of length `dt` (default: `interval`)."""
        return self.discrete(dt).transition_mean(x, u)

    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None = None
    ) -> Float[Array, "particles obs"]:
        """`C x + D u + d`."""
        mean = rows_times(x, self.C) + self.d
        return mean if u is None else mean + self.D @ u

    def observation_jacobian(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None
    ) -> Float[Array, "particles_or_one obs states"]:
        """`C`, once for all particles."""
        return self.C[None]

    def sample_transition(
        self,
        noise: Float[Array, "particles states"],
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """Draw the state after a step of length `dt` (default: `interval`)."""
        return self.discrete(dt).sample_transition(noise, x, u)

    def log_transition(
        self,
        x_next: Float[Array, " states"],
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """Log density of a transition over a step of length `dt`, in nats."""
        return self.discrete(dt).log_transition(x_next, x, u)

    def propose(
        self,
        noise: Float[Array, "particles states"],
        origin: Float[Array, "particles states"] | None,
        evidence: WhitenedObservation,
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> tuple[Float[Array, "particles states"], Float[Array, " particles"]]:
        """Draw from the optimal proposal after a step of length `dt`."""
        return self.discrete(dt).propose(noise, origin, evidence, u)

    def confined(self, dt: Float[Array, " steps"] | None = None) -> Bool[Array, ""]:
        """Whether the process noise of a step is singular."""
        if dt is None:
            return self.discrete().confined()
        return jax.vmap(lambda step: self.discrete(step).confined())(dt).any()

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[PairTable, PairTable]:
        """Whitened means and next states, each step by its own noise."""
        if dt is None:
            return self.discrete().pair_tables(x, x_next, u, None)

        def one(x: Array, x_next: Array, u: Array | None, dt: Array) -> tuple[PairTable, PairTable]:
            inputs = None if u is None else u[None]
            tables = self.discrete(dt).pair_tables(x[None], x_next[None], inputs, None)
            return jax.tree.map(lambda leaf: leaf[0], tables)

        return jax.vmap(one)(x, x_next, u, dt)
