"""Networks of radial basis functions in `rekalman.fit`: learn a curve, file, forecast, stream, numbers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.learners.start.rbf_start import placed, rbf_starts
from rekalman.models.rbf import Kernels, RBFNetwork
from rekalman.report import report_html


def parabola(steps: int = 200) -> np.ndarray:
    """A chaotic map seen through noise: no linear model can tell what comes next."""
    rng = np.random.default_rng(0)
    x, rows = 0.3, []
    for _ in range(steps):
        rows.append(x + 0.02 * rng.normal())
        x = 1.0 - 1.5 * x**2 + 0.02 * rng.normal()
    return np.array(rows)[:, None]


@pytest.fixture(scope="module")
def data() -> rekalman.Sequences:
    y = 7 + 3 * parabola()
    y[[40, 41, 90]] = np.nan
    return rekalman.Sequences.from_arrays(y, names=("z_mm",), interval=0.5, time_unit="s")


@pytest.fixture(scope="module")
def trained(data) -> rekalman.Fit:
    learner = rekalman.EM(smoother="gaussian", iterations=30, window=5, average=1)
    more = {"states": 1, "kernels": 6, "trial_iterations": 10, "progress": False}
    return rekalman.fit(data, "rbf", learner, **more)


def test_it_forecasts_what_no_linear_model_can(trained, data):
    assert isinstance(trained.model, RBFNetwork)
    assert trained.kind == "rbf" and trained.algorithm.short_name == "unscented"
    assert {name for name, _ in trained.history.trials} == {"embedding", "subspace"}
    scores = trained.roll(data, 1).score(data.values, data.mask).set_index("horizon")
    spread = float(np.std(parabola() * 3))
    assert scores.loc[1, "rmse"] < 0.15 * spread
    assert 0.8 < scores.loc[1, "coverage_90"] < 0.97


def test_file_stream_simulation_and_numbers(trained, data, tmp_path):
    trained.save(tmp_path / "m.rekalman")
    again = rekalman.load(tmp_path / "m.rekalman")
    np.testing.assert_array_equal(again.model.kernels.centers, trained.model.kernels.centers)
    ahead = np.asarray(trained.forecast(data, 3).mean)
    np.testing.assert_array_equal(again.forecast(data, 3).mean, ahead)
    stream = again.stream()
    for y in np.where(data.mask[0], data.values[0], np.nan):
        stream.update(y)
    np.testing.assert_allclose(stream.forecast(3).mean, ahead, rtol=1e-3)
    drawn = trained.simulate(300, seed=1)
    assert abs(float(drawn.values.mean()) - float(data.values[data.mask].mean())) < 0.6
    assert trained.identify().attractor in ("irregular", "limit cycle", "quasiperiodic")
    page = report_html(trained, data)
    assert "weights of the kernels" in page and "unscented Kalman" in page


def test_ones_own_network_is_a_start(data):
    bumps = Kernels(jnp.linspace(1, 10, 4)[:, None], jnp.full((4, 1, 1), 4.0))
    one = np.eye(1)
    own = RBFNetwork.create(0.5 * one, one, one, 0.1 * one, kernels=bumps, m=np.full(1, 7.0))
    learner = rekalman.EM(smoother="gaussian", iterations=3, freeze=("C",), average=1)
    result = rekalman.fit(data, own, learner, progress=False)
    np.testing.assert_array_equal(result.model.C, own.C)
    assert float(np.abs(result.model.H).max()) > 0
    assert result.kind == "own"


def test_starts_are_as_many_states_and_kernels_as_asked_for():
    rng = np.random.default_rng(0)
    y, u = rng.normal(size=(2, 60, 2)), rng.normal(size=(2, 60, 1))
    result = rbf_starts(y, np.ones(y.shape, bool), 3, 5, inputs=u)
    assert [name for name, _ in result] == ["subspace", "embedding"]
    for _, network in result:
        assert (network.states, network.n_inputs, network.kernels.count) == (3, 1, 5)
        assert network.kernels.centers.shape == (5, 4)


def test_centres_lie_in_the_middle_of_clusters():
    rng = np.random.default_rng(0)
    middle = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    points = np.concatenate([m + 0.1 * rng.normal(size=(50, 2)) for m in middle])
    bumps = placed(points, 3)
    gap = np.linalg.norm(np.asarray(bumps.centers)[:, None] - middle, axis=-1)
    assert gap.min(0).max() < 0.1
    assert float(bumps.spreads[0, 0, 0]) == pytest.approx((25 + 25 + 50) / 3, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kernels": 0}, "kernels must be at least 1"),
        ({"kernels": 500}, "500 kernels need more data than"),
        ({"restarts": 2}, "restarts is of no use to the model rbf"),
        ({"learner": rekalman.EM()}, "trained by EM\\(smoother='gaussian'\\)"),
        ({"learner": rekalman.MaximumLikelihood()}, "no exact likelihood"),
        ({"model": "em-rnn", "kernels": 3}, "kernels is of no use to the model em-rnn"),
    ],
)
def test_what_does_not_fit_is_refused(data, arguments, sentence):
    with pytest.raises(rekalman.RekalError, match=sentence):
        rekalman.fit(data, **{"model": "rbf", **arguments}, progress=False)


def test_data_of_another_width_are_refused(data):
    own = RBFNetwork.create(np.eye(1), np.ones((2, 1)), np.eye(1), np.eye(2))
    learner = rekalman.EM(smoother="gaussian", iterations=1)
    with pytest.raises(
        rekalman.RekalError, match="2 observations and 0 inputs, but the data have 1"
    ):
        rekalman.fit(data, own, learner, progress=False)
