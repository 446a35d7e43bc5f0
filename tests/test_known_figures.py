"""Seeds of an earlier run: taken over unchanged, from the same protocol only."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from rekalman.foundation.errors import RekalError
from rekalman.foundation.plain import plain
from rekalman.learners.gradient.backprop import Backprop
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.films import (
    imputation,
    irregular_pendulum,
    pendulum,
    quad_link,
    three_pendulums,
)
from rekalman.studies.films.comparison import Comparison
from rekalman.studies.films.estimation import Size, side_by_side
from rekalman.studies.films.networks import Candidate, EncoderAndHeads
from rekalman.studies.known import Known

RESULTS = Path(__file__).parents[1] / "results"
SMALL = pendulum.STUDY._replace(
    size=Size(8, 4, 6),
    candidates=(Candidate("RKN", "rkn", 3, options=(("bases", 2), ("bandwidth", 1))),),
    learner=Backprop(epochs=1, batch=4),
    encoder_and_heads=EncoderAndHeads(widths=(4, 4, 4), head=(4,)),
)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What a run with the seeds 1 and 2 wrote, before the cache was lost."""
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path / "before"))
    result = SMALL.run(StudyOptions(seed=1, seeds=2))
    path = tmp_path / "told.json"
    path.write_text(result.to_json())
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path / "after"))
    return path


@pytest.fixture
def trained(monkeypatch):
    """Who was trained, as candidate and seed."""
    result = []
    one = Comparison.one
    spied = lambda self, who, seed: result.append((who.title, seed)) or one(self, who, seed)  # noqa: E731
    monkeypatch.setattr(Comparison, "one", spied)
    return result


def test_seeds_are_added_to_those_of_an_earlier_run(told, trained):
    before = json.loads(told.read_text())["config"]["all"]["RKN"]
    result = SMALL.run(StudyOptions(seeds=3, known=Known.read(told)))
    assert trained == [("RKN", 0)]
    assert result.config["all"]["RKN"][1:] == before
    assert result.seeds == 3 and result.config["seed"] == 0
    ours = {row.metric: row.ours for row in result.rows}["rmse"]
    assert ours == sorted(run["rmse"] for run in result.config["all"]["RKN"])[1]


def test_only_contestants_that_are_new_or_have_changed_are_trained(told, trained):
    rkn, options = SMALL.candidates[0], StudyOptions(seed=1, known=Known.read(told))
    other = Candidate("GRU", "gru", 2, units=2)
    SMALL._replace(candidates=(rkn, other)).run(options)
    assert trained == [("GRU", 1)]
    SMALL._replace(candidates=(rkn, rkn._replace(title="small", latent=2))).run(options)
    assert trained == [("GRU", 1), ("small", 1)]
    larger = other._replace(units=3)
    known = Known.read(told)
    both = {**known.config, "candidates": [*known.config["candidates"], other._asdict()]}
    both["all"] = {**both["all"], "GRU": both["all"]["RKN"]}
    options = StudyOptions(seed=1, known=known._replace(config=plain(both)))
    SMALL._replace(candidates=(rkn, larger)).run(options)
    assert trained == [("GRU", 1), ("small", 1), ("GRU", 1)]


def test_parts_of_a_study_take_over_their_own(told, trained):
    config = json.loads(told.read_text())["config"]
    other = {**config, "all": {"RKN": [{**run, "rmse": 7.0} for run in config["all"]["RKN"]]}}
    told.write_text(json.dumps({"study": "two", "config": {"one": config, "other": other}}))
    options = StudyOptions(seed=1, seeds=2, known=Known.read(told))
    result = side_by_side("two", {"one": SMALL, "other": SMALL}, options)
    assert result.config["one"]["all"] == config["all"]
    assert result.config["other"]["all"] == other["all"]
    assert not trained
    with pytest.raises(RekalError, match="no part 'third'"):
        side_by_side("two", {"third": SMALL}, options)


def test_parts_are_refused_before_anything_is_trained(told, trained):
    config = json.loads(told.read_text())["config"]
    told.write_text(json.dumps({"study": "two", "config": {"one": config, "other": config}}))
    changed = SMALL._replace(size=Size(8, 4, 7))
    with pytest.raises(RekalError, match="its steps was 6, but is 7 now"):
        options = StudyOptions(seed=1, known=Known.read(told))
        side_by_side("two", {"one": SMALL, "other": changed}, options)
    assert not trained


