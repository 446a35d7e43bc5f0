"""Can anything be learned from these data?"""

from typing import TYPE_CHECKING

import numpy as np

from rekalman.foundation.errors import RekalError

if TYPE_CHECKING:
    from rekalman.data.container import Sequences

FEWEST = 10
"""With fewer samples in its longest series a data set is refused."""


def check_learnable(sequences: "Sequences", where: str) -> None:
    """Refuse data that nothing can be learned from.

    Args:
        sequences: the data.
        where: what a message begins with.

    Raises:
        RekalError: the longest series (of films all together) has fewer than 10 samples; a column has no
            value at all; a column is constant.
    """
    lengths = np.asarray(sequences.lengths)
    most = int(lengths.max() if sequences.measured else lengths.sum())
    if most < FEWEST:
        raise RekalError(f"{where}: {most} samples are too few to learn from; give {FEWEST}.")
    values, mask = np.asarray(sequences.values), np.asarray(sequences.mask)
    if not mask.any():
        raise RekalError(f"{where}: all values are missing.")
    for name, k in zip(sequences.names, range(sequences.observations), strict=True):
        seen = values[:, :, k][mask[:, :, k]]
        if len(seen) == 0:
            raise RekalError(f"{where}: column '{name}' has no value at all, so leave it out.")
        if not sequences.pixels:
            _refuse_constant(seen, name, where)
    if sequences.inputs is not None:
        valid = sequences.valid()
        for name, k in zip(sequences.input_names, range(sequences.n_inputs), strict=True):
            _refuse_constant(np.asarray(sequences.inputs)[:, :, k][valid], name, where)


def _refuse_constant(seen: np.ndarray, name: str, where: str) -> None:
    if np.all(seen == seen[0]):
        raise RekalError(
            f"{where}: column '{name}' is constant (always {seen[0]:g}), so leave it out."
        )
