"""The readout of a network whose units stay as they are."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from rekalman.learners.batch import Batch
from rekalman.learners.evolution.evaluation import judge
from rekalman.learners.evolution.genes import genes_of
from rekalman.learners.evolution.parts import parts_of, whole_series
from rekalman.networks.predictors.recurrent import RecurrentPredictor


def with_readout(
    network: RecurrentPredictor, batch: Batch, penalty: float, washout: int
) -> RecurrentPredictor:
    """The same network with the ridge regression of all rows as its readout.

    Args:
        network: in double precision.
        batch: the series.
        penalty: of the regression.
        washout: steps at the beginning of each series that do not count, at most a third of it.

    Raises:
        RekalError: too little is observed.
    """
    with jax.enable_x64(True):
        parts = parts_of(batch, 0.0, 1, washout)
        gaps = not whole_series(parts)
        genes = genes_of(network.layer)[None]
        judged = judge(network, genes, parts, jnp.asarray(penalty), gaps)
        return dataclasses.replace(network, readout=judged.readout[0])
