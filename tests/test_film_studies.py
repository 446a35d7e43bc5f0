"""The studies of films: scores, rows, sizes of the candidates, and that no training is repeated."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest

from rekalman.data.images import Frames
from rekalman.datasets.filmed import Filmed
from rekalman.datasets.tasks import pendulum_task
from rekalman.learners.gradient.backprop import Backprop
from rekalman.networks.recurrent import count_parameters
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.films import irregular_pendulum, pendulum, quad_link, three_pendulums
from rekalman.studies.films.comparison import rows_of
from rekalman.studies.films.estimation import Reduced, Size
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, layer_of, network_of
from rekalman.studies.films.scores import Predicted, scored, scores

TINY = EncoderAndHeads(widths=(4, 4, 4), head=(4,))


def film_of(targets: np.ndarray, factor: np.ndarray) -> Filmed:
    values = np.zeros((*targets.shape[:2], 4, 4, 1), np.uint8)
    frames = Frames.from_arrays(values, targets)
    return Filmed(frames, np.zeros((*targets.shape[:2], 1)), factor)


def test_scores_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(3, 5, 2)).astype(np.float32)
    targets[1, 2] = np.nan
    mean = rng.normal(size=targets.shape).astype(np.float32)
    var = rng.uniform(0.5, 2, targets.shape).astype(np.float32)
    factor = rng.choice([0.0, 0.5], (3, 5))
    result = scores(Predicted(mean, var), film_of(targets, factor))
    for name, wanted in (("", (0.0, 0.5)), ("_clear", (0.5,)), ("_blind", (0.0,))):
        steps = [
            (i, t)
            for i in range(3)
            for t in range(5)
            if (i, t) != (1, 2) and factor[i, t] in wanted
        ]
        density, squares, inside, scaled = [], [], [], []
        for i, t in steps:
            total = 0.0
            for k in range(2):
                e, v = float(targets[i, t, k]) - float(mean[i, t, k]), float(var[i, t, k])
                total += -0.5 * np.log(2 * np.pi) - 0.5 * np.log(v) - e * e / (2 * v)
                squares.append(e * e)
                scaled.append(e * e / v)
                inside.append(abs(e) <= 1.6448536 * np.sqrt(v))
            density.append(total)
        figures = [np.mean(density), np.sqrt(np.mean(squares)), np.mean(inside), np.mean(scaled)]
        names = ("log_likelihood", "rmse", "coverage_90", "anees")
        np.testing.assert_allclose([result[f"{n}{name}"] for n in names], figures, rtol=1e-5)


def test_a_network_that_knows_its_errors_has_anees_one_and_coverage_ninety():
    rng = np.random.default_rng(1)
    var = rng.uniform(0.1, 3, (20, 500, 2)).astype(np.float32)
    mean = rng.normal(size=var.shape).astype(np.float32)
    targets = (mean + np.sqrt(var) * rng.normal(size=var.shape)).astype(np.float32)
    result = scores(Predicted(mean, var), film_of(targets, np.ones((20, 500))))
    assert abs(result["anees"] - 1) < 0.03
    assert abs(result["coverage_90"] - 0.9) < 0.01
    assert "rmse_blind" not in result


def test_the_pendulum_is_scored_on_unseen_films_too():
    task = pendulum_task(4, 3, 8)
    who = Candidate("RKN", "rkn", 3, options=(("bases", 2), ("bandwidth", 1)))
    network = network_of(who, 0, task.test.frames.shape, (2,), TINY)
    result = pendulum.scored_twice(network, task.test)
    parts = [pendulum_task(1, n, 8, seed).test for n, seed in ((3, 101), (12, 1))]
    unseen = pendulum.unseen(3, 8)
    for name in ("values", "targets", "mask"):
        whole = np.concatenate([getattr(part.frames, name) for part in parts])
        np.testing.assert_array_equal(getattr(unseen.frames, name), whole)
    np.testing.assert_array_equal(unseen.factor, np.concatenate([part.factor for part in parts]))
    assert {n: v for n, v in result.items() if not n.endswith("_unseen")} == scored(
        network, task.test
    )
    for name, value in scored(network, unseen).items():
        assert result[f"{name}_unseen"] == value
    known = np.concatenate([part.frames.targets[:, 0] for part in (task.train, task.test)])
    assert not np.isin(unseen.frames.targets[:, 0], known).any()


def test_rows_say_which_direction_is_better_and_which_seed_is_worst():
    result = [
        {"rmse_blind": 0.1, "log_likelihood": 6.0, "parameters": 7},
        {"rmse_blind": 0.3, "log_likelihood": 5.0, "parameters": 7},
    ]
    rows = {row.metric: row for row in rows_of("x", result, {"log_likelihood": (6.2, "s")}, {})}
    assert set(rows) == {"rmse_blind", "log_likelihood"}
    assert (rows["rmse_blind"].worst, rows["rmse_blind"].better) == (0.3, "lower")
    assert (rows["log_likelihood"].worst, rows["log_likelihood"].better) == (5.0, "higher")
    assert rows["log_likelihood"].published == 6.2
    assert rows["log_likelihood"].ours == 5.5


@pytest.mark.parametrize("module", [pendulum, three_pendulums])
def test_baselines_have_as_many_parameters_as_the_rkn(module):
    study = module.STUDY
    shape = (24, 24, 1 if module is pendulum else 3)
    counts = {
        who.kind: count_parameters(network_of(who, 0, shape, (2,), study.encoder_and_heads).layer)
        for who in study.candidates
        if who.like is not None or who is study.candidates[0]
    }
    for kind in ("lstm", "gru", "elman"):
        assert abs(counts[kind] / counts["rkn"] - 1) < 0.03, kind


def test_the_quad_link_has_the_published_sizes():
    study = quad_link.estimation(noisy=True)
    assert study.size == Size(4000, 1000, 150)
    network = network_of(quad_link.LSTM, 0, (48, 48, 1), (8,), study.encoder_and_heads)
    assert network.layer.read(network.layer.init()).mean.shape == (100,)  # half of 200 units


@pytest.mark.parametrize("who", quad_link.EQUALS, ids=lambda who: who.kind)
def test_the_quad_link_has_baselines_of_the_size_of_the_rkn(who):
    counts = [count_parameters(layer_of(each, jax.random.key(0))) for each in (who, quad_link.RKN)]
    assert abs(counts[0] / counts[1] - 1) < 0.01
    assert who in quad_link.estimation(noisy=False).candidates


def test_a_study_goes_on_where_it_was_and_keeps_what_it_found(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    small = pendulum.STUDY._replace(
        size=Size(12, 6, 8),
        candidates=(Candidate("RKN", "rkn", 3, options=(("bases", 2), ("bandwidth", 1))),),
        learner=Backprop(epochs=2, batch=6),
        encoder_and_heads=TINY,
    )
    first = small.run(StudyOptions(seeds=2))
    assert len(first.config["all"]["RKN"]) == 2
    retained = sorted(tmp_path.glob("studies/pendulum/*/scores.json"))
    assert len(retained) == 2
    figures = json.loads(retained[0].read_text())
    retained[0].write_text(json.dumps({**figures, "rmse": 123.0}))
    again = small.run(StudyOptions(seeds=2))  # read, not trained
    assert {row.metric: row.worst for row in again.rows}["rmse"] == 123.0
    for damaged in ("", "[1, 2]", '{"rmse": null}', json.dumps(figures)[:40]):
        retained[0].write_text(damaged)
        with pytest.warns(
            UserWarning, match="scores.json was damaged, so its network is scored anew"
        ):
            small.run(StudyOptions(seeds=2))
        assert json.loads(retained[0].read_text()) == figures
    other = dataclasses.replace(small.learner, rate=1e-2)
    changed = small._replace(learner=other).run(StudyOptions(seeds=1))  # trained anew
    assert {row.metric: row.worst for row in changed.rows}["rmse"] < 123.0


def test_rows_of_a_reduced_protocol_say_what_was_reduced(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    small = pendulum.STUDY._replace(
        size=Size(12, 6, 8),
        reduced=Reduced(Size(6, 4, 8), epochs=1),
        candidates=(Candidate("RKN", "rkn", 3, options=(("bases", 2), ("bandwidth", 1))),),
        learner=Backprop(epochs=2, batch=6),
        encoder_and_heads=TINY,
    )
    result = small.run(StudyOptions(seeds=1, reduced=True))
    note = "6 of 12 series to learn from, 4 of 6 to score on, 1 of 2 epochs"
    assert {row.system for row in result.rows} == {f"RKN (reduced: {note})"}
    assert result.config["learner"]["epochs"] == 1
    assert result.config["train"] == 6


def test_the_studies_of_films_are_listed():
    assert {"pendulum", "three-pendulums", "quad-link", "irregular-pendulum"} <= set(STUDIES)


def test_the_study_of_irregular_times_changes_encoder_or_recursion_alone():
    parts = irregular_pendulum.PARTS
    for part in parts[2:]:
        twin = next(each for each in parts[:2] if each.on_grid == part.on_grid)
        assert part.candidates[0].options == twin.candidates[0].options
        assert part.encoder_and_heads == twin.encoder_and_heads._replace(tones=0)
    titles = [each.title for part in parts for each in part.candidates]
    assert len(set(titles)) == 8
    assert set(irregular_pendulum.PUBLISHED) <= set(titles)


def test_the_study_of_irregular_times_runs_its_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    parts = [irregular_pendulum.PARTS[i]._replace(encoder_and_heads=TINY) for i in (0, 1)]
    grid, retained = parts[0].candidates[2]._replace(like=None), parts[1].candidates[1]
    small = [
        part._replace(candidates=(who._replace(latent=3),))
        for part, who in zip(parts, (grid, retained), strict=True)
    ]
    monkeypatch.setattr(irregular_pendulum, "PARTS", small)
    result = STUDIES["irregular-pendulum"].run(StudyOptions(seeds=1, quick=True))
    rows = {row.system: row for row in result.rows if row.metric == "mse"}
    assert rows["GRU-dt"].published == 5.44e-3
    assert all(0 < row.ours < 2 and row.better == "lower" for row in rows.values())
    assert len(rows) == 2
