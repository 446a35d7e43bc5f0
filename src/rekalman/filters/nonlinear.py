r"""What filters of nonlinear models with a Gaussian belief share: beliefs, evidence, the sweep, smoothing.

A subclass says how a Gaussian goes through the two functions of the model. It carries a covariance or a
square root of it (`forms.py`); observations are decorrelated before the loop, `R = L diag(r) L'`, so that
they enter one scalar at a time, and missing entries become rows of zeros. Innovations and differences of
states go through the residual functions of the model (`models/nonlinear.py`).
"""

from __future__ import annotations

import abc
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekalman.core.beliefs import GaussianBelief, GaussianPath, SmoothedPath
from rekalman.filters.finite import check_finite
from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.forms import CovarianceForm, Form, RootForm
from rekalman.filters.kalman.system import check_known, decorrelate
from rekalman.filters.model_filter import noise_free_observations
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import GaussianModel
from rekalman.models.residuals import Residual
from rekalman.models.roots import semidefinite_root
from rekalman.numerics.precision import in_own_precision
from rekalman.smoothers.rts import Backward, smooth_backwards

NonlinearForm = Literal["auto", "covariance", "square-root"]


class Observed(NamedTuple):
    """One observation: its entries, `L^{-1}` without missing rows, `r`, how many were seen, the input."""

    y: Float[Array, "*steps obs"]
    shape: Float[Array, "*steps obs obs"]
    noise: Float[Array, "*steps obs"]
    seen: Float[Array, "*steps"]
    u: Float[Array, "*steps input"] | None


class Sweep(NamedTuple):
    """Beliefs of all steps of a series before and after each update."""

    prior: GaussianBelief
    posterior: GaussianBelief
    log_evidence: Float[Array, " steps"]
    white: Float[Array, "steps obs"]


