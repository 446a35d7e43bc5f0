"""The breathing study: baselines against stored figures, causality, and that it runs."""

import csv
import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from rekalman.datasets.breathing import load_breathing
from rekalman.fitting.adaptive import AdaptiveForecaster
from rekalman.foundation.errors import RekalError
from rekalman.learners.online import tracked
from rekalman.learners.online.tracked import TRAINING
from rekalman.learners.protocol import Iterations, TrainResult
from rekalman.learners.start.subspace import subspace_start
from rekalman.models.stochastic_rnn import StochasticRNN
from rekalman.studies import (
    STUDIES,
    breathing,
    breathing_ablations,
    breathing_baselines,
    breathing_noise,
    breathing_pooled,
    breathing_recurrent,
    breathing_recurrent_training,
)
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.breathing_scores import HORIZONS, rmse_3d

STORED = "published_results/breathing_10Hz_our_reproduction_per_seq_horizon.csv"
SMALL = dataclasses.replace(TRAINING, iterations=2, average=1)


@pytest.fixture(scope="module")
def record(data_root):
    """The shortest record, 72.6 s."""
    return np.asarray(load_breathing(data_root / "breathing").series("seq7").values)[0]


@pytest.fixture(scope="module")
def stored(data_root):
    """RMSE of record 7 by method and horizon."""
    with open(data_root / STORED) as file:
        rows = [row for row in csv.DictReader(file) if row["seq"] == "7"]
    names = {"OLS published protocol": "OLS", "RLS causal": "RLS"}
    return {
        (names.get(row["method"], row["method"]), int(row["h_steps"])): float(row["RMSE"])
        for row in rows
    }


def test_baselines_reproduce_the_stored_figures(record, stored):
    single, averaged = breathing_baselines.rls(record)
    made = {
        "no prediction": breathing_baselines.no_prediction(record),
        "OLS": breathing_baselines.least_squares(record),
        "RLS": single,
    }
    for name, issued in made.items():
        result = [stored[name, h] for h in HORIZONS]
        assert rmse_3d(issued, record) == pytest.approx(result, rel=0.03), name
    assert rmse_3d(averaged, record)[-1] < rmse_3d(single, record)[-1]


def test_baselines_see_no_future(record, monkeypatch):
    monkeypatch.setattr(breathing_baselines, "RLS_GRID", [(12, 1.0, 1.0), (12, 0.997, 10.0)])
    changed = record.copy()
    changed[651:] += 5 * np.random.default_rng(0).normal(size=changed[651:].shape)
    for forecast in (breathing_baselines.lms, lambda y: breathing_baselines.rls(y)[0]):
        one, other = forecast(record), forecast(changed)
        assert np.array_equal(one[600:651], other[600:651])
        assert not np.array_equal(one[651:], other[651:])


def test_networks_are_causal_and_scored(record, monkeypatch):
    """With one marker and few states, to compile fast."""
    record = record[:, [0, 3, 6]]
    monkeypatch.setattr(breathing, "SINGLE", (4, 0.998))
    forecaster = AdaptiveForecaster(HORIZONS, 300, (600,), sizes=(4,), em=SMALL, particles=50)
    scores = breathing.network_scores(forecaster, record, {}, lambda what: None)
    last = rmse_3d(breathing_baselines.no_prediction(record), record)
    assert len(scores) == 4
    for each in scores.values():
        assert all(np.isfinite(each[name]).all() for name in each)
    assert (scores["EM network adaptive"]["rmse"] < last).all()
    changed = record.copy()
    changed[651:] += 20 * np.random.default_rng(0).normal(size=changed[651:].shape)
    one, other = forecaster.run(record), forecaster.run(changed)
    for made in (lambda a: a.mean[300:651], lambda a: a.quantile(0.95)[400:651]):
        assert np.allclose(made(one), made(other), rtol=0, atol=1e-9)


