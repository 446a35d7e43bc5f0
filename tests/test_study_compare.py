"""The study of what `rekalman.fit` chooses takes over what does not change with rekalman."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rekalman
from rekalman.comparison.choice import Choice
from rekalman.comparison.trained_methods import TrainedMethod
from rekalman.methods.registry import get
from rekalman.studies import STUDIES, compare
from rekalman.studies.base import StudyOptions
from rekalman.studies.known import Known


@pytest.fixture
def study(monkeypatch: Any) -> Any:
    """The study on the Nile alone, with one quick method."""
    nile = rekalman.load_example("nile")
    chosen = TrainedMethod(get("local-level")())
    monkeypatch.setattr(compare, "_series", lambda *_: iter([("Nile", nile)]))
    monkeypatch.setattr(compare, "_peers", lambda *_: [])
    monkeypatch.setattr(compare, "OWN", ("ridge-ar",))
    monkeypatch.setattr(compare, "NETWORKS", ())
    monkeypatch.setattr(compare, "choose", lambda data, seed: Choice(chosen, "it is quick"))
    return STUDIES["compare"]


def known_as(path: Path, written: dict[str, Any]) -> StudyOptions:
    path.write_text(json.dumps(written))
    return StudyOptions(known=Known.read(path))


def test_others_are_taken_over(study: Any, tmp_path: Path):
    first = study.run()
    written = first.to_dict()
    methods = written["config"]["series"][0]["methods"]
    assert {"naive", "mean", "drift", "rls", "ridge-ar", "rekalman.fit"} == set(methods)
    again = study.run(known_as(tmp_path / "first.json", written))
    assert again.to_dict()["rows"] == written["rows"]
    methods["mean"]["scaled_crps"] = 0.1  # taken over, not worked out again
    methods["ridge-ar"]["scaled_crps"] = 0.1  # of rekalman, and worked out again
    rows = study.run(known_as(tmp_path / "changed.json", written)).rows
    ours = methods["rekalman.fit"]["scaled_crps"]
    assert rows[0].system == "Nile (best other: mean)"
    assert rows[0].ours == pytest.approx(ours / 0.1)


def test_a_series_it_lacks_is_worked_out(study: Any, tmp_path: Path):
    written = study.run().to_dict()
    other = json.loads(json.dumps(written))
    other["config"]["series"][0]["series"] = "Lake Huron"
    again = study.run(known_as(tmp_path / "other.json", other))
    assert again.to_dict()["rows"] == written["rows"]


def test_another_protocol_is_refused(study: Any, tmp_path: Path):
    written = study.run().to_dict()
    written["config"]["series"][0]["horizons"] = [1, 2]
    with pytest.raises(rekalman.RekalError, match="its horizons of Nile was"):
        study.run(known_as(tmp_path / "old.json", written))
    written["config"]["series"] = "none"
    with pytest.raises(rekalman.RekalError, match="lacks the figures of every series"):
        study.run(known_as(tmp_path / "none.json", written))
