"""Runs each part of rekalman once, in a minute: `python tests/smoke.py`.

It needs no test packages, so that it runs with the oldest dependencies that are declared and with the newest
Python. Whether the numbers are right is for the test suite.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pyarrow

import rekalman
from rekalman.datasets.pendulum import pendulum
from rekalman.networks.encoders import BYTE
from rekalman.report import report_html


def modules() -> None:
    """Every module can be imported, and every public name is there."""
    for module in pkgutil.walk_packages(rekalman.__path__, "rekalman."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in rekalman.__all__:
        getattr(rekalman, name)


def reading(folder: Path) -> rekalman.Sequences:
    """Dates with a time zone, missing cells and names, from CSV, Parquet and a frame."""
    dates = pd.date_range("2020-01-31", periods=40, freq="ME", tz="Europe/Berlin")
    level = np.random.default_rng(0).normal(size=(2, 40)).cumsum(1).sum(0)
    table = pd.DataFrame({"month": dates, "sales": level + 50.0})
    table.loc[5, "sales"] = np.nan
    table.to_csv(folder / "sales.csv", index=False)
    table.to_parquet(folder / "sales.parquet")
    data = rekalman.Sequences.from_pandas(table.set_index("month"))
    for other in (folder / "sales.csv", folder / "sales.parquet"):
        read = (
            rekalman.Sequences.from_csv
            if other.suffix == ".csv"
            else rekalman.Sequences.from_parquet
        )
        again = read(other)
        np.testing.assert_allclose(again.values, data.values)
        assert again.times is not None and again.names == ("sales",)
    arrow = rekalman.Sequences.from_pandas(pyarrow.Table.from_pandas(table)).to_frame()
    assert isinstance(arrow, pyarrow.Table) and arrow.column_names == ["month", "sales"]
    return data


def structure(data: rekalman.Sequences, folder: Path) -> None:
    """Maximum likelihood, forecast, file, stream, simulation and report."""
    fit = rekalman.fit(data, "local-level", progress=False)
    table = fit.forecast(data, 3).to_frame()
    assert len(table) == 3 and np.isfinite(table.select_dtypes("number").to_numpy()).all()
    fit.save(folder / "sales.rekalman")
    again = rekalman.load(folder / "sales.rekalman")
    np.testing.assert_array_equal(again.forecast(data, 3).mean, fit.forecast(data, 3).mean)
    assert "sales" in fit.summary() and "<html" in report_html(fit, data)
    fit.stream().update(50.0)


def linear() -> None:
    """EM of a linear model, filter, smoother and responses."""
    model = rekalman.LinearGaussian.create(
        A=np.array([[0.9]]), C=np.eye(1), Q=np.eye(1), R=0.1 * np.eye(1)
    )
    data = rekalman.Sequences.from_arrays(np.random.default_rng(1).normal(size=30))
    assert np.isfinite(rekalman.filter(rekalman.Kalman(model), data).log_likelihood).all()
    assert np.isfinite(rekalman.smooth(rekalman.Kalman(model), data).mean).all()
    assert np.isfinite(rekalman.responses(model, 5).innovation).all()
    assert (
        rekalman.fit(data, model, learner=rekalman.EM(iterations=3), progress=False).model.states
        == 1
    )


def particles() -> None:
    """EM of a stochastic RNN with particles."""
    data = rekalman.load_example("sunspots")[0].split(-200)[1]
    learner = rekalman.EM(particles=20, iterations=2)
    fit = rekalman.fit(data, "em-rnn", states=3, learner=learner, restarts=1, progress=False)
    assert np.isfinite(fit.forecast(data, 2).mean).all()


def network() -> None:
    """A recurrent network that filters films, by back-propagation."""
    films = pendulum(8, 10, seed=1).frames
    keys = jax.random.split(jax.random.key(0), 3)
    layer = rekalman.RKN.create(4, key=keys[0])
    network = rekalman.Network(
        rekalman.DenseEncoder(films.shape, 4, (8,), scale=BYTE, key=keys[1]),
        layer,
        rekalman.GaussianHead(*layer.sizes, 2, key=keys[2]),
    )
    result = rekalman.Backprop(epochs=2, batch=4).run(network, films)
    assert np.isfinite(result.train).all()


def command_line(folder: Path) -> None:
    """The help, and a forecast of the model that was written."""
    for arguments in (["--help"], ["fit", "--help"], ["forecast", "sales.rekalman", "sales.csv"]):
        done = subprocess.run(
            [sys.executable, "-m", "rekalman.cli", *arguments],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def main() -> None:
    """Run all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules()
        data = reading(folder)
        structure(data, folder)
        linear()
        particles()
        network()
        command_line(folder)
    print(f"Python {sys.version.split()[0]}, JAX {jax.__version__}, pandas {pd.__version__}: ok")


if __name__ == "__main__":
    main()
