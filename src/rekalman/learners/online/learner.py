"""Recurrent predictors trained online: one row after the other, forward through time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from rekalman.data import Sequences
from rekalman.filters.learning.adam import Adam
from rekalman.filters.learning.kalman_step import KalmanUpdate
from rekalman.filters.learning.local_rules import RFLO, SyntheticGradient
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.random_rules import KFRTRL, UORO
from rekalman.filters.learning.rule import Rule
from rekalman.filters.learning.snap import RTRL, SnAp
from rekalman.filters.learning.step import WeightUpdate
from rekalman.filters.learning.truncated import TBPTT
from rekalman.filters.learning.weights import weights_of, with_weights
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.suggest import choices
from rekalman.learners.online.lanes import Learned, learn_from_lanes
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.numerics.placing import placed

ENOUGH = 3000
"""Rows that training without a number of passes goes through at least, over and over."""


@dataclass(frozen=True, kw_only=True)
class Online:
    """Training of a `RecurrentPredictor` by a rule that needs no second pass, though it may make some.

    Attributes:
        rule: how the network is differentiated: `RTRL`, `SnAp`, `UORO`, `KFRTRL`, `RFLO`, `SyntheticGradient`
            or `TBPTT` of `rekalman.filters.learning`.
        update: what is done with the derivatives: `Adam` or `KalmanUpdate`.
        passes: how often the series are gone through; None = so often that 3,000 rows are learned from.
        reset_every: after so many rows the state and the derivatives start anew; None = never.

    Examples:
        >>> from rekalman.learners.online.learner import Online
        >>> Online.named("ekf").update.name, Online.named("snap2").rule.long_name
        ('gekf', 'SnAp-2')
    """

    rule: Rule = field(default_factory=RTRL)
    update: WeightUpdate = field(default_factory=Adam)
    passes: int | None = None
    reset_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("passes", "reset_every"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name))
        self.update.check(self.rule)

    @classmethod
    def named(cls, name: str) -> Online:
        """The learner of a name, with its usual settings.

        Args:
            name: a key of `NAMED`.

        Raises:
            RekalError: there is no such name.
        """
        if name not in NAMED:
            raise RekalError(f"unknown learner {name!r}: {choices(name, NAMED)}")
        rule, update = NAMED[name]
        return cls(rule=rule, update=update)

    def run(
        self,
        start: RecurrentPredictor,
        data: Sequences,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> TrainResult:
        """Learn from standardised series, which are gone through side by side.

        Args:
            start: the network to begin with.
            data: in the units of the network; missing entries are fine.
            key: start of the randomness of rules that draw.
            callback: called after each pass.

        Returns:
            The network; the history has the mean log density of each pass, in nats per observed entry, each
            row being predicted before it was learned from.

        Raises:
            RekalError: the rule is not defined for the network, the data do not fit it, or a weight became
                infinite; the sentence names the row.
            KeyboardInterrupt: Ctrl-C in the first pass; later it ends the training with the last pass.
        """
        return self.training(start, data, key, callback)[0]

    def training(
        self,
        start: RecurrentPredictor,
        data: Sequences,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
        judge: Callable[[RecurrentPredictor], bool] | None = None,
    ) -> tuple[TrainResult, tuple[Any, ...]]:
        """The same, and the arrays of what the update knows at the end (`LearningNetwork.prior`).

        Args:
            start: the network to begin with.
            data: in the units of the network.
            key: start of the randomness of rules that draw.
            callback: called after each pass.
            judge: is shown the network after each pass, and says whether to go on.
        """
        network = LearningNetwork.create(start, self.rule, self.update)
        if (data.observations, data.n_inputs) != (start.observations, start.n_inputs):
            raise RekalError(
                f"the network was made for {start.observations} columns and {start.n_inputs} inputs, but the "
                f"data have {data.observations} and {data.n_inputs}"
            )
        since, key = time.perf_counter(), jax.random.key(0) if key is None else key
        dtype, mask = network.dtype, np.asarray(data.mask)
        values = placed(np.where(mask, np.asarray(data.values), 0.0), dtype)
        inputs = None if data.inputs is None else placed(np.asarray(data.inputs), dtype)
        passes = self.passes or max(1, -(-ENOUGH // int(np.asarray(data.lengths).sum())))
        weights, known = weights_of(start), None
        densities: list[float] = []
        stopped = "iterations"
        for i in range(passes):
            try:
                done = learn_from_lanes(
                    network,
                    values,
                    placed(mask),
                    inputs,
                    weights=weights,
                    update=network.known(weights) if known is None else known,
                    reset_every=self.reset_every,
                    key=jax.random.fold_in(key, i),
                )
                refuse_infinite(done, i, passes)
            except KeyboardInterrupt:
                if not densities:
                    raise
                stopped = "interrupted"
                break
            weights, known = done.weights, done.update
            densities.append(float(jnp.sum(done.log_density)) / max(int(mask[:, 1:].sum()), 1))
            if callback is not None:
                callback(Progress(i + 1, passes, densities[-1] * int(mask.sum())))
            if judge is not None and not judge(with_weights(start, weights)):
                stopped = "patience"
                break
        values_of = np.array(densities)
        history = Iterations(
            "one-step log density",
            "nats per value",
            values_of,
            stopped,
            time.perf_counter() - since,
            int(mask.sum()),
        )
        arrays = tuple(leaf.astype(dtype) for leaf in jax.tree.leaves(known))
        return TrainResult(with_weights(start, weights), history), arrays


def refuse_infinite(done: Learned, at: int, passes: int) -> None:
    """Refuse a pass in which the weights were lost.

    Raises:
        RekalError: a weight is not finite; the sentence names the row.
    """
    finite = np.asarray(done.finite)
    if finite.all():
        return
    which = f" of pass {at + 1}" if passes > 1 else ""
    raise RekalError(
        f"a weight became infinite at row {int(np.argmin(finite))} (counted from 0){which}: use a smaller "
        "rate, or clip, or a smaller prior of the Kalman filter"
    )


NAMED: dict[str, tuple[Rule, WeightUpdate]] = {
    "ekf": (RTRL(), KalmanUpdate()),
    "dekf": (RTRL(), KalmanUpdate(decoupled=True)),
    "rtrl": (RTRL(), Adam(rate=3e-3)),
    "snap1": (SnAp(1), Adam(rate=3e-3)),
    "snap2": (SnAp(2), Adam(rate=3e-3)),
    "uoro": (UORO(), Adam(rate=1e-3)),
    "kf-rtrl": (KFRTRL(), Adam(rate=1e-3)),
    "rflo": (RFLO(), Adam(rate=3e-3)),
    "dni": (SyntheticGradient(), Adam(rate=3e-3)),
    "tbptt": (TBPTT(25, 25), Adam(rate=3e-3)),
}
"""Learners by name: a rule and an update with their usual settings."""
