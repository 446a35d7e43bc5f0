"""The study of driven systems: what it compares with, how it scores and ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rekalman.data import Sequences
from rekalman.datasets.sysid import WARM_UP, load_benchmark
from rekalman.studies.system_identification import (
    PUBLISHED,
    Setting,
    errors,
    rows_of,
    trained,
)

FILE_NAMES = {
    "ARX": "ARX",
    "polynomial NARX": "PNARX",
    "Gaussian-process NARX": "GPNARX",
    "MLP NARX": "MLP_NARX",
    "MLP FIR": "FIR_MLP",
    "RNN": "RNN",
    "LSTM": "LSTM",
    "GRU": "GRU",
    "OLSTM": "OLSTM",
}


def test_the_published_figures_are_those_of_the_authors(data_root):
    path = data_root / "published_results" / "sysid_champneys2024_baselines.csv"
    if not path.exists():
        pytest.skip("needs the table of published results")
    table = pd.read_csv(path).query("mode == 'sim'").set_index(["benchmark", "method"])
    for name, row in PUBLISHED.items():
        result = [table.loc[(b, FILE_NAMES[name])].iloc[-1] for b in ("CED1", "CED2", "CT")]
        np.testing.assert_allclose(row, result, atol=5e-5)


def test_errors_begin_after_the_warm_up():
    truth = np.zeros((2, 10, 1))
    run = np.full((2, 10, 1), [[3.0]])
    run[:, :WARM_UP] = 100.0
    run[1, -1] = 3.0 + np.sqrt(6) * 3
    wanted = [3.0, np.sqrt((5 * 9 + (3 + np.sqrt(6) * 3) ** 2) / 6)]
    np.testing.assert_allclose(errors(run, Sequences.from_arrays(truth)), wanted)


def test_a_rank_counts_the_published_models_that_are_better():
    rows = rows_of("ours", np.array([[0.05, 0.09, 2.2], [0.10, 0.09, 2.0], [0.05, 0.1, 0.5]]))
    by = {(row.system, row.metric): row for row in rows}
    ranks = [by[(f"{c}: ours", "rank")].ours for c in ("drives 1", "drives 2", "tanks")]
    assert ranks == [1, 2, 9]
    assert by[("drives 1: ours", "rank")].worst == 2
    assert by[("tanks: ours", "rmse")].ours == 2.0
    assert by[("tanks: ours", "rmse")].published == 0.3961


def test_a_few_iterations_go_all_the_way(data_root):
    split = load_benchmark("drives", data_root)
    result = trained("rnn", split, Setting(states=1, bends=2, starts=2, iterations=2), 0)
    assert {len(result[name]) for name in ("least training loss", "mean of the better half")} == {2}
    assert len(result["single"]) == 4
    assert np.isfinite(result["single"]).all()
    assert result["least training loss"] == result["single"][:2]
