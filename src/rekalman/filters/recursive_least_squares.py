r"""Recursive least squares: an autoregression whose weights are learned online (Ljung and Söderström 1983).

With the last $p$ observations and a constant, $x_t = (y_{t-1}, \dots, y_{t-p}, 1)$, the model is
$y_t = W^\top x_t + e_t$, $e_t \sim \mathcal{N}(0, S)$. The weights minimise the discounted squares

$$
\sum_{i \le t} \lambda^{t-i} |y_i - W^\top x_i|^2
    + \mathrm{tr}\, (W - W_0)^\top \Lambda_0 (W - W_0)
$$

with a forgetting factor $\lambda \le 1$ and a prior that is not forgotten, so that the information
$\Lambda_t = \lambda \Lambda_{t-1} + (1 - \lambda) \Lambda_0 + x_t x_t^\top$ does not run out where nothing
moves (stabilised forgetting, Kulhavý and Zarrop 1993):

$$
W_t = W_{t-1} + \Lambda_t^{-1} \bigl(x_t (y_t - W_{t-1}^\top x_t)^\top
    + (1 - \lambda) \Lambda_0 (W_0 - W_{t-1})\bigr).
$$

With $\lambda = 1$ this is the Bayesian linear regression: given $S$, weights have the covariance
$S \otimes \Lambda_t^{-1}$. $S$ is a running mean of $e_t e_t^\top / (1 + x_t^\top \Lambda_{t-1}^{-1} x_t)$.

The belief holds a Gaussian of the last $p + 1$ observations. Observed ones are certain; what was not observed
is filtered as the autoregression says. Weights learn from a step only if it and its $p$ lags were observed
whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from rekalman.core.filter import Filter
from rekalman.core.gaussian import Gaussian
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.foundation.errors import RekalError
from rekalman.numerics.memory import check_memory
from rekalman.numerics.precision import in_own_precision


class LeastSquaresBelief(NamedTuple):
    """What recursive least squares know at a step.

    Attributes:
        mean: of the observations of this step and the `lags` before it, newest first.
        cov: their covariance, zero where observed.
        weights: mean of the weights, a column for each output.
        information: of the weights, of an output with unit noise.
        uncertainty: its inverse.
        scatter: discounted sum of squared errors.
        errors: discounted number of them; `scatter / errors` is the noise covariance.
        run: number of steps before this one that were observed whole, `lags` at most.
    """

    mean: Float[Array, " window"]
    cov: Float[Array, "window window"]
    weights: Float[Array, "features obs"]
    information: Float[Array, "features features"]
    uncertainty: Float[Array, "features features"]
    scatter: Float[Array, "obs obs"]
    errors: Float[Array, ""]
    run: Int[Array, ""]


@storable
class RecursiveLeastSquares(Filter):
    r"""A vector autoregression with weights learned online, see the text of the module.

    The predictive law is the Gaussian with the moments
    $W^\top m$ and $A V A^\top + S (1 + m^\top P m + \mathrm{tr}\, P V)$ of a window
    $x \sim \mathcal{N}(m, V)$ and weights with the uncertainty $P = \Lambda^{-1}$ ($A$ are the weights of the
    lags): exact one step ahead of observed values. Several steps ahead the window runs forward as if nothing
    was observed. The weights are then taken to be uncertain anew at each step, where in truth their error
    stays the same, and a process that explodes does so in the forecast.

    Attributes:
        weights: mean of the weights at the start, `(lags * obs + 1, obs)`: lag after lag, the constant last.
        information: of the weights at the start.
        noise: covariance of the noise at the start.
        errors: number of errors that it is worth.
        forgetting: factor by which what was learned is discounted each step, above 0 and at most 1.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from rekalman.filters.recursive_least_squares import RecursiveLeastSquares
        >>> with jax.enable_x64(True):
        ...     one, prior = jnp.ones(()), (jnp.zeros((2, 1)), 1e-6 * jnp.eye(2))
        ...     rls = RecursiveLeastSquares(*prior, noise=jnp.eye(1), errors=one, forgetting=one)
        ...     y = 2 + 0.5 ** jnp.arange(20.0)[:, None]  # y_t = 1 + y_{t-1} / 2
        ...     path = rls.run(y, jnp.ones((20, 1), bool))
        >>> path.belief.weights[-1].round(3).tolist()
        [[0.5], [1.0]]
    """

    long_name = "recursive least squares"

    weights: Float[Array, "features obs"]
    information: Float[Array, "_ _"]
    noise: Float[Array, "_ _"]
    errors: Float[Array, ""]
    forgetting: Float[Array, ""]

    def __check_init__(self) -> None:
        features, obs = self.weights.shape
        if features < 1 + obs or (features - 1) % obs:
            raise RekalError(
                f"weights have a row for each of lags times {obs} columns and one for the constant, but "
                f"there are {features} rows"
            )
        for name, shape in (("information", (features, features)), ("noise", (obs, obs))):
            if getattr(self, name).shape != shape:
                raise RekalError(
                    f"{name} has shape {getattr(self, name).shape}, but {shape} would fit the weights"
                )

    @property
    def observations(self) -> int:
        """Number of observed columns."""
        return self.weights.shape[1]

    @property
    def n_inputs(self) -> int:
        """Number of known inputs: none."""
        return 0

    @property
    def lags(self) -> int:
        """Number of lags."""
        return (self.weights.shape[0] - 1) // self.observations

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (
            ("filter", self.long_name),
            ("lags", self.lags),
            ("forgetting factor", f"{float(self.forgetting):g}"),
        )

    @property
    def size(self) -> str:
        """The size of the filter in words."""
        return f"{self.long_name}, lags {self.lags}, forgetting factor {float(self.forgetting):g}"

    def check_memory(self, series: int, steps: int, smoothing: bool = False) -> None:
        """Refuse series whose beliefs no memory could hold.

        Raises:
            RekalError: they are too large.
        """
        features, window = len(self.weights), (self.lags + 1) * self.observations
        each = 2 * features**2 + window**2 + features * self.observations
        check_memory(
            2.0 * each * self.weights.dtype.itemsize * series * steps,
            f"filtering {series} series, padded to {steps} steps, by {self.lags} lags",
            "use fewer lags or shorter series",
        )

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> LeastSquaresBelief:
        """Nothing was observed: a window of independent values with mean 0 and variance 1."""
        window = (self.lags + 1) * self.observations
        return LeastSquaresBelief(
            mean=jnp.zeros(window, self.weights.dtype),
            cov=jnp.eye(window, dtype=self.weights.dtype),
            weights=self.weights,
            information=self.information,
            uncertainty=jnp.linalg.inv(self.information),
            scatter=self.noise * self.errors,
            errors=self.errors,
            run=jnp.zeros((), int),
        )

    @in_own_precision
    def predict(
        self,
        belief: LeastSquaresBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> LeastSquaresBelief:
        """The window moves on by a step, whose observation is predicted."""
        reach = self.lags * self.observations
        m, V = belief.mean[:reach], belief.cov[:reach, :reach]
        x, P = jnp.append(m, 1.0), belief.uncertainty
        A, S = belief.weights[:-1].T, belief.scatter / belief.errors
        cross = A @ V
        spread = 1 + x @ P @ x + (P[:reach, :reach] * V).sum()
        cov = jnp.block([[cross @ A.T + S * spread, cross], [cross.T, V]])
        return belief._replace(mean=jnp.concatenate([x @ belief.weights, m]), cov=cov)

    @in_own_precision
    def observe(
        self, belief: LeastSquaresBelief, u: Float[Array, " input"] | None = None
    ) -> Gaussian:
        """The law of the newest observation of the window."""
        p = self.observations
        return Gaussian(belief.mean[:p], belief.cov[:p, :p])

    @in_own_precision
    def update(
        self, belief: LeastSquaresBelief, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[LeastSquaresBelief, Float[Array, ""]]:
        """One observation enters the window, and the weights learn from it.

        Args:
            belief: before the observation.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: None: there are no inputs.

        Raises:
            RekalError: a wrong number of columns, inputs, or an infinite value.
        """
        p = self.observations
        rows, known, _ = observation_row(p, 0, self.weights.dtype, y, mask, u)
        y, seen = rows[0], known[0]
        log_prob = self.observe(belief, None).log_prob(jnp.where(seen, y, jnp.nan))
        whole = seen.all()
        learned = self._learn(belief, y)
        conditioned = jax.tree.map(
            lambda new, old: jnp.where(whole & (belief.run >= self.lags), new, old), learned, belief
        )
        mean, cov = self._seen(belief, y, seen)
        run = jnp.where(whole, jnp.minimum(belief.run + 1, self.lags), 0)
        return conditioned._replace(mean=mean, cov=cov, run=run), log_prob

    def _learn(self, belief: LeastSquaresBelief, y: Float[Array, " obs"]) -> LeastSquaresBelief:
        """The weights and the noise after an observation whose lags are in the window."""
        x, forget = jnp.append(belief.mean[self.observations :], 1.0), self.forgetting
        error = y - x @ belief.weights
        spread = 1 + x @ belief.uncertainty @ x
        prior = (1 - forget) * self.information
        information = forget * belief.information + prior + jnp.outer(x, x)
        uncertainty = jnp.linalg.inv(information)
        uncertainty = 0.5 * (uncertainty + uncertainty.T)
        step = jnp.outer(x, error) + prior @ (self.weights - belief.weights)
        at_start = (1 - forget) * self.errors
        return belief._replace(
            weights=belief.weights + uncertainty @ step,
            information=information,
            uncertainty=uncertainty,
            scatter=forget * belief.scatter
            + at_start * self.noise
            + jnp.outer(error, error) / spread,
            errors=forget * belief.errors + at_start + 1,
        )

    def _seen(
        self, belief: LeastSquaresBelief, y: Float[Array, " obs"], seen: Array
    ) -> tuple[Float[Array, " window"], Float[Array, "window window"]]:
        """The window after some entries of its newest observation are known, without noise."""
        p = self.observations
        cross = jnp.where(seen, belief.cov[:, :p], 0.0)
        both = seen[:, None] & seen
        F = jnp.where(both, belief.cov[:p, :p], jnp.eye(p, dtype=y.dtype))
        gain = jnp.linalg.solve(F, cross.T).T
        mean = belief.mean + gain @ jnp.where(seen, y - belief.mean[:p], 0.0)
        known = jnp.concatenate([seen, jnp.zeros(len(mean) - p, bool)])
        cov = belief.cov - gain @ cross.T
        cov = jnp.where(known[:, None] | known, 0.0, 0.5 * (cov + cov.T))
        return mean.at[:p].set(jnp.where(seen, y, mean[:p])), cov
