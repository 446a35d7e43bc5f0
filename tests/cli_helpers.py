"""What the tests of the command line share: how to run it, small data, a model without training."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from typer.testing import CliRunner

from rekalman.cli import app
from rekalman.data import Sequences
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.choice import Filtering
from rekalman.fitting.result import Fit, History
from rekalman.forecasting.labels import Labels
from rekalman.models.stochastic_rnn import StochasticRNN

TINY = (
    "--model",
    "em-rnn",
    "--states",
    "2",
    "--particles",
    "20",
    "--iterations",
    "3",
    "--restarts",
    "1",
)
"""Options of `rekalman fit` with which it takes a moment."""


def call(*arguments: Any) -> Any:
    """Run a command in this process: its `exit_code`, `stdout` and `stderr`."""
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="rekalman")


def spawn(*arguments: Any, cwd: Path | None = None, **more: Any) -> Any:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "rekalman.cli", *(str(a) for a in arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200, **more)


def answer(result: Any) -> dict[str, Any]:
    """The JSON object on stdout, after a success."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(result: Any, *fragments: str) -> None:
    """A refusal: one sentence on stderr, nothing on stdout, exit code 2."""
    code = result.exit_code if hasattr(result, "exit_code") else result.returncode
    said = [line for line in result.stderr.splitlines() if line.startswith("rekalman: ")]
    assert code == 2, (code, result.stdout, result.stderr)
    assert result.stdout == ""
    assert len(said) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for fragment in fragments:
        assert fragment in said[0], said[0]


def oscillation(rows: int = 60, *, driven: bool = False) -> pd.DataFrame:
    """A noisy sine in a column `y_mm` with a clock `t_s`, and an input `u` if driven."""
    rng = np.random.default_rng(0)
    steps = np.arange(rows)
    table = {
        "t_s": np.round(0.1 * steps, 3),
        "y_mm": np.sin(steps / 3) + 0.1 * rng.normal(size=rows),
    }
    if driven:
        table["u"] = rng.normal(size=rows)
    return pd.DataFrame(table).round(6)


def make_model(data: Sequences, seed: int = 0) -> Fit:
    """A model of these data that was not trained."""
    network = StochasticRNN.init(
        2, data.observations, key=jax.random.key(seed), inputs=data.n_inputs
    )
    history = History(
        log_likelihood=np.array([-3.0, -2.0]),
        trials=(("subspace", -1.0), ("random 1", -2.0)),
        stopped="iterations",
        seconds=1.0,
        entries=int(data.mask.sum()),
    )
    return Fit(
        algorithm=Filtering("particles", 30, "guided").of(network),
        standardiser=Standardiser.of(data),
        history=history,
        seed=0,
        labels=Labels.of(data),
        input_names=data.input_names,
    )


def write_csv(path: Path, table: pd.DataFrame | str) -> Path:
    """Write a table, or text as it is, and give the path back."""
    if isinstance(table, str):
        path.write_text(table)
    else:
        table.to_csv(path, index=False)
    return path
