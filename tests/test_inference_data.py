"""Draws in ArviZ: its figures are ours, and the densities of all steps add up to the likelihood."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import rekalman
from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.likelihood.nuts import NUTS
from rekalman.models.structures.structural import autoregression, local_level

pytest.importorskip("numpyro")
arviz = pytest.importorskip("arviz")


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def draws_of(structure, data: Sequences):
    start = structure.start(np.asarray(data.values)[0])
    return NUTS(draws=60, warmup=60, chains=2).run(start, data, key=jax.random.key(0))


@pytest.fixture(scope="module")
def nile():
    with jax.enable_x64(True):
        data = rekalman.load_example("nile")
        return draws_of(local_level(), data), data


def test_the_summary_of_arviz_has_our_figures(nile):
    draws, _ = nile
    table = arviz.summary(draws.to_inference_data(), round_to="none")
    assert list(table.index) == list(draws.names)
    for name in draws.names:
        assert float(table.loc[name, "mean"]) == pytest.approx(draws.mean[name], rel=1e-9)
        assert float(table.loc[name, "r_hat"]) == pytest.approx(draws.r_hat[name], rel=1e-9)
        assert float(table.loc[name, "ess_bulk"]) == pytest.approx(draws.ess[name], rel=1e-9)


def test_statistics_of_the_sampler_are_kept(nile):
    draws, _ = nile
    stats = draws.to_inference_data().sample_stats
    assert int(np.asarray(stats["diverging"]).sum()) == draws.divergences
    assert set(draws.statistics) == {"lp", "energy", "acceptance_rate", "n_steps", "diverging"}
    assert all(np.shape(each) == (2, 60) for each in draws.statistics.values())
    # The log posterior is the log-likelihood and a prior that is standard normal in the scaled parameters.
    prior = np.asarray(stats["lp"]) - draws.log_likelihood
    assert prior.max() < 1e-6 and prior.min() > -20
    # The energy adds the kinetic energy, which is positive.
    assert (np.asarray(stats["energy"]) > -np.asarray(stats["lp"])).all()


def test_densities_of_the_steps_add_up_to_the_likelihood(nile):
    draws, data = nile
    tree = draws.to_inference_data(data)
    density = tree.log_likelihood["flow"]
    assert density.dims == ("chain", "draw", "step") and density.shape == (2, 60, 99)
    np.testing.assert_allclose(density.sum("step"), draws.log_likelihood, rtol=1e-9)
    observed = tree.observed_data["flow"]
    np.testing.assert_array_equal(observed, np.asarray(data.values)[0, 1:, 0])
    np.testing.assert_array_equal(observed["step"], np.asarray(data.index())[1:])
    loo = arviz.loo(tree)
    assert -640 < float(getattr(loo, "elpd_loo", getattr(loo, "elpd", None))) < -630


def test_drawn_observations_have_the_predicted_law(nile):
    draws, data = nile
    tree = draws.to_inference_data(data, seed=1)
    drawn = np.asarray(tree.posterior_predictive["flow"]).reshape(-1, 99)
    y = np.asarray(data.values)[0, 1:, 0]
    # Of a model that fits, ranks of the observations among its draws are uniform.
    ranks = (drawn < y).mean(0)
    assert abs(ranks.mean() - 0.5) < 0.09 and 0.2 < ranks.std() < 0.36
    again = draws.to_inference_data(data, seed=1).posterior_predictive["flow"]
    np.testing.assert_array_equal(np.asarray(again).reshape(-1, 99), drawn)


def test_gaps_and_several_series():
    rng = np.random.default_rng(0)
    y = np.zeros((2, 40))
    for t in range(1, 40):
        y[:, t] = 0.7 * y[:, t - 1] + rng.normal(size=2)
    y[0, 10:14] = np.nan
    data = Sequences.from_arrays([y[0, :, None], y[1, :30, None]], series_names=("a", "b"))
    draws = draws_of(autoregression(1), data)
    tree = draws.to_inference_data(data)
    steps = tree.log_likelihood["y"]["step"].values
    assert len(steps) == 36 + 30 and steps[0] == "a: 0" and steps[-1] == "b: 29"
    assert "a: 11" not in steps
    np.testing.assert_allclose(
        tree.log_likelihood["y"].sum("step"), draws.log_likelihood, rtol=1e-9
    )


def test_data_of_another_model_are_refused(nile):
    draws, _ = nile
    with pytest.raises(RekalError, match="the model has 1 observations"):
        draws.to_inference_data(
            Sequences.from_arrays(np.random.default_rng(0).normal(size=(20, 2)))
        )
