"""Every public class and function has an example in its docstring, and all examples print what they say."""

import ast
import doctest
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import rekalman
import rekalman.core
import rekalman.methods

PACKAGE = Path(rekalman.__file__).parent
WITHOUT = {
    "EXAMPLES": "a dictionary of names",
    "STUDIES": "a dictionary of names",
    "methods": "a module",
    "Predictions": "what a trained network's `filter` returns: an example would have to train one",
    **dict.fromkeys(
        [
            "Moments",
            "Band",
            "Predictive",
            "OneStep",
            "GaussianBelief",
            "DiffuseMoments",
            "GaussianPath",
            "SmoothedPath",
        ],
        "numbers that a filter hands to `rekalman.filter`",
    ),
    "Predicted": "a base class without code",
    "Codec": "what models are stored by; `storable` has the example",
}

NEEDS = {"adapters/sktime": "sktime"}
"""Modules whose examples need a library that is optional."""


def public() -> Iterator[tuple[str, object]]:
    """The public names, and the classes of the core."""
    for module in (rekalman, rekalman.methods):
        for name in module.__all__:
            yield name, getattr(module, name)
    for info in pkgutil.iter_modules(rekalman.core.__path__):
        module = import_module(f"rekalman.core.{info.name}")
        for name, value in vars(module).items():
            mine = inspect.isclass(value) and value.__module__ == module.__name__
            if mine and not name.startswith("_"):
                yield name, value


def examples() -> Iterator[doctest.DocTest]:
    """All examples of the package, each to be run by itself: it imports what it needs."""
    parser = doctest.DocTestParser()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if ">>>" not in text:
            continue
        place = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstring = ast.get_docstring(node)
                if docstring and ">>>" in docstring:
                    name = f"{place}:{getattr(node, 'name', 'module')}"
                    line = node.body[0].lineno - 1
                    yield parser.get_doctest(docstring, {}, name, str(path), line)


@pytest.mark.parametrize(
    "name, value", list(public()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_public_names_have_an_example(name: str, value: object):
    docstring = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    shown = ">>>" in (docstring or "")
    assert shown != (name in WITHOUT), f"{name}: give its docstring an example that can be run"


def test_examples_stand_in_a_section_that_the_site_shows_as_code():
    for path in PACKAGE.rglob("*.py"):
        assert not re.search(r"Example:\n *>>>", path.read_text()), f"{path}: call it Examples:"


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_examples_print_what_they_say(
    example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    needed = NEEDS.get(example.name.partition(":")[0])
    if needed is not None:
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)  # some write files
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert not said, "".join(said)


def test_an_example_that_prints_something_else_is_found(tmp_path: Path, monkeypatch):
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "sum", None, 0)
    with pytest.raises(AssertionError, match=r"Expected:\s+3"):
        test_examples_print_what_they_say(example, tmp_path, monkeypatch)
