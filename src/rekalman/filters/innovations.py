r"""The filter of a model in innovations form: series with gaps, and forecasts of several steps.

Where everything is observed the state is known, $x_{t+1} = f(x_t, y_t)$. Where an entry is missing the state
is not, and the belief is a Gaussian of state and row together,

$$
\begin{pmatrix} x_t \\ y_t \end{pmatrix}
\sim \mathcal{N}\left(\begin{pmatrix} m \\ g(m) \end{pmatrix}, J J^\top\right), \qquad
J = \begin{pmatrix} L & 0 \\ G L & N \end{pmatrix}, \quad G = g'(m), \quad N N^\top = S,
$$

with a thin factor $L$ of the covariance of the state. Observed entries $y_o$ have no noise of their own, so
with the rows $J_o$ of the factor that belong to them

$$
K = J J_o^\top (J_o J_o^\top)^{-1}, \qquad
\begin{pmatrix} x_t \\ y_t \end{pmatrix} \leftarrow {} + K (y_o - g_o(m)), \qquad J \leftarrow J - K J_o,
$$

where $J - K J_o = J (I - \Pi)$ with the projection $\Pi$ on the rows of $J_o$: no covariance can become
negative. A step through time is $m \leftarrow f(m, y)$ and $L \leftarrow [F_x\ F_y] J$ with the derivatives
of $f$ there, as in an extended Kalman filter. A forecast is that with nothing observed. $L$ would gain a
column for each missing entry; it keeps the `rank` directions of the largest variance.

Over many steps of nonlinear dynamics a linearisation may be far off: its variance grows without end where
that of the system is bounded. With `draws` a forecast follows so many series that are drawn, in antithetic
pairs, and its moments are those of the mixture of the laws with the means $g(x^i)$ and the covariances
$S(x^i)$. The random numbers are the same for all forecasts, and orthogonal over the draws, as far as there
are enough of them: then the moments of a linear predictor are exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.distribution import Distribution
from rekalman.core.filter import Filter
from rekalman.core.gaussian import Gaussian
from rekalman.core.innovations_form import InnovationsForm, LinearisesPaths
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.core.trajectory import Filtered
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.networks.predictors.predictor import Predictor
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision

RANK = 24
"""So many directions in which the state may be uncertain, unless it has fewer."""


class InnovationsBelief(NamedTuple):
    """The joint law of the state and the row of a step.

    Attributes:
        state: mean of the state.
        row: mean of the row: before the observation that of its prediction, after it what was observed.
        factor: of the joint covariance, `(states + obs, rank + obs)`, the rows of the state first; None in a
            path of complete series, where it is zero.
    """

    state: Float[Array, " states"]
    row: Float[Array, " obs"]
    factor: Float[Array, "joint columns"] | None


@storable
class Innovations(Filter, LinearisesPaths):
    """The filter of a predictor, see the text of the module.

    The first row is taken to be standard normal, since data are standardised; the state begins at
    `predictor.start()`, which is known.

    Attributes:
        predictor: the model in innovations form.
        rank: number of directions in which the state may be uncertain; None = 24, or all of a smaller state.
        draws: number of series that a forecast draws, an even one; None = it linearises.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> from rekalman.filters.innovations import Innovations
        >>> from rekalman.networks.predictors.recurrent import RecurrentPredictor
        >>> network = RecurrentPredictor.create(rekalman.Elman, 1, units=4, key=jax.random.key(0))
        >>> filtering = Innovations(network)
        >>> path = filtering.run(jnp.ones((5, 1)), jnp.ones((5, 1), bool))
        >>> path.predicted.mean.shape
        (5, 1)
    """

    long_name = "filter of the innovations form"

    predictor: Predictor
    rank: int | None = eqx.field(static=True, default=None)
    draws: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.draws is not None and whole("draws", self.draws, 2) % 2:
            raise RekalError(f"draws must be even, but is {self.draws}: they come in pairs")
        if self.rank is not None:
            whole("rank", self.rank)

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.predictor.observations

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.predictor.n_inputs

    @property
    def directions(self) -> int:
        """Number of directions in which the state may be uncertain."""
        most = RANK if self.rank is None else self.rank
        return min(most, self.predictor.states)

    def innovations_form(self, u: Any = None, visited: Any = None) -> InnovationsForm:
        """That of the predictor, see `Linearises`."""
        return self.predictor.innovations_form(u, visited)

    def visited_states(self, path: Any) -> Float[Array, "batch steps states"]:
        """The mean of the state at each step."""
        return path.belief.state

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (("filter", self.long_name), ("network", self.predictor.described))

    @property
    def size(self) -> str:
        """The size of the predictor in words."""
        return self.predictor.described

    @property
    def parameters(self) -> int:
        """How many numbers the predictor holds."""
        leaves = jax.tree.leaves(eqx.filter(self.predictor, eqx.is_inexact_array))
        return sum(leaf.size for leaf in leaves)

    def size_lines(self) -> tuple[str, ...]:
        """The size of the predictor in words."""
        return (f"{'network':<15} {self.size}",)

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs no memory could hold.

        Raises:
            RekalError: they are too large.
        """
        p, n = self.observations, self.predictor.states
        check_memory(
            float(series * steps * (n + p)) * (self.directions + p + 1) * self.dtype.itemsize,
            f"filtering {series} series, padded to {steps} steps, by {n} states",
            "use fewer units or shorter series",
        )

    @property
    def dtype(self) -> Any:
        """Type of its numbers."""
        return jnp.result_type(*jax.tree.leaves(eqx.filter(self.predictor, eqx.is_inexact_array)))

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> InnovationsBelief:
        """The state of the start, and a standard normal row (`key` is not used)."""
        p, state = self.observations, self.predictor.start()
        factor = jnp.zeros((len(state) + p, self.directions + p), state.dtype)
        factor = factor.at[len(state) :, self.directions :].set(jnp.eye(p, dtype=state.dtype))
        return InnovationsBelief(state, jnp.zeros(p, state.dtype), factor)

    @in_own_precision
    def predict(
        self,
        belief: InnovationsBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> InnovationsBelief:
        """One step through time, and the law of the row there."""
        assert belief.factor is not None
        n, advance = self.predictor.states, lambda x, y: self.predictor.advance(x, y, u)
        state, moved = jax.linearize(advance, belief.state, belief.row)
        columns = jax.vmap(moved, (1, 1), 1)(belief.factor[:n], belief.factor[n:])
        L = largest(columns, self.directions)
        row, seen = jax.linearize(self.predictor.output, state)
        N = self.predictor.noise(state)
        joint = jnp.block([[L, jnp.zeros((n, len(row)), L.dtype)], [jax.vmap(seen, 1, 1)(L), N]])
        return InnovationsBelief(state, row, joint)

    @in_own_precision
    def observe(self, belief: InnovationsBelief, u: Array | None = None) -> Gaussian:
        """The law of the row of a predicted belief."""
        assert belief.factor is not None
        J = belief.factor[self.predictor.states :]
        return Gaussian(belief.row, J @ J.T)

    @in_own_precision
    def update(
        self, belief: InnovationsBelief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[InnovationsBelief, Float[Array, ""]]:
        """One row enters.

        Args:
            belief: before the row.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        rows, known, _ = observation_row(self.observations, self.n_inputs, self.dtype, y, mask, u)
        y, seen, J = rows[0], known[0], belief.factor
        assert J is not None
        n = self.predictor.states
        log_prob = self.observe(belief).log_prob(jnp.where(seen, y, jnp.nan))
        J_o = jnp.where(seen[:, None], J[n:], 0.0)
        S = J_o @ J_o.T + jnp.diag(jnp.where(seen, 0.0, 1.0).astype(J.dtype))
        K = jnp.linalg.solve(S, J_o @ J.T).T
        error = jnp.where(seen, y - belief.row, 0.0)
        J = J - K @ J_o
        J = J.at[n:].set(jnp.where(seen[:, None], 0.0, J[n:]))  # exactly, not but for rounding
        row = jnp.where(seen, y, belief.row + K[n:] @ error)
        return InnovationsBelief(belief.state + K[:n] @ error, row, J), log_prob

    def restore(self, moments: InnovationsBelief, step: Array) -> InnovationsBelief:
        """The belief of a path; where everything was observed its factor is zero."""
        if moments.factor is not None:
            return moments
        p, n = self.observations, self.predictor.states
        return moments._replace(factor=jnp.zeros((n + p, self.directions + p), moments.state.dtype))

    @in_own_precision
    def forecast(
        self,
        belief: InnovationsBelief,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
        particles: int | None = None,
    ) -> Distribution:
        """The laws of the next rows, see `Filter.forecast` (`dt`, `key` and `particles` are not used)."""
        if self.draws is None:
            return super().forecast(belief, steps, inputs)
        assert belief.factor is not None
        n, p, half = self.predictor.states, self.observations, self.draws // 2
        mirrored = lambda z: jnp.concatenate([z, -z])  # noqa: E731
        first, later = jax.random.split(jax.random.key(0))
        columns = belief.factor.shape[1]
        z = mirrored(orthogonal_draws(first, half, columns, belief.factor.dtype))
        noise = orthogonal_draws(later, half, steps * p, belief.factor.dtype)
        noise = noise.reshape(half, steps, p).swapaxes(0, 1)
        joint = jnp.concatenate([belief.state, belief.row]) + z @ belief.factor.T

        def step(joint: Array, row: PyTree) -> tuple[Array, tuple[Array, Array]]:
            e, u = row
            x = jax.vmap(lambda each: self.predictor.advance(each[:n], each[n:], u))(joint)
            g, N = jax.vmap(self.predictor.output)(x), jax.vmap(self.predictor.noise)(x)
            mean = g.mean(0)
            cov = (g - mean).T @ (g - mean) / len(g) + (N @ N.mT).mean(0)
            y = g + jnp.einsum("mij,mj->mi", N, mirrored(e))
            return jnp.concatenate([x, y], 1), (mean, cov)

        return Gaussian(*jax.lax.scan(step, joint, (noise, inputs), length=steps)[1])

    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Filtered:
        """Filter one series (`dt` and `key` are not used)."""
        if complete(mask):
            return self.run_complete(values, inputs)
        path: Any = super().run(values, mask, inputs)
        return path

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
        """Filter several series at once (`dt` and `key` are not used)."""
        if complete(mask, lengths):
            return _complete_batch(self, values, mask, inputs)
        path: Any = super().run_batch(values, mask, inputs)
        return path

    def run_complete(
        self, values: Float[Array, "steps obs"], inputs: Float[Array, "steps input"] | None
    ) -> Filtered:
        """Filter one series whose every entry is observed: the state is known, and needs no covariance."""

        def step(state: Array, row: PyTree) -> tuple[Array, Array]:
            return self.predictor.advance(state, *row), state

        after = None if inputs is None else jnp.concatenate([inputs[1:], inputs[:1]])
        values = values.astype(self.dtype)
        states = jax.lax.scan(step, self.predictor.start(), (values, after))[1]
        first = self.init()
        N = jax.vmap(self.predictor.noise)(states)
        law = Gaussian(
            jax.vmap(self.predictor.output)(states).at[0].set(first.row),
            (N @ N.mT).at[0].set(self.observe(first).cov),
        )
        return Filtered(InnovationsBelief(states, values, None), law, law.log_prob(values))


@eqx.filter_jit
def _complete_batch(
    algorithm: Innovations, values: Array, mask: Array, inputs: Array | None
) -> Filtered:
    """All series at once; steps after the end of a series count for nothing."""
    path = jax.vmap(algorithm.run_complete)(jnp.where(mask, values, 0.0), inputs)
    return eqx.tree_at(
        lambda each: each.log_evidence, path, jnp.where(mask[..., 0], path.log_evidence, 0.0)
    )


def complete(mask: Any, lengths: Any = None) -> bool:
    """Whether every entry is known to be observed: not where a compiled function cannot look.

    Args:
        mask: `(*batch, steps, obs)`.
        lengths: numbers of real steps; None = all.
    """
    if isinstance(mask, Tracer) or isinstance(lengths, Tracer):
        return False
    seen = np.asarray(mask)
    if lengths is None:
        return bool(seen.all())
    real = np.arange(seen.shape[-2]) < np.asarray(lengths)[..., None]
    return bool((seen == real[..., None]).all())


def orthogonal_draws(
    key: PRNGKeyArray, draws: int, count: int, dtype: Any
) -> Float[Array, "draws count"]:
    """Normal numbers, each group of `draws` columns made orthogonal, with a mean square of one.

    Args:
        key: randomness.
        draws: number of rows.
        count: number of columns.
        dtype: of the numbers.
    """
    groups = -(-count // draws)
    Q = jnp.linalg.qr(jax.random.normal(key, (groups, draws, draws), dtype))[0]
    return jnp.sqrt(draws) * Q.swapaxes(0, 1).reshape(draws, -1)[:, :count]


def largest(columns: Float[Array, "states more"], rank: int) -> Float[Array, "states rank"]:
    """A factor of the same covariance with `rank` columns: its directions of the largest variance.

    Args:
        columns: a factor.
        rank: number of columns; as many as states lose nothing.
    """
    if columns.shape[0] <= rank:  # L L' = R' R with the triangular factor R of the transpose
        return jnp.linalg.qr(columns.T, mode="r").T
    turned = jnp.linalg.eigh(columns.T @ columns)[1]  # in ascending order
    return columns @ turned[:, -rank:]
