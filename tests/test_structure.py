"""The structure of the code: no circles, no large folders, nothing loose; ever fewer tests of kinds."""

from __future__ import annotations

import structure

KIND_TESTS = 10
"""Tests of kinds of filter, fit or model that are left: what a caller hands over is checked. May only be
lowered."""


def test_no_modules_import_each_other():
    assert not structure.circles()


def test_no_folder_is_large_and_no_file_loose():
    assert not structure.large_folders()
    assert [path.name for path in structure.PACKAGE.glob("*.py")] == ["__init__.py"]


def test_tests_of_kinds_become_fewer():
    assert len(structure.kind_tests()) <= KIND_TESTS
    assert not structure.asserted_types()