class NonlinearFilter(GaussianFilter):
    """A filter of a Gaussian model whose functions need not be linear.

    Attributes:
        model: a `NonlinearGaussian`, `StochasticRNN`, `RBFNetwork`, `LinearGaussian`, or any other model
            with additive Gaussian noise.
        form: "covariance", "square-root", or "auto": square-root in float32, else covariance.
    """

    model: GaussianModel
    form: NonlinearForm = eqx.field(static=True, default="auto")

    def __check_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.model, GaussianModel):
            raise RekalError(
                f"{name} needs a model with additive Gaussian noise, not a "
                f"{type(self.model).__name__}: use ParticleFilter"
            )
        if self.model.linear:
            constant = self.model.time_invariant and not self.model.continuous
            if not constant or self.model.diffuse:
                what = "a diffuse start" if constant else f"a {type(self.model).__name__}"
                raise RekalError(f"{name} does not take {what}: use Kalman, which is exact")
        if self.form not in ("auto", "covariance", "square-root"):
            raise RekalError(
                f"form must be 'auto', 'covariance' or 'square-root', but is {self.form!r}"
            )

    @property
    def arithmetic(self) -> Form:
        """How the covariance is carried."""
        if self.form == "auto":
            return RootForm if self.model.Q.dtype == jnp.float32 else CovarianceForm
        return RootForm if self.form == "square-root" else CovarianceForm

    @abc.abstractmethod
    def moved(
        self,
        belief: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> GaussianBelief:
        """One step through time; `noise` is `Q`, or a square root of it, as the belief carries it."""

    @abc.abstractmethod
    def backward(
        self,
        belief: GaussianBelief,
        prior: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Backward:
        """Smoother gain, and law of `x_t` given `x_{t+1}`, of a belief and the prediction made from it."""

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> GaussianBelief:
        """The belief about `x_1` before anything is observed (`key` is not used)."""
        m, P = self.model.initial_moments()
        return self._belief(m, self._entered(P), jnp.asarray(0))

    @in_own_precision
    def belief(
        self, mean: Float[Array, " states"], cov: Float[Array, "states states"], step: Array
    ) -> GaussianBelief:
        """A belief with given moments."""
        return self._belief(mean, self._entered(cov), step)

    @in_own_precision
    def predict(
        self,
        belief: GaussianBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> GaussianBelief:
        """One step through time."""
        return self.moved(belief, self._entered(self.model.Q), u, dt)

    @in_own_precision
    def encode(
        self,
        y: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        u: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Observed:
        """The observations with what decorrelates them."""
        steps, p = y.shape
        R = self.model.R
        if mask is None:
            repeated = lambda block: jnp.broadcast_to(block, (steps, *block.shape))  # noqa: E731
            shape, noise = (repeated(block) for block in decorrelate(R))
            return Observed(y, shape, noise, jnp.full(steps, float(p), R.dtype), u)
        both = mask[:, :, None] & mask[:, None, :]
        shape, noise = jax.vmap(decorrelate)(jnp.where(both, R, jnp.eye(p, dtype=R.dtype)))
        seen = mask.sum(1).astype(R.dtype)
        return Observed(jnp.where(mask, y, 0.0), shape * mask[:, :, None], noise, seen, u)

    @in_own_precision
    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> GaussianPath:
        """Filter one series (`key` is not used).

        Raises:
            RekalError: an input that is not finite, or a Jacobian (see `finite.py`).
        """
        check_known(inputs)
        path = _path(self.sweep(values, mask, inputs, dt))
        check_finite(self.model, path, inputs, dt)
        return path

    @in_own_precision
    def smooth(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        length: Array | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth one series; steps from `length` on are padding.

        Raises:
            RekalError: an input that is not finite, or a Jacobian (see `finite.py`).
        """
        check_known(inputs)
        sweep = self.sweep(values, mask, inputs, dt)
        path = _path(sweep)
        check_finite(self.model, path, inputs, dt)
        return path, self._smoothed(sweep, inputs, dt, length)

    @in_own_precision
    def sweep(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Sweep:
        """All beliefs of one series.

        Each turn of the loop updates and then predicts, so that either is compiled once; the prediction
        beyond the end is thrown away.
        """
        return self._sweep(values, mask, inputs, dt)

    @eqx.filter_jit
    def _sweep(
        self, values: Array, mask: Array | None, inputs: Array | None, dt: Array | None
    ) -> Sweep:
        evidence = self.encode(values, mask, inputs, dt)
        noise = self._entered(self.model.Q)

        def step(prior: GaussianBelief, rows: PyTree) -> tuple[GaussianBelief, Sweep]:
            evidence, u, dt = rows
            belief, *seen = self.condition(prior, evidence)
            return self.moved(belief, noise, u, dt), Sweep(prior, belief, *seen)

        ahead = jax.tree.map(lambda leaf: jnp.concatenate([leaf[1:], leaf[-1:]]), (inputs, dt))
        return jax.lax.scan(step, self.init(), (evidence, *ahead))[1]

    @in_own_precision
    def noise_free(
        self,
        belief: GaussianBelief,
        steps: int,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Float[Array, "steps obs"]:
        """The observations ahead if the state went on from its mean without noise."""
        return noise_free_observations(self.model, belief.mean, steps, inputs, dt)

    @eqx.filter_jit
    def _smoothed(
        self, sweep: Sweep, inputs: Array | None, dt: Array | None, length: Array | None
    ) -> SmoothedPath:
        noise = self._entered(self.model.Q)
        here = jax.tree.map(lambda leaf: leaf[:-1], sweep.posterior)
        ahead = jax.tree.map(lambda leaf: leaf[1:], (sweep.prior, inputs, dt))
        back = jax.vmap(lambda a, b: self.backward(a, b[0], noise, *b[1:]))(here, ahead)
        return smooth_backwards(sweep, back, self.state_residual, self.arithmetic, length)

    @property
    def state_residual(self) -> Residual:
        """How two states are subtracted."""
        return self.model.state_residual

    @property
    def observation_residual(self) -> Residual:
        """How two observations are subtracted."""
        return self.model.observation_residual

    def _entered(self, cov: Float[Array, "n n"]) -> Float[Array, "n n"]:
        return semidefinite_root(cov) if self.arithmetic is RootForm else cov

    def _belief(self, mean: Array, carry: Array, step: Array) -> GaussianBelief:
        return GaussianBelief(mean, carry, step, root=self.arithmetic is RootForm)


def ruled_out(
    noise: Float[Array, " p"], left: Float[Array, " p"], size: Float[Array, " p"]
) -> Bool[Array, ""]:
    """Whether a noise-free entry was known exactly from earlier ones, and is something else.

    Rounding is far below the cube root of the machine epsilon, in units of the largest term.

    Args:
        noise: variances of the decorrelated entries.
        left: what the update leaves of the innovation of each.
        size: sums of the absolute values of the terms that it was made of.
    """
    beyond = jnp.abs(left) > jnp.finfo(left.dtype).eps ** (1 / 3) * size
    return ((noise == 0) & beyond).any()


@eqx.filter_jit
def _path(sweep: Sweep) -> GaussianPath:
    before, after = sweep.prior, sweep.posterior
    return GaussianPath(
        after.mean, after.cov, before.mean, before.cov, sweep.log_evidence, sweep.white
    )
