r"""A linear filter whose predictions a network corrects: linear part plus learned rest.

A bounded network cannot follow a trend out of the range of its training data, and learns poorly what a few
linear equations say. So the mean of a row is that of a Kalman filter, and the network says what is left. Let
the filter believe, before row `t` is seen (one step ahead, or several where rows are missing),

    y_t | past ~ N(m_t, S_t),   S_t = L_t L_t'   (Cholesky).

The network reads whitened innovations `e_t = L_t^{-1} (y_t - m_t)`, which are white and of unit variance as
long as the linear model holds, whatever trends and seasons the data have, and says of the next ones

    e_t | past ~ N(a_t, diag(v_t)),   so   y_t | past ~ N(m_t + L_t a_t, L_t diag(v_t) L_t').

With `a = 0, v = 1` this is the linear filter. Two tables by the number of steps since the column was seen
last (1, 2-3, 4-7, ...) calibrate it on held-out data: `gate` g and variance factor f,

    a -> g a,   v -> f v^g.

Where some entries of a row are missing, `L_t` is the Cholesky factor of the observed part of `S_t`. Columns
whose held-out values stay in the range of training are shown to the network as they are, too, held to that
range: a nonlinear system may bend with its level.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from rekalman.core.beliefs import GaussianBelief, GaussianPath
from rekalman.core.cholesky import cholesky, whitened
from rekalman.core.gaussian import Gaussian
from rekalman.core.serial import storable
from rekalman.filters.kalman.batch import filter_batch
from rekalman.filters.kalman.filter import Kalman
from rekalman.filters.whitening import innovations_of
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import LOG_2PI
from rekalman.models.linear_model import LinearModel
from rekalman.networks.beliefs import Evidence
from rekalman.networks.network import Network
from rekalman.networks.table import TableNetwork, TablePath
from rekalman.numerics.precision import in_own_precision

GROUPS = 6
"""Groups of leads that are calibrated apart: 1, 2-3, 4-7, 8-15, 16-31, and 32 and more steps."""
LARGEST = 8.0
"""Innovations are shown to the network up to so many standard deviations."""


class Corrected(eqx.Module):
    """What is believed.

    Attributes:
        linear: the belief of the linear filter.
        network: that of the network.
        lead: steps since each column was seen last, `(..., obs)`.
    """

    linear: GaussianBelief
    network: Any
    lead: Float[Array, "*batch obs"]


class SeenRow(NamedTuple):
    """A row, zero where missing, and the inputs of its step."""

    y: Float[Array, "*batch obs"]
    mask: Bool[Array, "*batch obs"]
    u: Float[Array, "*batch input"] | None


@storable
class CorrectedTable(TableNetwork):
    """The verbs of `TableNetwork` for a linear filter with a network beside it.

    Attributes:
        network: says of whitened innovations before they are seen; its encoder takes what `shown` gives.
        observations: number of columns.
        interval: the time step that the network knows as 1, or None where it runs in equal steps.
        kalman: the filter of the linear part, with a start that is given.
        gate: how much of the correction counts, `(GROUPS, obs)`.
        factor: of the variances, `(GROUPS, obs)`.
        bounds: least and largest value that the network is shown of each column, both 0 where it is shown
            none, `(2, obs)`.
    """

    network: Network
    observations: int = eqx.field(static=True)
    interval: float | None = eqx.field(static=True, default=None)
    kalman: Kalman = eqx.field(kw_only=True)
    gate: Float[Array, "groups obs"] = eqx.field(kw_only=True)
    factor: Float[Array, "groups obs"] = eqx.field(kw_only=True)
    bounds: Float[Array, "2 obs"] = eqx.field(kw_only=True)

    def __check_init__(self) -> None:
        model, obs = self.kalman.model, self.observations
        if model.diffuse or model.observations != obs:
            raise RekalError(
                "the linear part must be a linear model of these columns with a start that is given"
            )
        for name, rows in (("gate", GROUPS), ("factor", GROUPS), ("bounds", 2)):
            shape = getattr(self, name).shape
            if shape != (rows, obs):
                raise RekalError(f"{name} has shape {shape}, not {(rows, obs)}")
        if not isinstance(self.factor, Tracer) and not (np.asarray(self.factor) > 0).all():
            raise RekalError("factor holds a value that is not above 0")

    @classmethod
    def of(
        cls,
        network: Network,
        linear: LinearModel,
        interval: float | None,
        bounds: Float[np.ndarray, "2 obs"],
        gate: Any = None,
        factor: Any = None,
    ) -> CorrectedTable:
        """A network beside a linear model; without tables its correction counts in full, uncalibrated."""
        dtype, obs = np.asarray(linear.C).dtype, linear.observations
        ones = np.ones((GROUPS, obs))
        with jax.enable_x64(dtype == np.float64):
            gate, factor, limits = (
                jnp.asarray(ones if table is None else table, dtype)
                for table in (gate, factor, bounds)
            )
            kalman = Kalman(linear)
        return cls(network, obs, interval, kalman=kalman, gate=gate, factor=factor, bounds=limits)

    @in_own_precision
    def init(self, key: PRNGKeyArray | None = None) -> Corrected:
        """The belief before the first row (`key` is not used)."""
        linear = self.kalman.init()
        return Corrected(
            linear, self.network.init(), jnp.ones(self.observations, linear.mean.dtype)
        )

    @in_own_precision
    def predict(
        self,
        belief: Corrected,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Corrected:
        """One step through time; `dt` is by default the interval."""
        linear = self.kalman.predict(belief.linear, u, dt)
        network = super().predict(belief.network, _single(u), _single(dt))
        return Corrected(linear, network, belief.lead + 1)

    def encode(
        self,
        y: Float[Array, "*batch obs"],
        mask: Bool[Array, "*batch obs"],
        u: Float[Array, "*batch input"] | None = None,
    ) -> SeenRow:
        """Rows as `update` takes them: what the network sees of them depends on the belief."""
        return SeenRow(jnp.where(mask, y, 0), mask, u)

    @property
    def dtype(self) -> Any:
        """Type of the numbers of a row: that of the linear model."""
        return self.kalman.model.C.dtype

    @in_own_precision
    def update(
        self, belief: Corrected, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[Corrected, Float[Array, ""]]:
        """One row enters; also its log density (see `TableNetwork.update`)."""
        return super().update(belief, y, mask, u)

    @in_own_precision
    def update_encoded(self, belief: Corrected, row: SeenRow) -> tuple[Corrected, Float[Array, ""]]:
        """One row enters; also its log density."""
        y, mask, u = row
        linear_part = self.kalman.observe(belief.linear, u)
        mean, cov = linear_part.mean, linear_part.cov
        white, _ = whitened(y - mean, cov, mask)
        density, _ = self._density(y, mask, *self._moments(belief, linear_part))
        evidence = self.network.encode(*self.shown(y, mask, white))
        seen = jax.tree.map(
            lambda leaf: None if leaf is None else leaf[None], (y, mask, u), is_leaf=_is_none
        )
        entered = self.kalman.encode(*seen)
        linear = self.kalman.condition(belief.linear, jax.tree.map(lambda leaf: leaf[0], entered))[
            0
        ]
        network = self.network.update(belief.network, evidence)[0]
        return Corrected(linear, network, jnp.where(mask, 0.0, belief.lead)), density

    def skip(self, belief: Corrected) -> Corrected:
        """A predicted belief after its step has passed without a row."""
        latent = self.network.layer.latent
        lead = belief.lead.shape[:-1]
        none = jnp.zeros((*lead, latent), jnp.float32)
        nothing = Evidence(none, none + 1, jnp.zeros(lead, bool))
        network = self.network.update(belief.network, nothing)[0]
        return Corrected(belief.linear, network, belief.lead)

    @in_own_precision
    def observe(self, belief: Corrected, u: Float[Array, " input"] | None = None) -> Gaussian:
        """The distribution of the row at the step of a predicted belief."""
        return Gaussian(*self._moments(belief, self.kalman.observe(belief.linear, u)))

    @in_own_precision
    def run_batch(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
        key: PRNGKeyArray | None = None,
        lengths: Int[Array, " batch"] | None = None,
    ) -> TablePath:
        """Filter several series at once (`key` and `lengths` are not used)."""
        path = filter_batch(self.kalman, values, mask, inputs, dt=dt)
        return self._corrected(path, values, mask, inputs, dt)

    def shown(
        self,
        y: Float[Array, "*batch obs"],
        mask: Bool[Array, "*batch obs"],
        white: Float[Array, "*batch obs"],
    ) -> tuple[Float[Array, "*batch row"], Bool[Array, "*batch"]]:
        """Rows as the encoder takes them, and which of them hold anything.

        Innovations, values within the bounds, and, with several columns, a flag for each missing entry.
        """
        value = jnp.where(mask, jnp.clip(y, *self.bounds), 0.0)
        parts = [jnp.clip(white, -LARGEST, LARGEST), value]
        if mask.shape[-1] > 1:
            parts.append((~mask).astype(value.dtype))
        return jnp.concatenate(parts, -1).astype(jnp.float32), mask.any(-1)

    @in_own_precision
    @eqx.filter_jit
    def corrections(
        self,
        rows: Float[Array, "batch steps row"],
        seen: Bool[Array, "batch steps"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> tuple[Float[Array, "batch steps obs"], Float[Array, "batch steps obs"]]:
        """What the network says of whitened innovations before they come: means and variances.

        Args:
            rows: as `shown` makes them.
            seen: which of them are shown.
            inputs: known inputs.
            dt: time since the step before.
        """
        return self._track(self.network.encode(rows, seen), inputs, dt)[1:]

    def _track(
        self, evidence: Evidence, inputs: Array | None, dt: Array | None
    ) -> tuple[Any, Array, Array]:
        """Beliefs of the network after every step, and what it said before."""
        if self.interval is not None:
            dt = jnp.ones(evidence.seen.shape) if dt is None else dt / self.interval
        track = self.network.layer.run(evidence, _single(inputs), _single(dt), prior=True)
        prediction = self.network.observe(track.prior)
        return track.posterior, prediction.mean, prediction.var

    @eqx.filter_jit
    def _corrected(
        self, path: GaussianPath, values: Array, mask: Array, inputs: Array | None, dt: Any
    ) -> TablePath:
        innovation = innovations_of(self.kalman, path, values, mask, inputs)
        evidence = self.network.encode(*self.shown(values, mask, innovation.white))
        posterior, a, v = self._track(evidence, inputs, dt)
        before, after = leads(mask)
        mean, cov = self._calibrated(innovation.mean, innovation.root, before, a, v)
        density, white = self._density(values, mask, mean, cov)
        full = lambda leaf: jnp.broadcast_to(leaf, (*values.shape[:2], *leaf.shape[2:]))  # noqa: E731
        steps = jnp.broadcast_to(jnp.arange(values.shape[1]), values.shape[:2])
        belief_of_linear = GaussianBelief(path.mean, full(path.cov), steps)
        var = jnp.diagonal(cov, axis1=-2, axis2=-1)
        belief = Corrected(belief_of_linear, posterior, after.astype(path.mean.dtype))
        return TablePath(belief, mean, var, density, jnp.where(mask, white, jnp.nan))

    def _moments(self, belief: Corrected, linear: Gaussian) -> tuple[Array, Array]:
        prediction = self.network.observe(belief.network)
        root = cholesky(linear.cov)
        return self._calibrated(linear.mean, root, belief.lead, prediction.mean, prediction.var)

    def _calibrated(
        self, mean: Array, root: Array, lead: Array, a: Array, v: Array
    ) -> tuple[Array, Array]:
        """Mean and covariance of a row from those of the linear part and the correction."""
        group = group_of(lead)
        columns = jnp.arange(self.observations)
        gate, factor = self.gate[group, columns], self.factor[group, columns]
        moved = mean + (root * (gate * a)[..., None, :]).sum(-1)
        scaled_root = root * jnp.sqrt(factor * v.astype(mean.dtype) ** gate)[..., None, :]
        return moved, (scaled_root[..., :, None, :] * scaled_root[..., None, :, :]).sum(-1)

    def _density(
        self, y: Array, mask: Array, mean: Array, cov: Array
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch obs"]]:
        """Log density of the observed entries, and the whitened errors."""
        white, log_scale = whitened(y - mean, cov, mask)
        each = -0.5 * (LOG_2PI + white * white) - log_scale
        return jnp.where(mask, each, 0.0).sum(-1), white


@jax.jit
def leads(
    mask: Bool[Array, "*batch steps obs"],
) -> tuple[Float[Array, "*batch steps obs"], Float[Array, "*batch steps obs"]]:
    """Steps since each column was seen last, before and after every row; 1 before the first."""

    def step(lead: Array, seen: Array) -> tuple[Array, tuple[Array, Array]]:
        after = jnp.where(seen, 0.0, lead)
        return after + 1, (lead, after)

    rows = jnp.moveaxis(mask, -2, 0)
    _, counts = jax.lax.scan(step, jnp.ones(rows.shape[1:]), rows)
    before, after = (jnp.moveaxis(each, 0, -2) for each in counts)
    return before, after


def group_of(lead: Any) -> Any:
    """The group of `GROUPS` that so many steps belong to."""
    return jnp.clip(jnp.floor(jnp.log2(jnp.maximum(lead, 1.0) + 0.5)), 0, GROUPS - 1).astype(int)


def shown_width(observations: int) -> int:
    """Length of the rows that `shown` makes of so many columns."""
    return 2 if observations == 1 else 3 * observations


def _single(array: Array | None) -> Array | None:
    return None if array is None else jnp.asarray(array, jnp.float32)


def _is_none(leaf: Any) -> bool:
    return leaf is None
