r"""UORO and KF-RTRL: the influence matrix as one random product, right on average.

Both replace $M_t$ by a product of two small factors whose mean is $M_t$. With independent signs the cross
terms of a sum of products vanish on average,

$$
\mathbb{E}\,(c_1 \rho_1 a_1 + c_2 \rho_2 a_2) \otimes (c_1 b_1 / \rho_1 + c_2 b_2 / \rho_2)
= a_1 \otimes b_1 + a_2 \otimes b_2,
$$

whatever the positive $\rho$; those that make both factors of a product equally long keep the variance small.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.serial import storable
from rekalman.filters.learning.derivatives import StepDerivatives
from rekalman.filters.learning.rule import Rule
from rekalman.foundation.errors import RekalError
from rekalman.networks.elman import Elman
from rekalman.networks.predictors.recurrent import RecurrentPredictor

TINY = 1e-7
"""Added to lengths that are divided by, and to the factors between them (Tallec and Ollivier 2018)."""


class Product(NamedTuple):
    """A product whose mean is the influence matrix.

    Attributes:
        left: the factor of the states in UORO, of the rows of the weights in KF-RTRL.
        right: the other one.
        key: of the signs to come.
    """

    left: Array
    right: Array
    key: PRNGKeyArray


def _balance(right: Array, left: Array) -> Array:
    """The factor that makes both sides of a product equally long."""
    length = lambda each: jnp.sqrt(jnp.square(each).sum())  # noqa: E731
    return jnp.sqrt((length(right) + TINY) / (length(left) + TINY)) + TINY


@storable
class UORO(Rule):
    """Unbiased online recurrent optimisation (Tallec and Ollivier 2018, ICLR): a product of two vectors.

    Examples:
        >>> from rekalman.filters.learning.random_rules import UORO
        >>> UORO.exact_enough
        False
    """

    name: ClassVar[str] = "uoro"
    long_name: ClassVar[str] = "unbiased online recurrent optimisation"
    exact_enough: ClassVar[bool] = False

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Product:
        """No influence yet: a vector of states and one of weights."""
        layer, dtype = predictor.layer, predictor.readout.dtype
        states = jnp.zeros((1 + layer.has_memory, layer.units), dtype)
        rows = predictor.row + layer.units + 1
        return Product(states, jnp.zeros((rows, layer.gates, layer.units), dtype), key)

    def after(self, memory: Product, step: StepDerivatives) -> Product:
        """Both vectors after a step; a sign for each state spreads the immediate derivative."""
        key, own = jax.random.split(memory.key)
        signs = jax.random.rademacher(own, memory.left.shape, memory.left.dtype)
        moved, local = step.forward(memory.left), step.of_weights(signs)
        old, new = _balance(memory.right, moved), _balance(local, signs)
        return Product(old * moved + new * signs, memory.right / old + local / new, key)

    def gradient(self, memory: Product, cotangent: Float[Array, "kinds units"]) -> Array:
        """The loss derivative times the product."""
        return (cotangent * memory.left).sum() * memory.right


@storable
class KFRTRL(Rule):
    """Kronecker-factored RTRL (Mujika, Meier and Steger 2018, NeurIPS), of Elman networks.

    Their immediate derivative is a product itself, of what the units are shown and a diagonal matrix.

    Examples:
        >>> from rekalman.filters.learning.random_rules import KFRTRL
        >>> KFRTRL().name
        'kf-rtrl'
    """

    name: ClassVar[str] = "kf-rtrl"
    long_name: ClassVar[str] = "Kronecker-factored real-time recurrent learning"
    exact_enough: ClassVar[bool] = False

    def check(self, predictor: RecurrentPredictor) -> None:
        """Refuse gated units, whose immediate derivative is no single product.

        Raises:
            RekalError: they are.
        """
        refuse_gates(self, predictor)

    def start(self, predictor: RecurrentPredictor, key: PRNGKeyArray) -> Product:
        """No influence yet: a vector of rows and a matrix of states and units."""
        units, dtype = predictor.layer.units, predictor.readout.dtype
        rows = jnp.zeros(predictor.row + units + 1, dtype)
        return Product(rows, jnp.zeros((units, units), dtype), key)

    def after(self, memory: Product, step: StepDerivatives) -> Product:
        """Both factors after a step, with two random signs."""
        key, own = jax.random.split(memory.key)
        first, second = jax.random.rademacher(own, (2,), memory.left.dtype)
        moved, local = step.forward(memory.right[None])[0], jnp.diag(step.given[0, 0])
        old, new = _balance(moved, memory.left), _balance(local, step.shown)
        left = first * old * memory.left + second * new * step.shown
        return Product(left, first * moved / old + second * local / new, key)

    def gradient(self, memory: Product, cotangent: Float[Array, "kinds units"]) -> Array:
        """The loss derivative times the product."""
        return memory.left[:, None, None] * (cotangent[0] @ memory.right)


def refuse_gates(rule: Rule, predictor: RecurrentPredictor) -> None:
    """Refuse a network with gates or memory.

    Raises:
        RekalError: it has.
    """
    if not isinstance(predictor.layer, Elman):
        raise RekalError(
            f"{rule.name} is defined for elman units, not for {type(predictor.layer).__name__}: use rtrl, "
            "snap, uoro or tbptt"
        )
