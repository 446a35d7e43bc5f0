r"""How many states a linear model should have: AIC, BIC and the likelihood of data held out, side by side.

Every candidate starts from its own subspace identification and is trained by EM. The parameters that count
are those of the law of the outputs, whatever the basis of the states: with `n` states, `p` outputs and `k`
inputs `A` and `C` hold `n p`, the noise `min(n p, n (n + 1) / 2) + p (p + 1) / 2`, the inputs `(n + p) k` and
the offsets `p`. The first state is none of them: it does not gain precision with the length of a series.

The held-out likelihood is that of the last part of every series given all before it, under parameters
learned without it, so that it needs no count at all.

EM is compiled once for all numbers of states: a model of fewer states than the largest is trained among idle
ones, white noise that neither the other states nor the outputs depend on. Their smoothed moments with all
else are zero, so that no iteration couples them, and the rest learns what it would without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import equinox as eqx
import jax
import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch
from rekalman.learners.em.linear_em import linear_em
from rekalman.learners.em.priors import SAFEGUARD
from rekalman.learners.em.restarts import hide_after
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.learners.start.n4sid import n4sid
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.placing import placed

if TYPE_CHECKING:
    import pandas as pd


EXPLOSION = 4.0
"""Factor by which a state may grow over the data."""


class Order(NamedTuple):
    """One candidate.

    Attributes:
        states: number of states.
        parameters: how many of its parameters count.
        log_likelihood: of all data under parameters learned from all, in nats.
        aic: Akaike's criterion; smaller is better.
        bic: Schwarz's criterion; smaller is better.
        held_out: log-likelihood of the held-out part per entry, in nats; larger is better.
        model: the model learned from all data.
        blind: the model learned without the held-out part.
    """

    states: int
    parameters: int
    log_likelihood: float
    aic: float
    bic: float
    held_out: float
    model: LinearGaussian
    blind: LinearGaussian

    @property
    def spectral_radius(self) -> float:
        """Largest modulus of an eigenvalue of `A`, in either model."""
        return max(
            float(np.abs(np.linalg.eigvals(np.asarray(model.A))).max())
            for model in (self.model, self.blind)
        )


class Orders(NamedTuple):
    """All candidates, by the number of states."""

    candidates: tuple[Order, ...]

    @property
    def by_aic(self) -> Order:
        """The candidate with the least AIC."""
        return min(self.candidates, key=lambda order: order.aic)

    @property
    def by_bic(self) -> Order:
        """The candidate with the least BIC."""
        return min(self.candidates, key=lambda order: order.bic)

    def bounded(self, steps: int) -> Order:
        """The candidate with the least BIC of those whose states do not explode; of all where each does.

        Few samples give roots outside the unit circle by chance, whose forecasts run away.

        Args:
            steps: length of the longest series, over which a state may grow `EXPLOSION` times.
        """
        largest = EXPLOSION ** (1 / max(steps, 1))
        calm = [each for each in self.candidates if each.spectral_radius <= largest]
        return min(calm or self.candidates, key=lambda order: order.bic)

    @property
    def by_held_out(self) -> Order:
        """The candidate under which the held-out data are most likely."""
        return max(self.candidates, key=lambda order: order.held_out)

    def to_frame(self) -> pd.DataFrame:
        """The table, indexed by the number of states."""
        import pandas as pd

        rows = [order._asdict() for order in self.candidates]
        return pd.DataFrame(rows).drop(columns=["model", "blind"]).set_index("states")

    def summary(self) -> str:
        """The table as text; the best of each column is marked."""
        lines = [
            f"{'states':>6} {'parameters':>10} {'log-likelihood':>15} {'AIC':>13} {'BIC':>13} "
            f"{'held out':>10}"
        ]
        best = (self.by_aic, self.by_bic, self.by_held_out)
        for order in self.candidates:
            marks = ["*" if order is one else " " for one in best]
            lines.append(
                f"{order.states:>6} {order.parameters:>10} {order.log_likelihood:>15.2f} "
                f"{order.aic:>12.2f}{marks[0]} {order.bic:>12.2f}{marks[1]} {order.held_out:>9.4f}{marks[2]}"
            )
        return "\n".join(lines)


def choose_order(
    batch: Batch,
    states: Sequence[int] = (1, 2, 3, 4, 5, 6),
    *,
    iterations: int = 60,
    hold_out: float = 0.2,
    report: Callable[[int], None] | None = None,
) -> Orders:
    """Train a linear model of every number of states and compare them.

    Args:
        batch: the series, best standardised.
        states: the numbers to try; those for which there are too few samples are left out.
        iterations: EM iterations of each training.
        hold_out: share of each series, at its end, that is held out.
        report: told the number of states before each candidate.

    Raises:
        RekalError: no number of states is given or possible, or the share is not between 0 and 1.
    """
    if not states or min(states) < 1:
        raise RekalError(f"the numbers of states to try must be at least 1, but are {list(states)}")
    if not 0 < hold_out < 1:
        raise RekalError(f"hold_out must lie between 0 and 1, but is {hold_out}")
    result: list[Order] = []
    refused: RekalError | None = None
    with jax.enable_x64(True):
        batch = in_double(batch)
        train, _ = hide_after(batch, hold_out)
        for count in sorted(set(states)):
            if report is not None:
                report(count)
            try:
                result.append(_candidate(batch, train, count, max(states), iterations))
            except RekalError as why:
                refused = why
    if not result:
        raise refused or RekalError("no number of states is possible")
    return Orders(tuple(result))


def counted(states: int, obs: int, inputs: int) -> int:
    """The number of parameters that the law of the outputs has (see the module text)."""
    noise = min(states * obs, states * (states + 1) // 2) + obs * (obs + 1) // 2
    return states * obs + noise + (states + obs) * inputs + obs


def _candidate(batch: Batch, train: Batch, states: int, padded: int, iterations: int) -> Order:
    """A candidate, trained among idle states up to `padded`."""
    model, value = _trained(batch, states, padded, iterations)
    blind, before = _trained(train, states, padded, iterations)
    after = _log_likelihood(blind, batch, padded)
    entries = max(1, int(batch.mask.sum()) - int(train.mask.sum()))
    inputs = 0 if batch.inputs is None else batch.inputs.shape[-1]
    size = counted(states, batch.values.shape[-1], inputs)
    steps = int(np.asarray(batch.mask).any(-1).sum())
    return Order(
        states=states,
        parameters=size,
        log_likelihood=value,
        aic=-2 * value + 2 * size,
        bic=-2 * value + size * float(np.log(steps)),
        held_out=float(after - before) / entries,
        model=model,
        blind=blind,
    )


def _trained(
    batch: Batch, states: int, padded: int, iterations: int
) -> tuple[LinearGaussian, float]:
    """A model of so many states and its log-likelihood."""
    start = n4sid(
        np.asarray(batch.values),
        np.asarray(batch.mask),
        states,
        inputs=None if batch.inputs is None else np.asarray(batch.inputs),
        lengths=np.asarray(batch.valid).sum(1),
    )
    trained = linear_em(
        with_idle_states(start, padded),
        batch,
        iterations=iterations,
        tolerance=1e-7,
        strength=SAFEGUARD,
    )
    if trained.stopped == "interrupted":
        raise KeyboardInterrupt
    model = leading_states(cast(LinearGaussian, trained.model), states)
    return model, _log_likelihood(model, batch, padded)


def _log_likelihood(model: LinearGaussian, batch: Batch, padded: int) -> float:
    """By the E-step, which is compiled already."""
    return float(linear_em(with_idle_states(model, padded), batch, iterations=1).log_likelihood[0])


def with_idle_states(model: LinearGaussian, states: int) -> LinearGaussian:
    """The same law of the outputs, with white noise nothing depends on as further states.

    Args:
        model: with a given start.
        states: their number with the idle ones.
    """
    more, idle = states - model.states, (0, states - model.states)

    def cov(V: np.ndarray) -> np.ndarray:
        padded = np.pad(V, (idle, idle))
        padded[model.states :, model.states :] = np.eye(more)
        return padded

    return _with_blocks(
        model,
        A=np.pad(model.A, (idle, idle)),
        B=np.pad(model.B, (idle, (0, 0))),
        c=np.pad(model.c, idle),
        C=np.pad(model.C, ((0, 0), idle)),
        Q=cov(np.asarray(model.Q)),
        m=np.pad(model.m, idle),
        P=cov(np.asarray(model.P)),
    )


def leading_states(model: LinearGaussian, states: int) -> LinearGaussian:
    """The first states of a model in which nothing depends on the others."""
    A, B, c, C, Q, m, P = (
        np.asarray(getattr(model, name)) for name in ("A", "B", "c", "C", "Q", "m", "P")
    )
    n = states
    return _with_blocks(
        model, A=A[:n, :n], B=B[:n], c=c[:n], C=C[:, :n], Q=Q[:n, :n], m=m[:n], P=P[:n, :n]
    )


def _with_blocks(model: LinearGaussian, **blocks: np.ndarray) -> LinearGaussian:
    """A model with other blocks; NumPy makes them, which compiles nothing for their shapes."""
    return eqx.tree_at(
        lambda each: tuple(getattr(each, name) for name in blocks),
        model,
        tuple(placed(block, model.A.dtype) for block in blocks.values()),
    )
