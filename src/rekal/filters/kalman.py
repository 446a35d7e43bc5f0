r"""The Kalman filter (Kalman 1960) and its smoother, for every linear model.

Three forms with the same answer:

* "covariance": observations enter one scalar at a time, no call of a linear-algebra library for few of
  them; the default in float64;
* "square-root": carries a square root of the covariance, which rounding cannot make indefinite; the default
  in float32;
* "parallel": an associative scan over time (Särkkä and García-Fernández 2021), for long series on a GPU.
  On a CPU it does several times the work.

Where the covariance has settled it is not computed again (`gains.py`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from rekal.beliefs import Gaussian, GaussianPath, SmoothedPath, combined
from rekal.errors import RekalError
from rekal.filters.forms import CovarianceForm, Form, RootForm
from rekal.filters.gains import Gains, gains
from rekal.filters.gaussian import GaussianFilter
from rekal.filters.means import LOG_2PI, Means, means
from rekal.filters.start import determined, evidence_by_step, products, start_law
from rekal.filters.system import LinearSystem, at, linear_system
from rekal.models.linear import LinearModel
from rekal.smoothers.adjoint import smooth_linear

FormName = Literal["auto", "covariance", "square-root", "parallel"]


class Evidence(NamedTuple):
    """One decorrelated observation."""

    C: Float[Array, "*steps obs states"]
    noise: Float[Array, "*steps obs"]
    y: Float[Array, "*steps obs columns"]
    seen: Float[Array, "*steps"]


class Kalman(GaussianFilter):
    """The exact filter of a linear Gaussian model.

    Attributes:
        model: a `LinearGaussian`, `LinearTimeVarying` or `LinearContinuous`.
        form: "auto", "covariance", "square-root" or "parallel" (see the module text).
    """

    model: LinearModel
    form: FormName = eqx.field(static=True, default="auto")

    def __check_init__(self) -> None:
        if not isinstance(self.model, LinearModel):
            raise RekalError(
                f"Kalman filters linear models, not a {type(self.model).__name__}: use "
                "ExtendedKalman, UnscentedKalman or ParticleFilter"
            )
        if self.form not in ("auto", "covariance", "square-root", "parallel"):
            raise RekalError(
                "form must be 'auto', 'covariance', 'square-root' or 'parallel', "
                f"but is {self.form!r}"
            )

    @property
    def arithmetic(self) -> Form:
        """How the covariance is carried."""
        if self.form == "auto":
            return RootForm if self.model.Q.dtype == jnp.float32 else CovarianceForm
        return RootForm if self.form == "square-root" else CovarianceForm

    def init(self, key: PRNGKeyArray | None = None) -> Gaussian:
        """The belief about `x_1` before anything is observed."""
        m, P = self.model.initial_moments()
        starts = jnp.eye(m.size, dtype=m.dtype)[:, self.model.diffuse]
        columns = jnp.concatenate([m[:, None], starts], 1)
        width = columns.shape[1]
        squares = jnp.zeros((width, width), m.dtype)
        form = self.arithmetic
        step, none = jnp.asarray(0), jnp.zeros((), m.dtype)
        return Gaussian(columns, form.enter(P), squares, step, none, root=form is RootForm)

    def predict(
        self,
        belief: Gaussian,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Gaussian:
        """One step through time."""
        t = belief.step + 1
        blocks = self.model.blocks(None if dt is None else dt[None])
        A, drift = at(blocks.A, t), at(blocks.c, t)
        if u is not None and self.model.n_inputs:
            drift = drift + at(blocks.B, t) @ u
        form = RootForm if belief.root else CovarianceForm
        noise = at(blocks.Q, t)
        carry = form.predict(belief.carry, A, form.enter(noise) if belief.root else noise)
        columns = (A @ belief.columns).at[:, 0].add(drift)
        return Gaussian(columns, carry, belief.squares, t, belief.withheld, root=belief.root)

    def encode(
        self,
        y: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        u: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> Evidence:
        """The observations, decorrelated."""
        system = linear_system(self.model, y, mask, u, dt)
        steps = y.shape[0]
        wide = lambda block: jnp.broadcast_to(block, (steps, *block.shape[1:]))  # noqa: E731
        return Evidence(wide(system.C), wide(system.noise), system.y, system.seen)

    def update(
        self, belief: Gaussian, evidence: Evidence
    ) -> tuple[Gaussian, tuple[Float[Array, ""], Float[Array, " obs"]]]:
        """One encoded observation enters."""
        form = RootForm if belief.root else CovarianceForm
        new = form.update(belief.carry, evidence.C, evidence.noise)
        innovation = evidence.y - evidence.C @ belief.columns
        white = new.whitener @ innovation
        columns = belief.columns + new.gain @ innovation
        before, squares = belief.squares, belief.squares + white.T @ white
        constant = belief.withheld - 0.5 * (new.log_f + LOG_2PI * evidence.seen)
        after, earlier = start_law(squares).log_evidence, start_law(before).log_evidence
        ready, was = determined(squares[None])[0], determined(before[None])[0]
        gain = jnp.where(ready, after - jnp.where(was, earlier, 0) + constant, 0)
        withheld = jnp.where(ready, 0, constant)
        belief = Gaussian(columns, new.carry, squares, belief.step, withheld, root=belief.root)
        return belief, (gain, _whitened(white, before))

    def observe(
        self, belief: Gaussian, u: Float[Array, " input"] | None = None
    ) -> tuple[Float[Array, " obs"], Float[Array, "obs obs"]]:
        """Mean and covariance of `y`, observation noise included."""
        blocks = self.model.blocks()
        C, offset = at(blocks.C, belief.step), at(blocks.d, belief.step)
        if u is not None and self.model.n_inputs:
            offset = offset + at(blocks.D, belief.step) @ u
        cov = C @ belief.cov @ C.T + at(blocks.R, belief.step)
        return C @ belief.mean + offset, 0.5 * (cov + cov.T)

    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
    ) -> GaussianPath:
        """Filter one series."""
        system = linear_system(self.model, values, mask, inputs, dt)
        found, run = self.solve(system)
        return self._path(system, found, run)

    def smooth(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"] | None,
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        length: Array | None = None,
    ) -> tuple[GaussianPath, SmoothedPath]:
        """Filter and smooth one series; steps from `length` on are padding."""
        system = linear_system(self.model, values, mask, inputs, dt)
        found, run = self.solve(system)
        smoothed = smooth_linear(system, found, run, self.arithmetic, length)
        white = run.white
        if length is not None:
            white = jnp.where((jnp.arange(len(white)) < length)[:, None, None], white, 0)
        total = products(white).sum(0)
        mean, cov = combined(smoothed.mean, smoothed.cov, total)
        lag = smoothed.lag
        if total.shape[0] > 1:
            effect = smoothed.mean[..., 1:]
            between = effect[1:] @ start_law(total).cov @ effect[:-1].mT
            lag = lag.at[1:].add(between)
        return self._path(system, found, run), SmoothedPath(mean, cov, lag)

    def solve(self, system: LinearSystem) -> tuple[Gains, Means]:
        """Gains and means of a whole series."""
        found = gains(system, self.arithmetic)
        return found, means(system, found)

    def _path(self, system: LinearSystem, found: Gains, run: Means) -> GaussianPath:
        form = self.arithmetic
        leave = jax.vmap(form.leave)
        given = leave(found.posterior)[found.where]
        given_before = leave(found.prior)[found.where]
        constant = found.log_f[found.where] + LOG_2PI * system.seen
        if system.start.shape[1] == 1:
            evidence = -0.5 * ((run.white[..., 0] ** 2).sum(-1) + constant)
            return GaussianPath(
                run.posterior[..., 0], given, run.prior[..., 0], given_before, evidence,
                run.white[..., 0],
            )  # fmt: skip
        squares = jnp.cumsum(products(run.white), 0)
        before = jnp.concatenate([jnp.zeros_like(squares[:1]), squares[:-1]])
        return GaussianPath(
            *combined(run.posterior, given, squares),
            *combined(run.prior, given_before, before),
            evidence_by_step(squares, constant),
            jax.vmap(_whitened)(run.white, before),
        )


def _whitened(
    white: Float[Array, "obs columns"], before: Float[Array, "columns columns"]
) -> Float[Array, " obs"]:
    """The innovation scaled to unit covariance, the uncertainty of a diffuse start included."""
    if before.shape[0] == 1:
        return white[:, 0]
    law = start_law(before)
    effect = white[:, 1:]
    spread = jnp.eye(white.shape[0], dtype=white.dtype) + effect @ law.cov @ effect.T
    innovation = white[:, 0] + effect @ law.mean
    scaled = jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(spread), innovation, lower=True)
    return jnp.where(determined(before[None])[0], scaled, 0.0)
