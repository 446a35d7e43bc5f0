"""One ascent of a log-likelihood: L-BFGS steps, then Newton steps, and when to stop.

Every ascent of a search uses the same compiled function of the same shapes (`total.value_and_gradient`),
however many starts there are.
"""

from __future__ import annotations

import numpy as np

from rekalman.filters.choice import Filtering
from rekalman.learners.likelihood.information import Information, observed_information
from rekalman.learners.likelihood.parameters import Parameters
from rekalman.learners.likelihood.total import Group, form_of, value_and_gradient
from rekalman.learners.protocol import Callback, Progress
from rekalman.numerics.placing import placed

ROUNDING = 1e-9  # share of a log-likelihood that is not told from its rounding


class Objective:
    """The log-likelihood of some series as a function of a vector of free parameters.

    Attributes:
        parameters: what the vector stands for.
        groups: the series.
        filtering: the filter of a model that is not linear.
        entries: number of observed entries.
    """

    def __init__(
        self,
        parameters: Parameters,
        groups: tuple[Group, ...],
        filtering: Filtering | None,
        entries: int,
    ) -> None:
        self.parameters, self.groups, self.filtering = parameters, groups, filtering
        self.entries = entries
        self.form = form_of(parameters.build(parameters.vector))
        self._known: dict[bytes, tuple[float, np.ndarray]] = {}

    def evaluate(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-likelihood in nats and gradient; the last few are remembered."""
        key = np.asarray(vector, float).tobytes()
        if key not in self._known:
            if len(self._known) > 8:
                self._known.clear()
            value, slope = value_and_gradient(
                self.parameters, placed(vector), self.groups, self.filtering, self.form
            )
            self._known[key] = float(value), np.asarray(slope, float)
        return self._known[key]


class Climb:
    """An ascent as it goes.

    Attributes:
        objective: what is climbed.
        history: the log-likelihood at the start and after each iteration.
        best: where it was highest.
    """

    def __init__(
        self,
        objective: Objective,
        start: np.ndarray,
        iterations: int,
        report: Callback | None = None,
    ) -> None:
        self.objective, self.iterations, self.report = objective, iterations, report
        self.history: list[float] = []
        self.best = np.array(start, float)
        self.accept(self.best)

    @property
    def value(self) -> float:
        """The highest log-likelihood so far."""
        return max(self.history)

    def ascend(self, iterations: int) -> str:
        """L-BFGS from the best point on, so many iterations at most; why it ended."""
        from scipy.optimize import minimize

        result = minimize(
            self._loss,
            self.best,
            jac=True,
            method="L-BFGS-B",
            callback=self.accept,
            options={
                "maxiter": max(1, iterations),
                "maxfun": 20 * max(1, iterations),
                "ftol": 1e-10,
                "gtol": 1e-9,
                "maxcor": 20,
            },
        )
        if not np.isfinite(self.objective.evaluate(result.x)[0]):
            return "no better point"
        return {0: "converged", 1: "iterations"}.get(int(result.status), "no better point")

    def polish(self, tolerance: float) -> str:
        """Newton steps from the best point until one promises less than `tolerance` nats; why it ended.

        That last step is taken, too, if it leads upwards: the information it needs is known by then.
        """
        while len(self.history) <= self.iterations:
            value, slope = self.objective.evaluate(self.best)
            step = self.information().newton(slope)
            promised = 0.5 * float(slope @ step)
            if promised < max(tolerance, ROUNDING * abs(value)):
                if self.objective.evaluate(self.best + step)[0] > value:
                    self.accept(self.best + step)
                return "converged"
            for shorter in range(12):
                trial = self.best + 0.5**shorter * step
                if self.objective.evaluate(trial)[0] > value:
                    self.accept(trial)
                    break
            else:
                return "no better point"
        return "iterations"

    def information(self) -> Information:
        """The observed information at the best point."""
        return observed_information(lambda v: self.objective.evaluate(v)[1], self.best)

    def accept(self, vector: np.ndarray) -> None:
        """An iteration has ended here."""
        value = self.objective.evaluate(vector)[0]
        if self.history and not np.isfinite(value):
            return  # a step into what has no likelihood
        if not self.history or value >= max(self.history):
            self.best = np.array(vector, float)
        self.history.append(value)
        if self.report is not None and len(self.history) > 1:
            self.report(Progress(len(self.history) - 1, self.iterations, value))

    def _loss(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """What is minimised: minus the log-likelihood per entry, large where there is none."""
        value, slope = self.objective.evaluate(vector)
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            return abs(self.value) / self.objective.entries + 1e6, np.zeros_like(vector)
        return -value / self.objective.entries, -slope / self.objective.entries
