r"""Several filters as one: the average of what they say of the next observation.

Members that are nearly equal on held-out data err in different ways, and the average of their forecasts is
rarely worse than the best of them and often better (Bates and Granger 1969, Operational Research Quarterly).
Their quantiles are averaged, not their densities, whose mixture would be wider than its members (Lichtendahl,
Grushka-Cockayne and Winkler 2013, Management Science 59). Of Gaussians with means `m_i`, deviations `s_i` and
correlations `R_i` that is the Gaussian

    m = sum w_i m_i,   s = sum w_i s_i,   S = diag(s) (sum w_i R_i) diag(s);

of other members the first two moments count. A member that knows nothing yet, with a variance beyond all
data, has no say; where none knows anything the observation has the moments of standardised data, mean 0 and
variance 1.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.distribution import Distribution
from rekalman.core.filter import Filter
from rekalman.core.gaussian import Gaussian
from rekalman.core.serial import storable
from rekalman.core.trajectory import Filtered
from rekalman.filters.averaged import averaged, shares_in_words
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision

AT_ONCE = 64
"""Steps whose predictions are worked out at once."""


@storable
class Combined(Filter):
    """The average of several filters of the same columns.

    Attributes:
        members: the filters.
        weights: of each, above 0, with sum 1.
        observations: number of observed columns.
        names: what the members are called.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.filters.combined import Combined
        >>> one = np.eye(1)
        >>> level = rekalman.Kalman(rekalman.LinearGaussian.create(A=one, C=one, Q=one, R=one))
        >>> still = rekalman.Kalman(rekalman.LinearGaussian.create(A=0 * one, C=one, Q=one, R=one))
        >>> both = Combined.of((level, still))
        >>> belief, _ = both.update(both.init(), jnp.array([2.0]))
        >>> float(both.observe(both.predict(belief)).mean[0])
        0.5
    """

    members: tuple[Filter, ...]
    weights: Float[Array, " members"]
    observations: int = eqx.field(static=True)  # pyright: ignore[reportIncompatibleMethodOverride]
    names: tuple[str, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        if not self.members or len(self.weights) != len(self.members):
            raise RekalError(
                "a combination has one weight for each of its members, and one at least"
            )
        if len(self.names) not in (0, len(self.members)):
            raise RekalError("a combination has a name for each of its members, or none")
        for name in ("observations", "n_inputs", "interval", "continuous"):
            first, *others = (getattr(each, name) for each in self.members)
            if any(each != first for each in others):
                raise RekalError(f"the members of a combination must have the same {name}")
        for each in self.members:
            if not each.resumes:
                raise RekalError(
                    f"{each.long_name or type(each).__name__} cannot be a member of a combination: it does "
                    "not go on from its moments"
                )

    @classmethod
    def of(
        cls, members: tuple[Filter, ...], weights: Any = None, names: tuple[str, ...] = ()
    ) -> Combined:
        """A combination; by default with equal weights.

        Raises:
            RekalError: a weight is not above 0, or the members do not go together.
        """
        given = np.ones(len(members)) if weights is None else np.asarray(weights, np.float64)
        if not (given > 0).all():
            raise RekalError("the weights of a combination must be above 0")
        double = any(
            eqx.is_array(leaf) and leaf.dtype == np.float64 for leaf in jax.tree.leaves(members)
        )
        dtype = np.float64 if double else np.float32
        with jax.enable_x64(double):
            shares = jnp.asarray(given / given.sum(), dtype)
            return cls(members, shares, members[0].observations, names)

    @property
    def long_name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is called in a sentence."""
        return f"a combination of {len(self.members)} filters"

    @property
    def n_inputs(self) -> int:
        """Number of known inputs of each member."""
        return self.members[0].n_inputs

    @property
    def continuous(self) -> bool:
        """Whether series may be sampled at any times."""
        return self.members[0].continuous

    @property
    def interval(self) -> float | None:
        """Length of a step where none is given."""
        return self.members[0].interval

    @property
    def limited(self) -> bool:
        """Whether a member is defined for a number of steps only."""
        return any(each.limited for each in self.members)

    @property
    def longest_horizon(self) -> int | None:
        """That of the member that forecasts the least steps ahead."""
        return min((h for each in self.members if (h := each.longest_horizon)), default=None)

    def check_steps(self, steps: int) -> None:
        """Refuse a series that is longer than a member is defined for."""
        for each in self.members:
            each.check_steps(steps)

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs no memory could hold."""
        for each in self.members:
            each.check_memory(series, steps, smoothing)

    def suited(self) -> Combined:
        """Each member in the precision that suits it."""
        return Combined.of(tuple(each.suited() for each in self.members), self.weights, self.names)

    def seeded(self, seed: int) -> Combined:
        """Each member with another start of its randomness."""
        members = tuple(each.seeded(seed) for each in self.members)
        return Combined(members, self.weights, self.observations, self.names)

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """The filter of each member."""
        return tuple(
            (f"filter {i + 1}", each.long_name or type(each).__name__)
            for i, each in enumerate(self.members)
        )

    def size_lines(self) -> tuple[str, ...]:
        """The members and their weights, then what each has to say."""
        rest = tuple(line for each in self.members for line in each.size_lines())
        if not self.names:
            return rest
        shares = ", ".join(shares_in_words(self.names, self.weights.tolist()))
        return (f"{'members':<16}{shares}", *rest)

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> tuple[Any, ...]:
        """The beliefs of the members."""
        return tuple(each.init(key) for each in self.members)

    @in_own_precision
    def predict(
        self,
        belief: tuple[Any, ...],
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> tuple[Any, ...]:
        """One step of each member through time."""
        pairs = zip(self.members, belief, strict=True)
        return tuple(each.predict(one, _in(each, u), _in(each, dt)) for each, one in pairs)

    @in_own_precision
    def update(
        self, belief: tuple[Any, ...], y: Any, mask: Any = None, u: Any = None
    ) -> tuple[tuple[Any, ...], Float[Array, ""]]:
        """One observation enters the belief of each member; its log density is that of their average."""
        y = jnp.asarray(y)
        seen = ~jnp.isnan(y) if mask is None else jnp.asarray(mask) & ~jnp.isnan(y)
        log_prob = self.observe(belief, u).log_prob(jnp.where(seen, y, jnp.nan))
        pairs = zip(self.members, belief, strict=True)
        y = jnp.where(seen, y, 0.0)
        after = tuple(each.update(one, _in(each, y), seen, _in(each, u))[0] for each, one in pairs)
        return after, log_prob

    @in_own_precision
    def skip(self, belief: tuple[Any, ...]) -> tuple[Any, ...]:
        """The beliefs after a step with nothing observed."""
        return tuple(each.skip(one) for each, one in zip(self.members, belief, strict=True))

    @in_own_precision
    def observe(self, belief: tuple[Any, ...], u: Float[Array, " input"] | None = None) -> Gaussian:
        """The average of what the members say."""
        pairs = zip(self.members, belief, strict=True)
        return averaged(tuple(each.observe(one, _in(each, u)) for each, one in pairs), self.weights)

    def moments(self, belief: tuple[Any, ...]) -> PyTree:
        """What forecasts need of each belief."""
        pairs = zip(self.members, belief, strict=True)
        return tuple(each.moments(one) for each, one in pairs)

    def restore(self, moments: PyTree, step: Array) -> tuple[Any, ...]:
        """The beliefs whose moments these are."""
        pairs = zip(self.members, moments, strict=True)
        return tuple(each.restore(one, step) for each, one in pairs)

    @in_own_precision
    def run_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> Filtered:
        """Filter several series: each member in its own way, then one step ahead from each belief.

        The beliefs of the result are moments, as `restore` takes them.
        """
        batch = values.shape[0]
        moments, ahead = [], []
        for each in self.members:
            y, u, lengths_of_steps = (_in(each, array) for array in (values, inputs, dt))
            path = each.run_batch(y, mask, u, lengths_of_steps, key, lengths)
            own = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape[1:])), path.moments
            )
            moments.append(own)
            ahead.append(_one_step_ahead(each, own, u, lengths_of_steps))
        predicted, log_evidence = _scored(tuple(ahead), self.weights, values, mask)
        return Filtered(tuple(moments), predicted, log_evidence)

    @in_own_precision
    def forecast(
        self,
        belief: tuple[Any, ...],
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> Distribution:
        """The average of the forecasts of the members."""
        pairs = zip(self.members, belief, strict=True)
        ahead = tuple(
            each.forecast(one, steps, _in(each, inputs), _in(each, dt), key, particles)
            for each, one in pairs
        )
        return averaged(ahead, self.weights)


def _in(member: Filter, array: Any) -> Any:
    """An array in the precision of a member."""
    if array is None:
        return None
    leaves = [leaf for leaf in jax.tree.leaves(member) if eqx.is_inexact_array(leaf)]
    double = not leaves or any(leaf.dtype == np.float64 for leaf in leaves)
    return jnp.asarray(array, jnp.result_type(float) if double else jnp.float32)


@eqx.filter_jit
def _one_step_ahead(
    member: Filter, moments: PyTree, inputs: Array | None, dt: Array | None
) -> Gaussian:
    """Moments of what a member predicts of every step, from the beliefs after the step before.

    Each member is a program of its own: XLA runs what does not depend on each other at once, and the loops of
    several members inside of one loop have been seen to wait for each other's threads for ever (JAX 0.10, two
    cores).
    """

    def ahead(row: PyTree) -> Gaussian:
        before, step, u, length = row
        says = member.observe(member.predict(member.restore(before, step), u, length), u)
        return Gaussian(says.mean, says.cov)

    def series(row: PyTree) -> Gaussian:
        moments, inputs, dt = row
        steps = jax.tree.leaves(moments)[0].shape[0]
        before = jax.tree.map(lambda leaf: leaf[:-1], moments)
        later = jax.tree.map(lambda leaf: leaf[1:], (inputs, dt))
        rest = jax.lax.map(ahead, (before, jnp.arange(steps - 1), *later), batch_size=AT_ONCE)
        says = member.observe(member.init(), None if inputs is None else inputs[0])
        begin = Gaussian(says.mean, says.cov)
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), begin, rest)

    return jax.lax.map(series, (moments, inputs, dt))


@eqx.filter_jit
def _scored(
    ahead: tuple[Gaussian, ...], weights: Array, values: Array, mask: Array
) -> tuple[Gaussian, Array]:
    """The average of predictions, and its log density at what came."""
    predicted = averaged(ahead, weights)
    return predicted, predicted.log_prob(jnp.where(mask, values, jnp.nan))
