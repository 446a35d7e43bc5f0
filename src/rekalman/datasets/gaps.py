"""Frames taken away: hidden ones that are to be imputed, and irregular sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, UInt8

from rekalman.datasets.filmed import Filmed, Seed, generator
from rekalman.foundation.errors import RekalError

FIRST = 5
"""Frames at the beginning that are never hidden."""


def hide(film: Filmed, share: int | float = 0.5, seed: Seed = 0) -> Filmed:
    """Black out frames at random, and want the clean ones back (Becker et al., ICML 2019, section 5.1).

    Each frame but the first five is hidden by itself: one uniform number is drawn for each, film by film.

    Args:
        film: a film without noise.
        share: probability of being hidden.
        seed: a number, or a generator to go on with.

    Returns:
        Frames that are black and masked where hidden, with the clean ones as targets. The factor is 0 where
        a frame is hidden.

    Raises:
        RekalError: a share that is no probability.
    """
    if not 0 <= share <= 1:
        raise RekalError(f"the share of hidden frames is between 0 and 1, not {share:g}")
    clean = film.frames
    visible = generator(seed).uniform(size=clean.mask.shape) > share
    visible[:, :FIRST] = True
    black = _blacken(clean.values, visible)
    frames = replace(clean, values=black, targets=clean.values, mask=visible, names=())
    return film._replace(frames=frames, factor=visible.astype(np.float64))


def untold(film: Filmed) -> Filmed:
    """The same film without a mask that tells which of the black frames were hidden."""
    return film._replace(frames=replace(film.frames, mask=np.ones_like(film.frames.mask)))


def draw_kept(
    sequences: int, steps: int, keep: int, first_seed: int
) -> Int[np.ndarray, "batch keep"]:
    """Draw which frames of each sequence are kept (Schirmer et al., Continuous Recurrent Units, ICML 2022).

    Sequence `i` draws `keep` of its frames without replacement from `default_rng(first_seed + i)`.
    """
    chosen = [
        np.random.default_rng(first_seed + i).choice(steps, keep, replace=False)
        for i in range(sequences)
    ]
    return np.sort(chosen, axis=1)


def thin(film: Filmed, retained: Int[np.ndarray, "batch keep"], on_grid: bool = False) -> Filmed:
    """Keep some of the frames.

    Args:
        film: a film at regular times, without inputs.
        retained: which frames, increasing in each row.
        on_grid: whether the others stay as masked frames without a target, so that the time step is the
            same everywhere; otherwise they are dropped and `dt` tells how many steps of the grid each
            frame is after the one before it, the first frame after the last one before the grid.

    Raises:
        RekalError: frames that are not there or not in order; images as targets on the grid; a film
            with inputs or irregular times.
    """
    frames = film.frames
    if frames.dt is not None or frames.inputs is not None:
        raise RekalError("only a film at regular times and without inputs can be thinned")
    in_order = (np.diff(retained, prepend=-1) > 0).all() and (retained < frames.steps).all()
    if len(retained) != frames.batch or not in_order:
        raise RekalError(
            f"frames to keep are increasing numbers from 0 to {frames.steps - 1}, one row for each of the "
            f"{frames.batch} series"
        )
    row = np.arange(frames.batch)[:, None]
    if on_grid:
        if frames.targets.dtype == np.uint8:
            raise RekalError("images that are wanted cannot be unknown: thin them without the grid")
        there = np.zeros_like(frames.mask)
        there[row, retained] = True
        thinned = replace(
            frames,
            values=_blacken(frames.values, there),
            targets=np.where(there[..., None], frames.targets, np.float32(np.nan)),
            mask=frames.mask & there,
        )
        return film._replace(frames=thinned)
    thinned = replace(
        frames,
        values=frames.values[row, retained],
        targets=frames.targets[row, retained],
        mask=frames.mask[row, retained],
        dt=np.diff(retained, prepend=-1).astype(np.float32),
    )
    return Filmed(thinned, film.angles[row, retained], film.factor[row, retained])


def _blacken(
    values: UInt8[np.ndarray, "batch time height width channel"],
    shown: Bool[np.ndarray, "batch time"],
) -> UInt8[np.ndarray, "batch time height width channel"]:
    """Frames that are black where not shown."""
    return np.where(shown[..., None, None, None], values, np.uint8(0))
