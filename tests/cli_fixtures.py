"""Folders to work in for the tests of the command line."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import make_model, oscillation, write_csv

from rekalman.data import Sequences


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The command line keeps compiled functions here, not in the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("XDG_CACHE_HOME")
    if before is not None:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the folders of all tests begin with, made once."""
    folder = tmp_path_factory.mktemp("prepared")
    plain, with_input = folder / "plain", folder / "driven"
    for each in (plain, with_input):
        each.mkdir()
    write_csv(plain / "y.csv", oscillation())
    make_model(Sequences.from_csv(plain / "y.csv")).save(plain / "y.rekalman")
    write_csv(with_input / "d.csv", oscillation(driven=True))
    write_csv(with_input / "f.csv", oscillation(5, driven=True)[["u"]])
    data = Sequences.from_csv(with_input / "d.csv", inputs=["u"])
    make_model(data).save(with_input / "d.rekalman")
    return folder


@pytest.fixture
def here(own_cache: None, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the data `y.csv` and its model `y.rekalman`."""
    shutil.copytree(prepared / "plain", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def driven(
    own_cache: None, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same with an input column: `d.csv`, `d.rekalman`, and the inputs of 5 more steps `f.csv`."""
    shutil.copytree(prepared / "driven", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
