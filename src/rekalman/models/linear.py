r"""Linear models with Gaussian noise: constant, time-varying, or continuous in time.

    x_t = A x_{t-1} + B u_t + c + w_t,   w_t ~ N(0, Q)
    y_t = C x_t     + D u_t + d + v_t,   v_t ~ N(0, R)

A filter asks a linear model for one thing only, its `blocks`: the eight matrices at every step, each
with a leading axis of one (constant) or of as many as there are steps. Which of the two is said by the
class of the model, never guessed from a shape.

The initial state is given (`m`, `P`), stationary (the fixed point of the moments, recomputed from the
current parameters), or diffuse in some of its coordinates: `N(m, P)` plus `X0 delta` with a flat law
for `delta` (de Jong 1991). A diffuse coordinate has no row or column in `P`.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import block_shapes, check_block_shapes, check_covariances, check_stable
from rekalman.models.defaults import Initial, filled, input_count, start_of
from rekalman.models.linear_model import Blocks, LinearModel, refuse_dt
from rekalman.models.products import rows_times
from rekalman.numerics.precision import in_own_precision, made_in_double


class LinearGaussian(LinearModel):
    r"""A linear model whose matrices do not change.

    $$
    \begin{aligned}
    x_t &= A x_{t-1} + B u_t + c + w_t, & w_t &\sim \mathcal{N}(0, Q), & x_1 &\sim \mathcal{N}(m, P), \\
    y_t &= C x_t + D u_t + d + v_t, & v_t &\sim \mathcal{N}(0, R).
    \end{aligned}
    $$

    Attributes:
        A: transition `(states, states)`.
        B: input weights `(states, inputs)`.
        c: offset of the transition `(states,)`.
        C: observation `(obs, states)`.
        D: direct input weights `(obs, inputs)`.
        d: offset of the observation `(obs,)`.
        Q: covariance of the process noise `(states, states)`.
        R: covariance of the observation noise `(obs, obs)`.
        m: mean of the state at the first observation `(states,)`.
        P: its covariance `(states, states)`.
        initial: "given" takes `m` and `P`, "stationary" computes them from `A`, `c` and `Q`,
            "diffuse" has a flat law in the coordinates `flat`.
        flat: those coordinates.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> round(float(rekalman.filter(rekalman.Kalman(model), data).log_likelihood), 2)
        -632.55
    """

    A: Float[Array, "states states"]
    B: Float[Array, "states inputs"]
    c: Float[Array, " states"]
    C: Float[Array, "obs states"]
    D: Float[Array, "obs inputs"]
    d: Float[Array, " obs"]
    Q: Float[Array, "states states"]
    R: Float[Array, "obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]
    initial: Initial = eqx.field(static=True, default="given")
    flat: tuple[int, ...] = eqx.field(static=True, default=())

    @classmethod
    @made_in_double
    def create(
        cls,
        A: AnyArray,
        C: AnyArray,
        Q: AnyArray,
        R: AnyArray,
        *,
        B: AnyArray | None = None,
        c: AnyArray | None = None,
        D: AnyArray | None = None,
        d: AnyArray | None = None,
        m: AnyArray | None = None,
        P: AnyArray | None = None,
        initial: Initial = "given",
        flat: tuple[int, ...] | None = None,
    ) -> LinearGaussian:
        """Build a model from the blocks one cares about; the others are zero (`P`: identity).

        Args:
            A: transition `(states, states)`.
            C: observation `(obs, states)`.
            Q: process noise covariance.
            R: observation noise covariance.
            B: input weights of the state.
            c: offset of the state.
            D: input weights of the observation.
            d: offset of the observation.
            m: mean of the first state.
            P: its covariance.
            initial: see the class.
            flat: diffuse coordinates of a diffuse start; default all.

        Raises:
            RekalError: a block whose shape does not fit, a covariance that is not positive
                semi-definite, or a stationary start of an unstable model.
        """
        if np.ndim(A) != 2 or np.ndim(C) != 2:
            raise RekalError(
                f"A and C must be matrices, but their shapes are {np.shape(A)} and {np.shape(C)}: "
                "matrices that change from step to step belong in LinearTimeVarying"
            )
        n, p, k = np.shape(A)[0], np.shape(C)[0], input_count(B, D)
        cov, chosen = start_of(P, n, initial, flat)
        given = {
            "A": A, "B": B, "c": c, "C": C, "D": D, "d": d, "Q": Q, "R": R, "m": m, "P": cov,
        }  # fmt: skip
        blocks = filled(given, block_shapes(n, p, k))
        check_block_shapes(blocks, n, p, k)
        check_covariances({name: blocks[name] for name in ("Q", "R", "P")})
        if initial == "stationary":
            check_stable(blocks["A"])
        return cls(**blocks, initial=initial, flat=chosen)

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.B.shape[-1]

    @property
    def diffuse(self) -> tuple[int, ...]:
        """Coordinates of `x_1` with a flat law."""
        return self.flat

    @property
    def linear_transition(self) -> Float[Array, "states states"]:
        """`A`."""
        return self.A

    def stored_settings(self) -> dict[str, Any]:
        """How the first state is known."""
        return {"initial": self.initial, "flat": list(self.flat)}

    def transition_jacobian(
        self,
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "states states"]:
        """`A`, exactly."""
        return self.A

    @in_own_precision
    def blocks(self, dt: Float[Array, " steps"] | None = None) -> Blocks:
        """The matrices, each once.

        Raises:
            RekalError: the steps are of unequal length, which only a model in continuous time takes.
        """
        refuse_dt(self, dt)
        each = (self.A, self.B, self.c, self.C, self.D, self.d, self.Q, self.R)
        return Blocks(*(block[None] for block in each))

    @in_own_precision
    def initial_moments(self) -> tuple[Array, Array]:
        """Mean and covariance of `x_1`."""
        if self.initial != "stationary":
            return self.m, self.P
        return stationary_moments(self.A, self.c, self.Q)

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " inputs"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`A x + B u + c`.

        Raises:
            RekalError: a length of the step is given, which only a model in continuous time takes.
        """
        refuse_dt(self, dt)
        mean = rows_times(x, self.A) + self.c
        return mean if u is None else mean + self.B @ u

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

    def f(self, x: Float[Array, "*batch states"]) -> Float[Array, "*batch states"]:
        """The identity: a linear model is a network without a bend."""
        return x


def stationary_moments(
    A: Float[Array, "n n"], c: Float[Array, " n"], Q: Float[Array, "n n"]
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    r"""Mean and covariance that the transition leaves as they are.

    `P = sum_k A^k Q A'^k` by doubling (Anderson 1978): with `A_0 = A`, `P_0 = Q`,
    `P_{j+1} = P_j + A_j P_j A_j'`, `A_{j+1} = A_j^2` sums `2^j` terms after `j` steps, and every step
    can be differentiated.
    """
    mean = jnp.linalg.solve(jnp.eye(A.shape[0], dtype=A.dtype) - A, c)

    def double(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        power, P = carry
        return (power @ power, P + power @ P @ power.T), None

    (_, P), _ = jax.lax.scan(double, (A, Q), None, length=30)
    return mean, 0.5 * (P + P.T)
