"""The networks that the studies of films compare: the same encoder and heads, another recurrent layer."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax

from rekalman.networks.decoders import GaussianHead
from rekalman.networks.elman import Elman
from rekalman.networks.gru import GRU
from rekalman.networks.layer import Layer
from rekalman.networks.lstm import LSTM
from rekalman.networks.network import Network
from rekalman.networks.recurrent import count_parameters, matched_units
from rekalman.networks.rkn.layer import RKN
from rekalman.networks.vision.patch_decoder import PatchDecoder
from rekalman.networks.vision.patch_encoder import PatchEncoder

Kind = Literal["rkn", "lstm", "gru", "elman"]
BASELINES = {"lstm": LSTM, "gru": GRU, "elman": Elman}
DRAWN = 2
"""Side of the patches that images are drawn in, in pixels: the smaller, the sharper."""


class Contestant(NamedTuple):
    """A recurrent layer and its size.

    Attributes:
        title: what its rows are called.
        kind: which layer.
        latent: size of the latent observation.
        units: of a baseline; None = 4 times `latent`, or what `like` asks for.
        like: the contestant whose number of parameters is to be met, or None.
        options: of the layer's `create`, as pairs.
    """

    title: str
    kind: Kind
    latent: int
    units: int | None = None
    like: Contestant | None = None
    options: tuple[tuple[str, Any], ...] = ()


RICH = (("hidden", (128,)), ("activation", "tanh"), ("order", "update"), ("learn_start", True))
"""Options of an RKN whose coefficient network has a hidden layer."""


def rich(latent: int, bases: int) -> Contestant:
    """The RKN of most studies."""
    title = "RKN, coefficient network with a hidden layer"
    return Contestant(title, "rkn", latent, options=(("bases", bases), *RICH))


def baselines(like: Contestant, where: str = "") -> tuple[Contestant, Contestant, Contestant]:
    """LSTM, GRU and Elman network with as many parameters as an RKN."""
    names: tuple[tuple[str, Kind], ...] = (("LSTM", "lstm"), ("GRU", "gru"), ("Elman", "elman"))
    first, second, third = (
        Contestant(f"{name}{where}, as many parameters", kind, like.latent, like=like)
        for name, kind in names
    )
    return first, second, third


class Surroundings(NamedTuple):
    """What all contestants share.

    Attributes:
        widths: of the patch encoder.
        tones: number of its tone curves.
        regions: parts on each side of a frame whose noise differs.
        head: hidden layers of the heads for mean and variance, tanh; of images the widths of the decoder
            (`networks/vision/patch_decoder.py`).
        normalise: how the encoder normalises (`networks/latent_head.py`).
    """

    widths: tuple[int, ...] = (32, 64, 64)
    tones: int = 0
    regions: int = 1
    head: tuple[int, ...] = (30,)
    normalise: str | None = "post"


def layer_of(contestant: Contestant, key: Any) -> Layer:
    """The recurrent layer of a contestant, drawn anew."""
    if contestant.kind == "rkn":
        return RKN.create(contestant.latent, key=key, **dict(contestant.options))
    make = BASELINES[contestant.kind]
    units, how = contestant.units, dict(contestant.options)
    if (like := contestant.like) is not None:
        wanted = eqx.filter_eval_shape(lambda: layer_of(like, key))
        units = matched_units(
            lambda n: make.create(contestant.latent, units=n, key=key, **how),
            count_parameters(wanted),
        )
    return make.create(contestant.latent, units=units, key=key, **how)


def network_of(
    contestant: Contestant,
    seed: int,
    shape: tuple[int, ...],
    targets: tuple[int, ...],
    surroundings: Surroundings,
) -> Network:
    """A network for frames and targets of some shapes, drawn anew.

    Args:
        contestant: its recurrent layer.
        seed: what it is drawn from.
        shape: height, width and channels of a frame.
        targets: shape of a target: numbers, `(n,)`, are told as Gaussians, images as probabilities.
        surroundings: encoder and heads.
    """
    keys = jax.random.split(jax.random.key(seed), 3)
    layer = layer_of(contestant, keys[1])
    encoder = PatchEncoder(
        shape,
        contestant.latent,
        surroundings.widths,
        tones=surroundings.tones,
        regions=surroundings.regions,
        normalise=surroundings.normalise,
        key=keys[0],
    )
    if len(targets) == 3:
        head = PatchDecoder(layer.sizes[0], targets, surroundings.head, DRAWN, key=keys[2])
    else:
        mean, spread = layer.sizes
        head = GaussianHead(mean, spread, targets[0], surroundings.head, "tanh", key=keys[2])
    return Network(encoder, layer, head)
