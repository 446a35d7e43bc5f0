r"""Your own transition and observation, with additive Gaussian noise.

    x_t = f(x_{t-1}, u_t, dt_t) + w_t,   w_t ~ N(0, Q)
    y_t = h(x_t, u_t) + v_t,             v_t ~ N(0, R)

Angles. The difference of two directions is not the difference of two numbers. A model says how its states
and observations are compared by a residual function `r(a, b)`, which is `a - b` but for full turns. Every
innovation, every mean of sigma points and every density then goes through it. States need not be wrapped:
only their differences matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import check_covariances
from rekalman.models.gaussian import (
    NOISE_BLOCKS,
    GaussianModel,
    WhitenedObservation,
    log_noise_density,
    noise_coordinates,
    on_support,
)
from rekalman.models.portions import in_portions
from rekalman.models.products import row_dots, rows_times
from rekalman.models.residuals import Residual, angle_residual, difference
from rekalman.numerics.precision import made_in_double

LEAST_WIDTH = 8  # numbers that a user's function is taken to work with for each particle


class NonlinearGaussian(GaussianModel):
    r"""A model made of two functions of single states.

    $$
    \begin{aligned}
    x_t &= f(x_{t-1}, u_t, \Delta t) + w_t, & w_t &\sim \mathcal{N}(0, Q), & x_1 &\sim \mathcal{N}(m, P), \\
    y_t &= h(x_t, u_t) + v_t, & v_t &\sim \mathcal{N}(0, R).
    \end{aligned}
    $$

    Attributes:
        f: transition mean `(x, u, dt) -> x`, shapes `(states,), (input,), () -> (states,)`; `u` and `dt`
            are None where the model has no inputs or the data come in equal steps. A function, or
            an Equinox module with parameters of its own.
        h: observation mean `(x, u) -> y`.
        Q: covariance of the process noise `(states, states)`.
        R: covariance of the observation noise `(obs, obs)`.
        m: mean of the state at the first observation `(states,)`.
        P: its covariance `(states, states)`.
        state_residual: how two states are subtracted.
        observation_residual: how two observations are subtracted.
        inputs: number of input variables.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> model = rekalman.NonlinearGaussian.create(
        ...     f=lambda x, u, dt: jnp.array([x[0] + 0.1 * x[1], x[1] - 0.1 * jnp.sin(x[0])]),
        ...     h=lambda x, u: jnp.sin(x[:1]),
        ...     Q=1e-3 * np.eye(2),
        ...     R=1e-2 * np.eye(1),
        ...     m=np.zeros(2),
        ...     P=np.eye(2),
        ... )
        >>> swing = rekalman.Sequences.from_arrays(np.sin(np.arange(30) / 10))
        >>> rekalman.filter(rekalman.ExtendedKalman(model), swing).mean.shape
        (1, 30, 2)
    """

    f: Callable[..., Any]
    h: Callable[..., Any]
    Q: Float[Array, "states states"]
    R: Float[Array, "obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]
    state_residual: Residual = difference  # pyright: ignore[reportIncompatibleMethodOverride]
    observation_residual: Residual = difference  # pyright: ignore[reportIncompatibleMethodOverride]
    inputs: int = eqx.field(static=True, default=0)

    @property
    def equations(self) -> str:
        """The two functions and the noise, for people."""
        drive, direct = (", u", ", u") if self.n_inputs else ("", "")
        return (
            f"x = f(x_{{t−1}}{drive}) + w, y = h(x{direct}) + v, with functions of your own; w has the "
            "covariance Q, v the covariance R."
        )

    @property
    def block_meanings(self) -> dict[str, str]:
        """What each block of parameters is, by its name."""
        return NOISE_BLOCKS

    @classmethod
    @made_in_double
    def create(
        cls,
        f: Callable[..., Any],
        h: Callable[..., Any],
        Q: AnyArray,
        R: AnyArray,
        m: AnyArray,
        P: AnyArray,
        *,
        state_residual: Residual | Sequence[int] | None = None,
        observation_residual: Residual | Sequence[int] | None = None,
        inputs: int = 0,
    ) -> NonlinearGaussian:
        """Build a model and try both functions on the shapes they will meet.

        Args:
            f: transition mean of one state (see the class).
            h: observation mean of one state.
            Q: process noise covariance.
            R: observation noise covariance.
            m: mean of the first state.
            P: its covariance.
            state_residual: a function `(a, b)`, or the indices of the states that are angles in radians.
            observation_residual: the same for observations.
            inputs: number of input variables.

        Raises:
            RekalError: a function that cannot be evaluated or gives a wrong shape, a covariance of a wrong
                shape or that is not positive semi-definite.
        """
        Q, R, m, P = (jnp.asarray(v, jnp.result_type(float)) for v in (Q, R, m, P))
        n, p = m.shape[-1] if m.ndim else 0, R.shape[-1] if R.ndim else 0
        for name, block, shape in (("m", m, (n,)), ("Q", Q, (n, n)), ("P", P, (n, n)),
                                   ("R", R, (p, p))):  # fmt: skip
            if block.shape != shape:
                raise RekalError(f"{name} has shape {block.shape}, but {shape} would fit")
        check_covariances({"Q": Q, "R": R, "P": P})
        u = jnp.zeros(inputs, m.dtype) if inputs else None
        _try("f(x, u, dt)", f, (m, u, jnp.ones((), m.dtype)), (n,), f"{n} states")
        _try("h(x, u)", h, (m, u), (p,), f"{p} observations")
        compare = (_residual(state_residual), _residual(observation_residual))
        y = jnp.zeros(p, m.dtype)
        _try("state_residual(a, b)", compare[0], (m, m), (n,), f"{n} states")
        _try("observation_residual(a, b)", compare[1], (y, y), (p,), f"{p} observations")
        return cls(
            Q=Q, R=R, m=m, P=P, f=f, h=h, state_residual=compare[0],
            observation_residual=compare[1], inputs=inputs,
        )  # fmt: skip

    def stored_settings(self) -> dict[str, Any]:
        """Refuse to be saved.

        Raises:
            RekalError: always: the functions are code.
        """
        raise RekalError(
            "a NonlinearGaussian cannot be saved: its functions are code, and model files hold none; keep "
            "the numbers (fit.parameters) beside the program that makes the functions"
        )

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.inputs

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`f(x, u, dt)` of each particle."""
        return self._of_each(jax.vmap(lambda a: self.f(a, u, dt)), x)

    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " input"] | None = None
    ) -> Float[Array, "particles obs"]:
        """`h(x, u)` of each particle."""
        return self._of_each(jax.vmap(lambda a: self.h(a, u)), x)

    def _of_each(self, function: Callable[[Array], Array], x: Array) -> Array:
        """A function of the user of all particles; many in single precision in portions."""
        if x.dtype == jnp.float64 or jax.default_backend() != "cpu":
            return function(x)
        return in_portions(function, x, max(self.states, self.observations, LEAST_WIDTH))

    def log_transition(
        self,
        x_next: Float[Array, " states"],
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """Log density of one transition, in nats, on the range of `Q` if that is singular."""
        mean = self.f(x, u, dt)
        size = jnp.abs(x_next) + jnp.abs(mean)
        return log_noise_density(self.Q, self.state_residual(x_next, mean), size)

    def encode(
        self,
        y: Float[Array, " obs"],
        mask: Bool[Array, " obs"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> WhitenedObservation:
        """As for any Gaussian model; where residuals are special, `target` is `y` itself."""
        evidence = super().encode(y, mask, u, dt)
        if self.observation_residual is difference:
            return evidence
        return evidence._replace(target=jnp.where(mask, y, 0.0))

    def innovation(
        self, evidence: WhitenedObservation, mean: Float[Array, "particles obs"]
    ) -> Float[Array, "particles obs"]:
        """The whitened residual of an encoded observation from each predicted one."""
        if self.observation_residual is difference:
            return super().innovation(evidence, mean)
        gap = jax.vmap(lambda b: self.observation_residual(evidence.target, b))(mean)
        return rows_times(gap, evidence.whitener)

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[Any, Any]:
        """As for any Gaussian model; where residuals are special, the means and the next states."""
        if self.state_residual is difference:
            return super().pair_tables(x, x_next, u, dt)
        return jax.vmap(self.transition_mean)(x, u, dt), x_next

    def log_pairs(self, old: Any, new: Any) -> Float[Array, "particles particles_next"]:
        """Densities of all pairs of one step, up to a constant; -inf where there is no way."""
        if self.state_residual is difference:
            return super().log_pairs(old, new)
        return jax.vmap(lambda a: self.log_matched(jnp.broadcast_to(a, new.shape), new))(old)

    def log_matched(self, old: Any, new: Any) -> Float[Array, " particles"]:
        """Densities of the pairs `(old_i, new_i)`, up to a constant; -inf where there is no way."""
        if self.state_residual is difference:
            return super().log_matched(old, new)
        gap = jax.vmap(self.state_residual)(new, old)
        whiten, frame = noise_coordinates(self.Q)
        white = rows_times(gap, whiten)
        reached = on_support(frame, gap, jnp.abs(new) + jnp.abs(old))
        return jnp.where(reached, -0.5 * row_dots(white, white), -jnp.inf)


def _residual(given: Residual | Sequence[int] | None) -> Residual:
    if given is None:
        return difference
    return given if callable(given) else angle_residual(given)


def _try(
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    shape: tuple[int, ...],
    what: str,
) -> None:
    """Evaluate a user's function on shapes alone.

    Raises:
        RekalError: it fails, or its result has another shape.
    """
    try:
        result = jax.eval_shape(function, *arguments)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise RekalError(f"{name} cannot be evaluated: {type(error).__name__}: {reason}") from error
    if getattr(result, "shape", None) != shape:
        raise RekalError(
            f"{name} gives a result of shape {getattr(result, 'shape', None)}, but with {what} {shape} "
            "would fit"
        )
