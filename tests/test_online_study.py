"""The streams of the study of online rules, its scores, and a small run of it."""

import jax
import numpy as np
import pytest

import rekalman
from rekalman.datasets.recurrent.online_streams import (
    STREAMS,
    begins,
    henon,
    lorenz_x,
    mackey_glass,
    online_stream,
)
from rekalman.filters.learning.adam import Adam
from rekalman.filters.learning.network import LearningNetwork
from rekalman.filters.learning.snap import RTRL
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.base import StudyOptions
from rekalman.studies.online import learning as online_learning
from rekalman.studies.online.costs import remembered

SIMULATED = STREAMS[:3]


@pytest.mark.parametrize("name", SIMULATED)
def test_a_causal_scale_looks_at_the_first_steps_alone(name):
    causal, whole = (online_stream(name, 2500, 3, 1, causal=causal) for causal in (True, False))
    np.testing.assert_allclose(causal[:, :2000].mean(1), 0, atol=1e-10)
    np.testing.assert_allclose(causal[:, :2000].std(1), 1)
    np.testing.assert_allclose(whole.std(1), 1)
    slope = np.ptp(causal, 1) / np.ptp(whole, 1)
    np.testing.assert_allclose(
        causal - causal[:, :1], slope[:, None] * (whole - whole[:, :1]), atol=1e-9
    )


def test_simulated_streams_obey_their_equations():
    random = np.random.default_rng
    x = henon(50, 2, random(0))
    np.testing.assert_allclose(x[:, 2:], 1 - 1.4 * x[:, 1:-1] ** 2 + 0.3 * x[:, :-2], rtol=1e-12)
    x = mackey_glass(100, 2, random(0))
    late = x[:, 30:80]
    np.testing.assert_allclose(
        x[:, 47:97], x[:, 46:96] + 0.2 * late / (1 + late**10) - 0.1 * x[:, 46:96], rtol=1e-12
    )
    x = lorenz_x(4000, 2, random(0))
    assert 15 < x.max() < 25 and -25 < x.min() < -15  # both wings


def test_measured_streams_begin_again_where_they_say(tmp_path):
    values = np.arange(1200.0)
    np.savetxt(tmp_path / "santa_fe_laser.txt", values)
    stream = online_stream("laser", 2500, 4, 0, root=tmp_path)
    first = begins("laser", 2500)
    assert np.flatnonzero(first).tolist() == [0, 1001, 2002]
    np.testing.assert_array_equal(stream[:, 1001:2002], stream[:, :1001])
    # A lane is a stretch of the file that goes on in a circle: all its steps but one are alike.
    steps = np.diff(stream[:, :1001])
    assert (np.sort(np.round(steps / np.median(steps, 1, keepdims=True), 6))[:, 1:] == 1).all()


def test_bad_names_and_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(rekalman.RekalError, match="unknown stream 'henn': did you mean 'henon'"):
        online_stream("henn", 10)
    with pytest.raises(rekalman.RekalError, match=r"sunspot_monthly\.txt: no such file"):
        online_stream("sunspots", 10, root=tmp_path)
    monkeypatch.delenv("REKAL_DATA", raising=False)
    with pytest.raises(rekalman.RekalError, match="set REKAL_DATA"):
        online_stream("laser", 10)


def test_the_last_five_records_count_and_a_broken_run_is_infinite():
    errors = np.ones((3000, 2))
    errors[1750:] = 2.0  # the last five records of 250 steps
    assert online_learning.last_records(errors) == 4.0
    errors[2000, 1] = np.nan
    assert online_learning.last_records(errors) == np.inf


def test_the_linear_row_is_least_squares_on_what_came_before():
    y = online_stream("henon", 400, 2, 0)
    begun = np.zeros(400, bool)
    begun[[0, 200]] = True
    lags = online_learning.LAGS
    errors = []
    for t in np.flatnonzero(~begun):
        first = 0 if t < 200 else 200

        def row(lane, at, first):
            known = lane[max(first, at - lags) : at][::-1]
            return np.append(np.pad(known, (0, lags - len(known))), 1.0)

        before = [s for s in range(t) if not begun[s]]
        x = np.array([row(lane, s, 0 if s < 200 else 200) for s in before for lane in y])
        target = np.array([lane[s] for s in before for lane in y])
        weights = np.zeros(lags + 1)
        if before:
            weights = np.linalg.solve(x.T @ x + 1e-2 * np.eye(lags + 1), x.T @ target)
        errors.append([lane[t] - row(lane, t, first) @ weights for lane in y])
    wanted = online_learning.last_records(np.array(errors))
    assert online_learning.linear_score(begun, y) == pytest.approx(wanted, rel=1e-6)


def test_memory_is_that_of_the_influence_and_of_adam():
    made = RecurrentPredictor.create(rekalman.Elman, 1, units=4, key=jax.random.key(0))
    learning = LearningNetwork.create(made, RTRL(), Adam(clip=None))
    weights = 4 * 6 + 5 + 1  # units, readout, deviation
    influence = 4 * 4 * 6
    assert remembered(learning) == 4 * (
        influence + 3 * weights + 2
    )  # two moments, a sum, two counts


def test_a_small_run_has_its_rows(monkeypatch):
    few = [each for each in online_learning.ENTRIES if each.name in ("SnAp-1", "TBPTT 25")]
    monkeypatch.setattr(online_learning, "ENTRIES", few)
    monkeypatch.setattr(online_learning, "STREAMS", ("henon",))
    monkeypatch.setattr(online_learning, "cost_rows", lambda sizes, options: [])
    result = online_learning.run(StudyOptions(quick=True, seeds=1))
    assert [row.system for row in result.rows] == [
        "SnAp-1, henon",
        "SnAp-1, henon, standardised as a whole",
        "TBPTT 25, henon",
        f"linear, {online_learning.LAGS} lags by recursive least squares, henon",
    ]
    assert all(np.isfinite(row.ours) for row in result.rows)
    assert result.rows[0].published == 0.0052 and "sketched-rtrl" in str(result.rows[0].source)
