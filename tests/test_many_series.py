"""Many series through one filter: they share their covariances and get what each gets alone."""

from __future__ import annotations

import numpy as np
import pytest

import rekalman

RNG = np.random.default_rng(5)


def model(kind: str) -> rekalman.LinearGaussian:
    A = [[0.9, 0.3], [-0.3, 0.8]]
    start = {"initial": "diffuse"} if kind == "diffuse" else {"P": np.eye(2)}
    driven = {"B": [[1.0], [0.5]], "D": [[0.5], [0.0]]} if kind == "driven" else {}
    blocks = {
        "A": A,
        "C": [[1.0, 0.0], [0.5, -1.0]],
        "Q": 0.2 * np.eye(2),
        "R": [[0.3, 0.1], [0.1, 0.2]],
    }
    arrays = {name: np.asarray(value) for name, value in (blocks | driven).items()}
    return rekalman.LinearGaussian.create(**arrays, **start)


def series(kind: str) -> rekalman.Sequences:
    count, steps = 5, 24
    y = RNG.normal(size=(count, steps, 2)).cumsum(1)
    u = RNG.normal(size=(count, steps, 1)) if kind == "driven" else None
    if kind == "same gaps":
        y[:, 7:9] = np.nan
        y[:, 12, 1] = np.nan
    if kind == "other gaps":
        y[RNG.random(y.shape) < 0.2] = np.nan
    lengths = [24, 17, 24, 9, 20] if kind == "ragged" else [steps] * count
    return rekalman.Sequences.from_arrays(
        [one[:n] for one, n in zip(y, lengths, strict=True)],
        inputs=None if u is None else [one[:n] for one, n in zip(u, lengths, strict=True)],
    )


@pytest.mark.parametrize("form", ["covariance", "square-root"])
@pytest.mark.parametrize(
    "kind", ["complete", "same gaps", "other gaps", "ragged", "driven", "diffuse"]
)
def test_many_series_are_filtered_and_smoothed_as_each_alone(kind, form):
    algorithm, data = rekalman.Kalman(model(kind), form), series(kind)
    for verb in (rekalman.filter, rekalman.smooth):
        many = verb(algorithm, data)
        for i, name in enumerate(data.series_names):
            one, n = verb(algorithm, data.series(name)), int(data.lengths[i])
            for part in ("mean", "cov", "observed_mean", "log_evidence", "white", "pit"):
                ours, alone = (np.asarray(getattr(each, part)) for each in (many, one))
                np.testing.assert_allclose(
                    ours[i, :n],
                    alone[0, :n],
                    rtol=1e-8,
                    atol=1e-10,
                    err_msg=f"{verb.__name__} {part}",
                )
        assert many.log_likelihood == pytest.approx(
            sum(verb(algorithm, data.series(name)).log_likelihood for name in data.series_names)
        )


def test_future_inputs_of_all_series_alike_are_given_once():
    algorithm, data = rekalman.Kalman(model("driven")), series("driven")
    inputs = RNG.normal(size=(4, 1))
    once = rekalman.forecast(algorithm, data, 4, future_inputs=inputs)
    each = rekalman.forecast(algorithm, data, 4, future_inputs=np.stack([inputs] * data.batch))
    np.testing.assert_array_equal(once.mean, each.mean)


@pytest.mark.parametrize("kind", ["ragged", "diffuse"])
def test_forecasts_of_many_series_are_those_of_each(kind):
    algorithm, data = rekalman.Kalman(model(kind)), series(kind)
    many = rekalman.forecast(algorithm, data, 4)
    for i, name in enumerate(data.series_names):
        one = rekalman.forecast(algorithm, data.series(name), 4)
        np.testing.assert_allclose(many.mean[i], one.mean[0], rtol=1e-8)
        np.testing.assert_allclose(many.std[i], one.std[0], rtol=1e-8)