def naive_readout(phi, own, z, h, forgetting, ridge=10.0, huber=1.5):
    """Forecasts `(time, obs)`: recursive least squares with Huber's weights, one step after the other."""
    steps, p = phi.shape
    weights, cov, size = np.zeros((p, z.shape[1])), np.eye(p) / ridge, None
    issued = np.zeros_like(z)
    for t in range(steps):
        if t >= h:
            x = phi[t - h]
            r = z[t] - own[t - h] - x @ weights
            square = r @ r
            size = square if size is None else size
            w = min(1.0, huber * np.sqrt(size / (square + 1e-12)))
            gain = cov @ x / (forgetting / w + x @ cov @ x)
            weights = weights + np.outer(gain, r)
            cov = (cov - np.outer(gain, x @ cov)) / forgetting
            size = 0.99 * size + 0.01 * min(square, 9 * size)
        issued[t] = own[t] + phi[t] @ weights
    return issued


def small_forecaster(**options):
    return AdaptiveForecaster(
        (1, 3), 60, (90,), sizes=(3,), forgetting=(0.99,), em=SMALL, **options
    )


def test_the_readout_on_lags_is_a_naive_loop(record):
    """Principal components of twelve lags and two differences, from the definitions alone."""
    record = record[:150, [0, 3, 6]]
    members = breathing_ablations.adaptive_members(
        breathing_ablations.follow_lags, small_forecaster(margin=1e6), record
    )
    issued = np.full((150, 2, 3), np.nan)
    for training, end in ((60, 90), (90, 150)):
        location, scale = record[:training].mean(0), record[:training].std(0)
        z = (record - location) / scale
        lags = np.array([np.concatenate([z[max(t - j, 0)] for j in range(12)]) for t in range(150)])
        centred = lags - lags[11:training].mean(0)
        _, directions = np.linalg.eigh(centred[11:training].T @ centred[11:training])
        state = centred @ directions[:, :-4:-1]
        state = (state - state[:training].mean(0)) / state[:training].std(0)
        change = np.array([z[t] - z[max(t - 1, 0)] for t in range(150)])
        change = 0.3 * change / change[:training].std(0)
        before = np.array([change[t - 1] if t else 0 * change[0] for t in range(150)])
        phi = np.hstack([state, change, before, np.ones((150, 1))])
        for j, h in enumerate((1, 3)):
            made = naive_readout(phi[:end], z[:end], z[:end], h, 0.99) * scale + location
            issued[training:end, j] = made[training:]
    np.testing.assert_allclose(members[3, 0.99], issued, rtol=0, atol=2e-3 * record.std())
    assert np.isnan(members[3, 0.99][:60]).all()


def test_the_readout_on_a_linear_model_is_a_naive_loop(record):
    """The Kalman filter, its innovations and its forecasts, from the definitions alone."""
    record = record[:90, [0, 3, 6]]
    forecaster = small_forecaster()
    result = breathing_ablations.follow_linear(forecaster, record, 3, 60, 90)
    z = (record - result.location) / result.scale
    model = breathing_ablations.fit_linear(z[:60], 3, SMALL)
    A, C, Q, R, c, d, m, P = (np.asarray(getattr(model, s), float) for s in "ACQRcdmP")
    states, innovations, own = [], [], []
    for t in range(90):
        if t:
            m, P = A @ m + c, A @ P @ A.T + Q
        innovations.append(z[t] - C @ m - d)
        gain = P @ C.T @ np.linalg.inv(C @ P @ C.T + R)
        m, P = m + gain @ innovations[-1], P - gain @ C @ P
        states.append(m)
        third = A @ (A @ (A @ m + c) + c) + c
        own.append([C @ (A @ m + c) + d, C @ third + d])
    np.testing.assert_allclose(result.own, own, atol=1e-4)
    phi = tracked.features(np.array(states), np.array(innovations), 60)
    np.testing.assert_allclose(result.features, phi, atol=1e-3)