def test_figures_of_another_protocol_are_refused(told):
    known = Known.read(told)
    slower = dataclasses.replace(SMALL.learner, rate=1e-4)
    with pytest.raises(RekalError, match=r"its learner\.rate was 0\.\d+, but is 0\.0001 now"):
        SMALL._replace(learner=slower).run(StudyOptions(known=known))
    wider = SMALL.encoder_and_heads._replace(widths=(4, 4, 5))
    with pytest.raises(RekalError, match=r"its widths\.2 was 4, but is 5 now"):
        SMALL._replace(encoder_and_heads=wider).run(StudyOptions(known=known))
    with pytest.raises(RekalError, match="its quick was False, but is True now"):
        SMALL.run(StudyOptions(quick=True, known=known))
    with pytest.raises(RekalError, match="figures of pendulum, not of quad-link"):
        STUDIES["quad-link"].run(StudyOptions(known=known))
    with pytest.raises(RekalError, match="particles takes no figures over"):
        STUDIES["particles"].run(StudyOptions(known=known))


def test_a_run_that_has_nothing_to_take_over_is_refused(told):
    with pytest.raises(RekalError, match="nothing of these networks with the seeds 3, 4"):
        SMALL.run(StudyOptions(seed=3, seeds=2, known=Known.read(told)))
    other = SMALL._replace(candidates=(SMALL.candidates[0]._replace(latent=2),))
    with pytest.raises(RekalError, match="nothing of these networks with the seeds 1"):
        other.run(StudyOptions(seed=1, known=Known.read(told)))


def test_figures_by_other_metrics_are_refused(told):
    whole = json.loads(told.read_text())
    for run in whole["config"]["all"]["RKN"]:
        run["error"] = run.pop("rmse")
    told.write_text(json.dumps(whole))
    with pytest.raises(RekalError, match="known figures of RKN have other metrics"):
        SMALL.run(StudyOptions(seed=1, seeds=3, known=Known.read(told)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no JSON that a study wrote"),
        ('{"rows": []}', "it has no study and config"),
        ("null", "it has no study and config"),
        ("[" * 100_000, "no JSON that a study wrote"),
    ],
)
def test_files_that_no_study_wrote_are_refused(tmp_path, text, says):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(RekalError, match=f"x.json: .*{says}"):
        Known.read(path)
    with pytest.raises(RekalError, match="there is no such file"):
        Known.read(tmp_path / "y.json")


@pytest.mark.parametrize("figure", ["null", '"1"', "NaN", "Infinity", "true", "1" + "0" * 400])
def test_figures_that_are_not_whole_are_refused(told, figure):
    whole = json.loads(told.read_text())
    text = json.dumps(whole["config"]["all"]["RKN"][0]["rmse"])
    told.write_text(told.read_text().replace(text, figure))
    with pytest.raises(RekalError, match="lacks the figures"):
        SMALL.run(StudyOptions(known=Known.read(told)))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("pendulum", {"": pendulum.STUDY}),
        ("three-pendulums", {"": three_pendulums.STUDY}),
        ("quad-link", {"clean": quad_link.estimation(False), "noisy": quad_link.estimation(True)}),
        (
            "imputation",
            {output: imputation.imputation(output == "informed") for output in imputation.HALVES},
        ),
    ],
)
def test_the_figures_kept_are_those_of_the_protocol_as_it_is(name, parts):
    known = Known.read(RESULTS / f"{name}.json")
    assert known.study == name
    for part, study in parts.items():
        run = known.part(part) if part else known
        options = StudyOptions(reduced=run.config["reduced"])
        result = run.figures(study.settings(options), [0])
        assert set(result) == {each.title for each in study.candidates}
        assert all(0 in seeds for seeds in result.values())


def test_the_figures_kept_of_irregular_times_are_those_of_the_protocol_as_it_is():
    known = Known.read(RESULTS / "irregular-pendulum.json")
    result = known.figures(irregular_pendulum.settings(StudyOptions()), range(3))
    assert all(set(seeds) == {0, 1, 2} for seeds in result.values())
    assert len(result) == 8
