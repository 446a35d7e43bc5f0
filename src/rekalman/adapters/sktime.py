"""A forecaster of sktime (Löning et al. 2019) around `rekalman.fit`; needs `pip install rekalman[sktime]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from rekalman.adapters.step_forecasts import Statistic, StepForecasts, sequences_of
from rekalman.fitting.result import Fit
from rekalman.foundation.errors import RekalError
from rekalman.methods.base import Method
from rekalman.methods.registry import get
from rekalman.methods.registry import names as method_names
from rekalman.verbs.fit import fit


class _NotInstalled:
    """In the place of sktime's base class where there is no sktime."""

    def __init__(self) -> None:
        raise RekalError("RekalForecaster needs sktime: pip install 'rekalman[sktime]'")


try:
    BaseForecaster: Any = import_module("sktime.forecasting.base").BaseForecaster
except ImportError:
    BaseForecaster = _NotInstalled


class RekalForecaster(BaseForecaster):
    """Any model of rekalman as a forecaster of sktime.

    `fit` trains by `rekalman.fit`; `update` filters on, and with `update_params=True` trains again on all
    data so far. Means, quantiles, intervals and variances are those of the model's predictive distribution.
    Within the data (`fh` of 0 and below) they are one-step-ahead predictions, NaN where nothing was seen
    before. Rows that an index of periods or whole numbers leaves out are missing values. A panel or a
    hierarchy gets a model for each series, as sktime does it: one model for many series is
    `rekalman.fit(table)`.

    Args:
        model: as for `rekalman.fit`: the name of a method such as "local-level", "linear" or "gru", a method
            with its options, a model of your own, or None for the method that forecasts the last quarter of
            the data best.
        options: further arguments of `rekalman.fit` by name: options of the method (`{"states": 4}`),
            `learner`, `filtering`, `transform`, `budget`, ...
        intervals: "model" or "running", as for `Fit.forecast`.
        seed: start of all randomness.

    Attributes:
        fit_: the trained `rekalman.Fit`, after `fit`.

    Raises:
        RekalError: sktime is not installed; from `fit`, as for `rekalman.fit`; from `predict`, `X` lacks a
            row of a step up to the horizon.

    Examples:
        >>> import pandas as pd
        >>> import rekalman
        >>> from rekalman.adapters.sktime import RekalForecaster
        >>> years = pd.period_range("1871", "1970", freq="Y")
        >>> nile = pd.Series(rekalman.load_example("nile").values[0, :, 0], years, name="flow")
        >>> forecaster = RekalForecaster("local-level").fit(nile, fh=[1, 2])
        >>> forecaster.predict().round(1).to_dict()
        {Period('1971', 'Y-DEC'): 798.4, Period('1972', 'Y-DEC'): 798.4}
        >>> forecaster.predict_interval(coverage=0.9).round().iloc[0].tolist()
        [562.0, 1034.0]
    """

    _tags = {  # noqa: RUF012 - how sktime declares them
        "authors": "rekalman developers",
        "maintainers": "rekalman developers",
        "y_inner_mtype": "pd.DataFrame",
        "X_inner_mtype": "pd.DataFrame",
        "requires-fh-in-fit": False,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:missing_values": True,
        "capability:insample": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": True,
        "capability:update": True,
        "capability:non_contiguous_X": False,
        "capability:categorical_in_X": False,
    }
    _config = {"remember_data": False}  # noqa: RUF012

    def __init__(
        self,
        model: Any = None,
        options: Mapping[str, Any] | None = None,
        intervals: str = "model",
        seed: int = 0,
    ) -> None:
        self.model = model
        self.options = options
        self.intervals = intervals
        self.seed = seed
        super().__init__()
        self._y = self._X = None  # where the configuration asks to remember the data (`set_config`)
        method: Any = get(model) if isinstance(model, str) and model in method_names() else model
        if isinstance(method, Method) or (isinstance(method, type) and issubclass(method, Method)):
            self.set_tags(
                **{
                    "capability:multivariate": method.multivariate,
                    "capability:exogenous": method.inputs,
                    "capability:missing_values": method.missing,
                }
            )

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> RekalForecaster:
        """Train on one series.

        Args:
            y: the observed columns.
            X: the inputs, or None.
            fh: not used: a model forecasts any number of steps.
        """
        self._cur_y, self._cur_X = y, X
        options = dict(self.options or {})
        for name in ("data", "model", "seed", "progress"):
            if name in options:
                raise RekalError(f"{name} is no option of the model: leave it out of options")
        self.fit_: Fit = fit(
            sequences_of(y, X), self.model, seed=self.seed, progress=False, **options
        )
        return self

    def _update(
        self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True
    ) -> RekalForecaster:
        """Take more rows of the same series.

        Args:
            y: new rows; those that were known already replace the old ones.
            X: their inputs.
            update_params: whether the model is trained again, on all rows.
        """
        y = _joined(self._cur_y, y)
        if self._cur_X is None and X is not None:
            raise RekalError("the model was trained without inputs: leave X out of update")
        X = None if self._cur_X is None else _joined(self._cur_X, X)
        if update_params:
            return self._fit(y, X, None)
        self._cur_y, self._cur_X = y, X
        return self

    def _at(self, fh: Any, X: pd.DataFrame | None) -> StepForecasts:
        """The forecasts of a horizon, from the cutoff."""
        now = self.cutoff[0]
        past = self._cur_y.loc[self._cur_y.index <= now]

        def future_inputs(steps: int) -> np.ndarray:
            return _rows_of(X, type(fh)(range(1, steps + 1)).to_absolute_index(self.cutoff))

        steps = np.asarray(fh.to_relative(self.cutoff).to_pandas(), np.int64)
        data = sequences_of(past, self._cur_X)
        return StepForecasts.of(self.fit_, data, steps, future_inputs, self.intervals)

    def _frame(
        self, fh: Any, X: pd.DataFrame | None, columns: Any, statistics: Sequence[Statistic]
    ) -> pd.DataFrame:
        """Statistics of a horizon as a table: those of the first column, then of the second, ..."""
        forecasts = self._at(fh, X)
        table = np.stack([forecasts(statistic) for statistic in statistics], -1)
        index = fh.to_absolute_index(self.cutoff)
        return pd.DataFrame(table.reshape(len(index), -1), index, columns)

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.DataFrame:
        """Means of the predictive distributions."""
        return self._frame(fh, X, self._get_varnames(), [lambda forecast: forecast.mean])

    def _predict_quantiles(
        self, fh: Any, X: pd.DataFrame | None, alpha: Sequence[float]
    ) -> pd.DataFrame:
        """Quantiles of the predictive distributions, of each column at the probabilities `alpha`."""
        columns = self._get_columns(method="predict_quantiles", alpha=alpha)
        return self._frame(fh, X, columns, [lambda f, q=float(q): f.quantile(q) for q in alpha])

    def _predict_var(
        self, fh: Any, X: pd.DataFrame | None = None, cov: bool = False
    ) -> pd.DataFrame:
        """Variances of the predictive distributions; sktime has no use for `cov` yet."""
        return self._frame(fh, X, self._get_varnames(), [lambda f: np.square(f.std)])

    def _get_fitted_params(self) -> dict[str, Any]:
        """The fit, and the parameters with a name that it has."""
        named = {each.name: each.value for each in self.fit_.parameters}
        return {"fit": self.fit_, **named}

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters with which sktime tests the class.

        Args:
            parameter_set: sktime's name of a set; all are alike.
        """
        return [
            {"model": "local-level", "intervals": "running"},
            {"model": "ridge-ar", "options": {"lags": 1}, "seed": 1},
        ]


def _joined(old: pd.DataFrame, new: pd.DataFrame | None) -> pd.DataFrame:
    """All rows, the new ones in place of old ones of the same time."""
    if new is None:
        return old
    return pd.concat([old.loc[~old.index.isin(new.index)], new]).sort_index()


def _rows_of(X: pd.DataFrame | None, index: pd.Index) -> np.ndarray:
    """The inputs at some times.

    Raises:
        RekalError: there are none, or the row of one time is missing.
    """
    if X is None:
        raise RekalError(
            f"the model was trained with inputs: give predict an X with the rows {index[0]} to {index[-1]}"
        )
    at = X.index.get_indexer(index)
    if (at < 0).any():
        raise RekalError(
            f"X has no row for {index[at < 0][0]}: it needs one for every step from {index[0]} to {index[-1]}"
        )
    return X.iloc[at].to_numpy(np.float64)