def naive_gru(network, inputs):
    """The textbook equations, one sample and one step after the other."""
    weights, across = np.asarray(network.cell.weight_ih), np.asarray(network.cell.weight_hh)
    bias, last = np.asarray(network.cell.bias), np.asarray(network.cell.bias_n)
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    n = len(last)
    hidden, made = np.zeros(n), []
    for x in inputs:
        given, carried = weights @ x + bias, across @ hidden
        r = sigmoid(given[:n] + carried[:n])
        z = sigmoid(given[n : 2 * n] + carried[n : 2 * n])
        new = np.tanh(given[2 * n :] + r * (carried[2 * n :] + last))
        hidden = (1 - z) * new + z * hidden
        row = hidden @ np.asarray(network.readout) + x @ np.asarray(network.direct)
        made.append((row + np.asarray(network.offset)) * np.array(network.scale))
    return np.array(made)


TINY = breathing_recurrent_training.Training(
    units=4, iterations=3, batch=2, segment=60, burn_in=10, copies=6
)


def test_what_a_recurrent_network_expects_is_a_naive_loop(record):
    """Running moments, the GRU and the units of its forecasts, from the definitions alone."""
    record = record[:330, [0, 3, 6]]
    network = breathing_recurrent_training.train_network([record, record[::-1]], 0, TINY)
    made = breathing_recurrent.expected_change(network, record)
    z = record / record[:300].std(0)
    centred = z - z[:300].mean(0)
    direction = np.linalg.eigh(centred[:300].T @ centred[:300])[1][:, -1]
    component = centred @ direction * np.sign(direction.sum())
    for column in range(3):
        rows, deviation = [], np.zeros(330)
        for t in range(330):
            row = []
            for series in (component, z[:, column]):
                weights = (1 - 1 / 200) ** np.arange(t, -1, -1)
                mean = np.average(series[: t + 1], weights=weights)
                square = np.average((series[: t + 1] - mean) ** 2, weights=weights)
                deviation[t] = max(np.sqrt(square), 1e-3)
                change = series[t] - series[max(t - 1, 0)]
                row = [(series[t] - mean) / deviation[t], 4 * change / deviation[t], *row]
            rows.append(np.clip(row, -6, 6))
        expected = naive_gru(network, rows) * deviation[:, None] * record[:300, column].std()
        np.testing.assert_allclose(made[:, :, column], expected, atol=2e-4 * np.abs(expected).max())


def test_the_pooled_autoregression_is_a_naive_loop(record, monkeypatch):
    """Weights of ordinary ridge regression; each forecast is a sum over the steps back."""
    monkeypatch.setattr(breathing_pooled, "LAGS", (0, 1, 4))
    record = record[:330, [0, 3, 6]]
    weights = breathing_pooled.pooled_weights([record], 0)
    made = breathing_pooled.pooled_change([record], record, 0)
    z = record / record[:300].std(0)
    component = breathing_recurrent.leading(z)
    inputs, deviation = breathing_recurrent.network_inputs(z[:, 1], component)
    for t in (0, 3, 200):
        rows = [inputs[max(t - lag, 0)] for lag in (0, 1, 4)]
        change = sum(row @ weights[4 * j : 4 * j + 4] for j, row in enumerate(rows))
        expected = change * deviation[t] * record[:300, 1].std()
        np.testing.assert_allclose(made[t, :, 1], expected, rtol=1e-5, atol=1e-9)
    rng = np.random.default_rng(0)
    design, moved = [], []
    for _ in range(breathing_pooled.COPIES):
        rng.integers(1)
        x, y = breathing_recurrent_training.altered_copy(record, rng)
        for t in range(100, len(x) - 21):
            design.append(np.concatenate([x[t - lag] for lag in (0, 1, 4)]))
            moved.append(np.clip(y[t], -6, 6))
    penalty = np.sqrt(breathing_pooled.RIDGE * breathing_pooled.COPIES) * np.eye(12)
    stacked = np.vstack([np.array(design), penalty])
    fitted = np.linalg.lstsq(stacked, np.vstack([np.array(moved), np.zeros((12, 5))]))[0]
    np.testing.assert_allclose(weights, fitted, rtol=1e-4, atol=1e-5)


def test_networks_of_a_seed_are_averaged(record):
    record = record[:330, [0, 3, 6]]
    mean = breathing_recurrent_training.mean_change([record], record, 1, TINY)
    each = [
        breathing_recurrent.expected_change(
            breathing_recurrent_training.train_network([record], draw, TINY), record
        )
        for draw in (2, 3)
    ]
    np.testing.assert_allclose(mean, (each[0] + each[1]) / 2)
    assert not np.allclose(each[0], each[1])


