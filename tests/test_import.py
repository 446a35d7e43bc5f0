"""`import rekalman` is quick: a public name is imported when it is first used, and is the right object."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rekalman

SOURCE = Path(rekalman.__file__)
SLOW = ("jax", "equinox", "pandas", "plotly", "scipy", "numpy", "optax", "pyarrow")
PACKAGES = {"methods"}
"""Public names that are packages."""


def _declared():
    """Module of each public name by the imports that type checkers read."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        name.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def _modules():
    return [
        module.name
        for module in pkgutil.walk_packages(rekalman.__path__, "rekalman.")
        if not module.name.endswith("__main__")
    ]


def _python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names_are_those_that_type_checkers_see():
    assert sorted(_declared()) == sorted(rekalman.__all__)
    assert dir(rekalman) == sorted([*rekalman.__all__, "__version__"])


def test_every_public_name_is_the_object_of_its_module():
    for name, module in _declared().items():
        assert getattr(rekalman, name) is getattr(importlib.import_module(module), name), name


def test_no_module_bears_a_public_name():
    """An import of `rekalman.NAME` would put the module in the place of the function."""
    public = {*rekalman.__all__} - PACKAGES
    assert not {name.rpartition(".")[2] for name in _modules() if name.count(".") == 1} & public


@pytest.mark.parametrize("first", [True, False])
def test_modules_and_public_names_do_not_displace_each_other(first):
    """Whether all modules are imported first or all names are used first."""
    program = f"""
import importlib, types, rekalman
declared, modules, first = {_declared()!r}, {_modules()!r}, {first}
if not first:
    for name in rekalman.__all__:
        getattr(rekalman, name)
for module in modules:
    importlib.import_module(module)
for name in rekalman.__all__:
    value = getattr(rekalman, name)
    assert isinstance(value, types.ModuleType) == (name in {PACKAGES!r}), name
    assert value is getattr(importlib.import_module(declared[name]), name), name
"""
    _python(program)


def test_star_import_gives_every_public_name():
    _python("""
from rekalman import *
import rekalman
for name in rekalman.__all__:
    assert globals()[name] is getattr(rekalman, name), name
""")


def test_modules_are_attributes_of_the_package_without_an_import():
    assert _python("import rekalman; print(rekalman.datasets.gaps.hide.__name__)").strip() == "hide"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rekalman' has no attribute 'no_such_name'"):
        _ = rekalman.no_such_name
    with pytest.raises(ImportError):
        exec("from rekalman import no_such_name")


@pytest.mark.parametrize(
    "program",
    [
        "import rekalman",
        "import rekalman.cli",
        "import sys; sys.argv[1:] = ['--help']; from rekalman.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
        "import rekalman; rekalman.methods.GRU(states=12)",
        "import sys; sys.argv[1:] = ['models', 'gru']; from rekalman.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
        "import sys; sys.argv[1:] = ['fit', '--help']; from rekalman.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
    ],
)
def test_nothing_slow_is_imported(program):
    result = _python(
        f"{program}\nimport sys\nprint('imported:', [n for n in {SLOW!r} if n in sys.modules])"
    )
    assert result.strip().endswith("imported: []")


def test_a_fit_imports_no_library_that_it_does_not_use():
    program = "import rekalman.verbs.fit, rekalman.report, rekalman.cli.data, rekalman.datasets"
    rare = ("scipy.stats", "scipy.optimize", "scipy.sparse", "optax", "numpyro")
    result = _python(f"{program}\nimport sys\nprint([n for n in {rare!r} if n in sys.modules])")
    assert result.strip() == "[]"
