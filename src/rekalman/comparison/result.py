"""What a comparison found: scores, differences with intervals, a confidence set, costs, and a verdict."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rekalman.comparison.candidate import Candidate
from rekalman.comparison.confidence_set import ALPHA, confidence_set
from rekalman.comparison.equal_accuracy import Difference, bootstrap_interval, diebold_mariano
from rekalman.comparison.evaluation import Evaluation
from rekalman.comparison.plan import Plan
from rekalman.comparison.scores import Scores
from rekalman.comparison.summary import averages, grouped, losses_by_origin, pit_histogram
from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.comparison.verdict import verdict
from rekalman.data import Sequences
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError
from rekalman.foundation.facts import Facts, shown, shown_html
from rekalman.foundation.suggest import choices

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from rekalman.fitting.result import Fit


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """Methods side by side on the ends of some series.

    The headline score is the **scaled CRPS**: the continuous ranked probability score of every forecast in
    units of the mean absolute error that the (seasonal) naive forecast makes in what was learned from, so
    that columns, series and horizons can be averaged.

    Attributes:
        data: all of it.
        plan: horizons, origins and trainings.
        season: steps of a season, or None.
        scale: of each series and column.
        candidates: what was to be compared.
        evaluations: what became of those that had their turn.
        unreached: names of those that did not, because the budget ended.
        seed: start of the randomness.
        seconds: wall time of all.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> models = ["naive", "mean", "local-level"]
        >>> comparison = rekalman.compare(nile, models, horizons=1, progress=False)
        >>> comparison.best
        'local-level'
        >>> comparison.to_frame()["coverage_90"].round(2).tolist()
        [0.92, 1.0, 1.0]
    """

    data: Sequences
    plan: Plan
    season: int | None
    scale: Float[np.ndarray, "batch obs"]
    candidates: tuple[Candidate, ...]
    evaluations: tuple[Evaluation, ...]
    unreached: tuple[str, ...] = ()
    seed: int = 0
    seconds: float = 0.0

    def __repr__(self) -> str:
        return shown(self, _facts)

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        return shown_html(self, _facts)

    @functools.cached_property
    def ranking(self) -> tuple[Evaluation, ...]:
        """Those that forecast everything, the least scaled CRPS first."""
        judged = [each for each in self.evaluations if each.scores is not None]
        return tuple(sorted(judged, key=lambda each: self.average(each.name)["scaled_crps"]))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those that forecast everything, the best first."""
        return tuple(each.name for each in self.ranking)

    @property
    def best(self) -> str:
        """Name of the best."""
        return self.names[0]

    @property
    def reference(self) -> str:
        """Name of the best naive forecast; of the last one where no naive forecast was made."""
        naive = [each.name for each in self.ranking if each.group == "naive"]
        return naive[0] if naive else self.names[-1]

    @property
    def reference_is(self) -> str:
        """What the reference is, in words."""
        naive = self.evaluation(self.reference).group == "naive"
        return (
            "the best naive forecast"
            if naive
            else "the last of them, for no naive forecast was made"
        )

    @property
    def candidates_by_rank(self) -> tuple[Candidate, ...]:
        """The candidates behind `names`."""
        known = {each.name: each for each in self.candidates}
        return tuple(known[name] for name in self.names)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Names of those that failed, and why."""
        return tuple((each.name, each.failure) for each in self.evaluations if each.scores is None)

    def evaluation(self, name: str) -> Evaluation:
        """What became of one.

        Raises:
            RekalError: it is not among those that were compared, or did not get its turn.
        """
        for each in self.evaluations:
            if each.name == name:
                return each
        known = [each.name for each in self.evaluations]
        raise RekalError(f"{name!r} was not evaluated: {choices(name, known)}")

    def scores(self, name: str) -> Scores:
        """The scores of one.

        Raises:
            RekalError: it has none.
        """
        each = self.evaluation(name)
        if each.scores is None:
            raise RekalError(f"{name} has no scores: {each.failure}")
        return each.scores

    @functools.cached_property
    def _averages(self) -> dict[str, dict[str, float]]:
        judged = [each for each in self.evaluations if each.scores is not None]
        return {each.name: averages(self.scores(each.name), self.scale) for each in judged}

    def average(self, name: str) -> dict[str, float]:
        """Mean scores of one over everything (`comparison.summary.averages`)."""
        self.scores(name)
        return self._averages[name]

    def skill(self, name: str) -> float:
        """By which share the scaled CRPS is below that of the best naive forecast."""
        return 1 - self.average(name)["scaled_crps"] / self.average(self.reference)["scaled_crps"]

    def difference(
        self, name: str, other: str | None = None, horizon: int | None = None
    ) -> Difference:
        """How much larger the scaled CRPS of one is than that of another, with a 90 % interval.

        Args:
            name: below zero it is the better one.
            other: default the best.
            horizon: of this horizon alone.

        Raises:
            RekalError: one of them has no scores, or the horizon was not forecast.
        """
        one, two = self.scores(name), self.scores(self.best if other is None else other)
        where: Any = slice(None)
        if horizon is not None:
            horizon = whole("horizon", horizon)
            if horizon not in self.plan.horizons:
                raise RekalError(f"the horizon {horizon} was not forecast")
            where = [self.plan.horizons.index(horizon)]
        d = losses_by_origin(one, self.scale, where) - losses_by_origin(two, self.scale, where)
        return diebold_mariano(d, horizon or self.plan.horizons[-1], one.series)

    def bootstrap(self, name: str, other: str | None = None) -> tuple[float, float]:
        """The same 90 % interval by a block bootstrap.

        Args:
            name: below zero it is the better one.
            other: default the best.
        """
        one, two = self.scores(name), self.scores(self.best if other is None else other)
        d = losses_by_origin(one, self.scale) - losses_by_origin(two, self.scale)
        return bootstrap_interval(d, self.plan.horizons[-1], one.series)

    @functools.cached_property
    def p_values(self) -> dict[str, float]:
        """Of each: that it is among the best; below 0.1 it is not in the model confidence set."""
        losses = [losses_by_origin(self.scores(name), self.scale) for name in self.names]
        series = self.scores(self.best).series
        p = confidence_set(np.stack(losses, 1), self.plan.horizons[-1], series, seed=self.seed)
        return dict(zip(self.names, map(float, p), strict=True))

    @property
    def equals(self) -> tuple[str, ...]:
        """Those that cannot be told from the best, itself among them: the model confidence set at 90 %."""
        return tuple(name for name in self.names if self.p_values[name] >= ALPHA)

    def to_frame(self, by: str | Sequence[str] = ()) -> pd.DataFrame:
        """Mean scores as a table, the best method first.

        Args:
            by: "horizon", "series", "column", or several of them: a row for each; default one row for each
                method, which also holds skill, confidence set, costs and differences from the best.
        """
        import pandas as pd

        groups = (by,) if isinstance(by, str) else tuple(by or ())
        rows = []
        for name in self.names:
            about = {"method": name, "group": self.evaluation(name).group}
            if groups:
                labels = (self.plan.horizons, self.data.names, self.data.series_names)
                parts = grouped(self.scores(name), self.scale, groups, *labels)
                rows += [{**about, **row} for row in parts]
            else:
                rows.append({**about, **self.average(name), **self._about(name)})
        return pd.DataFrame(rows)

    def _about(self, name: str) -> dict[str, Any]:
        """What a row of the table says beside the mean scores."""
        each, d = self.evaluation(name), self.difference(name)
        update = each.update_seconds
        return {
            "skill": self.skill(name),
            "in_confidence_set": name in self.equals,
            "p_value": self.p_values[name],
            "difference": d.mean,
            "difference_low": d.low,
            "difference_high": d.high,
            "fit_seconds": each.fit_seconds,
            "update_microseconds": None if update is None else 1e6 * update,
            "parameters": each.size.parameters,
            "file_bytes": each.size.file,
        }

    def fit(self, name: str | None = None, **options: Any) -> Fit:
        """Train one of the methods on all data.

        Args:
            name: of a method of rekalman; default the best of them.
            **options: of `rekalman.fit`, such as `backtest` or `progress`.

        Raises:
            RekalError: it is a model of another library, or there is none of that name.
        """
        from rekalman.data.slicing import without_inputs
        from rekalman.methods.train import fit_method

        own = {each.name: each for each in self.candidates if isinstance(each, TrainedMethod)}
        if name is None:
            name = next((each for each in self.names if each in own), None)
        if name not in own:
            known = [each for each in self.names if each in own]
            raise RekalError(f"{name!r} is no method of rekalman: {choices(str(name), known)}")
        chosen, method = own[name], own[name].method
        data = self.data if method.inputs or not self.data.n_inputs else without_inputs(self.data)
        asked = {"seed": self.seed, "transform": chosen.transform, "scale": chosen.scale}
        return fit_method(data, method, **{**asked, **options})

    @property
    def verdict(self) -> str:
        """In words: which one, by how much, how sure, and what the data say of nonlinearity and noise."""
        return verdict(self)

    def summary(self) -> str:
        """The verdict and a table as text."""
        from rekalman.comparison.table import text_table

        return f"{text_table(self)}\n\n{self.verdict}"

    def plot(self) -> go.Figure:
        """Scaled CRPS by horizon of every method."""
        from rekalman.comparison.figures import by_horizon

        return by_horizon(self)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, for JSON."""
        by_horizon = records(self.to_frame("horizon"))
        rows = []
        for row in records(self.to_frame()):
            name = row["method"]
            ahead = [each for each in by_horizon if each["method"] == name]
            histogram = pit_histogram(self.scores(name)).tolist()
            rows.append({**row, "pit": histogram, "by_horizon": ahead})
        return {
            "best": self.best,
            "reference": self.reference,
            "confidence_set": list(self.equals),
            "verdict": self.verdict,
            "methods": rows,
            "failed": [{"method": name, "reason": why} for name, why in self.failures],
            "not_evaluated": list(self.unreached),
            "columns": list(self.data.names),
            "series": self.data.batch,
            "horizons": list(self.plan.horizons),
            "origins": int(sum(map(len, self.plan.origins))),
            "test": int((np.asarray(self.data.lengths) - self.plan.first).sum()),
            "refit": self.plan.refit,
            "window": self.plan.window,
            "season": self.season,
            "seed": self.seed,
            "seconds": self.seconds,
        }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as plain data."""
    columns = [str(name) for name in frame.columns]
    return [dict(zip(columns, row, strict=True)) for row in frame.itertuples(index=False)]


def _facts(comparison: Comparison) -> Facts:
    """Which one, by how much, and how many cannot be told from it."""
    rows = [
        ("best", comparison.best),
        ("skill", f"{100 * comparison.skill(comparison.best):.0f} % over {comparison.reference}"),
        ("cannot be told apart", ", ".join(comparison.equals)),
    ]
    return Facts(f"Comparison of {len(comparison.evaluations)} methods", tuple(rows))