def test_a_recurrent_network_learns_of_others_and_is_causal(record):
    others = [record[:, [0, 3, 6]]]
    small = TINY._replace(units=8, iterations=60, batch=8, rate=1e-2)
    own = 0.7 * record[:400, [1, 4, 7]]
    few, many = (
        breathing_recurrent_training.train_network(others, 0, small._replace(iterations=n))
        for n in (1, 60)
    )

    def error(network):
        change = breathing_recurrent.expected_change(network, own)[300:390, 3]
        return np.square(change - own[310:] + own[300:390]).mean()

    assert error(many) < 0.9 * error(few)
    changed = own.copy()
    changed[351:] += 20 * np.random.default_rng(0).normal(size=changed[351:].shape)
    make = lambda y: breathing_ablations.adaptive_mean(  # noqa: E731
        breathing_recurrent.follow_lags_and(breathing_recurrent.expected_change(many, y)),
        AdaptiveForecaster(HORIZONS, 300, (340,), sizes=(3,)),
        y,
    )
    one, other = make(own), make(changed)
    assert np.allclose(one[300:351], other[300:351], rtol=0, atol=1e-6)
    assert not np.allclose(one[351:], other[351:])


def test_ablations_are_causal(record):
    record = record[:200, [0, 3, 6]]
    changed = record.copy()
    changed[151:] += 20 * np.random.default_rng(0).normal(size=changed[151:].shape)
    for make in (breathing_ablations.follow_lags, breathing_ablations.follow_linear):
        one, other = (
            breathing_ablations.adaptive_members(make, small_forecaster(), y)[3, 0.99]
            for y in (record, changed)
        )
        assert np.allclose(one[60:151], other[60:151], rtol=0, atol=1e-6)
        assert not np.allclose(one[151:], other[151:])


def test_the_study_puts_rows_together(data_root, monkeypatch):
    """All of it but the training, which the test above has."""
    linear = {}

    def quick_scores(forecaster, values, seconds, report):
        report("nothing")
        return {"EM network adaptive": linear["no prediction"]}

    def quick_linear(values, seconds):
        issued = breathing_baselines.no_prediction(values)
        mask = np.ones(values.shape, bool)
        around = AdaptiveForecaster(HORIZONS, 300).with_intervals(issued, values, mask)
        linear["no prediction"] = breathing.score(around, values)
        return linear

    monkeypatch.setattr(breathing, "network_scores", quick_scores)
    monkeypatch.setattr(breathing, "linear_scores", quick_linear)
    monkeypatch.setattr(breathing, "ablation_forecasts", lambda *a: {breathing.LINEAR: a[1]})
    monkeypatch.setattr(breathing, "around", lambda *a: linear["no prediction"])
    monkeypatch.setattr(breathing, "recurrent_scores", lambda *a: {})
    monkeypatch.setattr(breathing, "noise_rows", lambda *a: ([], {}))
    said = []
    options = StudyOptions(
        seeds=2, quick=True, data=data_root / "breathing", progress=lambda *a: said.append(a)
    )
    result = STUDIES["breathing"].run(options)
    whole = json.loads(result.to_json())
    assert set(whole) == {"study", "rows", "seeds", "seconds", "config"}
    assert whole["seeds"] == 2 and len(whole["rows"]) == 3 * 4 * len(HORIZONS)
    assert not any("published" in row for row in whole["rows"])
    assert whole["rows"][-1]["metric"] == "coverage_90" and 0.8 < whole["rows"][-1]["ours"] < 1
    assert said and all(done < total for done, total, _ in said)
    assert result.table().row_count == len(whole["rows"])


