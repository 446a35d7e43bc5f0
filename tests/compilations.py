"""Counts compilations: functions that JAX compiles, or takes from its cache on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

_counters: list[list[str]] = []


def _listen(event: str, duration: float, **about: object) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        for names in _counters:
            names.append(str(about.get("fun_name")))


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Names of the functions that are compiled inside."""
    names: list[str] = []
    _counters.append(names)
    try:
        yield names
    finally:
        _counters.remove(names)
