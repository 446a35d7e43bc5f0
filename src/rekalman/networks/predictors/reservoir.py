r"""An echo state network: random recurrent units that stay as they were drawn, and a trained readout.

$$
x_{t+1} = a \tanh(\rho W x_t + V [y_t; u_{t+1}] + b) + (1 - a) O x_t, \qquad
g(x_t) = R^\top [x_t; y_{t-1}; u_t; 1].
$$

With $O = I$ this is the leaky network of Jaeger (2001) and Jaeger, Lukosevicius, Popovici and Siewert (2007);
with a random orthogonal $O$ the ES2N of Ceni and Gallicchio (2023), whose $\beta$ is $a$; with one ring of
equal weights the cycle reservoir of Rodan and Tino (2011). Jaeger's output feedback is there, too: a model in
innovations form is driven by the row that was observed, and while it forecasts by the row that it predicted,
so that input and feedback are one matrix $V$.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.linear_readout import LARGEST_ROW, LinearReadout
from rekalman.networks.predictors.reservoir_weights import orthogonal, recurrence
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_dtype, modelling_precision

LARGEST_RADIUS = 2.0
UNROLLED = 32
"""So many diagonals are written out in a compiled step; more are summed in a loop."""


class Reservoir(LinearReadout):
    """An echo state network, see the text of the module.

    The state is the units', the row that was given last, which the readout sees, too, and a counter of steps.

    Attributes:
        recurrent: `W` times its spectral radius: the matrix, or its cyclic diagonals
            (`reservoir_weights.py`).
        into: `V`, `(units, obs + inputs)`.
        bias: `b`.
        leak: `a`.
        readout: weights of the features, `(features, obs)`.
        noise_factor: factor of the covariance of the innovations, `(obs, obs)`.
        opening: how much larger their deviation is at the first steps.
        bound: largest absolute value of an observed row that enters.
        rotation: `O` of an ES2N, or None.
        offsets: of the diagonals, or None where `recurrent` is the matrix.
        squares: whether the readout sees the squares of the units, too.
        increment: whether the readout gives the change from the row before.

    Examples:
        >>> import jax.numpy as jnp
        >>> from rekalman.networks.predictors.reservoir import Reservoir
        >>> network = Reservoir.create(1, units=50, spectral_radius=0.9, seed=0)
        >>> network.output(network.advance(network.start(), jnp.array([0.5]))).shape
        (1,)
        >>> network.described
        'echo state network with 50 units'
    """

    recurrent: Float[Array, "rows units"]
    into: Float[Array, "units row"]
    bias: Float[Array, " units"]
    leak: Float[Array, ""]
    readout: Float[Array, "features obs"]
    noise_factor: Float[Array, "_ _"]
    opening: Float[Array, " steps"]
    bound: Float[Array, ""]
    rotation: Float[Array, "units units"] | None = None
    offsets: tuple[int, ...] | None = eqx.field(static=True, default=None)
    squares: bool = eqx.field(static=True, default=False)
    increment: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if isinstance(self.readout, jax.Array) and self.readout.ndim == 2:  # a batch has one more
            self.check_shapes()

    @classmethod
    def create(
        cls,
        observations: int,
        *,
        units: int,
        inputs: int = 0,
        spectral_radius: float = 0.9,
        leak: float = 1.0,
        input_scale: float = 1.0,
        bias_scale: float = 0.2,
        density: float | None = None,
        topology: str = "random",
        squares: bool = False,
        increment: bool = False,
        bound: float = LARGEST_ROW,
        seed: int = 0,
    ) -> Reservoir:
        """A network with random weights, and a readout of zeros.

        Args:
            observations: number of columns.
            units: number of units.
            inputs: number of known inputs.
            spectral_radius: largest absolute eigenvalue of the recurrent weights, above 0, at most 2.
            leak: share of the state that is new at each step, above 0, at most 1.
            input_scale: weights of rows and inputs lie between this and its negative; on a cycle they are
                one or the other.
            bias_scale: the same of the biases, 0 = none.
            density: share of the recurrent weights that are not zero; None = ten of each unit.
            topology: "random", "cycle" or "es2n".
            squares: whether the readout sees the squares of the units, too.
            increment: whether the readout gives the change from the row before.
            bound: largest absolute value of an observed row that enters, in standardised units.
            seed: of the weights.

        Raises:
            RekalError: an argument is out of range.
        """
        whole("units", units)
        check_scales(spectral_radius, leak, input_scale, bias_scale)
        rng = np.random.default_rng(seed)
        W = recurrence(units, topology, density, rng)
        shapes = ((units, observations + inputs), (units,))
        into, bias = (rng.uniform(-1.0, 1.0, shape) for shape in shapes)
        if topology == "cycle":
            into, bias = np.sign(into), np.sign(bias)
        features = units * (1 + squares) + observations + inputs + 1
        with modelling_precision():
            dtype = modelling_dtype()
            return cls(
                recurrent=placed(spectral_radius * W.weights, dtype),
                into=placed(input_scale * into, dtype),
                bias=placed(bias_scale * bias, dtype),
                leak=placed(np.asarray(leak), dtype),
                readout=placed(np.zeros((features, observations)), dtype),
                noise_factor=placed(np.eye(observations), dtype),
                opening=placed(np.ones(1), dtype),
                bound=placed(np.asarray(bound), dtype),
                rotation=placed(orthogonal(units, rng), dtype) if topology == "es2n" else None,
                offsets=W.offsets,
                squares=squares,
                increment=increment,
            )

    @property
    def units(self) -> int:
        """Number of units."""
        return self.recurrent.shape[-1]

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.into.shape[-1] - self.observations

    @property
    def memory(self) -> int:
        """Length of the state without the counter: the units, and the row given last."""
        return self.units + self.into.shape[-1]

    @property
    def features(self) -> int:
        """Number of features of the readout, the constant among them."""
        return self.units * (1 + self.squares) + self.into.shape[-1] + 1

    @property
    def described(self) -> str:
        """The size of the network in words."""
        return f"echo state network with {self.units} units"

    def product(self, x: Float[Array, " units"]) -> Float[Array, " units"]:
        """The recurrent weights times the units."""
        if self.offsets is None:
            return self.recurrent @ x
        if len(self.offsets) <= UNROLLED:
            rolled = (jnp.roll(x, -offset) for offset in self.offsets)
            return sum(
                (d * each for d, each in zip(self.recurrent, rolled, strict=True)),
                jnp.zeros_like(x),
            )
        twice, first = jnp.concatenate([x, x]), jnp.asarray(self.offsets)

        def add(k: Array, total: Array) -> Array:
            return total + self.recurrent[k] * jax.lax.dynamic_slice(twice, (first[k],), x.shape)

        return jax.lax.fori_loop(0, len(self.offsets), add, jnp.zeros_like(x))

    def step(
        self,
        memory: Float[Array, " memory"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " memory"]:
        """One step of the units, and the row that was given."""
        x = memory[: self.units]
        row = y if u is None else jnp.concatenate([y, u])
        new = jnp.tanh(self.product(x) + self.into @ row + self.bias)
        old = x if self.rotation is None else self.rotation @ x
        return jnp.concatenate([self.leak * new + (1.0 - self.leak) * old, row])

    def features_of(self, state: Float[Array, " states"]) -> Float[Array, " features"]:
        """The units, their squares if the readout sees them, the row, and 1."""
        x, row = state[: self.units], state[self.units : self.memory]
        squared = [x * x] if self.squares else []
        return jnp.concatenate([x, *squared, row, jnp.ones(1, state.dtype)])

    def last_row(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The row that was given last."""
        return state[self.units : self.units + self.observations]


def check_scales(
    spectral_radius: float, leak: float, input_scale: float, bias_scale: float
) -> None:
    """Refuse settings of a reservoir that are out of range.

    Raises:
        RekalError: one is; the sentence names it.
    """
    radius = real("spectral_radius", spectral_radius, above=0)
    if radius > LARGEST_RADIUS:
        raise RekalError(
            f"spectral_radius must be at most {LARGEST_RADIUS:g}, but is {spectral_radius}"
        )
    if real("leak", leak, above=0) > 1:
        raise RekalError(f"leak must be above 0 and at most 1, but is {leak}")
    real("input_scale", input_scale, above=0)
    real("bias_scale", bias_scale, least=0)
