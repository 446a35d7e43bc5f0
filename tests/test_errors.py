"""Refusals are value errors, and nothing that catches value errors rewrites a refusal."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import rekalman
from rekalman.data.tables.decoding import require_file


def test_a_refusal_is_a_value_error():
    assert issubclass(rekalman.RekalError, ValueError)
    with pytest.raises(ValueError, match="no such file"):
        rekalman.load("no such file.rekalman")


def test_refusals_of_files_are_not_rewritten(tmp_path):
    with pytest.raises(rekalman.RekalError) as refusal:
        require_file(tmp_path)
    assert str(refusal.value) == f"{tmp_path}: this is a folder, not a file."
    with pytest.raises(rekalman.RekalError) as refusal:
        require_file(tmp_path / "a.csv")
    assert str(refusal.value) == f"{tmp_path / 'a.csv'}: there is no such file."


@pytest.mark.parametrize(
    ("values", "kind"),
    [(np.array(["a"]), "text"), (np.array([1.0, "b"], object), "text")],
)
def test_refusals_of_arrays_are_not_rewritten(values, kind):
    with pytest.raises(rekalman.RekalError) as refusal:
        rekalman.Sequences.from_arrays(values)
    assert f"must be numbers, not {kind}." in str(refusal.value)
    assert "rectangular" not in str(refusal.value)


def _names(handler):
    return "" if handler.type is None else ast.unparse(handler.type)


def test_no_handler_of_value_errors_stands_around_a_refusal():
    """A refusal that is raised inside `try` gets past `except ValueError`."""
    for path in Path(rekalman.__file__).parent.rglob("*.py"):
        for block in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(block, ast.Try):
                continue
            raised = [
                node
                for statement in block.body
                for node in ast.walk(statement)
                if isinstance(node, ast.Raise) and "RekalError" in ast.unparse(node)
            ]
            names = [_names(handler) for handler in block.handlers]
            catching = [place for place, name in enumerate(names) if "ValueError" in name]
            if raised and catching:
                assert "RekalError" in names[: catching[0]], f"{path}:{block.lineno}"
