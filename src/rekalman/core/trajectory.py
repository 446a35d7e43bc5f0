"""What a filter leaves of a series: its beliefs and what they were worth."""

import abc
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from rekalman.core.cholesky import whitened
from rekalman.core.distribution import Distribution
from rekalman.foundation.errors import RekalError
from rekalman.numerics.precision import in_own_precision


class OneStep(NamedTuple):
    """Mean and variance of each observation before it was seen, and what came in units of them.

    Attributes:
        mean: `(*batch, steps, obs)`.
        var: variances of the entries.
        white: errors scaled to unit covariance, NaN where nothing was observed; None where the entries of an
            observation are independent.
    """

    mean: Float[Array, "*steps obs"]
    var: Float[Array, "*steps obs"]
    white: Float[Array, "*steps obs"] | None = None


class Trajectory(eqx.Module):
    """Beliefs at all steps of one series, or of several (with a leading axis).

    Attributes:
        log_evidence: log predictive density of each step given those before, in nats, `(*batch, steps)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> from rekalman.core.trajectory import Trajectory
        >>> x, even = jnp.zeros((2, 6, 1)), jnp.full((2, 6), -jnp.log(6.0))  # two steps, six particles
        >>> path = rekalman.Path(x, even, jnp.zeros((2, 6), int), log_evidence=jnp.array([-1.0, -1.5]))
        >>> isinstance(path, Trajectory), float(path.log_likelihood)
        (True, -2.5)
    """

    if TYPE_CHECKING:  # a field of each subclass

        @property
        def log_evidence(self) -> Array:
            """Log predictive densities."""
            ...

    else:
        log_evidence: eqx.AbstractVar[Float[Array, "*steps"]]

    @property
    @abc.abstractmethod
    def moments(self) -> PyTree:
        """The beliefs after each step as `Filter.restore` takes them, leaves `(*batch, steps, ...)`."""

    @property
    @in_own_precision
    def log_likelihood(self) -> Float[Array, "*batch"]:
        """Sum of the log predictive densities over the steps."""
        return self.log_evidence.sum(-1)

    @property
    def determined(self) -> Bool[np.ndarray, "*steps"] | None:
        """After which steps an observation has a predictive density; None: after all of them."""
        return None

    @property
    def gaussian(self) -> bool:
        """Whether it says what each entry was expected to be, as a Gaussian."""
        return False

    def one_step(self, y: Float[Array, "*steps obs"]) -> OneStep:
        """The predictions one step ahead, of a trajectory that holds them.

        Args:
            y: what was observed; NaN is missing.

        Raises:
            RekalError: it holds none.
        """
        raise RekalError(
            f"a {type(self).__name__} says nothing of the next step: let `run` leave a core Predicted"
        )


class Predicted(Trajectory):
    """A trajectory that says what each observation was expected to be."""

    @property
    def gaussian(self) -> bool:
        """Whether each entry was expected to be Gaussian."""
        return True

    @abc.abstractmethod
    def one_step(self, y: Float[Array, "*steps obs"]) -> OneStep:
        """The predictions one step ahead.

        Args:
            y: what was observed; NaN is missing.
        """


class Filtered(Predicted):
    """What the recursion leaves of any filter.

    Attributes:
        belief: after each step, leaves `(*batch, steps, ...)`.
        predicted: the distribution of each observation before it was seen, leading axes `(*batch, steps)`.
        log_evidence: its log density at the observation, in nats, `(*batch, steps)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> from rekalman.core.filter import Filter
        >>> one = np.eye(1)
        >>> kalman = rekalman.Kalman(rekalman.LinearGaussian.create(A=one, C=one, Q=one, R=one))
        >>> path = Filter.run(kalman, jnp.zeros((20, 1)), jnp.ones((20, 1), bool))  # of any filter
        >>> path.predicted.mean.shape
        (20, 1)
    """

    belief: Any
    predicted: Distribution
    log_evidence: Float[Array, "*steps"]  # pyright: ignore[reportIncompatibleMethodOverride]

    @property
    def moments(self) -> PyTree:
        """The beliefs themselves."""
        return self.belief

    def one_step(self, y: Float[Array, "*steps obs"]) -> OneStep:
        """Moments of the predicted distributions."""
        mean, var = self.predicted.mean, self.predicted.var
        if y.shape[-1] == 1:
            return OneStep(mean, var)
        white, _ = whitened(y - mean, self.predicted.cov, ~jnp.isnan(y))
        return OneStep(mean, var, jnp.where(jnp.isnan(y), jnp.nan, white))
