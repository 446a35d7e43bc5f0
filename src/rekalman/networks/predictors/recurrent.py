"""A recurrent network with a linear readout that predicts its next row."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Hidden
from rekalman.networks.dense import glorot
from rekalman.networks.predictors.predictor import Predictor
from rekalman.networks.recurrent import Recurrent, count_parameters


class RecurrentPredictor(Predictor):
    r"""Elman, GRU or LSTM units that are given each row, and a readout of the next one.

    $$
    h_{t+1} = \operatorname{cell}(h_t, [y_t; u_{t+1}]), \qquad
    g(h_t) = W^\top [h_t; y_{t-1}; u_t; 1],
    $$

    where the rows stand in the readout only if it is `direct`: they are then part of the state, beside the
    hidden vector and the memory of an LSTM.

    Attributes:
        layer: the units; each is given the row and the inputs.
        readout: weights of the features above, the constant last, `(features, obs)`.
        noise_factor: factor of the covariance of the innovations, `(obs, obs)`.
        direct: whether the readout sees the row before it, too.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> made = RecurrentPredictor.create(rekalman.GRU, 1, units=8, key=jax.random.key(0))
        >>> made.output(made.advance(made.start(), jnp.array([0.5]))).shape
        (1,)
    """

    layer: Recurrent
    readout: Float[Array, "features obs"]
    noise_factor: Float[Array, "_ _"]
    direct: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.readout.ndim != 2 or self.readout.shape[0] != self.features:
            raise RekalError(
                f"a readout of {self.features} features is wanted, not of shape {self.readout.shape}"
            )
        square = (self.observations, self.observations)
        if self.noise_factor.shape != square:
            raise RekalError(
                f"noise_factor has shape {self.noise_factor.shape}, but {square} would fit the readout"
            )

    @classmethod
    def create(
        cls,
        kind: type[Recurrent],
        observations: int,
        *,
        units: int,
        inputs: int = 0,
        direct: bool = False,
        key: PRNGKeyArray,
    ) -> RecurrentPredictor:
        """A network with random weights, which draws as its layer does: Glorot uniform, orthogonal across.

        Args:
            kind: `Elman`, `GRU` or `LSTM`.
            observations: number of columns.
            units: length of the hidden vector.
            inputs: number of known inputs.
            direct: whether the readout sees the row before it, too.
            key: of the weights.

        Raises:
            RekalError: a size that is none.
        """
        if observations < 1 or units < 1 or inputs < 0:
            raise RekalError(
                "a predictor needs columns >= 1, units >= 1 and inputs >= 0, "
                f"not {observations}, {units} and {inputs}"
            )
        of_layer, of_across, of_readout = jax.random.split(key, 3)
        features, rows = observations + inputs, kind.gates * units
        layer = kind(
            into=glorot((features, rows), of_layer),
            across=jax.nn.initializers.orthogonal()(of_across, (units, rows), jnp.float32),
            bias=kind.start_bias(units),
            latent=observations,
            units=units,
            n_inputs=inputs,
            timed=False,
        )
        weights = glorot((units, observations), of_readout)
        rest = jnp.zeros((1 + direct * features, observations), weights.dtype)
        return cls(
            layer=layer,
            readout=jnp.concatenate([weights, rest]),
            noise_factor=jnp.eye(observations, dtype=weights.dtype),
            direct=direct,
        )

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.readout.shape[1]

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.layer.n_inputs

    @property
    def row(self) -> int:
        """Length of what the units are given at each step: a row and its inputs."""
        return self.layer.into.shape[0]

    @property
    def features(self) -> int:
        """Number of the features of the readout, the constant among them."""
        return self.layer.units + self.direct * self.row + 1

    @property
    def recurrent(self) -> int:
        """Length of the part of the state that is the network's: hidden vector, and memory of an LSTM."""
        return self.layer.units * (1 + self.layer.has_memory)

    @property
    def states(self) -> int:
        """Length of the state."""
        return self.recurrent + self.direct * self.row

    @property
    def described(self) -> str:
        """The size of the predictor in words."""
        name = type(self.layer).__name__
        trained = count_parameters((self.layer, self.readout))
        return f"{name} with {self.layer.units} units, {trained} parameters"

    def start(self) -> Float[Array, " states"]:
        """Zero: no unit is active."""
        return jnp.zeros(self.states, self.readout.dtype)

    def advance(
        self,
        state: Float[Array, " states"],
        y: Float[Array, " obs"],
        u: Float[Array, " input"] | None = None,
    ) -> Float[Array, " states"]:
        """One step of the units, see `Predictor.advance`."""
        row = y if u is None else jnp.concatenate([y, u])
        after = self.layer.step(row @ self.layer.into + self.layer.bias, self.hidden(state))
        parts = [after.hidden] if after.memory is None else [after.hidden, after.memory]
        return jnp.concatenate([*parts, row] if self.direct else parts)

    def output(self, state: Float[Array, " states"]) -> Float[Array, " obs"]:
        """The readout of a state."""
        return self.features_of(state) @ self.readout

    def noise(self, state: Float[Array, " states"]) -> Float[Array, "obs obs"]:
        """The factor of the covariance of the innovations, the same at every state."""
        return self.noise_factor

    def hidden(self, state: Float[Array, " states"]) -> Hidden:
        """The part of a state that is the network's."""
        units = self.layer.units
        memory = state[units : 2 * units] if self.layer.has_memory else None
        return Hidden(state[:units], memory)

    def features_of(self, state: Float[Array, " states"]) -> Float[Array, " features"]:
        """What the readout multiplies: the hidden vector, the row where it is direct, and 1."""
        one = jnp.ones(1, state.dtype)
        return jnp.concatenate([state[: self.layer.units], state[self.recurrent :], one])
