"""The networks that forecast the pneumatic arm: how they are made, what they see, what they say."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.data import Sequences
from rekalman.data.scales.standardiser import Standardiser
from rekalman.datasets.pneumatic_arm import JOINTS, PRESSURES
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.encoders import DenseEncoder
from rekalman.networks.forecaster import Forecaster, moves
from rekalman.networks.network import Network
from rekalman.networks.positive import positive
from rekalman.studies.films.networks import Candidate, layer_of
from rekalman.studies.pneumatic_arm_scores import AHEAD, Forecasts, Windows

SENSOR_VAR = 0.01  # of a latent observation before training: the sensors are exact
MOVE_VAR = 2.0  # of the move in a step before training, in mean squares of all moves: steps add up


class Units(NamedTuple):
    """From raw episodes to what networks see, and from what they say to radians.

    Attributes:
        standardiser: of joints, pressures and moves.
    """

    standardiser: Standardiser

    @classmethod
    def of(cls, train: Sequences) -> Units:
        """Units in which training episodes have mean 0 and deviation 1."""
        return cls(Standardiser.of(_with_moves(train)))

    @property
    def move(self) -> np.ndarray:
        """Deviation of the move of each joint in a step, in radians."""
        return np.asarray(self.standardiser.scale)[-len(JOINTS) :]

    def prepare(self, data: Sequences) -> Sequences:
        """What a network sees, and as targets how far the joints move in 1 to 10 steps."""
        joints = np.asarray(data.values)[..., : len(JOINTS)]
        joints = np.where(data.valid()[..., None], joints / self.move, np.nan)
        seen = self.standardiser.apply(_with_moves(data))
        return dataclasses.replace(seen, targets=np.asarray(moves(jnp.asarray(joints), AHEAD)))


def network_of(candidate: Candidate, seed: int) -> Forecaster:
    """A network for the arm, drawn anew.

    Encoder and decoder are affine and leave all bending to the layer: with hidden layers the networks learn
    the few episodes by heart. They start from persistence, moves of 0, with a variance of the right order.
    """
    keys = jax.random.split(jax.random.key(seed), 3)
    entries, latent, targets = 2 * len(JOINTS) + len(PRESSURES), candidate.latent, len(JOINTS)
    encoder = DenseEncoder((entries,), latent, (), normalise=None, variance="softplus", key=keys[0])
    layer = layer_of(candidate, keys[1])
    decoder = GaussianHead(*layer.sizes, targets, (), variance="softplus", floor=1e-3, key=keys[2])
    raw = positive("softplus").inverse
    return eqx.tree_at(
        lambda made: (
            made.encoder.head.var.bias,
            made.decoder.var.bias,
            made.decoder.var.weight,
            made.decoder.mean.weight,
        ),
        Forecaster(encoder, layer, decoder, ahead=AHEAD),
        (
            raw(jnp.full(latent, SENSOR_VAR)),
            raw(jnp.full(targets, MOVE_VAR)),
            jnp.zeros_like(decoder.var.weight),
            jnp.zeros_like(decoder.mean.weight),
        ),
    )


def forecasts(network: Network, units: Units, data: Sequences) -> Forecasts:
    """What a network says of the windows of some episodes."""
    seen = units.prepare(data)
    values, inputs = (jnp.asarray(x, jnp.float32) for x in (seen.values, seen.inputs))
    valid = jnp.asarray(seen.valid())
    output = eqx.filter_jit(type(network).run)(network, values, valid, inputs).distribution
    windows = Windows.of(data)
    mean, var = (
        np.asarray(x, np.float64)[windows.series, windows.at].reshape(windows.truth.shape)
        for x in (output.mean, output.var)
    )
    return Forecasts(windows.now + mean * units.move, var * units.move**2)


def _with_moves(data: Sequences) -> Sequences:
    """With how far each joint has moved since the step before, 0 at the first."""
    values, valid = np.asarray(data.values), data.valid()[..., None]
    joints = values[..., : len(JOINTS)]
    moved = np.where(valid, np.diff(joints, axis=1, prepend=joints[:, :1]), 0.0)
    return dataclasses.replace(
        data,
        values=np.concatenate([values, moved], -1),
        mask=np.concatenate([np.asarray(data.mask), np.broadcast_to(valid, moved.shape)], -1),
        names=data.names + tuple(f"move of {name}" for name in JOINTS),
        units=data.units + ("rad",) * len(JOINTS),
    )
