"""Thick lines as small grey pictures, as the simulated pendulums of Becker et al. (2019) are filmed.

A line is drawn by Pillow on a canvas of 128 x 128 and shrunk with a Lanczos filter, which is what smooths it.
Pillow takes the ends of a line as whole numbers, so a pendulum has only some 440 different pictures: each is
drawn once and looked up.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw

CANVAS = 128
CENTRE = CANVAS // 2


class Pictures(NamedTuple):
    """Pictures of which many are alike.

    Attributes:
        distinct: brightness between 0 and 1.
        which: the picture that each frame shows.
    """

    distinct: Float[np.ndarray, "distinct size size"]
    which: Int[np.ndarray, "*frames"]

    @property
    def frames(self) -> UInt8[np.ndarray, "*frames size size"]:
        """All frames in bytes; what lies between two grey levels becomes the lower."""
        return (255.0 * self.distinct).astype(np.uint8)[self.which]


def draw(corners: Float[np.ndarray, "*frames corners 2"], size: int, width: int) -> Pictures:
    """Draw one chain of straight lines for each frame.

    Args:
        corners: x to the right and y downwards on the canvas, positive; cut to whole numbers.
        size: pixels a side of the pictures.
        width: of the lines, on the canvas.
    """
    whole = corners.astype(np.int64)
    lead = whole.shape[:-2]
    chains, which = np.unique(whole.reshape(-1, *whole.shape[-2:]), axis=0, return_inverse=True)
    distinct = np.stack([_picture(chain, size, width) for chain in chains])
    return Pictures(distinct, which.reshape(lead))


def _picture(
    chain: Int[np.ndarray, "corners 2"], size: int, width: int
) -> Float[np.ndarray, "size size"]:
    points = [tuple(corner) for corner in chain.tolist()]
    canvas = Image.new("F", (CANVAS, CANVAS), 0.0)
    pen = ImageDraw.Draw(canvas)
    for start, end in pairwise(points):  # one by one: joints are not rounded
        pen.line([start, end], fill=1.0, width=width)
    small = canvas.resize((size, size), resample=Image.Resampling.LANCZOS)
    return np.clip(np.asarray(small), 0.0, 1.0)  # the filter overshoots at edges
