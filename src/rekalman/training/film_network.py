"""Networks with fresh weights that watch films: an encoder of patches, a layer, a head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.layer import Layer
from rekalman.networks.network import Network
from rekalman.networks.vision.patch_decoder import PatchDecoder
from rekalman.networks.vision.patch_encoder import PatchEncoder

PATCHES = (4, 3, 5, 6, 8, 7, 2)
"""Sides of patches in pixels, the best first."""
MOST_MERGES = 5
FEW_PLACES = 16
"""Merges beyond so few places blur more than they save."""
HEAD = 32
"""Hidden units of the heads for means and variances."""


class Patches(NamedTuple):
    """How frames are cut up.

    Attributes:
        side: of a patch in pixels.
        merges: of 2 x 2 neighbours, one after the other.
        places: that are left in the end.
    """

    side: int
    merges: int
    places: int


def patches(height: int, width: int) -> Patches:
    """Patches and merges that divide a frame and leave few places.

    Raises:
        RekalError: no patch divides both sides.
    """
    fitting = []
    for side in PATCHES:
        for merges in range(MOST_MERGES + 1):
            unit = side * 2**merges
            if height % unit or width % unit:
                break
            places = (height // unit) * (width // unit)
            if merges and places < FEW_PLACES // 2:
                break
            fitting.append(Patches(side, merges, places))
    if not fitting:
        raise RekalError(
            f"frames of {height} x {width} pixels cannot be cut into equal patches of 2 to 8 pixels: crop or "
            "pad both sides to multiples of 8, say"
        )
    return min(fitting, key=lambda each: (max(each.places, FEW_PLACES), PATCHES.index(each.side)))


def make_film_network(
    make_layer: Callable[[PRNGKeyArray], Layer], data: Any, latent: int, key: PRNGKeyArray
) -> Network:
    """A network with fresh weights for films and their targets.

    Args:
        make_layer: the recurrent layer, from a random key.
        data: `FilmedSequences`, whose frames it watches and whose targets it tells.
        latent: size of the latent observation.
        key: randomness of the weights.

    Raises:
        RekalError: frames that no patch divides.
    """
    of_encoder, of_layer, of_decoder = jax.random.split(key, 3)
    shape, targets = data.frame_shape, data.target_shape
    cut, layer = patches(*shape[:2]), make_layer(of_layer)
    widths = (32, *[64] * cut.merges, 64)
    encoder = PatchEncoder(shape, latent, widths, cut.side, key=of_encoder)
    if data.pixels:
        drawn = patches(*targets[:2])
        side, splits = (drawn.side // 2, drawn.merges + 1) if drawn.side % 2 == 0 else drawn[:2]
        widths = (64, *[64] * splits, 32)
        decoder = PatchDecoder(layer.sizes[0], targets, widths, side, key=of_decoder)
    else:
        decoder = GaussianHead(*layer.sizes, targets[0], (HEAD,), "tanh", key=of_decoder)
    return Network(encoder, layer, decoder)
