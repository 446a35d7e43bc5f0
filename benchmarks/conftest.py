"""Collects the figures of a run, forms the ratios and writes results/benchmarks.json."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import pytest

RESULTS = Path(__file__).parents[1] / "results" / "benchmarks.json"
FIGURES: dict[str, dict[str, dict[str, Any]]] = {}
RATIOS: list[dict[str, Any]] = []
PACKAGES = ("jax", "numpy", "particles", "cuthbert", "statsmodels", "dynamax", "pykalman", "filterpy",
            "simdkalman", "torch")  # fmt: skip


@pytest.fixture
def comparison(benchmark: Any) -> Callable[..., Any]:
    """Times one candidate of a group and remembers its fastest round.

    The machine may be shared: the fastest round is the one least disturbed by others.
    """

    def run(group: str, candidate: str, call: Callable[[], Any], rounds: int = 7, **facts: Any):
        benchmark.group = group
        result = jax.block_until_ready(call())  # compiles, and shows that it works
        benchmark.pedantic(lambda: jax.block_until_ready(call()), rounds=rounds, iterations=1)
        if benchmark.stats is not None:
            stats = benchmark.stats.stats
            entry = {"seconds": stats.min, "median_seconds": stats.median, **facts}
            FIGURES.setdefault(group, {})[candidate] = entry
        return result

    return run


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """JAX's default precision, set for all threads (cuthbert calls back into Python)."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", dtype == "float64")
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def fact(group: str, candidate: str, **facts: Any) -> None:
    """Keep a figure that is not a time of a benchmark round."""
    plain = {name: getattr(value, "item", lambda v=value: v)() for name, value in facts.items()}
    FIGURES.setdefault(group, {}).setdefault(candidate, {}).update(plain)


def ratio(name: str, group: str, slow: str, fast: str, goal: str) -> None:
    """Remember how many times `slow` takes as long as `fast`; `goal` is like ">= 12"."""
    figures = FIGURES.get(group, {})
    if slow not in figures or fast not in figures:
        pytest.skip("needs the timings of this group: run the whole file, without -k")
    value = float(figures[slow]["seconds"] / figures[fast]["seconds"])
    relation, bound = goal.split()
    met = value >= float(bound) if relation == ">=" else value <= float(bound)
    RATIOS.append({"group": group, "name": name, "ratio": value, "goal": goal, "met": met})


def temporary_mib(jitted: Any, *args: Any) -> float:
    """What a compiled function needs beside its arguments: temporaries and results, in MiB."""
    analysis = jitted.lower(*args).compile().memory_analysis()
    return (analysis.temp_size_in_bytes + analysis.output_size_in_bytes) / 2**20


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Merge this run's groups into the results; older groups that were not run stay."""
    del session
    if not FIGURES:
        return
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    retained = [row for row in old.get("ratios", []) if row["group"] not in FIGURES]
    content = {
        "machine": _machine(),
        "figures": {**old.get("figures", {}), **FIGURES},
        "ratios": sorted(retained + RATIOS, key=lambda row: (row["group"], row["name"])),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


def _machine() -> dict[str, Any]:
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load_average_at_the_end": load,
        **packages,
    }
