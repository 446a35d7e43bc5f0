r"""Maximum likelihood: L-BFGS over the free parameters of a model from several starts, then Newton steps.

The likelihood of a linear model is exact and its gradient closed form (`score.py`), so that an evaluation
costs about two passes of the filter; that of a model of two functions is what its filter reports
(`total.py`). Everything is computed in double precision, whatever the precision of the data.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from rekalman.data import Sequences
from rekalman.filters.choice import Filtering
from rekalman.foundation.arguments import real, whole
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch, check_width
from rekalman.learners.em.linear_maximise import LinearNoise
from rekalman.learners.likelihood.climb import Objective
from rekalman.learners.likelihood.estimate import VANISHED, Estimate
from rekalman.learners.likelihood.function_parameters import function_parameters
from rekalman.learners.likelihood.information import at_the_boundary, without
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.parameters import (
    Parameters,
    model_parameters,
    natural_and_slopes,
)
from rekalman.learners.likelihood.starts import search
from rekalman.learners.likelihood.total import groups_of
from rekalman.learners.protocol import Callback, Iterations
from rekalman.models.continuous import LinearContinuous
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.models.nonlinear import NonlinearGaussian
from rekalman.models.parametrised import Parametrised
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import modelling_dtype

MOST_STARTS = 100
POLISH = 30  # iterations at least that are left for Newton steps
STEEP = 1.0  # slope in nats, above which a start that no step improves is no maximum
HOLLOW = (
    -0.1
)  # share of the largest eigenvalue of the information below which a point is no maximum


class MaximumLikelihood(eqx.Module):
    """Maximum likelihood by L-BFGS and Newton steps.

    Attributes:
        iterations: at most so many.
        tolerance: stop when a Newton step promises less than this, in nats.
        freeze: of a structure or a parametric model, names of parameters that keep their value; of a linear
            model, blocks; of one of two functions, Q, R, m, P or arrays in the functions. None keeps
            nothing of the first two, m and P of a linear model, P of two functions: with few series it
            collapses.
        fixed: for a block of weights of a linear model, or an array in the functions of another, an array
            that is True where an entry keeps its value.
        process_noise: "full" or "diagonal" `Q` of a linear model or one of two functions, or "scaled", one
            factor of the model's; None is diagonal where the model's is, else full. Directions without
            noise stay so in every shape.
        observation_noise: the same of `R`.
        starts: number of starts that are climbed some steps each, the best of them on; 1 climbs from the
            given one alone. The others lie over decades of signal to noise (of a structure also at the
            periods of the data): variances of structures, `Q` beside `R` of linear models and of models of
            two functions, positive parameters of a `ParametricModel`.
        filtering: of a model of two functions, the filter whose likelihood counts; None is the unscented one.
        errors: work standard errors out, and end with Newton steps; both take two gradients for every
            parameter. Without, the search ends where L-BFGS does.

    Examples:
        >>> import rekalman
        >>> learner = rekalman.MaximumLikelihood(starts=1)
        >>> data = rekalman.load_example("nile")
        >>> fit = rekalman.fit(data, "local-level", learner)  # doctest: +SKIP
        >>> learner.errors  # standard errors of the parameters
        True
    """

    iterations: int = eqx.field(static=True, default=500)
    tolerance: int | float = eqx.field(static=True, default=1e-5)
    freeze: tuple[str, ...] | None = eqx.field(static=True, default=None)
    fixed: Mapping[str, Any] | None = None
    process_noise: LinearNoise | None = eqx.field(static=True, default=None)
    observation_noise: LinearNoise | None = eqx.field(static=True, default=None)
    starts: int = eqx.field(static=True, default=4)
    errors: bool = eqx.field(static=True, default=True)
    filtering: Filtering | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        whole("iterations", self.iterations)
        whole("starts", self.starts, most=MOST_STARTS)
        real("tolerance", self.tolerance, least=0)

    def run(
        self,
        start: Parametrised | LinearGaussian | LinearContinuous | NonlinearGaussian,
        data: Sequences | Batch,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> Estimate:
        """Search from a model for the parameters that make the series most likely.

        An interrupt (Ctrl-C) ends the search with the best found so far.

        Args:
            start: where the search begins.
            data: the series.
            key: not used: nothing is drawn.
            callback: called after each iteration.

        Raises:
            RekalError: shapes do not fit, nothing is free, a filter is given for a linear model, or the
                likelihood of the start is not finite.
            KeyboardInterrupt: Ctrl-C before the first step of the search was done.
        """
        outside = modelling_dtype()
        with jax.enable_x64(True):
            parameters = self.parameters(in_double(start))
            built = parameters.build(parameters.vector)
            batch = in_double(as_batch(data, built))
            check_fit(built, batch)
            filtering = None if built.linear else self.filtering or Filtering("unscented")
            if built.linear and self.filtering is not None:
                raise RekalError(
                    "filtering is of no use to a linear model, whose likelihood is exact: leave it out"
                )
            estimate = self._search(parameters, batch, callback, filtering)
            cast = lambda leaf: leaf.astype(outside) if eqx.is_inexact_array(leaf) else leaf  # noqa: E731
            return eqx.tree_at(
                lambda e: (e.model, e.structure),
                estimate,
                jax.tree.map(cast, (estimate.model, estimate.structure)),
                is_leaf=lambda leaf: leaf is None,
            )

    def parameters(
        self,
        model: Parametrised | LinearGaussian | LinearContinuous | NonlinearGaussian,
    ) -> Parameters:
        """What is free of a model.

        Raises:
            RekalError: an unknown name, a setting that the model has no use for, or nothing is free.
        """
        shapes = (self.fixed, self.process_noise, self.observation_noise)
        if isinstance(model, Parametrised):
            for name in ("fixed", "process_noise", "observation_noise"):
                if getattr(self, name) is not None:
                    raise RekalError(
                        f"{name} is of no use to a {type(model).__name__}, whose parameters have names: "
                        "use freeze"
                    )
            return named_parameters(model, self.freeze or ())
        if not model.transition_blocks:  # functions, whose arrays are what is free
            functions = cast(NonlinearGaussian, model)
            freeze = ("P",) if self.freeze is None else self.freeze
            return function_parameters(functions, freeze, *shapes)
        linear = cast(LinearGaussian | LinearContinuous, model)
        return model_parameters(linear, ("m", "P") if self.freeze is None else self.freeze, *shapes)

    def _search(
        self,
        parameters: Parameters,
        batch: Batch,
        report: Callback | None,
        filtering: Filtering | None,
    ) -> Estimate:
        began = time.perf_counter()
        groups = groups_of(batch, by_length=filtering is not None, whole=filtering is None)
        objective = Objective(parameters, groups, filtering, int(np.asarray(batch.mask).sum()))
        climb, starts, interrupted = search(objective, batch, self.starts, self.iterations, report)
        start = np.asarray(parameters.vector, float)
        stopped = "interrupted"
        try:
            if interrupted:
                raise KeyboardInterrupt
            left = self.iterations - POLISH * self.errors - (len(climb.history) - 1)
            stopped = climb.ascend(left)
            if self.errors:
                stopped = climb.polish(float(self.tolerance))
        except KeyboardInterrupt:
            if np.array_equal(climb.best, start):  # nothing was learned
                raise
            stopped = "interrupted"
        vector = climb.best
        slope = objective.evaluate(vector)[1]
        if stopped == "converged" and np.array_equal(vector, start) and np.abs(slope).max() > STEEP:
            stopped = "no better point"
        information, edge = None, np.zeros(vector.size, bool)
        if self.errors:
            try:
                information = climb.information()
                edge = at_the_boundary(information, np.array(parameters.logarithms, bool))
                information = without(information, edge)
                hollow = (
                    information.values.size
                    and information.values[0] < HOLLOW * information.values[-1]
                )
                if stopped == "converged" and hollow:
                    stopped = "no better point"
            except KeyboardInterrupt:  # the search is done: without standard errors
                information = None
        climbed = np.array(climb.history[: int(np.argmax(climb.history)) + 1])
        course = (climbed, stopped, time.perf_counter() - began, objective.entries)
        natural, jacobian = natural_and_slopes(parameters, placed(vector))
        estimates = np.asarray(natural)
        errors = np.full(estimates.shape, np.nan)
        if information is not None:
            errors = information.standard_errors(np.asarray(jacobian))
        # A variance that went to zero: the data say nothing of its logarithm. Of a full covariance that is
        # singular now, no entry need be zero.
        variances = np.array(parameters.variances, bool)
        edge = variances & (edge | (errors > VANISHED * estimates))
        errors = np.where(edge, np.nan, errors)
        return Estimate(
            model=parameters.build(placed(vector)),
            structure=parameters.structure(placed(vector)),
            history=Iterations.by_likelihood(*course, monotone=True),
            starts=starts,
            names=parameters.names,
            estimates=estimates,
            standard_errors=errors,
            boundary=tuple(name for name, at in zip(parameters.names, edge, strict=True) if at),
            gradient=float(np.abs(slope).max()),
            steps=int(np.asarray(batch.mask).any(-1).sum()),
            information=information,
            parameters=parameters,
            vector=vector,
        )


def in_double(tree: Any) -> Any:
    """The same in double precision; what is no array of numbers stays."""

    def wide(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating):
            return placed(leaf, np.float64)
        return leaf

    return jax.tree.map(wide, tree)


def check_fit(model: GaussianModel, batch: Batch) -> None:
    """The data are of the kind that the model observes.

    Raises:
        RekalError: other numbers of columns or inputs, or nothing was observed.
    """
    inputs = 0 if batch.inputs is None else batch.inputs.shape[-1]
    check_width(model, batch.values.shape[-1], inputs)
    if not np.asarray(batch.mask).any():
        raise RekalError("there is nothing to learn from: no entry was observed")
