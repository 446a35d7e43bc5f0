"""A recurrent predictor that learns from each row as it filters: the weights are part of the belief."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from rekalman.core.filter import Filter
from rekalman.core.gaussian import Gaussian
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.filters.innovations import Innovations, InnovationsBelief
from rekalman.filters.learning.derivatives import StepDerivatives, step_derivatives
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.step import Lanes, WeightUpdate
from rekalman.filters.learning.weights import Weights, weights_of, with_weights
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision


class LearningBelief(NamedTuple):
    """What the network knows at a step.

    Attributes:
        inner: the belief of the filter of the predictor (`filters/innovations.py`).
        weights: as learned so far.
        memory: of the rule that differentiates it.
        update: what the update of the weights knows.
        predicted: whether the row of this step was predicted by the network: the first of a series is not.
    """

    inner: InnovationsBelief
    weights: Weights
    memory: PyTree
    update: PyTree
    predicted: Array


@storable
class LearningNetwork(Filter):
    """A recurrent predictor that goes on learning, one pass over the data, with constant memory.

    Before each row it predicts, after each row the weights change: `predict` carries derivatives forward by
    the rule, `update` takes the row and moves the weights. A step with nothing observed teaches nothing.

    Attributes:
        predictor: with the weights of the start.
        rule: how the network is differentiated.
        update_rule: what is done with the derivatives.
        prior: the arrays of what the update knows at the start, as floating-point numbers, such as the
            covariance of the weights that training left; None = it knows nothing.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> from rekalman.filters.learning.adam import Adam
        >>> from rekalman.filters.learning.network import LearningNetwork
        >>> from rekalman.filters.learning.snap import SnAp
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> start = RecurrentPredictor.create(rekalman.GRU, 1, units=4, key=jax.random.key(0))
        >>> learning = LearningNetwork.create(start, SnAp(1), Adam())
        >>> belief, _ = learning.update(learning.init(jax.random.key(0)), jnp.array([0.5]))
        >>> learning.observe(learning.predict(belief)).mean.shape
        (1,)
    """

    long_name = "a network that learns online"

    predictor: RecurrentPredictor
    rule: Rule
    update_rule: WeightUpdate
    prior: tuple[Any, ...] | None = None

    @classmethod
    def create(
        cls,
        predictor: RecurrentPredictor,
        rule: Rule,
        update_rule: WeightUpdate,
        prior: tuple[Any, ...] | None = None,
    ) -> LearningNetwork:
        """The filter, once the rule suits the network and the update the rule.

        Raises:
            RekalError: they do not.
        """
        rule.check(predictor)
        update_rule.check(rule)
        return cls(predictor, rule.suited(predictor), update_rule, prior)

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.predictor.observations

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.predictor.n_inputs

    @property
    def dtype(self) -> Any:
        """Type of its numbers."""
        return self.predictor.readout.dtype

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (
            ("filter", self.long_name),
            ("network", self.predictor.described),
            ("derivatives", self.rule.long_name),
            ("update", self.update_rule.long_name),
        )

    @property
    def size(self) -> str:
        """The size of the network in words."""
        return f"{self.predictor.described}, learning by {self.rule.long_name}"

    def size_lines(self) -> tuple[str, ...]:
        """The size of the network in words."""
        return (f"{'network':<15} {self.size}",)

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs, weights included, no memory could hold.

        Raises:
            RekalError: they are too large.
        """
        weights = sum(leaf.size for leaf in jax.tree.leaves(weights_of(self.predictor)))
        check_memory(
            2.0 * series * steps * (weights + self.predictor.states) * self.dtype.itemsize,
            f"filtering {series} series, padded to {steps} steps, by a network that learns",
            "use fewer units or shorter series",
        )

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> LearningBelief:
        """The weights of the start, and no row yet.

        Args:
            key: of a rule that draws; default the one of seed 0.
        """
        weights = weights_of(self.predictor)
        return LearningBelief(
            inner=Innovations(self.predictor).init(),
            weights=weights,
            memory=self.rule.start(self.predictor, jax.random.key(0) if key is None else key),
            update=self.known(weights),
            predicted=jnp.zeros((), bool),
        )

    def known(self, weights: Weights) -> PyTree:
        """What the update knows at the start."""
        nothing = self.update_rule.start(weights, self.rule)
        if self.prior is None:
            return nothing
        leaves, structure = jax.tree.flatten(nothing)
        pairs = zip(leaves, self.prior, strict=True)
        return jax.tree.unflatten(structure, [new.astype(old.dtype) for old, new in pairs])

    def filtering(self, weights: Weights) -> Innovations:
        """The filter of the predictor with some weights, which do not learn."""
        return Innovations(with_weights(self.predictor, weights))

    def differentiated(
        self, weights: Weights, state: Array, row: Array
    ) -> tuple[Float[Array, " states"], StepDerivatives]:
        """The state after a step, and its derivatives, see `step_derivatives`."""
        return step_derivatives(self.predictor, weights, state, row)

    @in_own_precision
    def predict(
        self,
        belief: LearningBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> LearningBelief:
        """One step through time; the derivatives go along."""
        inner, weights = belief.inner, belief.weights
        row = inner.row if u is None else jnp.concatenate([inner.row, u])
        step = self.differentiated(weights, inner.state, row)[1]
        return LearningBelief(
            inner=self.filtering(weights).predict(inner, u),
            weights=weights,
            memory=self.rule.after(belief.memory, step),
            update=belief.update,
            predicted=jnp.ones((), bool),
        )

    @in_own_precision
    def observe(self, belief: LearningBelief, u: Array | None = None) -> Gaussian:
        """The law of the row of a predicted belief, with what is not known of the weights."""
        law = self.filtering(belief.weights).observe(belief.inner)
        part = self.update_rule.parameter_cov(
            belief.update,
            self.rule,
            self.predictor,
            belief.weights,
            belief.inner.state,
            belief.memory,
        )
        if part is None:
            return law
        return Gaussian(law.mean, law.cov + jnp.where(belief.predicted, part, 0.0))

    @in_own_precision
    def update(
        self, belief: LearningBelief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[LearningBelief, Float[Array, ""]]:
        """One row enters, and the weights learn from it.

        Args:
            belief: before the row.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        rows, known, _ = observation_row(self.observations, self.n_inputs, self.dtype, y, mask, u)
        y, seen = rows[0], known[0]
        log_prob = self.observe(belief).log_prob(jnp.where(seen, y, jnp.nan))
        lanes = Lanes(
            belief.inner.state[None],
            y[None],
            (seen & belief.predicted)[None],
            jax.tree.map(lambda leaf: leaf[None], belief.memory),
        )
        weights, update, memory = self.update_rule.after(
            belief.update, self.rule, self.predictor, belief.weights, lanes
        )
        inner = self.filtering(belief.weights).update(belief.inner, y, seen, u)[0]
        memory = jax.tree.map(lambda leaf: leaf[0], memory)
        return LearningBelief(inner, weights, memory, update, belief.predicted), log_prob

    def moments(self, belief: LearningBelief) -> LearningBelief:
        """What of a belief forecasts need: all of it."""
        return belief
