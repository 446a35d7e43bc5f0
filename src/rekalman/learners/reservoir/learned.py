"""A predictor whose readout is learned from series, those with gaps included."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from rekalman.data import Sequences
from rekalman.learners.batch import padded_length
from rekalman.learners.em.projection import as_series
from rekalman.learners.reservoir.harvest import counted_entries, harvest
from rekalman.learners.reservoir.ridge import Ridge, ridge
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.numerics.memory import check_memory
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_dtype, modelling_precision, precision_of

PASSES = 2
"""How often a network runs through the gaps anew, each time with the readout of the run before."""
Network = TypeVar("Network", bound=LinearReadout)


class Prepared(NamedTuple):
    """Standardised series as arrays of NumPy, padded at their ends.

    Attributes:
        values: gaps interpolated.
        mask: True where observed, False in the padding.
        inputs: known inputs, or None.
        lengths: numbers of steps.
    """

    values: Float[np.ndarray, "batch steps obs"]
    mask: Bool[np.ndarray, "batch steps obs"]
    inputs: Float[np.ndarray, "batch steps input"] | None
    lengths: Int[np.ndarray, " batch"]

    @classmethod
    def of(cls, data: Sequences) -> Prepared:
        """The arrays of standardised series."""
        lengths = np.asarray(data.lengths).astype(int)
        inputs = None if data.inputs is None else np.asarray(data.inputs)
        series = as_series(np.asarray(data.values), np.asarray(data.mask), inputs, lengths)
        steps = padded_length(int(lengths.max()))
        values, u = (
            np.stack([np.pad(each[k], [(0, steps - len(each[k])), (0, 0)]) for each in series])
            for k in (0, 1)
        )
        mask = np.zeros(values.shape, bool)
        mask[:, : np.asarray(data.mask).shape[1]] = np.asarray(data.mask)[:, :steps]
        return cls(values, mask, u if u.shape[2] else None, lengths)

    @property
    def gaps(self) -> bool:
        """Whether an entry is missing."""
        return int(self.mask.sum()) < int(self.lengths.sum()) * self.values.shape[2]

    @property
    def valid(self) -> Bool[np.ndarray, "batch steps"]:
        """True at the steps of a series, False in the padding."""
        return np.arange(self.values.shape[1]) < self.lengths[:, None]

    def heads(self, share: float) -> Int[np.ndarray, " batch"]:
        """Numbers of steps of the series before the last share of each."""
        return self.lengths - np.maximum(1, (share * self.lengths).astype(int))


def learn_readout(
    network: Network,
    series: Prepared,
    washout: int,
    penalty: float | None = None,
    until: Int[np.ndarray, " batch"] | None = None,
) -> tuple[Network, Ridge]:
    """The same predictor with a readout by ridge regression.

    Gaps are interpolated at first; then the network runs freely through them, and the readout is learned
    anew.

    Args:
        network: with or without a readout.
        series: standardised.
        washout: first steps of each series that are no targets.
        penalty: as a share of the number of rows, or None for generalised cross-validation.
        until: steps of each series that are learned from; None = all.

    Raises:
        RekalError: too few rows count.
    """
    batch, steps, p = series.values.shape
    check_memory(
        4.0 * batch * steps * network.features * 8,
        f"the states of {batch * steps} steps for {network.features} features",
        "use fewer units or shorter series",
    )
    counted = counted_entries(series.mask, washout)
    if until is not None:
        counted &= (np.arange(steps) < until[:, None])[..., None]
    counted = counted.reshape(-1, p)
    with modelling_precision():
        dtype = modelling_dtype()
        values = placed(series.values, dtype)
        inputs = None if series.inputs is None else placed(series.inputs, dtype)
        seen, fitted = None, None
        for _ in range(1 + PASSES * series.gaps):
            rows = harvest(network, values, seen, inputs)
            X, Y = (np.asarray(each, np.float64).reshape(-1, each.shape[-1]) for each in rows)
            fitted = ridge(X, Y, counted, penalty)
            network = with_weights(network, fitted.weights)
            seen = placed(series.mask | ~series.valid[..., None])
    assert fitted is not None
    return network, fitted


def with_weights(
    network: Network,
    weights: Float[np.ndarray, "features obs"],
    noise_factor: Float[np.ndarray, "obs obs"] | None = None,
    opening: Float[np.ndarray, " steps"] | None = None,
) -> Network:
    """The same predictor with a readout, and with a factor of the covariance of its innovations.

    Args:
        network: whose readout is replaced.
        weights: of the features.
        noise_factor: of the innovations; None leaves it as it is.
        opening: how much larger these are at the first steps; None leaves it as it is.
    """
    with precision_of(network):
        dtype = network.readout.dtype
        given = (None if each is None else placed(each, dtype) for each in (noise_factor, opening))
        return network.with_readout(placed(weights, dtype), *given)
