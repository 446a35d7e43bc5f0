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


class Candidate(NamedTuple):
    """A recurrent layer and its size.

    Attributes:
        title: what its rows are called.
        kind: which layer.
        latent: size of the latent observation.
        units: of a baseline; None = 4 times `latent`, or what `like` asks for.
        like: the candidate whose number of parameters is to be met, or None.
        options: of the layer's `create`, as pairs.
    """

    title: str
    kind: Kind
    latent: int
    units: int | None = None
    like: Candidate | None = None
    options: tuple[tuple[str, Any], ...] = ()


RICH = (("hidden", (128,)), ("activation", "tanh"), ("order", "update"), ("learn_start", True))
"""Options of an RKN whose coefficient network has a hidden layer."""


def rich(latent: int, bases: int) -> Candidate:
    """The RKN of most studies."""
    title = "RKN, coefficient network with a hidden layer"
    return Candidate(title, "rkn", latent, options=(("bases", bases), *RICH))


def baselines(like: Candidate, where: str = "") -> tuple[Candidate, Candidate, Candidate]:
    """LSTM, GRU and Elman network with as many parameters as an RKN."""
    names: tuple[tuple[str, Kind], ...] = (("LSTM", "lstm"), ("GRU", "gru"), ("Elman", "elman"))
    first, second, third = (
        Candidate(f"{name}{where}, as many parameters", kind, like.latent, like=like)
        for name, kind in names
    )
    return first, second, third


class EncoderAndHeads(NamedTuple):
    """What all candidates share.

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


def layer_of(candidate: Candidate, key: Any) -> Layer:
    """The recurrent layer of a candidate, drawn anew."""
    if candidate.kind == "rkn":
        return RKN.create(candidate.latent, key=key, **dict(candidate.options))
    make = BASELINES[candidate.kind]
    units, options = candidate.units, dict(candidate.options)
    if (like := candidate.like) is not None:
        wanted = eqx.filter_eval_shape(lambda: layer_of(like, key))
        units = matched_units(
            lambda n: make.create(candidate.latent, units=n, key=key, **options),
            count_parameters(wanted),
        )
    return make.create(candidate.latent, units=units, key=key, **options)


def network_of(
    candidate: Candidate,
    seed: int,
    shape: tuple[int, ...],
    targets: tuple[int, ...],
    encoder_and_heads: EncoderAndHeads,
) -> Network:
    """A network for frames and targets of some shapes, drawn anew.

    Args:
        candidate: its recurrent layer.
        seed: what it is drawn from.
        shape: height, width and channels of a frame.
        targets: shape of a target: numbers, `(n,)`, are told as Gaussians, images as probabilities.
        encoder_and_heads: encoder and heads.
    """
    keys = jax.random.split(jax.random.key(seed), 3)
    layer = layer_of(candidate, keys[1])
    encoder = PatchEncoder(
        shape,
        candidate.latent,
        encoder_and_heads.widths,
        tones=encoder_and_heads.tones,
        regions=encoder_and_heads.regions,
        normalise=encoder_and_heads.normalise,
        key=keys[0],
    )
    if len(targets) == 3:
        head = PatchDecoder(layer.sizes[0], targets, encoder_and_heads.head, DRAWN, key=keys[2])
    else:
        mean, spread = layer.sizes
        head = GaussianHead(mean, spread, targets[0], encoder_and_heads.head, "tanh", key=keys[2])
    return Network(encoder, layer, head)
