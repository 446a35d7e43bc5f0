r"""The Kalman filter (Kalman 1960) and its smoother, for every linear model.

Three forms with the same answer:

* "covariance": observations enter one scalar at a time, no call of a linear-algebra library for few of
  them;
* "square-root": carries a square root of the covariance, in the filter and in the smoother, which rounding
  cannot make indefinite;
* "parallel": an associative scan over time (Särkkä and García-Fernández 2021), with covariances. On a CPU
  it does several times the work.

Whatever the form, two kinds of model are filtered step by step, with square roots: those with a diffuse
start, which is exact (`diffuse.py`), and those whose `R` is singular or tiny beside `P` (unless the filter is
built while they are traced). Rounding leaves in a covariance traces of what a precise observation has taken
away, and the next such observation may take them for real.

"auto" takes the square root in float32. In float64 it takes the covariance, and on a GPU the parallel form
for series of 1,000 steps and more. Where the covariance has settled it is not computed again (`gains.py`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.core.beliefs import GaussianBelief, GaussianPath, SmoothedPath, beyond
from rekalman.core.gaussian import Gaussian
from rekalman.core.serial import storable
from rekalman.filters.gaussian import GaussianFilter
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.diffuse import diffuse_update, moved_basis
from rekalman.filters.kalman.forms import CovarianceForm, Form, RootForm
from rekalman.filters.kalman.gains import Gains
from rekalman.filters.kalman.means import Means
from rekalman.filters.kalman.parallel import parallel_adjoint
from rekalman.filters.kalman.paths import linear_path, smoothed_path
from rekalman.filters.kalman.rounding import cleared, product_without_rounding
from rekalman.filters.kalman.solution import solve
from rekalman.filters.kalman.system import (
    LinearSystem,
    check_inputs,
    check_series,
    decorrelate_seen,
    difference,
    diffuse_basis,
    linear_system,
)
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import is_precise
from rekalman.models.gaussian import LOG_2PI
from rekalman.models.linear_model import Blocks, LinearModel
from rekalman.numerics.precision import in_own_precision
from rekalman.smoothers.adjoint import smooth_linear, smoothed_moments
from rekalman.smoothers.batch import smooth_batch
from rekalman.smoothers.root import VAST, smooth_root

LONG = 1000  # steps from which "auto" scans in parallel, on a GPU
FormName = Literal["auto", "covariance", "square-root", "parallel"]


class Evidence(NamedTuple):
    """One observation, zero where missing, with its input."""

    y: Float[Array, "*steps obs"]
    mask: Bool[Array, "*steps obs"]
    u: Float[Array, "*steps input"] | None


@storable
class Kalman(GaussianFilter):
    r"""The exact filter of a linear Gaussian model (Kalman 1960).

    $$
    \begin{aligned}
    m^- &= A m + B u + c, & P^- &= A P A^\top + Q, \\
    K &= P^- C^\top (C P^- C^\top + R)^{-1}, & m &= m^- + K (y - C m^- - D u - d), & P &= (I - K C) P^-.
    \end{aligned}
    $$

    Attributes:
        model: a `LinearGaussian`, `LinearTimeVarying` or `LinearContinuous`.
        form: "auto", "covariance", "square-root" or "parallel" (see the module text).
        precise: whether `R` is singular, or tiny beside a given `P`.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> filtered = rekalman.filter(rekalman.Kalman(model), data)
        >>> round(float(filtered.mean[0, -1, 0]), 1)  # level of the last year
        798.4
    """

    short_name: ClassVar[str] = "kalman"
    long_name: ClassVar[str] = "the Kalman filter, which is exact for it"

    model: LinearModel
    form: FormName = eqx.field(static=True)
    precise: bool = eqx.field(static=True)

    def __init__(self, model: LinearModel, form: FormName = "auto") -> None:
        if not isinstance(model, LinearModel):
            raise RekalError(
                f"Kalman filters linear models, not a {type(model).__name__}: use "
                "ExtendedKalman, UnscentedKalman or ParticleFilter"
            )
        if form not in ("auto", "covariance", "square-root", "parallel"):
            raise RekalError(
                f"form must be 'auto', 'covariance', 'square-root' or 'parallel', but is {form!r}"
            )
        self.model = model
        self.form = form
        self.precise = is_precise(model.C, model.P, model.R)

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (("filter", "Kalman, exact"),)

    @property
    def arithmetic(self) -> Form:
        """How the covariance is carried: by square roots with a diffuse start or hardly any noise.

        Early observations may fix a direction poorly. Its variance is then vast beside all others, and a
        covariance cannot hold both.
        """
        if self.model.diffuse or self.precise:
            return RootForm
        if self.form == "auto":
            return RootForm if self.model.Q.dtype == jnp.float32 else CovarianceForm
        return RootForm if self.form == "square-root" else CovarianceForm

    def parallel(self, steps: int) -> bool:
        """Whether a series of so many steps is scanned in parallel."""
        if self.model.diffuse or self.precise:
            return False
        if self.form != "auto":
            return self.form == "parallel"
        fits = steps >= LONG and self.arithmetic is CovarianceForm
        return fits and jax.default_backend() == "gpu"

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> GaussianBelief:
        """The belief about `x_1` before anything is observed."""
        m, P = self.model.initial_moments()
        basis = diffuse_basis(self.model) if self.model.diffuse else None
        root = self.arithmetic is RootForm
        carry = RootForm.enter(P) if root else P
        return GaussianBelief(m, carry, jnp.asarray(0), basis, root=root)

    @in_own_precision
    def predict(
        self,
        belief: GaussianBelief,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> GaussianBelief:
        """One step through time."""
        t = belief.step + 1
        blocks = self._blocks_at(t, u, dt)
        A, drift, noise = blocks.A[0], blocks.c[0], blocks.Q[0]
        if u is not None:
            drift = drift + blocks.B[0] @ u
        form = RootForm if belief.root else CovarianceForm
        carry = form.predict(belief.carry, A, form.enter(noise))
        basis = None if belief.basis is None else moved_basis(belief.basis, A)
        terms = jnp.abs(A) @ jnp.abs(belief.mean) + jnp.abs(drift)
        mean = cleared(A @ belief.mean + drift, terms, len(drift) + 1)
        return GaussianBelief(mean, carry, t, basis, root=belief.root)

    def encode(
        self,
        y: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        u: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Evidence:
        """The observations as they are: what else an update needs depends on the step of the belief."""
        check_series(self.model, y, mask, u, dt)
        if mask is None:
            return Evidence(y, jnp.ones(y.shape, bool), u)
        return Evidence(jnp.where(mask, y, 0.0), mask, u)

    @in_own_precision
    def condition(
        self, belief: GaussianBelief, evidence: Evidence
    ) -> tuple[GaussianBelief, Float[Array, ""], Float[Array, " obs"]]:
        """One encoded observation enters; also its log predictive density and white innovation."""
        blocks = self._blocks_at(belief.step, evidence.u)
        offset = blocks.d[0] if evidence.u is None else blocks.d[0] + blocks.D[0] @ evidence.u
        shape, noise = decorrelate_seen(blocks.R[0], evidence.mask)
        seen = difference(evidence.y, offset)
        C, y = product_without_rounding(shape, blocks.C[0]), shape @ seen
        form, basis = RootForm if belief.root else CovarianceForm, None
        if belief.basis is None:
            new = form.update(belief.carry, C, noise)
        else:
            new, basis, *_ = diffuse_update(belief.carry, belief.basis, C, noise)
        innovation = y - C @ belief.mean
        white = new.whitener @ innovation
        # What these sums are made of. A mean that is rounding is zero: a later zero would contradict it.
        terms = jnp.abs(shape) @ jnp.abs(seen) + jnp.abs(C) @ jnp.abs(belief.mean)
        moved = jnp.abs(belief.mean) + jnp.abs(new.gain) @ terms
        mean = cleared(belief.mean + new.gain @ innovation, moved, len(C) + len(moved))
        density = -0.5 * (white @ white + new.log_f + LOG_2PI * (evidence.mask.sum() - new.void))
        size = jnp.abs(shape) @ jnp.abs(seen) + jnp.abs(C) @ moved
        refused = (noise == 0) & (jnp.abs(y - C @ mean) > jnp.finfo(y.dtype).eps ** (1 / 3) * size)
        density = jnp.where(refused.any(), -jnp.inf, density)
        return GaussianBelief(mean, new.carry, belief.step, basis, root=belief.root), density, white

    @in_own_precision
    def belief(
        self,
        mean: Float[Array, " states"],
        cov: Float[Array, "states states"],
        step: Array,
        basis: Float[Array, "states unknown"] | None = None,
    ) -> GaussianBelief:
        """A belief with given moments, of the known directions where there is a basis of unknown ones."""
        root = basis is not None
        return GaussianBelief(mean, RootForm.enter(cov) if root else cov, step, basis, root=root)

    def sturdier(self, path: GaussianPath, smoothed: SmoothedPath) -> Kalman | None:
        """The filter with square roots, where a filtered variance is so vast that digits were lost."""
        if self.arithmetic is RootForm:
            return None
        before, after = (
            np.diagonal(np.asarray(P), axis1=-2, axis2=-1) for P in (path.cov, smoothed.cov)
        )
        vast = bool((before > VAST * np.maximum(after, 0)).any())
        return Kalman(self.model, form="square-root") if vast else None

    @in_own_precision
    def determined(
        self, belief: GaussianBelief, u: Float[Array, " input"] | None = None
    ) -> Bool[Array, " obs"]:
        """Whether the variance of each entry is finite: it sees no unknown direction."""
        C = self._blocks_at(belief.step, u).C[0]
        if belief.basis is None:
            return jnp.ones(len(C), bool)
        return (product_without_rounding(C, belief.basis) == 0).all(1)

    @in_own_precision
    def observe(self, belief: GaussianBelief, u: Float[Array, " input"] | None = None) -> Gaussian:
        """The distribution of `y`, observation noise included."""
        blocks = self._blocks_at(belief.step, u)
        C, offset = blocks.C[0], blocks.d[0]
        if u is not None:
            offset = offset + blocks.D[0] @ u
        cov = C @ belief.known @ C.T + blocks.R[0]
        cov = 0.5 * (cov + cov.T)
        if belief.basis is not None:
            cov = beyond(cov, product_without_rounding(C, belief.basis))
        return Gaussian(C @ belief.mean + offset, cov)

    def _check_step(self, belief: GaussianBelief) -> None:
        """Refuse a belief beyond the end of a model whose matrices are given step by step."""
        self._check_time(belief.step)

    def _check_time(self, t: Array) -> None:
        if not isinstance(t, Tracer):
            self.model.check_steps(int(t) + 1)

    def _blocks_at(self, t: Array, u: Array | None, dt: Array | None = None) -> Blocks:
        """The matrices of step `t`; beyond the end of a stack NaN where `t` is being traced."""
        check_inputs(self.model, u is not None)
        self._check_time(t)
        pick = lambda block: (  # noqa: E731
            block if block.shape[0] == 1 else block.at[t[None]].get(mode="fill", fill_value=jnp.nan)
        )
        return Blocks(*map(pick, self.model.blocks(None if dt is None else dt[None])))

    @in_own_precision
    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> GaussianPath:
        """Filter one series.

        Args:
            values: the observations.
            mask: True where observed; None when nothing is missing, which is faster.
            inputs: known inputs, for a model that takes them.
            dt: time since the step before, for a model in continuous time; the first is not used.
            key: not used: nothing is drawn.

        Raises:
            RekalError: the series does not fit the model, or holds NaN where nothing says that an entry
                is missing.
        """
        check_series(self.model, values, mask, inputs, dt)
        return self._run(values, mask, inputs, dt)

    @in_own_precision
    def run_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> GaussianPath:
        """Filter several series (`filter_batch`): those with the same gaps share their covariances."""
        return filter_batch(self, values, mask, inputs, lengths, dt)

    @in_own_precision
    def smooth_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth several series (`smooth_batch`)."""
        return smooth_batch(self, values, mask, inputs, lengths, dt)

    @in_own_precision
    def smooth(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        length: Int[Array, ""] | int | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth one series.

        Args:
            values: the observations.
            mask: True where observed, or None.
            inputs: known inputs.
            dt: time since the step before, for a model in continuous time.
            length: number of real steps; those after it are padding, and say nothing of the others.

        Raises:
            RekalError: as for `run`.
        """
        check_series(self.model, values, mask, inputs, dt)
        given = None if length is None else jnp.asarray(length, jnp.int32)
        return self._smooth(values, mask, inputs, dt, given)

    @eqx.filter_jit
    def _run(
        self, values: Array, mask: Array | None, inputs: Array | None, dt: Array | None
    ) -> GaussianPath:
        system = linear_system(self.model, values, mask, inputs, dt)
        return linear_path(system, *self.solve(system), self.arithmetic)

    @eqx.filter_jit
    def _smooth(
        self,
        values: Array,
        mask: Array | None,
        inputs: Array | None,
        dt: Array | None,
        length: Array | None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        system = linear_system(self.model, values, mask, inputs, dt)
        result, run = self.solve(system)
        if self.parallel(values.shape[0]):
            adjoint = parallel_adjoint(system, result, run, length)
            smoothed = smoothed_moments(system, result, run, CovarianceForm, *adjoint)
        elif self.arithmetic is RootForm:
            smoothed = smooth_root(system, result, run, length)
        else:
            smoothed = smooth_linear(system, result, run, CovarianceForm, length)
        path = linear_path(system, result, run, self.arithmetic)
        return path, smoothed_path(smoothed)

    def solve(self, system: LinearSystem) -> tuple[Gains, Means]:
        """Gains and means of a whole series."""
        return solve(system, None if self.parallel(system.y.shape[0]) else self.arithmetic)
