"""Folders to work in for the tests of the command line."""

import os
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import make_model, oscillation, write_csv

from rekal.sequences import Sequences


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The command line keeps compiled functions here, not in the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XDG_CACHE_HOME")
    if before is not None:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def here(own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the data `y.csv` and its model `y.rekal`."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "y.csv", oscillation())
    make_model(Sequences.from_csv("y.csv")).save("y.rekal")
    return tmp_path


@pytest.fixture
def driven(own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with an input column: `d.csv`, `d.rekal`, and the inputs of 5 more steps `f.csv`."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "d.csv", oscillation(driven=True))
    write_csv(tmp_path / "f.csv", oscillation(5, driven=True)[["u"]])
    make_model(Sequences.from_csv("d.csv", inputs=["u"])).save("d.rekal")
    return tmp_path
