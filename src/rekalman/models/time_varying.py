r"""A linear model whose matrices change from step to step in a known way.

    x_t = A_t x_{t-1} + B_t u_t + c_t + w_t,   w_t ~ N(0, Q_t)
    y_t = C_t x_t     + D_t u_t + d_t + v_t,   v_t ~ N(0, R_t)

A block that changes is a stack with a leading time axis: regressors as rows of `C_t` (a regression whose
weights drift), known changes of a noise level, a linearisation along a path. Row `t` of a stack belongs to
step `t`, counted from 0 at the first observation; row 0 of `A`, `B`, `c` and `Q` is not used, since the
first state has its own law.

Which blocks change is said by name (`varying`), never guessed from a shape. A stack may go on beyond the end
of a series: a forecast needs the matrices of the steps to come.
"""

from __future__ import annotations

from typing import NoReturn

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import block_shapes, check_block_shapes, check_covariances
from rekalman.models.defaults import Initial, filled, input_count, start_of
from rekalman.models.gaussian import PairTable, WhitenedObservation
from rekalman.models.linear_model import Blocks, LinearModel
from rekalman.numerics.precision import in_own_precision, made_in_double

BLOCKS = Blocks._fields


class LinearTimeVarying(LinearModel):
    r"""A linear model some of whose matrices are given step by step.

    $$
    x_t = A_t x_{t-1} + B_t u_t + c_t + w_t, \qquad y_t = C_t x_t + D_t u_t + d_t + v_t.
    $$

    `Kalman`, the smoothers and the simulation smoother run it. A particle filter does not: it asks for a
    transition without saying which.

    Attributes:
        A: transition `(states, states)`, or `(steps, states, states)` if it is named in `varying`;
            likewise all other blocks but `m` and `P`.
        B: input weights `(states, inputs)`.
        c: offset of the transition `(states,)`.
        C: observation `(obs, states)`.
        D: direct input weights `(obs, inputs)`.
        d: offset of the observation `(obs,)`.
        Q: covariance of the process noise `(states, states)`.
        R: covariance of the observation noise `(obs, obs)`.
        m: mean of the state at the first observation `(states,)`.
        P: its covariance `(states, states)`.
        varying: names of the blocks that are stacks.
        initial: "given", or "diffuse" in the coordinates `flat`.
        flat: those coordinates.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> gauge = np.where(np.arange(100) < 50, 15099.0, 1000.0)[:, None, None]  # better after 50 years
        >>> model = rekalman.LinearTimeVarying.create(
        ...     A=one, C=one, Q=1469 * one, R=gauge, varying=("R",), initial="diffuse"
        ... )
        >>> nile = rekalman.load_example("nile")
        >>> filtered = rekalman.filter(rekalman.Kalman(model), nile)  # doctest: +SKIP
        >>> model.varying, model.steps
        (('R',), 100)
    """

    A: Float[Array, "*steps_A states states"]
    B: Float[Array, "*steps_B states inputs"]
    c: Float[Array, "*steps_c states"]
    C: Float[Array, "*steps_C obs states"]
    D: Float[Array, "*steps_D obs inputs"]
    d: Float[Array, "*steps_d obs"]
    Q: Float[Array, "*steps_Q states states"]
    R: Float[Array, "*steps_R obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]
    varying: tuple[str, ...] = eqx.field(static=True)
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
        varying: tuple[str, ...],
        B: AnyArray | None = None,
        c: AnyArray | None = None,
        D: AnyArray | None = None,
        d: AnyArray | None = None,
        m: AnyArray | None = None,
        P: AnyArray | None = None,
        initial: Initial = "given",
        flat: tuple[int, ...] | None = None,
    ) -> LinearTimeVarying:
        """Build a model from the blocks one cares about; the others are zero (`P`: identity).

        Args:
            A: transition, a stack if `varying` names it; likewise all others.
            C: observation.
            Q: process noise covariance.
            R: observation noise covariance.
            varying: names of the blocks that change, of A, B, c, C, D, d, Q, R.
            B: input weights of the state.
            c: offset of the state.
            D: input weights of the observation.
            d: offset of the observation.
            m: mean of the first state.
            P: its covariance.
            initial: see the class.
            flat: diffuse coordinates of a diffuse start; default all.

        Raises:
            RekalError: a name in `varying` that is no block or is left out; shapes that do not fit,
                or stacks of different lengths; a covariance that is not positive semi-definite; a
                stationary start, which a model that changes does not have.
        """
        named = tuple(dict.fromkeys(varying))
        unknown = [name for name in named if name not in BLOCKS]
        if unknown:
            raise RekalError(
                f"varying names {unknown[0]!r}, but what can change is {', '.join(BLOCKS)}"
            )
        if initial == "stationary":
            raise RekalError(
                "a model that changes from step to step has no stationary law: use 'given' or "
                "'diffuse'"
            )
        blocks = {"A": A, "B": B, "c": c, "C": C, "D": D, "d": d, "Q": Q, "R": R}
        for name in named:
            if blocks[name] is None:
                raise RekalError(f"varying names {name!r}, which is left out")
        n, p, k = np.shape(A)[-1], np.shape(C)[-2] if np.ndim(C) > 1 else 0, input_count(B, D)
        cov, chosen = start_of(P, n, initial, flat)
        whole = filled({**blocks, "m": m, "P": cov}, block_shapes(n, p, k))
        check_block_shapes(whole, n, p, k, named)
        check_covariances({name: whole[name] for name in ("Q", "R", "P")})
        lengths = {name: whole[name].shape[0] for name in named}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise RekalError(f"the stacks differ in length: {listed} steps")
        return cls(**whole, varying=named, initial=initial, flat=chosen)

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.B.shape[-1]

    @property
    def time_invariant(self) -> bool:
        """Never: some matrices are given step by step."""
        return False

    @property
    def diffuse(self) -> tuple[int, ...]:
        """Coordinates of `x_1` with a flat law."""
        return self.flat

    @property
    def steps(self) -> int | None:
        """Number of steps for which the model is given, or None when nothing varies."""
        return getattr(self, self.varying[0]).shape[0] if self.varying else None

    @property
    def limited(self) -> bool:
        """Whether a matrix is given step by step."""
        return bool(self.varying)

    def check_steps(self, steps: int) -> None:
        """The stacks reach over so many steps.

        Raises:
            RekalError: they are too short.
        """
        for name in self.varying:
            if getattr(self, name).shape[0] < steps:
                raise RekalError(
                    f"{name} has {getattr(self, name).shape[0]} steps, but the series has {steps}"
                )

    @in_own_precision
    def blocks(self, dt: Float[Array, " steps"] | None = None) -> Blocks:
        """The matrices of every step.

        Raises:
            RekalError: a length of the steps is given: stacks are made for the steps they belong to.
        """
        if dt is not None:
            raise RekalError(
                "LinearTimeVarying takes no length of a step: its stacks already say what changes"
            )
        every = {name: getattr(self, name) for name in BLOCKS}
        return Blocks(**{k: v if k in self.varying else v[None] for k, v in every.items()})

    @in_own_precision
    def initial_moments(self) -> tuple[Array, Array]:
        """Mean and covariance of `x_1`."""
        return self.m, self.P

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " inputs"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """Refused: which transition is meant depends on the step."""
        return _no_step()

    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None = None
    ) -> Float[Array, "particles obs"]:
        """Refused: which observation is meant depends on the step."""
        return _no_step()

    def encode(
        self,
        y: Float[Array, " obs"],
        mask: Bool[Array, " obs"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None = None,
    ) -> WhitenedObservation:
        """Refused: which observation is meant depends on the step."""
        return _no_step()

    def pair_tables(
        self,
        x: Float[Array, "steps particles states"],
        x_next: Float[Array, "steps particles_next states"],
        u: Float[Array, "steps input"] | None,
        dt: Float[Array, " steps"] | None,
    ) -> tuple[PairTable, PairTable]:
        """Refused: which transition is meant depends on the step."""
        return _no_step()


def _no_step() -> NoReturn:
    raise RekalError(
        "LinearTimeVarying cannot be run by particles or simulated without saying the step: use "
        "Kalman, or simulate_linear"
    )
