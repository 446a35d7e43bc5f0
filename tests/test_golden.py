"""Today's numbers: whatever changes them says so (`python tests/record_golden.py` records them again)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import HASTY
from golden_cases import CASES
from golden_numbers import differences

FILE = Path(__file__).with_name("golden.json")
RECORDED = json.loads(FILE.read_text()) if FILE.exists() else {}

pytestmark = pytest.mark.returns_nan("what does not exist is recorded as such")


def test_every_case_is_recorded_and_none_else():
    assert sorted(RECORDED) == sorted(CASES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if each.quick else pytest.mark.nightly)
        for name, each in CASES.items()
    ],
)
def test_the_numbers_are_those_recorded(name, request):
    if os.environ["XLA_FLAGS"] != HASTY:
        pytest.skip("the numbers are those of the flags of the tests, which decide the last digits")
    if CASES[name].needs_data:
        request.getfixturevalue("data_root")
    wrong = differences(CASES[name], CASES[name].run(), RECORDED[name])
    assert not wrong, "\n".join(wrong)


def test_a_number_that_moves_comes_or_goes_is_noticed():
    one = next(iter(CASES.values()))._replace(rtol=1e-6, loose={"b": 1e-3})
    numbers = {"a": np.array([1.0, np.nan, -np.inf]), "b": np.array([2.0])}
    known = {"a": [1.0, np.nan, -np.inf], "b": [2.001]}
    assert differences(one, numbers, known) == []
    for changed in (
        {"a": [1.00001, np.nan, -np.inf]},
        {"a": [1.0, 0.0, -np.inf]},
        {"a": [1.0, np.nan, np.inf]},
        {"a": [1.0, np.nan]},
        {"b": [2.1]},
        {"c": [0.0]},
    ):
        assert len(differences(one, numbers, known | changed)) == 1
    assert len(differences(one, {}, known)) == 2
