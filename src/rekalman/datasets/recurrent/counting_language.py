"""The context-sensitive language a^n b^n c^n as a task of prediction (Gers and Schmidhuber 2001).

A string is read symbol by symbol, after a symbol that marks its beginning. After each symbol the network is
to say which symbols may come next: after `S` an `a`; after an `a` another one or the first `b`; from then on
there is one answer, and who gives it must have counted.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from rekalman.data import Sequences
from rekalman.foundation.arguments import whole

SYMBOLS = ("S", "a", "b", "c")
"""What is read; the columns of the inputs."""
NEXT = ("a", "b", "c", "T")
"""What may come next, `T` being the end; the columns of the targets."""


def counting_string(n: int) -> tuple[Float[np.ndarray, "steps 4"], Float[np.ndarray, "steps 4"]]:
    """The symbols of a^n b^n c^n as unit vectors, and the sets of symbols that may follow each as 0 and 1.

    Args:
        n: how many there are of each letter.

    Raises:
        RekalError: `n` is no whole number above 0.

    Examples:
        >>> from rekalman.datasets.recurrent.counting_language import counting_string
        >>> symbols, follow = counting_string(1)
        >>> symbols.argmax(1).tolist(), follow.astype(int).tolist()
        ([0, 1, 2, 3], [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    """
    whole("n", n)
    read = np.repeat([0, 1, 2, 3], [1, n, n, n])
    follow = np.zeros((3 * n + 1, 4))
    follow[0, 0] = 1
    follow[1 : n + 1, :2] = 1
    follow[n + 1 : 2 * n, 1] = 1
    follow[2 * n : 3 * n, 2] = 1
    follow[3 * n, 3] = 1
    return np.eye(4)[read], follow


def counting_language(numbers: Iterable[int]) -> Sequences:
    """Strings for the given `n` as series: the sets are the observed rows, the symbols the inputs.

    The first row of each series, before the string begins, is empty: a predictor says a row from those before
    it and from the inputs of its own step.

    Args:
        numbers: `n` of each string.
    """
    strings = [counting_string(n) for n in numbers]
    before = np.zeros((1, 4))
    return Sequences.from_arrays(
        [np.concatenate([np.full((1, 4), 0.0), follow]) for _, follow in strings],
        inputs=[np.concatenate([before, symbols]) for symbols, _ in strings],
    )


def accepted(
    said: Float[np.ndarray, "strings steps 4"], numbers: Int[np.ndarray, " strings"]
) -> Bool[np.ndarray, " strings"]:
    """Whether a network told all sets of a string right, at a threshold of one half.

    Args:
        said: its outputs after each symbol; steps after the end of a string do not count.
        numbers: `n` of each string.
    """
    made = []
    for row, n in zip(said, numbers, strict=True):
        wanted = counting_string(int(n))[1] > 0.5
        made.append(bool(((row[: len(wanted)] > 0.5) == wanted).all()))
    return np.array(made)
