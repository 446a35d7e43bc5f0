"""Whether a filter keeps what it promises: innovations, PIT and intervals of one-step predictions in numbers.

A model that is right leaves white innovations (nothing in them can be predicted) whose squares are as large
as it says, and a probability integral transform (PIT) that is uniform (Diebold, Gunther and Tay 1998). The
three can fail apart: wrong dynamics leave innovations that are not white, wrong noise levels a NIS off one, a
wrong shape of the distribution a PIT that is not uniform. See `evaluation/innovations.py` for the statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rekalman.evaluation.holding import Scores
from rekalman.evaluation.innovations import LEVEL, chi_square_band, ljung_box, nis, verdict
from rekalman.evaluation.kolmogorov import uniform_test
from rekalman.foundation.errors import RekalError

LAGS = 20
NO_SCORES = Scores()


@dataclass(frozen=True)
class ColumnDiagnostics:
    """One column of the observations.

    Attributes:
        name: name of the column.
        entries: number of its entries that were judged.
        mean: mean of the white innovations, near 0: within 2 / sqrt(entries) in 95 of 100 cases.
        ljung_box: statistic of Ljung and Box.
        whiteness_p: its p-value; small where the innovations are not white.
        distance: largest distance between the distribution of the PIT and the uniform one (Kolmogorov).
        uniformity_p: its p-value; small where the PIT is not uniform.
        coverage_50: share of the entries inside the central 50 % interval one step ahead.
        coverage_90: the same for 90 %.
    """

    name: str
    entries: int
    mean: float
    ljung_box: float
    whiteness_p: float
    distance: float
    uniformity_p: float
    coverage_50: float
    coverage_90: float


@dataclass(frozen=True)
class Diagnostics:
    """How the one-step predictions of a filter compare with what was observed.

    Attributes:
        entries: number of entries that were judged.
        nis: normalised innovation squared per entry; 1 is right, more is overconfident.
        nis_low: lower end of the band that holds it with probability 95 % if the filter is consistent.
        nis_high: upper end.
        nis_inside: share of the steps whose NIS lies in the 95 % interval of its own chi-square law.
        lags: number of lags of the Ljung-Box tests; 0 where whiteness is not tested.
        columns: the columns one by one.
        score: log predictive density in nats per value, over the steps that holding predicts, too.
        hold_score: the same of holding the last value (`evaluation/holding.py`); None where it is not known.
        hold_error: standard error of their difference.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> data = rekalman.load_example("nile")
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(one, one, 1469 * one, 15099 * one, initial="diffuse")
        >>> diagnostics = rekalman.filter(rekalman.Kalman(model), data).diagnose()
        >>> round(diagnostics.nis, 2), diagnostics.consistent
        (1.0, True)
    """

    entries: int
    nis: float
    nis_low: float
    nis_high: float
    nis_inside: float
    lags: int
    columns: tuple[ColumnDiagnostics, ...]
    score: float | None = None
    hold_score: float | None = None
    hold_error: float | None = None

    @property
    def whiteness_p(self) -> float:
        """P-value of all columns together, from the smallest (Šidák 1967)."""
        return _together([column.whiteness_p for column in self.columns])

    @property
    def uniformity_p(self) -> float:
        """The same of the test that the PIT is uniform."""
        return _together([column.uniformity_p for column in self.columns])

    @property
    def white(self) -> bool:
        """Whether the innovations pass for white at the 5 % level."""
        return self.whiteness_p >= 1 - LEVEL

    @property
    def uniform(self) -> bool:
        """Whether the PIT passes for uniform at the 5 % level."""
        return self.uniformity_p >= 1 - LEVEL

    @property
    def right_size(self) -> bool:
        """Whether the mean NIS lies in its band."""
        return self.nis_low <= self.nis <= self.nis_high

    @property
    def consistent(self) -> bool:
        """Whether the filter passes every test: size and whiteness of the innovations, and the PIT."""
        return not self.faults

    @property
    def held_better(self) -> bool:
        """Whether holding the last value has the better score, by more than two standard errors."""
        if self.score is None or self.hold_score is None or self.hold_error is None:
            return False
        return self.hold_score - self.score > 2 * self.hold_error

    @property
    def faults(self) -> tuple[str, ...]:
        """The tests that the filter fails, in words; one with too few entries to say is none of them."""
        wrong = []
        if not self.right_size and np.isfinite(self.nis):
            wrong.append("overconfident" if self.nis > self.nis_high else "too careful")
        if self.whiteness_p < 1 - LEVEL:
            wrong.append("its innovations can be predicted")
        if self.uniformity_p < 1 - LEVEL:
            share = 100 * self.coverage(90)
            wrong.append(f"its distributions do not hold (the 90 % interval holds {share:.0f} %)")
        return tuple(wrong)

    @property
    def verdict(self) -> str:
        """All tests in one sentence."""
        if self.faults:
            said = f"the filter is not consistent: {'; '.join(self.faults)}"
        else:
            said = "the filter is consistent"
        if self.held_better:
            said += "; holding the last value predicts better"
        return said

    def coverage(self, level: int) -> float:
        """Share of all entries inside the central interval of 50 or 90 %, one step ahead."""
        shares = [getattr(column, f"coverage_{level}") for column in self.columns]
        counts = [column.entries for column in self.columns]
        known = np.isfinite(shares)
        if not known.any():
            return float("nan")
        return float(np.average(np.array(shares)[known], weights=np.array(counts)[known]))

    def summary(self) -> str:
        """A few lines in words; the last is the verdict."""
        return "\n".join([*self.lines(), f"verdict         {self.verdict}"])

    def lines(self) -> list[str]:
        """The tests one by one, in words."""
        several = f" for {len(self.columns)} columns together" if len(self.columns) > 1 else ""
        white = f"(Ljung-Box {_p(self.whiteness_p)}{several}, {self.lags} lags)"
        pit = f"(Kolmogorov-Smirnov {_p(self.uniformity_p)})"
        places = 2 if self.nis_high - self.nis_low > 0.1 else 3
        nis, low, high = (f"{v:.{places}f}" for v in (self.nis, self.nis_low, self.nis_high))
        size = "errors are as large as the filter says"
        if not self.right_size:
            size = f"the filter is {verdict(self.nis, self.nis_low, self.nis_high)}"
        baseline = []
        if self.score is not None and self.hold_score is not None:
            baseline = [
                f"score           {self.score:.3f} nats per value; holding the last value has "
                f"{self.hold_score:.3f}"
            ]
        tested = [f"innovations     white: {_word(self.whiteness_p)} {white}"] if self.lags else []
        return [
            *tested,
            f"mean NIS        {nis}, 95 % band {low} to {high}: {size}",
            f"intervals       the 50 % interval holds {100 * self.coverage(50):.0f} %, that of "
            f"90 % {100 * self.coverage(90):.0f} %; PIT uniform: {_word(self.uniformity_p)} {pit}",
            *baseline,
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row a column."""
        return pd.DataFrame([asdict(column) for column in self.columns]).set_index("name")

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types."""
        return asdict(self)

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Diagnostics:
        """What `to_dict` was made from."""
        columns = tuple(ColumnDiagnostics(**column) for column in described["columns"])
        return cls(**{**described, "columns": columns})


def diagnose(
    white: Float[np.ndarray, "batch steps obs"],
    pit: Float[np.ndarray, "batch steps obs"],
    names: Sequence[str],
    scores: Scores = NO_SCORES,
    test_whiteness: bool = True,
) -> Diagnostics:
    """Judge the one-step predictions of a filter.

    Args:
        white: innovations scaled to unit covariance; NaN where there is none.
        pit: probability integral transform of each entry; NaN where there is none.
        names: names of the columns.
        scores: log score of the predictions, and of holding the last value (`holding.scores`).
        test_whiteness: whether the errors should be white; those of estimates from what is seen need not.

    Raises:
        RekalError: there is no innovation at all.
    """
    seen = np.isfinite(white)
    entries = int(seen.sum())
    if not entries:
        raise RekalError("there is no innovation to judge: too little was observed")
    white = np.asarray(white, np.float64)
    lags = max(1, min(LAGS, int(seen.any(-1).sum(1).max()) // 4)) if test_whiteness else 0
    squares, (low, high) = nis(white), chi_square_band(seen.sum(-1))
    counted = np.isfinite(squares)
    band = chi_square_band(float(entries))
    return Diagnostics(
        entries=entries,
        nis=float(squares[counted].sum() / entries),
        nis_low=float(band[0] / entries),
        nis_high=float(band[1] / entries),
        nis_inside=float(((squares >= low) & (squares <= high))[counted].mean()),
        lags=lags,
        columns=tuple(
            _column(name, white[..., k], pit[..., k], lags) for k, name in enumerate(names)
        ),
        **scores._asdict(),
    )


def _column(name: str, white: np.ndarray, pit: np.ndarray, lags: int) -> ColumnDiagnostics:
    u = np.asarray(pit, np.float64)[np.isfinite(white)]
    test = ljung_box(white, lags) if lags else None
    nothing = len(u) == 0
    far = (np.nan, np.nan) if nothing else uniform_test(u)
    inside = lambda level: np.nan if nothing else np.mean(np.abs(u - 0.5) <= level / 2)  # noqa: E731
    return ColumnDiagnostics(
        name=name,
        entries=len(u),
        mean=np.nan if nothing else float(np.nanmean(white)),
        ljung_box=np.nan if test is None else test.statistic,
        whiteness_p=np.nan if test is None else test.p_value,
        distance=float(far[0]),
        uniformity_p=float(far[1]),
        coverage_50=float(inside(0.5)),
        coverage_90=float(inside(0.9)),
    )


def _together(p_values: Sequence[float]) -> float:
    known = [p for p in p_values if np.isfinite(p)]
    if not known:
        return float("nan")
    least = min(max(min(known), 0.0), 1.0)
    # Where the smallest p-value is 1 so is that of all together: log(1 - 1) would be -inf, with a warning.
    return 1.0 if least == 1.0 else float(-np.expm1(len(known) * np.log1p(-least)))


def _word(p: float) -> str:
    if not np.isfinite(p):
        return "too few entries to say"
    return "yes" if p >= 1 - LEVEL else "no"


def _p(p: float) -> str:
    return "p < 0.001" if p < 1e-3 else f"p = {p:.2g}"
