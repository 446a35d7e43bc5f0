"""A model file is read by a process that has imported nothing of what it holds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_networks import small_network

import rekalman
from rekalman.core.serial import storable_in

PACKAGE = Path(rekalman.__file__).parent
QUICK = rekalman.Backprop(epochs=1, batch=4)


def level() -> rekalman.Sequences:
    return rekalman.Sequences.from_arrays(10 + np.random.default_rng(0).normal(size=60).cumsum())


def small(method: str, **options: object) -> rekalman.Fit:
    return rekalman.fit(level(), method, progress=False, **options)


MADE = {
    "gru": lambda: small("gru", learner=QUICK, states=2, units=3),
    "adaptive": lambda: small(
        "adaptive",
        learner=rekalman.EM(iterations=2, average=1, tolerance=0.0),
        states=3,
        particles=20,
        horizon=2,
    ),
    "local level": lambda: small("local-level"),
    "film": lambda: rekalman.film_fit(small_network()),
}


@pytest.mark.parametrize("name", MADE)
def test_a_new_process_reads_a_file(name, tmp_path):
    fit, path = MADE[name](), tmp_path / "m.rekalman"
    fit.save(path)
    script = f"import rekalman; print(type(rekalman.load({str(path)!r}).algorithm).__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == type(fit.algorithm).__name__, done.stderr


def test_every_storable_class_stands_where_files_look_for_it():
    # `fitting/files.py` names the packages.
    said = (PACKAGE / "fitting" / "files.py").read_text()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.ClassDef) and "storable" in map(
                ast.unparse, node.decorator_list
            )
            if named:
                package = f"rekalman.{path.relative_to(PACKAGE).parts[0]}"
                assert f'"{package}"' in said, f"{path} holds a class under storable"
    storable_in("rekalman.filters")  # twice is once
