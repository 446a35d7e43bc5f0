"""What is asked of a method when it trains: the data, and everything that all methods share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rekalman.data import Sequences
    from rekalman.data.scales.box_cox import BoxCox
    from rekalman.filters.choice import Filtering
    from rekalman.learners.protocol import Progress


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """Data to train on, and the arguments of `rekalman.fit` that do not belong to one method.

    Attributes:
        data: in raw units.
        learner: how to train, or None for the default of the method.
        filtering: the filter of the trained model, by name or with settings, or None for the default.
        scale: "series", "shared" or None for the default.
        transform: of the observations, or None.
        checkpoint: folder for checkpoints, or None.
        seed: start of all randomness.
        progress: True shows a bar on stderr; a function is called after each iteration.
        prefix: what the names of the stages begin with in the display of progress.
        advise: whether held-out data are asked for what they say against the model (warnings).

    Examples:
        >>> import rekalman
        >>> request = rekalman.methods.TrainingRequest(data=rekalman.load_example("nile"), seed=1)
        >>> request.learner is None  # the default of the method
        True
    """

    data: Sequences
    learner: Any = None
    filtering: str | Filtering | None = None
    scale: str | None = None
    transform: BoxCox | None = None
    checkpoint: str | Path | None = None
    seed: int = 0
    progress: bool | Callable[[str, Progress], None] = False
    prefix: str = ""
    advise: bool = True
