"""`rekalman.fit`: data in, trained model out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rekalman.comparison.choice import Choice, choose
from rekalman.comparison.progress import progress_bar
from rekalman.comparison.shortlist import BUDGET
from rekalman.data import Sequences
from rekalman.data.checks import check_learnable
from rekalman.data.images import Frames
from rekalman.data.numeric import holds_tables
from rekalman.filters.choice import Filtering
from rekalman.fitting.data import Data
from rekalman.fitting.result import Fit
from rekalman.foundation.arguments import real, seed_of
from rekalman.foundation.errors import RekalError
from rekalman.learners.protocol import Learner, Progress
from rekalman.methods.base import Method
from rekalman.methods.learners import learner_of
from rekalman.methods.lookup import methods_that
from rekalman.methods.selection import select
from rekalman.methods.train import fit_method
from rekalman.models.base import StateSpaceModel
from rekalman.models.parametric import ParametricModel
from rekalman.models.structures.structures import Structure
from rekalman.networks.network import Network
from rekalman.numerics.compiled_functions import make_room


def fit(
    data: Data,
    model: str | Method | StateSpaceModel | Structure | ParametricModel | Network | None = None,
    learner: Learner | str | None = None,
    *,
    filtering: str | Filtering | None = None,
    scale: str | None = None,
    transform: str | int | float | None = None,
    checkpoint: str | Path | None = None,
    backtest: int | float = 0.0,
    budget: int | float | None = None,
    seed: int = 0,
    progress: bool | Callable[[str, Progress], None] = True,
    **options: Any,
) -> Fit:
    """Learn the dynamics under one or several noisy series.

    Args:
        data: what was measured, as `Sequences`, or as a table of pandas, polars, Arrow or xarray or a list of
            tables, which `Sequences.from_pandas` reads; missing entries and ragged series are fine. `Frames`
            for networks that watch films and tell their targets.
        model: None compares a short list of methods that suit the data by forecasting their last quarter,
            trains those near the best on all of them, averages their forecasts and says why in
            `history.choice`. Or the name of a method, such as
            "em-rnn", "linear", "gru" or "local-level", of which `rekalman models` says what each is for; a
            method with its options, such as `rekalman.methods.GRU(states=12)`; or a `StochasticRNN`,
            `RBFNetwork`, `LinearGaussian`, `LinearContinuous`, `NonlinearGaussian` (two functions),
            `ParametricModel` (a function of parameters), `Structure` or, for films, `Network` of your own to
            start from, whose parameters are taken to be in the raw units of the data. Methods by name
            standardise the data and start by themselves. Series that are sampled irregularly need a
            `LinearContinuous`, a structure that has a form in continuous time, or a network.
        learner: how to train: `EM` for networks and linear models, `MaximumLikelihood` for structures,
            linear models, models in continuous time and models written as functions, `SimulationError` for
            "driven-rnn", `Backprop` for recurrent networks; default with settings that fit the model. The
            networks "gru", "lstm" and "elman" are learned online, too, by `Online` or by its names "ekf",
            "dekf", "rtrl", "snap1", "snap2", "uoro", "kf-rtrl", "rflo", "dni" and "tbptt".
        filtering: what filters the trained model, and so forecasts and follows a stream: "kalman",
            "extended", "unscented", "particles", or a `Filtering` with settings of your own. Default: the
            Kalman filter for linear models, particles for "em-rnn", the unscented filter for "rbf" and
            `NonlinearGaussian`, whose likelihood by this filter is what is maximised.
        scale: "series": each of several series is standardised by its own mean and deviation, and one model
            describes them all; level and noise in raw units are then those of each series. "shared": one
            scale for all, as for repeated runs of one system. Default: "series" for several series, but
            "shared" where there are inputs, to which all are taken to answer alike, where a learner freezes
            parameters of a structure of your own, which are in raw units, and for other models of your own,
            which are never standardised.
        transform: of positive columns whose variance grows with their level, before all else: "log", a power
            of Box and Cox (1964) between 0 and 1, "auto" for the likeliest of some powers (each column its
            own, all series alike; none where none is clearly likelier, or a value is 0 or less), or "none".
            Forecasts, scores, likelihoods and simulations are in raw units all the same; parameters and
            states are those of the transformed data, and so are those that a model of your own begins with.
            Default: "auto" for "em-rnn", "rkn", "lstm", "gru" and "elman", "none" for all others.
        checkpoint: folder for a checkpoint after each epoch of a recurrent network; the same call
            continues from there.
        backtest: share of the end of each series, 0.2 say, that is predicted by one more model, trained in
            the same way without it; what became of that is in `history.backtest`, beside naive forecasts,
            and gives the verdict of the summary. 0 leaves it out.
        budget: CPU seconds, compiled already, that the comparison of methods may take by experience; default
            30. A short list does not depend on the clock, so that the choice is the same again. Only where no
            model is named.
        seed: start of all randomness; the same seed gives the same fit.
        progress: True shows a bar on stderr; a function is called after each iteration.
        **options: those of the method, such as `states=12`; `rekalman models gru`, or the class in
            `rekalman.methods`, lists them with default and range.

    Raises:
        RekalError: the data cannot be learned from (a constant column, fewer than ten samples,
            fewer samples than states, ...), the model has no learner, an argument is out of range or belongs
            to another model, or the filter cannot filter the model.
        KeyboardInterrupt: Ctrl-C before anything was learned. Later it ends the training with the best so
            far, and the diagnosis of a finished training at once, without its diagnostics.

    Examples:
        >>> import rekalman
        >>> nile = rekalman.load_example("nile")
        >>> fit = rekalman.fit(nile, "local-level", progress=False)
        >>> fit.kind
        'local-level'
    """
    make_room()
    data, choice, trainer = read_data(data), "", learner_of(learner)
    if model is None:
        given = {"learner": trainer, "filtering": filtering, "checkpoint": checkpoint, **options}
        chosen = _chosen(data, given, budget, seed_of(seed), progress)
        model, choice = chosen.candidate.method, chosen.reason
        transform = chosen.candidate.transform if transform is None else transform
        data = chosen.candidate.fitting(data)
    elif budget is not None:
        raise RekalError("budget is of use only where no model is named: leave one of them out")
    trained = fit_method(
        data,
        select(model, options),
        learner=trainer,
        filtering=filtering,
        scale=scale,
        transform=transform,
        checkpoint=checkpoint,
        backtest=backtest,
        seed=seed,
        progress=progress,
    )
    if not choice:
        return trained
    return dataclasses.replace(trained, history=dataclasses.replace(trained.history, choice=choice))


def _chosen(
    data: Sequences,
    given: dict[str, Any],
    budget: int | float | None,
    seed: int,
    progress: bool | Callable[[str, Progress], None],
) -> Choice:
    """The method for data of which none is named.

    Raises:
        RekalError: something is given that belongs to a method, the data cannot be learned from, or are
            films.
    """
    for name, value in given.items():
        if value is not None:
            raise RekalError(f"{name} belongs to a model: name one, such as model='em-rnn'")
    check_learnable(data, "the data")
    if not data.measured:
        raise RekalError(f"films need a model: name one of {methods_that('films')}")
    allowed = BUDGET if budget is None else real("budget", budget, above=0)
    if not isinstance(progress, bool):
        return choose(
            data, allowed, seed, lambda i, n, name: progress(name, Progress(i + 1, n, 0.0))
        )
    with progress_bar(progress) as report:
        return choose(data, allowed, seed, report)


def read_data(data: Any) -> Sequences:
    """The data as `Sequences`: tables are read by their names and time stamps.

    Raises:
        RekalError: neither `Sequences` nor frames, or frames that cannot be read.
    """
    if isinstance(data, Frames):
        return data.as_sequences()
    if isinstance(data, Sequences):
        return data
    if holds_tables(data):
        return Sequences.from_pandas(data)
    raise RekalError(
        f"rekalman learns from Sequences, tables or Frames, not from {type(data).__name__}: "
        "make some with Sequences.from_arrays or Frames.from_arrays"
    )
