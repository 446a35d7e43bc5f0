"""Part (b): the dynamics read off the trained networks, against those of the systems."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from rekalman.core.innovations_form import InnovationsForm
from rekalman.foundation.errors import RekalError
from rekalman.identification.balancing import balanced, observation_noise
from rekalman.models.linear import LinearGaussian
from rekalman.studies.base import Row
from rekalman.studies.rnn_or_kalman.accuracy import Case, Learned
from rekalman.studies.rnn_or_kalman.along import along_data
from rekalman.studies.rnn_or_kalman.networks import Trained, each, outputs
from rekalman.studies.rnn_or_kalman.rows import row
from rekalman.studies.rnn_or_kalman.systems import settled

READ_OFF = {
    "predictor": "eigenvalues of A (I - K C)",
    "dynamics": "eigenvalues of A",
    "innovations": "covariance of the innovations",
    "noise": "covariance R of the observation noise",
    "predictor along data": "eigenvalues of A (I - K C), read along the data",
    "dynamics along data": "eigenvalues of A, read along the data",
}


def matched(
    ours: np.ndarray, theirs: np.ndarray
) -> tuple[float, list[list[float]], list[list[float]]]:
    """Eigenvalues of two matrices, matched so that their distances add up to the least.

    Returns:
        Root of the sum of their squared distances over that of the squared true ones; both as pairs of
        real and imaginary part, in the order of the match.
    """
    one, other = np.linalg.eigvals(ours), np.linalg.eigvals(theirs)
    distance = np.abs(one[:, None] - other[None, :]) ** 2
    a, b = linear_sum_assignment(distance)
    error = float(np.sqrt(distance[a, b].sum() / (np.abs(other) ** 2).sum()))
    pairs = lambda v: np.stack([v.real, v.imag], -1).tolist()  # noqa: E731
    return error, pairs(one[a]), pairs(other[b])


def errors(learned: InnovationsForm, truth: InnovationsForm, R: np.ndarray) -> dict[str, Any]:
    """Relative errors of what was read off, and the eigenvalues themselves.

    Args:
        learned: of a network, in raw units, with as many states as the truth.
        truth: of the system.
        R: covariance of its observation noise.
    """
    of_predictor, ours_f, theirs_f = matched(learned.predictor, truth.predictor)
    of_dynamics, ours, theirs = matched(learned.A, truth.A)
    noise = observation_noise(learned)
    share = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))  # noqa: E731
    return {
        "predictor": of_predictor,
        "dynamics": of_dynamics,
        "innovations": share(learned.S, truth.S),
        "noise": 1.0 if noise is None else share(noise, R),
        "eigenvalues": {"predictor": [ours_f, theirs_f], "dynamics": [ours, theirs]},
    }


def read_off(
    trained: Trained | list[LinearGaussian], which: int, case: Case
) -> dict[str, Any] | None:
    """What one network, or one learned linear model, says of its system; None where it does not rest.

    Args:
        trained: the networks, or the models.
        which: the number of it.
        case: its system.
    """
    truth, R = settled(case.system), np.asarray(case.system.R, float)
    if isinstance(trained, list):
        return errors(settled(trained[which]), truth, R)
    try:
        form = each(trained, which).innovations_form()
        # An input that is seen at once is part of the state of a network: what innovations move is compared.
        result = balanced(form._replace(B=form.B[:, :0], inputs=form.inputs[:0]), len(truth.A))
    except RekalError:
        return None
    scale, inverse = np.diag(trained.scales[which]), np.diag(1 / trained.scales[which])
    raw = result.form._replace(
        C=scale @ result.form.C,
        K=result.form.K @ inverse,
        S=scale @ result.form.S @ scale,
    )
    test = case.test
    predictions = outputs(trained, which, test.values, test.inputs)
    F, K, C = along_data(predictions, test.values, test.inputs, len(truth.A))
    of_predictor, of_dynamics = matched(F, truth.predictor)[0], matched(F + K @ C, truth.A)[0]
    return {
        **errors(raw, truth, R),
        "predictor along data": of_predictor,
        "dynamics along data": of_dynamics,
        "hankel": (result.hankel / result.hankel[0]).tolist(),
    }


def dynamics(networks: Learned, counts: tuple[int, ...]) -> tuple[list[Row], dict[str, Any]]:
    """Part (b), from the networks of part (a).

    Args:
        networks: by system, kind and count of sequences.
        counts: those of the networks that are read.
    """
    rows: list[Row] = []
    record: dict[str, Any] = {}
    for (name, kind, count), (trained, some) in networks.items():
        if count not in counts:
            continue
        predictions = [read_off(trained, i, case) for i, case in enumerate(some)]
        known = [one for one in predictions if one is not None]
        label = f"{kind}, {name}, {count} sequences"
        if len(known) < len(predictions):
            label += f" ({len(predictions) - len(known)} of {len(predictions)} do not rest)"
        if known:
            rows += [
                row(f"{label}: {said}", "relative_error", [one[key] for one in known], oracle=0.0)
                for key, said in READ_OFF.items()
                if key in known[0]
            ]
        record[f"{kind}, {name}, {count}"] = predictions
    return rows, record
