"""A network on the rows of a table: a filter that says of each row, before it comes, what it will be.

The network decodes predicted beliefs (`decodes="prior"`), so its likelihood is the sum of one-step predictive
densities, as of every other filter. Where some entries of a row are missing, zeros stand for them and a
flag for each entry says so; a row without any entry is not seen at all. A single column needs no flag.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from rekalman.core.distribution import Distribution
from rekalman.core.row import observation_row
from rekalman.core.serial import storable
from rekalman.core.trajectory import OneStep, Predicted
from rekalman.foundation.arguments import real
from rekalman.networks.beliefs import Evidence
from rekalman.networks.network import Network
from rekalman.networks.network_filter import NetworkFilter


class Row(NamedTuple):
    """An encoded row, and the row itself, NaN = missing."""

    evidence: Evidence
    y: Float[Array, "*batch obs"]


class TablePath(Predicted):
    """What a network leaves of series.

    Attributes:
        posterior: beliefs after each row, leaves `(batch, steps, ...)`.
        mean: of each row one step ahead, `(batch, steps, obs)`.
        var: its variances.
        log_evidence: log densities of the observed entries, `(batch, steps)`.
        white: errors scaled to unit covariance, NaN where nothing was observed; None where the entries of a
            row are independent.
    """

    posterior: PyTree
    mean: Float[Array, "batch steps obs"]
    var: Float[Array, "batch steps obs"]
    log_evidence: Float[Array, "batch steps"]  # pyright: ignore[reportIncompatibleMethodOverride]
    white: Float[Array, "batch steps obs"] | None = None

    @property
    def moments(self) -> PyTree:
        """The beliefs themselves."""
        return self.posterior

    def one_step(self, y: Float[Array, "*steps obs"]) -> OneStep:
        """What the network said of each row (`y` is not used)."""
        return OneStep(self.mean, self.var, self.white)


@storable
class TableNetwork(NetworkFilter):
    """A network as a filter of rows in its own units.

    Attributes:
        network: tells of predicted beliefs; its encoder takes what `flagged` gives.
        observations: number of columns.
        interval: the time step that the network knows as 1, or None where it runs in equal steps.
    """

    network: Network
    observations: int = eqx.field(static=True)  # pyright: ignore[reportIncompatibleMethodOverride]
    interval: float | None = eqx.field(static=True, default=None)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __check_init__(self) -> None:
        if self.interval is not None:
            real("interval", self.interval, above=0)

    @property
    def dtype(self) -> Any:
        """Type of the numbers of a row."""
        return jnp.result_type(float)

    def encode(
        self,
        y: Float[Array, "*batch obs"],
        mask: Bool[Array, "*batch obs"],
        u: Float[Array, "*batch input"] | None = None,
    ) -> Any:
        """Encode rows as `update` takes them; what stands where the mask is False does not matter."""
        rows, seen = flagged(y, mask)
        return Row(self.network.encode(rows, seen), jnp.where(mask, y, jnp.nan))

    def update(
        self, belief: Any, y: Any, mask: Any = None, u: Any = None
    ) -> tuple[Any, Float[Array, ""]]:
        """One row enters; also its log density.

        Args:
            belief: before the row.
            y: one number for each column; NaN is missing, None = all are.
            mask: True where observed; default where `y` is no NaN.
            u: inputs of this step, for a network that has inputs.

        Raises:
            RekalError: a wrong number of columns or inputs, or an infinite value.
        """
        row = observation_row(self.observations, self.n_inputs, self.dtype, y, mask, u)
        encoded = self.encode(row[0][0], row[1][0], None if row[2] is None else row[2][0])
        return self.update_encoded(belief, encoded)

    def update_encoded(self, belief: Any, row: Any) -> tuple[Any, Float[Array, ""]]:
        """One encoded row enters; also its log density."""
        density = self.network.observe(belief).log_prob(row.y)
        return self.network.update(belief, row.evidence)[0], density

    def skip(self, belief: Any) -> Any:
        """A predicted belief after its step has passed without a row."""
        return self.network.skip(belief)

    def observe(self, belief: Any, u: Float[Array, " input"] | None = None) -> Distribution:
        """The distribution of the row at the step of a predicted belief."""
        return self.network.observe(belief)

    def run(
        self,
        values: Float[Array, "steps obs"],
        mask: Bool[Array, "steps obs"],
        inputs: Float[Array, "steps input"] | None = None,
        dt: Float[Array, " steps"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> TablePath:
        """Filter one series (`key` is not used)."""
        one = jax.tree.map(lambda leaf: leaf[None], (values, mask, inputs, dt))
        return jax.tree.map(lambda leaf: leaf[0], self.run_batch(*one))

    @eqx.filter_jit
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
        row, dt = self.encode(values, mask), self.in_steps(values.shape[:2], dt)
        track = self.network.layer.run(row.evidence, inputs, dt, prior=True)
        predicted = self.network.observe(track.prior)
        return TablePath(track.posterior, predicted.mean, predicted.var, predicted.log_prob(row.y))


def flagged(
    y: Float[Array, "*batch obs"], mask: Bool[Array, "*batch obs"]
) -> tuple[Float[Array, "*batch row"], Bool[Array, "*batch"]]:
    """Rows as the encoder takes them, and which of them hold anything."""
    rows, seen = jnp.where(mask, y, 0), mask.any(-1)
    if mask.shape[-1] == 1:
        return rows, seen
    return jnp.concatenate([rows, (~mask).astype(rows.dtype)], -1), seen
