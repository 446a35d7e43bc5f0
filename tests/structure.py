"""What the structure of the code is measured by: circles of imports, large folders, tests of kinds.

python tests/structure.py
"""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import rekalman
from rekalman.core.filter import Filter
from rekalman.core.trajectory import Trajectory
from rekalman.models.base import StateSpaceModel

PACKAGE = Path(rekalman.__file__).parent
MOST_FILES = 25


def modules() -> dict[str, Path]:
    """All modules by their dotted names."""
    made = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        made[".".join(parts).removesuffix(".__init__")] = path
    return made


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, anywhere but for type checkers."""
    tree = ast.parse(path.read_text())
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    result: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unseen or not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            result.add(whole if whole in known else node.module)
    return result & set(known)


def circles() -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    known = modules()
    graph = {name: imports(path, known) - {name} for name, path in known.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                result.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return result


def large_folders() -> dict[str, int]:
    """Folders with more than `MOST_FILES` files."""
    sizes: dict[str, int] = defaultdict(int)
    for path in modules().values():
        sizes[str(path.parent.relative_to(PACKAGE.parent))] += 1
    return {folder: size for folder, size in sizes.items() if size > MOST_FILES}


def kinds() -> set[str]:
    """Names of the classes of filters, fits, models and of what filters leave, abstract ones too."""
    bases = (Filter, Trajectory, StateSpaceModel)
    result = {
        "Fit",
        "Structure",
        "ParametricModel",
        "Network",
        "Layer",
        "Stream",
    }
    for name in modules().keys() - {"rekalman.cli.__main__"}:
        for key, value in vars(__import__(name, fromlist=["_"])).items():
            if inspect.isclass(value) and issubclass(value, bases):
                result.add(key)
    return result


def type_tests() -> Iterator[tuple[str, int, str, bool]]:
    """Each call of `isinstance`: module, line, what it tests for, and whether it is asserted."""
    for name, path in modules().items():
        tree = ast.parse(path.read_text())
        asserted = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assert)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                yield name, node.lineno, ast.unparse(node.args[1]), id(node) in asserted


def kind_tests() -> list[tuple[str, int, str]]:
    """Tests of kinds of filter, fit or model outside of `rekalman.methods`."""
    names = kinds()
    return [
        (name, line, tested)
        for name, line, tested, _ in type_tests()
        if not name.startswith("rekalman.methods")
        and "str" not in tested
        and names & set(tested.replace("(", " ").replace(")", " ").replace(",", " ").split())
    ]


def asserted_types() -> list[tuple[str, int, str]]:
    """Assertions of types."""
    return [each[:3] for each in type_tests() if each[3]]


if __name__ == "__main__":
    for title, each in (("circles", circles()), ("folders", large_folders().items()),
                        ("tests of kinds", kind_tests()), ("asserted types", asserted_types())):  # fmt: skip
        print(f"{title}: {len(each)}")
        for one in each:
            print("   ", one)
