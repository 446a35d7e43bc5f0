r"""What a predictor has learned: its linearisation in innovations form, described as a linear model is.

The noise of the innovations form enters state and observation at once. With the innovation itself as part of
the state the two noises are apart again, so that all that is known of linear models holds:

$$
\begin{pmatrix} x_{t+1} \\ e_{t+1} \end{pmatrix} =
\begin{pmatrix} A & K \\ 0 & 0 \end{pmatrix} \begin{pmatrix} x_t \\ e_t \end{pmatrix} +
\begin{pmatrix} 0 \\ e_{t+1} \end{pmatrix}, \qquad
y_t = \bar y + \begin{pmatrix} C & I \end{pmatrix} \begin{pmatrix} x_t \\ e_t \end{pmatrix}.
$$
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from rekalman.core.innovations_form import InnovationsForm, Linearises
from rekalman.identification.balancing import Balanced, balanced, observation_noise
from rekalman.identification.linear import PredictorFacts, linear_facts
from rekalman.identification.modes import modes
from rekalman.identification.rest import identify_linear
from rekalman.identification.result import Identification
from rekalman.models.linear import LinearGaussian


def identify_predictor(
    model: Linearises,
    u: Any,
    interval: float,
    scale: np.ndarray,
    location: np.ndarray,
    names: tuple[str, ...],
    time_unit: str | None,
    input_scale: np.ndarray,
    input_names: Sequence[str],
    states: int | None = None,
    visited: Any = None,
) -> Identification:
    """Linearise, leave out what does not count for forecasts, and describe what is left.

    Args:
        model: a predictor or its filter.
        u: the inputs, held constant; None = 0.
        interval: time units between two steps.
        scale: turns each output into original units.
        location: likewise added to it.
        names: of the outputs.
        time_unit: what a time unit is called.
        input_scale: turns each input into original units.
        input_names: names of the inputs.
        states: number of states that are described; None = those that count (`balanced`).
        visited: states that the model visits on data, for one that does not rest.

    Raises:
        RekalError: as for `linearise` and `balanced`.
    """
    whole = model.innovations_form(u, visited)
    result = balanced(whole, states)
    form = result.form
    linear = as_linear_gaussian(form)
    facts = linear_facts(linear, scale, input_scale, input_names, interval)
    poles = _ordered(form.A)
    facts = replace(
        facts,
        poles=poles,
        hidden=_notes(whole, result),
        predictor=PredictorFacts(
            poles=_ordered(form.predictor),
            gain=form.K * (1 / scale),
            hankel=result.hankel,
        ),
    )
    held = None if u is None and not len(form.inputs) else form.inputs
    done = identify_linear(linear, held, interval, scale, location, names, time_unit, facts)
    point = replace(
        done.fixed_points[0],
        state=tuple([0.0] * len(form.A)),
        modes=modes(form.A, interval),
    )
    noise = observation_noise(form)
    spread = np.full(len(scale), np.nan) if noise is None else np.sqrt(np.diagonal(noise))
    observation_std = spread * np.abs(scale)
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = np.clip(1 - (observation_std / done.output_std) ** 2, 0, 1)
    warnings = done.warnings
    if noise is None:
        warnings += (
            "No noise of the observation that is independent of the state's fits these innovations, so its "
            "level is unknown.",
        )
    if not form.rests:
        warnings += (
            "The network does not come to rest without noise: it was linearised at the mean of the states "
            "that it visits, and is another linear system elsewhere.",
        )
    return replace(
        done,
        fixed_points=(point,),
        process_std=np.sqrt(np.diagonal(form.K @ form.S @ form.K.T)),
        observation_std=observation_std,
        explained=explained,
        warnings=warnings,
    )


def as_linear_gaussian(form: InnovationsForm) -> LinearGaussian:
    """The same model with independent noises: the innovation is part of the state, as the last entries.

    Args:
        form: a model in innovations form.

    Examples:
        >>> import numpy as np
        >>> from rekalman.core.innovations_form import InnovationsForm
        >>> from rekalman.identification.innovations import as_linear_gaussian
        >>> one = np.eye(1)
        >>> form = InnovationsForm(0.9 * one, one[:, :0], one, 0.5 * one, one, np.zeros(1), np.zeros(0))
        >>> as_linear_gaussian(form).A.tolist()
        [[0.9, 0.5], [0.0, 0.0]]
    """
    n, p = form.K.shape
    B = np.vstack([form.B, np.zeros((p, form.B.shape[1]))])
    noise = np.asarray(block_diag(np.zeros((n, n)), form.S), np.float64)
    return LinearGaussian.create(
        A=np.block([[form.A, form.K], [np.zeros((p, n + p))]]),
        B=B,
        c=-B @ form.inputs,
        C=np.hstack([form.C, np.eye(p)]),
        d=form.output,
        Q=noise,
        R=np.zeros((p, p)),
        P=noise,
    )


def _ordered(matrix: np.ndarray) -> tuple[complex, ...]:
    values = np.linalg.eigvals(matrix)
    return tuple(complex(v) for v in values[np.lexsort((-values.imag, -np.abs(values)))])


def _notes(whole: InnovationsForm, result: Balanced) -> tuple[str, ...]:
    n, retained = len(whole.A), len(result.form.A)
    if retained == n:
        return ()
    left = result.hankel[retained:].sum() / result.hankel.sum()
    return (
        f"Of {n} states of the network {retained} count for forecasts; the others hold "
        f"{100 * left:.2g} % of the sum of the Hankel singular values and are left out.",
    )
