"""How much of each basis matrix enters the transition: a small network of the state.

The first layer is split into what needs the state, inside the time loop, and what is known before the loop
starts (the bias, the time step, features of the encoder), which enters as one product for all steps:

    hidden_t = W z_t + g_t,  g_t = V e_t + c,      alpha_t = softmax(rest(hidden_t))
"""

from __future__ import annotations

from itertools import pairwise

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.models.activations import Activation, activation_function
from rekalman.networks.dense import Dense


class Head(eqx.Module):
    """What follows the first layer: further layers, each after the activation, and the softmax.

    Attributes:
        layers: the last one has an output for each basis; none at all where the first layer has them.
        activation: elementwise function.
    """

    layers: tuple[Dense, ...]
    activation: Activation = eqx.field(static=True)

    def __call__(self, hidden: Float[Array, "*batch hidden"]) -> Float[Array, "*batch bases"]:
        """Coefficients that sum to one."""
        bend = activation_function(self.activation)
        for layer in self.layers:
            hidden = layer(bend(hidden))
        return jax.nn.softmax(hidden)


class Coefficients(eqx.Module):
    """The coefficient network (Becker et al. 2019, section 3.2: no hidden layer).

    Attributes:
        state: `W`, `(states, hidden)`, or None where the state has no say.
        known: `V` and `c`, from what is known before the loop.
        head: the layers after the first.
    """

    state: Float[Array, "states hidden"] | None
    known: Dense
    head: Head

    @classmethod
    def create(
        cls,
        states: int,
        known: int,
        sizes: tuple[int, ...],
        bases: int,
        activation: Activation,
        key: PRNGKeyArray,
    ) -> Coefficients:
        """Draw a network: Glorot weights, zero biases.

        Args:
            states: number of state features, 0 for none.
            known: number of features known before the loop.
            sizes: hidden layers.
            bases: number of outputs.
            activation: of the hidden layers.
            key: randomness.
        """
        widths = (*sizes, bases)
        keys = jax.random.split(key, len(widths))
        first = Dense(states + known, widths[0], key=keys[0])
        given = eqx.tree_at(lambda layer: layer.weight, first, first.weight[states:])
        rest = [Dense(a, b, key=k) for (a, b), k in zip(pairwise(widths), keys[1:], strict=True)]
        state = first.weight[:states] if states else None
        return cls(state, given, Head(tuple(rest), activation))
