"""A network on the rows of a table: a filter that says of each row, before it comes, what it will be.

The network decodes predicted beliefs (`told="prior"`), so its likelihood is the sum of one-step predictive
densities, as of every other filter. Where some entries of a row are missing, zeros stand for them and a
flag for each entry says so; a row without any entry is not seen at all. A single column needs no flag.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from rekal.networks.beliefs import Evidence
from rekal.networks.network import Network


class Row(NamedTuple):
    """An encoded row, and the row itself, NaN = missing."""

    evidence: Evidence
    y: Float[Array, "*batch obs"]


class TablePath(NamedTuple):
    """What a network leaves of series.

    Attributes:
        posterior: beliefs after each row, leaves `(batch, steps, ...)`.
        mean: of each row one step ahead, `(batch, steps, obs)`.
        var: its variances.
        log_evidence: log densities of the observed entries, `(batch, steps)`.
    """

    posterior: PyTree
    mean: Float[Array, "batch steps obs"]
    var: Float[Array, "batch steps obs"]
    log_evidence: Float[Array, "batch steps"]


class TableNetwork(eqx.Module):
    """The four verbs, for rows in the units of the network.

    Attributes:
        network: tells of predicted beliefs; its encoder takes what `flagged` gives.
        observations: number of columns.
        interval: the time step that the network knows as 1, or None where it runs in equal steps.
    """

    network: Network
    observations: int = eqx.field(static=True)
    interval: float | None = eqx.field(static=True, default=None)

    @property
    def n_inputs(self) -> int:
        """Number of known inputs."""
        return self.network.layer.n_inputs

    @property
    def continuous(self) -> bool:
        """Whether series may be sampled at any times."""
        return self.interval is not None

    def init(self, key: PRNGKeyArray | None = None) -> Any:
        """The belief before the first row (`key` is not used)."""
        return self.network.init()

    def predict(
        self,
        belief: Any,
        u: Float[Array, " input"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Any:
        """One step through time; `dt` is by default the interval."""
        if self.interval is not None:
            dt = jnp.ones(()) if dt is None else dt / self.interval
        return self.network.predict(belief, u, dt)

    def encode(
        self,
        y: Float[Array, "*batch obs"],
        mask: Bool[Array, "*batch obs"],
        u: Float[Array, "*batch input"] | None = None,
    ) -> Row:
        """Encode rows; what stands where the mask is False does not matter."""
        rows, seen = flagged(y, mask)
        return Row(self.network.encode(rows, seen), jnp.where(mask, y, jnp.nan))

    def update(self, belief: Any, row: Row) -> tuple[Any, Float[Array, ""]]:
        """One encoded row enters; also its log density."""
        density = self.network.observe(belief).log_density(row.y)
        return self.network.update(belief, row.evidence)[0], density

    def skip(self, belief: Any) -> Any:
        """A predicted belief after its step has passed without a row."""
        return self.network.skip(belief)

    def observe(
        self, belief: Any, u: Float[Array, " input"] | None = None
    ) -> tuple[Float[Array, " obs"], Float[Array, "obs obs"]]:
        """Mean and covariance of the row at the step of a predicted belief."""
        told = self.network.observe(belief)
        return told.mean, jnp.diag(told.var)

    @eqx.filter_jit
    def run(
        self,
        values: Float[Array, "batch steps obs"],
        mask: Bool[Array, "batch steps obs"],
        inputs: Float[Array, "batch steps input"] | None = None,
        dt: Float[Array, "batch steps"] | None = None,
    ) -> TablePath:
        """Filter whole series at once."""
        if self.interval is not None:
            dt = jnp.ones(values.shape[:2]) if dt is None else dt / self.interval
        row = self.encode(values, mask)
        track = self.network.layer.run(row.evidence, inputs, dt, prior=True)
        told = self.network.observe(track.prior)
        return TablePath(track.posterior, told.mean, told.var, told.log_density(row.y))


def flagged(
    y: Float[Array, "*batch obs"], mask: Bool[Array, "*batch obs"]
) -> tuple[Float[Array, "*batch row"], Bool[Array, "*batch"]]:
    """Rows as the encoder takes them, and which of them hold anything."""
    rows, seen = jnp.where(mask, y, 0), mask.any(-1)
    if mask.shape[-1] == 1:
        return rows, seen
    return jnp.concatenate([rows, (~mask).astype(rows.dtype)], -1), seen


def row_width(observations: int) -> int:
    """Length of the rows that `flagged` makes of so many columns."""
    return observations if observations == 1 else 2 * observations
