r"""The recursion on a belief, the one class that all filters share.

    belief = filter.init()
    belief = filter.predict(belief, u, dt)                 # through time
    distribution = filter.observe(belief, u)               # of the observation, before it is seen
    belief, log_prob = filter.update(belief, y, mask, u)   # through data

A subclass gives these four; running over series, forecasting and drawing new series are written here, once.
A filter that knows a faster way overrides them, and has to give the same numbers.
"""

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.distribution import Distribution
from rekalman.core.trajectory import Filtered, Trajectory
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision

Belief = Any
"""What a filter knows at a step: a pytree, of a class of its own for each kind of filter."""


class Filter(eqx.Module):
    """A recursion on a belief about one series.

    Conventions: `init` is the belief about the step of the first observation; the input `u_t` drives the step
    into `t`. A step at which nothing is observed is an update whose mask is False everywhere.

    Attributes:
        observations: number of observed columns.
        n_inputs: number of known inputs, 0 without any.
        short_name: what `rekalman.fit(filtering=...)` calls a filter of this kind; "" where it does not.
        long_name: what it is called in a sentence.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> kalman = rekalman.Kalman(rekalman.LinearGaussian.create(A=one, C=one, Q=one, R=one))
        >>> belief, log_prob = kalman.update(kalman.init(), jnp.array([0.5]))
        >>> ahead = kalman.observe(kalman.predict(belief))
        >>> float(ahead.mean[0]), float(ahead.var[0])
        (0.25, 2.5)
    """

    short_name: ClassVar[str] = ""
    long_name: ClassVar[str] = ""

    if TYPE_CHECKING:  # a subclass has each as a field or as a property

        @property
        def observations(self) -> int:
            """Number of observed columns."""
            ...

        @property
        def n_inputs(self) -> int:
            """Number of known inputs."""
            ...

    else:
        observations: eqx.AbstractVar[int]
        n_inputs: eqx.AbstractVar[int]

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray | None = None) -> Belief:
        """The belief about the first step before anything is observed.

        Args:
            key: start of the randomness, where there is any.
        """

    @abc.abstractmethod
    def predict(
        self,
        belief: Belief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Belief:
        """One step through time.

        Args:
            belief: after the observation of the step before.
            u: inputs that drive the step.
            dt: its length, of a filter in continuous time; None = its interval.
        """

    @abc.abstractmethod
    def update(
        self, belief: Belief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[Belief, Float[Array, ""]]:
        """One observation enters a predicted belief.

        Args:
            belief: before the observation (`init` or `predict`).
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step.

        Returns:
            The belief after the observation, and `log p(y | past)` in nats, 0 where nothing was observed.
        """

    @abc.abstractmethod
    def observe(self, belief: Belief, u: Float[Array, " input"] | None = None) -> Distribution:
        """The distribution of the observation at the step of a predicted belief."""

    @property
    def continuous(self) -> bool:
        """Whether series may be sampled at any times."""
        return False

    @property
    def interval(self) -> float | None:
        """Length of a step where none is given; None = steps have no length."""
        return None

    @property
    def unknown(self) -> int:
        """Number of directions of the state about which nothing is known at the start (diffuse ones)."""
        return 0

    @property
    def limited(self) -> bool:
        """Whether it is defined for a number of steps only (`check_steps`)."""
        return False

    @property
    def longest_horizon(self) -> int | None:
        """Number of steps ahead up to which it forecasts; None = any."""
        return None

    def check_steps(self, steps: int) -> None:
        """Refuse a series that is longer than the filter is defined for.

        Raises:
            RekalError: it is.
        """

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs no memory could hold.

        Args:
            series: how many.
            steps: of each, padding included.
            smoothing: whether they are smoothed, too.

        Raises:
            RekalError: they are too large.
        """

    def check_path(
        self,
        path: Any,
        lengths: Int[np.ndarray, " batch"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> None:
        """Refuse what is left of a filter that broke down; compiled code cannot look at numbers.

        Args:
            path: what `run_batch` left of several series.
            lengths: numbers of real steps.
            inputs: known inputs.
            dt: time since the step before.

        Raises:
            RekalError: it did; the sentence names the step.
        """
        evidence = np.asarray(path.log_evidence)
        broken = ~np.isfinite(evidence) & (np.arange(evidence.shape[1]) < lengths[:, None])
        for _, step in np.argwhere(broken)[:1]:
            raise RekalError(
                f"the filter broke down: the log density of the observation at step {step} (counted from "
                "0) is not finite"
            )

    def suited(self) -> "Filter":
        """The same filter in the precision that suits it."""
        return self

    def seeded(self, seed: int) -> "Filter":
        """The same filter with another start of its randomness, where there is any."""
        return self

    @property
    def frame_shape(self) -> tuple[int, ...] | None:
        """Height, width and channels of the frame that is seen at each step; None = a row of numbers is."""
        return None

    @property
    def binary(self) -> bool:
        """Whether the columns are pixels that are on (1) or off (0), with a probability for each."""
        return False

    @property
    def estimates_target(self) -> bool:
        """Whether `observe` of a belief tells of the target of the step that was just seen."""
        return False

    @property
    def generative(self) -> bool:
        """Whether it has a law of what it sees, so that new series can be drawn."""
        return True

    @property
    def resumes(self) -> bool:
        """Whether a belief that `restore` gives can be predicted and updated, and not only forecast from."""
        return True

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter: names and values."""
        return (("filter", self.long_name or type(self).__name__),)

    @property
    def size(self) -> str:
        """The size of the filter in words."""
        return self.long_name or type(self).__name__

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array)))

    def size_lines(self) -> tuple[str, ...]:
        """What a summary says of the size of the filter, a line each."""
        return (f"{'filter':<15} {self.size}",)

    @property
    @in_own_precision
    def nothing(self) -> tuple[Any, Any]:
        """What `update` takes at a step of which nothing is observed: values and a mask."""
        return jnp.zeros(self.observations), jnp.zeros(self.observations, bool)

    @in_own_precision
    def skip(self, belief: Belief) -> Belief:
        """A predicted belief after its step has passed with nothing observed."""
        u = jnp.zeros(self.n_inputs) if self.n_inputs else None
        return self.update(belief, *self.nothing, u)[0]

    @property
    def components(self) -> int:
        """Number of Gaussians that its predictive distribution is a mixture of."""
        return 1

    def proper(self, belief: Belief) -> bool:
        """Whether what follows has a density: not before every direction of a diffuse start is known."""
        return True

    def moments(self, belief: Belief) -> PyTree:
        """What of a belief forecasts need; `restore` is the way back."""
        return belief

    def restore(self, moments: PyTree, step: Array) -> Belief:
        """The belief whose moments `moments` or a `Trajectory` gave.

        Args:
            moments: of one step.
            step: its number, counted from 0.
        """
        return moments

    @in_own_precision
    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Trajectory:
        """Filter one series: update with `y_1`, then predict and update to the end.

        Args:
            values: the observations; what stands where the mask is False does not matter.
            mask: True where observed.
            inputs: known inputs.
            dt: time since the step before, of a filter in continuous time; the first is not used.
            key: start of the randomness, where there is any.
        """

        def seen(prior: Belief, row: PyTree) -> tuple[Belief, Filtered]:
            y, mask, u, _ = row
            belief, log_prob = self.update(prior, jnp.where(mask, y, 0.0), mask, u)
            return belief, Filtered(belief, self.observe(prior, u), log_prob)

        def step(belief: Belief, row: PyTree) -> tuple[Belief, Filtered]:
            return seen(self.predict(belief, *row[2:]), row)

        rows = (values, mask, inputs, dt)
        first, head = seen(self.init(key), jax.tree.map(lambda leaf: leaf[0], rows))
        _, rest = jax.lax.scan(step, first, jax.tree.map(lambda leaf: leaf[1:], rows))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), head, rest)

    @in_own_precision
    def run_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> Trajectory:
        """Filter several series, padded at their ends to one length.

        Args:
            values: the observations.
            mask: True where observed, False in the padding.
            inputs: known inputs.
            dt: time since the step before, of a filter in continuous time.
            key: start of the randomness, where there is any.
            lengths: numbers of real steps, for filters that are faster if they know them.
        """
        return _run_each(self, values, mask, inputs, dt, key)

    @in_own_precision
    def forecast(
        self,
        belief: Belief,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> Distribution:
        """The distributions of the next observations, of which none is seen.

        Args:
            belief: after the last observation.
            steps: how many.
            inputs: known inputs of these steps.
            dt: length of each step.
            key: randomness, where there is any.
            particles: how many are pushed forward, where there are any; default all.

        Returns:
            A distribution with a leading axis of steps ahead.
        """

        def step(belief: Belief, row: PyTree) -> tuple[Belief, Distribution]:
            u, dt = row
            prior = self.predict(belief, u, dt)
            return self.skip(prior), self.observe(prior, u)

        return jax.lax.scan(step, belief, (inputs, dt), length=steps)[1]

    def noise_free(
        self,
        belief: Belief,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Float[Array, "steps obs"] | None:
        """The next observations if the state went on from its mean without noise.

        None where that is the mean of the forecast.
        """
        return None

    @in_own_precision
    def draw_series(
        self,
        key: PRNGKeyArray,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
    ) -> Float[Array, "steps obs"]:
        r"""A new series: each observation is drawn from its distribution and then enters as if it were seen.

        One-step predictive densities define the law of whole series, $p(y) = \prod_t p(y_t \mid y_{1:t-1})$,
        so this is exact for a filter that is.
        """

        def drawn(prior: Belief, row: PyTree) -> tuple[Belief, Array]:
            key, u = row
            y = self.observe(prior, u).sample(key)
            return self.update(prior, y, jnp.ones(y.shape, bool), u)[0], y

        def step(belief: Belief, row: PyTree) -> tuple[Belief, Array]:
            return drawn(self.predict(belief, row[1]), row)

        rows = (jax.random.split(key, steps), inputs)
        start = self.init(jax.random.fold_in(key, steps))
        first, head = drawn(start, jax.tree.map(lambda leaf: leaf[0], rows))
        rest = jax.lax.scan(step, first, jax.tree.map(lambda leaf: leaf[1:], rows))[1]
        return jnp.concatenate([head[None], rest])


@eqx.filter_jit
def _run_each(
    algorithm: Filter,
    values: Array,
    mask: Array,
    inputs: Array | None,
    dt: Array | None,
    key: PRNGKeyArray | None,
) -> Trajectory:
    keys = None if key is None else jax.random.split(key, values.shape[0])
    return jax.lax.map(lambda row: algorithm.run(*row), (values, mask, inputs, dt, keys))
