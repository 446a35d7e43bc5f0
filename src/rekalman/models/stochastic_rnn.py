r"""The stochastic recurrent network of Unkelbach, Sun and Schmidhuber (2009), with inputs.

    x_t = A f(x_{t-1}) + B u_t + c + w_t,   w_t ~ N(0, Q)          (paper, eq. 6)
    y_t = C f(x_t)     + D u_t + d + v_t,   v_t ~ N(0, R)          (paper, eq. 7)

`f` works element by element (tanh by default). With `linear_observation` the output layer reads
`C x_t` instead. In the paper's letters our A, C, Q, R are A, B, Gamma, Sigma.

The first `linear_units` units pass their state on as it is. They hold what moves slowly or far (a level, a
charge), which a bounded unit can keep only near zero; the others bend it. Without bounded units the model is
linear.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.models.activations import UNBOUNDED, Activation, activation_function, activation_slope
from rekalman.models.gaussian import GaussianModel
from rekalman.models.products import rows_times
from rekalman.numerics.placing import placed


class StochasticRNN(GaussianModel):
    r"""A recurrent network with process and observation noise (Unkelbach, Sun and Schmidhuber 2009).

    $$
    \begin{aligned}
    x_t &= A f(x_{t-1}) + B u_t + c + w_t, & w_t &\sim \mathcal{N}(0, Q), & x_1 &\sim \mathcal{N}(m, P), \\
    y_t &= C f(x_t) + D u_t + d + v_t, & v_t &\sim \mathcal{N}(0, R),
    \end{aligned}
    $$

    where $f$ works element by element.

    Attributes:
        A: recurrent weights `(states, states)`.
        B: input weights `(states, inputs)`.
        c: offset of the transition `(states,)`.
        C: output weights `(obs, states)`.
        D: direct input weights `(obs, inputs)`.
        d: offset of the observation `(obs,)`.
        Q: covariance of the process noise `(states, states)`.
        R: covariance of the observation noise `(obs, obs)`.
        m: mean of the state at the first observation `(states,)`.
        P: its covariance `(states, states)`.
        activation: name or elementwise function.
        linear_observation: the observation reads $C x_t$ instead of $C f(x_t)$.
        linear_units: how many units, the first ones, have $f(x) = x$.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> model = rekalman.StochasticRNN.create(
        ...     A=jnp.array([[1.0, 1.0], [-0.05, 0.98]]),
        ...     C=jnp.array([[1.0, 0.0]]),
        ...     Q=0.001 * jnp.eye(2),
        ...     R=0.01 * jnp.eye(1),
        ... )
        >>> model.transition_mean(jnp.zeros((100, 2)), None).shape  # of a hundred particles
        (100, 2)
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
    activation: Activation = eqx.field(static=True, default="tanh")
    linear_observation: bool = eqx.field(static=True, default=False)
    linear_units: int = eqx.field(static=True, default=0)

    @property
    def equations(self) -> str:
        """The model in one line for people."""
        drive, direct = (" + B u", " + D u") if self.n_inputs else ("", "")
        seen = "x" if self.linear_observation else "f(x)"
        return self._discrete("f(x_{t−1})", drive, seen, direct, f",  f = {self.activation_name}")

    @property
    def activation_name(self) -> str:
        """What the elementwise function is called."""
        chosen = self.activation
        return chosen if isinstance(chosen, str) else getattr(chosen, "__name__", "a function")

    @property
    def transition_blocks(self) -> tuple[str, ...]:
        """Recurrent weights, input weights, offset."""
        return ("A", "B", "c")

    @property
    def observation_blocks(self) -> tuple[str, ...]:
        """Output weights, direct input weights, offset."""
        return ("C", "D", "d")

    @property
    def elementwise(self) -> bool:
        """Always: `f` is the activation."""
        return True

    @property
    def linear_transition(self) -> Float[Array, "states states"]:
        """`A`."""
        return self.A

    @property
    def unbounded_states(self) -> int:
        """The linear units, or all where the activation has no bound."""
        return self.states if self.activation in UNBOUNDED else self.linear_units

    def stored_settings(self) -> dict[str, Any]:
        """The activation and where it acts.

        Raises:
            RekalError: the activation is a function and not a name.
        """
        if callable(self.activation):
            raise RekalError(
                "a model whose activation is your own function cannot be saved: use a named activation"
            )
        return {
            "activation": self.activation,
            "linear_observation": self.linear_observation,
            "linear_units": self.linear_units,
        }

    @property
    def hidden_name(self) -> str:
        """What the output reads, in words."""
        return "hidden units"

    @classmethod
    def create(
        cls,
        A: Array,
        C: Array,
        Q: Array,
        R: Array,
        *,
        B: Array | None = None,
        c: Array | None = None,
        D: Array | None = None,
        d: Array | None = None,
        m: Array | None = None,
        P: Array | None = None,
        activation: Activation = "tanh",
        linear_observation: bool = False,
        linear_units: int = 0,
    ) -> StochasticRNN:
        """Build a model from the blocks one cares about; the others are zero (`P`: `Q + I`).

        Raises:
            RekalError: a block has a shape that does not fit the others, or there are more linear units
                than units.
        """
        A, C, Q, R = (jnp.asarray(v, jnp.result_type(float)) for v in (A, C, Q, R))
        if A.ndim != 2 or C.ndim != 2:
            raise RekalError(
                f"A and C must be matrices, but their shapes are {A.shape} and {C.shape}"
            )
        n, p = A.shape[0], C.shape[0]
        k = B.shape[1] if B is not None else D.shape[1] if D is not None else 0
        zero = lambda v, *shape: (  # noqa: E731
            placed(np.zeros(shape), A.dtype) if v is None else jnp.asarray(v, A.dtype)
        )
        model = cls(
            A=A,
            B=zero(B, n, k),
            c=zero(c, n),
            C=C,
            D=zero(D, p, k),
            d=zero(d, p),
            Q=Q,
            R=R,
            m=zero(m, n),
            P=Q + jnp.eye(n, dtype=A.dtype) if P is None else jnp.asarray(P, A.dtype),
            activation=activation,
            linear_observation=linear_observation,
            linear_units=linear_units,
        )
        if not 0 <= linear_units <= n:
            raise RekalError(f"linear_units must lie between 0 and {n}, but is {linear_units}")
        shapes = {
            "A": (n, n), "B": (n, k), "c": (n,), "C": (p, n), "D": (p, k), "d": (p,),
            "Q": (n, n), "R": (p, p), "m": (n,), "P": (n, n),
        }  # fmt: skip
        for name, shape in shapes.items():
            result = getattr(model, name).shape
            if result != shape:
                raise RekalError(f"{name} has shape {result}, but {shape} would fit A and C")
        activation_function(activation)
        return model

    @classmethod
    def init(
        cls,
        states: int,
        observations: int,
        *,
        key: PRNGKeyArray,
        inputs: int = 0,
        activation: Activation = "tanh",
        linear_observation: bool = False,
    ) -> StochasticRNN:
        """A random start as in the paper (section 4.3), for standardised data.

        `A` is a diagonal matrix plus values of standard deviation 0.1; the entries of `C` scatter by
        a tenth around one value, here 0.6 (the paper's 1 on data of standard deviation 0.38 would be
        2.6 on standardised data, with hardly any curvature of tanh). The process noise starts small,
        so that the first iterations look for dynamics and not for a random walk.
        """
        dtype = jnp.result_type(float)
        shapes = ((states, states), (observations, states), (states, inputs))
        A, C, B = map(np.asarray, _normals(key, shapes, dtype))
        return cls.create(
            A=placed(0.9 * np.eye(states, dtype=dtype) + 0.1 * A, dtype),
            C=placed(0.6 + 0.06 * C, dtype),
            Q=placed(0.01 * np.eye(states), dtype),
            R=placed(0.1 * np.eye(observations), dtype),
            B=placed(0.1 * B, dtype),
            P=placed(np.eye(states), dtype),
            activation=activation,
            linear_observation=linear_observation,
        )

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.B.shape[-1]

    def f(self, x: Float[Array, "*batch states"]) -> Float[Array, "*batch states"]:
        """The transfer function of the hidden units, which lie on the last axis."""
        bent = activation_function(self.activation)(x)
        return jnp.where(self._linear, x, bent) if self.linear_units else bent

    def slope(self, x: Float[Array, "*batch states"]) -> Float[Array, "*batch states"]:
        """Its derivative."""
        bent = activation_slope(self.activation, x)
        return jnp.where(self._linear, 1.0, bent) if self.linear_units else bent

    @property
    def _linear(self) -> Bool[Array, " states"]:
        return jnp.arange(self.states) < self.linear_units

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " inputs"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`A f(x) + B u + c`."""
        mean = rows_times(self.f(x), self.A) + self.c
        return mean if u is None else mean + self.B @ u

    def output_features(self, x: Float[Array, "*batch states"]) -> Float[Array, "*batch states"]:
        """What the output layer reads: `f(x)`, or `x` itself with a linear observation."""
        return x if self.linear_observation else self.f(x)

    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None = None
    ) -> Float[Array, "particles obs"]:
        """`C f(x) + D u + d`."""
        mean = rows_times(self.output_features(x), self.C) + self.d
        return mean if u is None else mean + self.D @ u

    def observation_jacobian(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None
    ) -> Float[Array, "particles_or_one obs states"]:
        """`C diag(f'(x))`, or `C` once for all particles."""
        if self.linear_observation:
            return self.C[None]
        return self.C * self.slope(x)[:, None, :]

    def transition_jacobian(
        self,
        x: Float[Array, " states"],
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "states states"]:
        """`A diag(f'(x))` at one state."""
        return self.A * self.slope(x)[None, :]


@partial(jax.jit, static_argnums=(1, 2))
def _normals(
    key: PRNGKeyArray, shapes: tuple[tuple[int, ...], ...], dtype: Any
) -> tuple[Array, ...]:
    """Standard normals of several shapes, in one compiled function."""
    keys = jax.random.split(key, len(shapes))
    return tuple(
        jax.random.normal(key, shape, dtype) for key, shape in zip(keys, shapes, strict=True)
    )
