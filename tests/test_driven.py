"""`rekalman.fit(data, "driven-rnn")`: free simulation, then the noise, as one trained model."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rekalman
from rekalman.data.scales.standardiser import Standardiser
from rekalman.datasets.small_driven import small_driven
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.driven.choice import Trained, better_everywhere, better_half, cross_fitted
from rekalman.learners.driven.linear import (
    arx_member,
    best_linear,
    chosen_order,
    linear_choice,
    output_error,
)
from rekalman.learners.driven.networks import Shape, Start, network_path, network_start
from rekalman.learners.driven.simulation_error import SimulationError
from rekalman.learners.driven.stability import linear_block, spectral_radius
from rekalman.learners.em.held_out import clearly_better, folds_of, outputs_of, root, squared
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.simulation.free_run import free_run


def tank(steps: int, seed: int) -> rekalman.Sequences:
    """A level that drains by the square root of its height, filled by a stepwise pump."""
    random = np.random.default_rng(seed)
    u = np.repeat(random.uniform(0, 1, -(-steps // 10)), 10)[:steps]
    level, levels = 1.0, []
    for each in u:
        level += 0.2 * each - 0.1 * np.sqrt(level)
        levels.append(level)
    y = np.array(levels) + 0.01 * random.normal(size=steps)
    return rekalman.Sequences.from_arrays(
        y[None, :, None], inputs=u[None, :, None], names=("level",), input_names=("pump",)
    )


@pytest.fixture(scope="module")
def trained() -> rekalman.Fit:
    return rekalman.fit(
        tank(240, 0), "driven-rnn", SimulationError(iterations=25), states=1, units=3, restarts=2,
        progress=False,
    )  # fmt: skip


def test_it_simulates_a_fresh_series_and_knows_how_sure_it_is(trained):
    test = tank(200, 1)
    run = trained.free_run(test, warm_up=5)
    error = np.sqrt(np.mean((run - np.asarray(test.values))[:, 5:] ** 2))
    assert error < 0.12 * np.asarray(test.values).std()
    assert 0.8 < trained.diagnose(tank(240, 0)).coverage(90) < 0.99
    assert trained.kind == "driven-rnn"
    linear, bounded = trained.model.linear_units, trained.model.states - trained.model.linear_units
    networks = (
        bounded // 3
    )  # of which the mean is delivered, perhaps with the linear model beside them
    assert networks >= 1 and bounded == 3 * networks and linear in (networks, networks + 1)
    assert spectral_radius(linear_block(trained.model)) < 1


@given(st.integers(0, 2**20), st.integers(1, 400))
@settings(max_examples=10, deadline=None)
def test_its_simulation_stays_in_range_over_a_longer_input(trained, seed, hold):
    random, steps = np.random.default_rng(seed), 2400
    pump = np.repeat(random.uniform(0, 1, -(-steps // hold)), hold)[:steps]
    values = np.asarray(tank(240, 0).values)
    blank = np.repeat(values[:, :5], steps // 5, axis=1)
    longer = rekalman.Sequences.from_arrays(
        blank, inputs=pump[None, :, None], names=("level",), input_names=("pump",)
    )
    run = trained.free_run(longer, warm_up=5)
    assert np.abs(run - values.mean()).max() < 10 * np.abs(values - values.mean()).max()


def test_a_linear_model_that_would_run_away_is_refused():
    data = tank(120, 0)
    fit = rekalman.fit(data, "linear", states=1, progress=False)
    assert np.isfinite(fit.free_run(data)).all()
    unstable = fit.model.__class__.create(
        A=np.array([[1.05]]), C=np.eye(1), Q=1e-3 * np.eye(1), R=1e-2 * np.eye(1),
        B=np.array([[0.1]]), m=np.zeros(1), P=np.eye(1),
    )  # fmt: skip
    with pytest.raises(RekalError, match=r"spectral radius 1\.05"):
        free_run(unstable, data)


def test_without_a_bounded_output_error_model_arx_is_delivered(monkeypatch):
    with jax.enable_x64(True):
        data = Standardiser.of(tank(120, 0)).apply(tank(120, 0))
        batch = in_double(as_batch(data))
        linear = best_linear(batch, folds_of(batch), (1,))._replace(share=0.5)
        monkeypatch.setattr("rekalman.learners.driven.linear.is_bounded", lambda *_: False)
        choice = linear_choice(batch, linear)
    assert choice.name == "ARX" and choice.weights == [1.0] and len(choice.members) == 1


def test_the_order_of_arx_is_one_whose_model_of_everything_is_bounded(monkeypatch):
    with jax.enable_x64(True):
        batch = in_double(as_batch(Standardiser.of(tank(120, 0)).apply(tank(120, 0))))
        folds = folds_of(batch)
        monkeypatch.setattr("rekalman.learners.driven.linear.is_bounded", lambda *_: True)
        best = chosen_order(batch, folds)
        whole = arx_member(batch, best).model

        def bounded(member, _):
            return member.model.A.shape != whole.A.shape or not np.allclose(member.model.A, whole.A)

        monkeypatch.setattr("rekalman.learners.driven.linear.is_bounded", bounded)
        assert chosen_order(batch, folds) != best


def test_cross_fitting_does_not_reward_the_luck_of_the_best():
    """Candidates without skill: chosen and judged on the same stretches they look better than they are."""
    random, folds = np.random.default_rng(0), 4
    same, cross, fresh = [], [], []
    for _ in range(200):
        truth, later = random.normal(size=(2, folds, 20))
        starts = []
        for seed in range(8):
            outputs = list(random.normal(size=(folds, 20)))
            errors = [(y - t) ** 2 for y, t in zip(outputs, truth, strict=True)]
            starts.append([Trained(Start("random", Shape(1, 1), seed), 0, errors, [], outputs)])
        mean = np.mean([each.outputs for each in better_half(starts)], 0)
        same.append(np.mean((mean - truth) ** 2))
        fresh.append(np.mean((mean - later) ** 2))
        cross.append(np.mean((np.stack(cross_fitted(starts, folds)) - truth) ** 2))
    assert np.mean(same) < np.mean(fresh) - 0.05
    assert np.mean(cross) == pytest.approx(np.mean(fresh), abs=0.03)


def test_better_everywhere_is_better_in_each_fold():
    with jax.enable_x64(True):
        folds = folds_of(in_double(as_batch(tank(120, 0))))
    reference = np.ones(sum(int(fold.judged.sum()) for fold in folds))
    assert better_everywhere(0.9 * reference, reference, folds)
    errors, first = 0.1 * reference, int(folds[0].judged.sum())
    errors[:first] = 1.1
    assert not better_everywhere(errors, reference, folds)


def compared(name: str, seed: int) -> float:
    """Error on fresh data beside the better of ARX and the linear simulation model."""
    from rekalman.studies.small_driven import simulated_scores

    scores, _ = simulated_scores(small_driven(name, seed), seed, restarts=2)
    return scores["driven-rnn"] / min(scores["ARX"], scores["linear"])


BEHIND = (3, 7, 9)
"""Seeds of the linear system that noise drives with which the choice is 6 to 27 % behind."""


def systems():
    """Names and seeds, the ones that are behind as expected failures."""
    for name in ("wiener", "hammerstein", "disturbed"):
        for seed in range(10):
            behind = name == "disturbed" and seed in BEHIND
            why = "held-out stretches of a system that noise drives say little of fresh data"
            yield pytest.param(name, seed, marks=[pytest.mark.xfail(reason=why)] * behind)


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "seed"), systems())
def test_it_is_not_behind_the_linear_models(name, seed):
    assert compared(name, seed) < 1.05


def test_it_is_a_fit_like_any_other(trained, tmp_path):
    test = tank(60, 2)
    trained.save(tmp_path / "tank.rekalman")
    again = rekalman.load(tmp_path / "tank.rekalman")
    np.testing.assert_array_equal(again.free_run(test), trained.free_run(test))
    ahead = again.forecast(test, 5, np.full((5, 1), 0.5))
    assert np.isfinite(ahead.mean).all()
    assert "driven-rnn" in again.summary()


def test_what_it_cannot_do_is_refused():
    data = tank(100, 0)
    alone = rekalman.Sequences.from_arrays(np.asarray(data.values))
    with pytest.raises(RekalError, match="runs by its inputs, but the data have none"):
        rekalman.fit(alone, "driven-rnn", progress=False)
    with pytest.raises(RekalError, match="SimulationError trains driven-rnn, not the model lin"):
        rekalman.fit(data, "linear", SimulationError(), progress=False)
    with pytest.raises(RekalError, match="not the model driven-rnn: use SimulationError"):
        rekalman.fit(data, "driven-rnn", rekalman.EM(), progress=False)
    with pytest.raises(RekalError, match="units must be at least 1, but is 0"):
        rekalman.fit(data, "driven-rnn", units=0, progress=False)
    with pytest.raises(RekalError, match="units is of no use to the model em-rnn"):
        rekalman.fit(data, "em-rnn", units=3, progress=False)


def interrupt_after(stage: str, count: int):
    """A progress that behaves as if Ctrl-C came after so many reports of a stage."""
    seen = []

    def report(name, progress):
        if name == stage:
            seen.append(progress)
            if len(seen) == count:
                raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(("stage", "count"), [("simulation", 2), ("noise", 1)])
def test_an_interrupt_keeps_the_best_so_far(stage, count):
    data = tank(120, 0)
    cut = rekalman.fit(
        data, "driven-rnn", SimulationError(iterations=15), states=1, units=2, restarts=2,
        progress=interrupt_after(stage, count),
    )  # fmt: skip
    assert cut.history.stopped == "interrupted"
    values = np.asarray(data.values)
    gaps = (cut.free_run(data, warm_up=5) - values)[:, 5:]
    assert np.sqrt(np.mean(gaps**2)) < 0.3 * values.std()


def test_an_interrupt_before_any_network_leaves_the_linear_model(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rekalman.learners.driven.choice.in_folds", interrupted)
    cut = rekalman.fit(tank(120, 0), "driven-rnn", states=1, units=2, restarts=2, progress=False)
    assert cut.history.stopped == "interrupted"
    assert cut.model.linear_units == cut.model.states


@pytest.mark.parametrize("seed", range(4))
def test_a_network_leaves_the_linear_model_that_it_begins_as(seed):
    batch = standardised(tank(240, 0))
    with jax.enable_x64(True):
        base = output_error(batch, 1)
        start = network_start(base, 3, seed)
        begun, linear = (outputs_of(each, batch) for each in (start, base))
        np.testing.assert_allclose(begun, linear, atol=1e-9)
        learner = SimulationError(iterations=40)
        ended = network_path(Start("linear", Shape(1, 3), seed), base, batch, learner)[-1]
        seen = np.asarray(batch.mask)
        errors = [root(squared(outputs_of(each, batch), batch, seen)) for each in (base, ended)]
    assert errors[1] < 0.5 * errors[0]


def test_stretches_cover_the_series_but_its_start():
    batch = standardised(tank(200, 0))
    folds = folds_of(batch)
    judged = np.stack([fold.judged for fold in folds])
    assert judged[:, :, 20:200].sum(0).min() == 1
    assert judged.sum() == 180
    for fold in folds:
        assert not (np.asarray(fold.train.mask) & fold.judged).any()


def test_clearly_better_wants_a_margin_and_every_stretch():
    random = np.random.default_rng(0)
    reference = random.chisquare(1, size=600)
    assert clearly_better(0.8 * reference, reference, 0)
    assert not clearly_better(0.92 * reference, reference, 0)  # 4 % of the root
    once = reference.copy()
    once[100:130] = 100.0  # one stretch that the candidate happens to do well
    assert not clearly_better(reference, once, 0)
    assert not clearly_better(np.where(np.arange(600) == 5, np.inf, 0.0), reference, 0)


def standardised(data: rekalman.Sequences):
    """As a batch in double precision."""
    with jax.enable_x64(True):
        return in_double(as_batch(Standardiser.of(data).apply(data)))