def test_noise_is_too_large_with_the_bootstrap_filter(record, monkeypatch):
    """Precise parameters look worse to the bootstrap filter than to the guided one."""

    def untrained(z, mask, states, *_, start=None):
        start = subspace_start(z, mask, states) if start is None else start
        return TrainResult(start, Iterations.by_likelihood(np.zeros(1)))

    monkeypatch.setattr(tracked, "train", lambda z, mask, n, *_, **__: untrained(z, mask, n))
    monkeypatch.setattr(breathing_noise, "train", untrained)
    rows, figures = breathing_noise.noise_rows(record[:304, :4], "seq7", 1, 0)
    guided, bootstrap = list(figures.values())[:2]
    assert guided["noise_sd_mm"] == bootstrap["noise_sd_mm"] < 0.2
    assert guided["effective_sample_size"] > 3 * bootstrap["effective_sample_size"]
    assert guided["log_likelihood"] > bootstrap["log_likelihood"] + 2
    assert len(rows) == 18


def test_a_draw_of_particles_that_fails_is_said(record, monkeypatch):
    """EM with the bootstrap filter can end in covariances that are none."""
    calls = []

    def failing(z, mask, states, em, key, start=None):
        calls.append(key)
        if len(calls) < 3:
            raise RekalError("the log-likelihood is not finite")
        return TrainResult(start, Iterations.by_likelihood(np.zeros(1)))

    start = StochasticRNN.init(2, 9, key=jax.random.key(0))
    monkeypatch.setattr(breathing_noise, "train", failing)
    model, failed = breathing_noise._trained(record[:20], SMALL, 0, start)
    assert (model is start, failed, len(calls)) == (True, 2, 3)
    monkeypatch.setattr(breathing_noise, "DRAWS", 1)
    calls.clear()
    with pytest.raises(RekalError, match="finite"):
        breathing_noise._trained(record[:20], SMALL, 0, start)


def test_a_published_figure_needs_its_source():
    with pytest.raises(RekalError, match="source"):
        Row("RLS", "rmse", 1.0, 1.0, 0.0, published=1.0)


def test_the_page_shows_the_recorded_figures():
    """Every row of a table by horizon in docs/breathing.md is a row of results/breathing.json."""
    root = Path(__file__).parents[1]
    recorded: dict[str, list[list[str]]] = {}
    whole = json.loads((root / "results" / "breathing.json").read_text())
    for row in whole["rows"]:
        if "horizon" in row:
            tables = recorded.setdefault(row["system"].split(", its own")[0], [])
            if row["horizon"] == HORIZONS[0]:
                tables.append([])
            tables[-1].append(f"{row['ours']:.3f}")
    page = (root / "docs" / "breathing.md").read_text().splitlines()
    shown = [
        [cell.strip(" *") for cell in line.split("|")[1:-1]] for line in page if line[:1] == "|"
    ]
    rows = [cells for cells in shown if len(cells) == 6 and cells[0] and cells[1][0].isdigit()]
    assert len(rows) == 44
    for name, *figures in rows:
        assert figures in recorded[name.split(", its own")[0]], name


def test_the_page_compares_groups_of_records_as_recorded():
    """Per cent of the error of lags alone, on records 1 to 5, 6 to 9 and on all."""
    root = Path(__file__).parents[1]
    whole = json.loads((root / "results" / "breathing.json").read_text())
    errors = {
        system: np.median(np.array(figures["rmse"]), axis=0)
        for system, figures in whole["config"]["per_record"].items()
    }
    systems = {
        "with GRUs": "lags and GRUs of other records adaptive",
        "linear model and lags, averaged": "linear model adaptive and lags adaptive, averaged",
        "linear model and lags with GRUs, averaged": (
            "linear model adaptive and lags with GRUs adaptive, averaged"
        ),
    }
    groups = {
        "records 1 to 5": slice(0, 5),
        "records 6 to 9": slice(5, 9),
        "all nine": slice(0, 9),
    }
    page = (root / "docs" / "breathing.md").read_text()
    for label, records in groups.items():
        for name, system in systems.items():
            ours, lags = (errors[s][records].mean(0) for s in (system, "lags adaptive"))
            cells = " | ".join(f"{x:+.1f}" for x in 100 * (ours / lags - 1))
            assert f"| {name}, {label} | {cells} |" in page
