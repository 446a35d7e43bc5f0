"""The study of default methods on records: what it scores, sums up and leaves out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from rekalman import RekalError, Sequences
from rekalman.evaluation.backtest import HorizonScore
from rekalman.studies import STUDIES, records
from rekalman.studies.base import StudyOptions
from rekalman.studies.records import Figures, Record, evaluate, rows_of


def score(horizon: int, crps: float, hold: float, coverage: float, entries: int = 10):
    return HorizonScore(horizon, "y", entries, crps, hold, None, 2 * crps, hold, 0.5, coverage)


def walk(steps: int = 60, seed: int = 0) -> Sequences:
    return Sequences.from_arrays(np.cumsum(np.random.default_rng(seed).normal(size=steps)))


def test_the_last_quarter_is_forecast_by_what_was_trained_before_it():
    figures = evaluate(Record("walks", "walk", walk()), "local-level", 0)
    assert {each.horizon for each in figures.scores} == {1, 2, 5}
    assert figures.scores[0].entries == 15
    assert figures.stated[0].startswith("on held-out data")
    # A random walk seen without noise: holding the last value is the best forecast, and nearly this one.
    assert figures.scores[0].crps == pytest.approx(figures.scores[0].hold_crps, rel=0.1)


def test_other_series_are_forecast_after_their_first_steps():
    one, other = walk(60, 1), walk(60, 2)
    figures = evaluate(Record("walks", "walk", one, test=other), "local-level", 0)
    assert figures.scores[0].entries == 60 - records.FIRST_ORIGIN


@pytest.fixture
def two_walks(monkeypatch):
    """Records of three lengths, and a method that knows its figures."""
    each = [Record("breathing", f"walk {n}", walk(n)) for n in (50, 90, 40, 60)]
    each.append(Record("gas", "gas", walk(70)))
    monkeypatch.setattr(records, "_records", lambda root: iter(each))

    def known(record, method, seed):
        steps = int(record.train.lengths[0])
        return Figures(
            (score(1, float(steps), 100.0, steps / 100), score(2, 2.0, 1.0, 0.9)), ("said",)
        )

    monkeypatch.setattr(records, "evaluate", known)


def test_rows_are_medians_over_the_records_of_a_group(two_walks):
    result = STUDIES["records"].run(StudyOptions())
    rows = {(row.system, row.metric, row.horizon): row for row in result.rows}
    ratio = rows["linear, breathing", "crps_ratio", 1]
    assert (ratio.ours, ratio.worst, ratio.spread) == pytest.approx((0.55, 0.9, 0.5))
    coverage = rows["linear, breathing", "coverage_90", 1]
    assert (coverage.ours, coverage.worst) == pytest.approx((0.55, 0.4))  # the farthest from .9
    assert ("linear, breathing", "season_ratio", 1) not in rows
    assert len(result.to_dict()["config"]["all"]["linear, breathing"]) == 4


def test_the_reduced_protocol_leaves_out_long_breathing_records_and_says_so(two_walks):
    result = STUDIES["records"].run(StudyOptions(reduced=True))
    entries = result.config["all"]["em-rnn, breathing"]
    assert [entry["record"] for entry in entries] == ["walk 50", "walk 40", "walk 60"]
    systems = {row.system for row in result.rows}
    assert "em-rnn, breathing (3 shortest records)" in systems and "rkn, gas" in systems


def test_columns_are_weighed_by_their_entries():
    scores = (
        score(1, 1.0, 2.0, 1.0, 30),
        dataclasses.replace(score(1, 3.0, 2.0, 0.6, 10), name="z"),
    )
    figures = records._by_horizon(scores)[1]
    assert figures["crps"] == pytest.approx(1.5)
    assert figures["crps_ratio"] == pytest.approx(1.0)
    assert figures["coverage_90"] == pytest.approx(0.9)
    assert figures["rmse"] == pytest.approx(np.sqrt(0.75 * 4 + 0.25 * 36))
    entry = {"record": "y", "seed": 0, "stated": (), "horizons": {1: figures}}
    assert {row.metric for row in rows_of(("a", "b"), [entry])} == {"crps_ratio", "coverage_90"}


def test_a_folder_is_needed_and_what_lies_in_it():
    with pytest.raises(RekalError, match="needs --data, a folder with breathing"):
        STUDIES["records"].run(StudyOptions())


def test_the_records_are_those_of_the_text(data_root):
    groups = [record.group for record in records._records(data_root)]
    assert groups.count("breathing") == 9
    assert {"UK gas", "pneumatic arm"} <= set(groups)


def test_the_page_on_networks_says_what_was_measured():
    """Its table, and its sentence on the intervals of networks, are those of results/records.json."""
    root = Path(__file__).parents[1]
    page = " ".join((root / "docs" / "networks.md").read_text().split())
    whole = json.loads((root / "results" / "records.json").read_text())
    rows = {(r["system"], r["metric"], r["horizon"]): r["ours"] for r in whole["rows"]}
    for system in {each for each, _, _ in rows}:
        last = max(h for each, _, h in rows if each == system)
        cells = [system]
        for h in (1, last):
            ratio, holds = rows[system, "crps_ratio", h], rows[system, "coverage_90", h]
            cells += ([] if h == 1 else [str(h)]) + [f"{ratio:.2f}", f"{100 * holds:.0f} %"]
        assert f"| {' | '.join(cells)} |" in page
    held, better, outside = 0, True, []
    for system, measures in whole["config"]["all"].items():
        for record in measures if system.split(",")[0] in ("gru", "lstm", "rkn") else []:
            for h, measured in record["horizons"].items():
                held, better = held + 1, better and measured["crps_ratio"] < 1
                if not 0.8 <= measured["coverage_90"] <= 0.97:
                    outside.append((record["record"], h, round(100 * measured["coverage_90"])))
    assert better and held == 45 and outside == [("seq6", "1", 74)]
