"""The candidates of a comparison one after the other, cheap ones first, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import numpy as np

from rekalman.comparison.candidate import Candidate
from rekalman.comparison.evaluation import Evaluation, Task, evaluate, joined
from rekalman.comparison.progress import Report
from rekalman.foundation.errors import RekalError


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Cheap ones first; naive forecasts before all, for the others are compared with them."""
    return sorted(candidates, key=lambda each: (each.group != "naive", each.cost))


def run(
    candidates: Sequence[Candidate], task: Task, jobs: int = 1, report: Report | None = None
) -> tuple[list[Evaluation], list[str]]:
    """Evaluate the candidates until the budget ends.

    Args:
        candidates: in the order of their turn.
        task: data, plan and budget.
        jobs: number of processes; 1 works in this one.
        report: told of each that is done.

    Returns:
        The evaluations, and the names of those that did not get their turn. Naive forecasts always do.
    """
    if jobs == 1:
        return _one_by_one(candidates, task, report)
    return _spread(candidates, task, jobs, report)


def _over(task: Task) -> bool:
    return task.deadline is not None and time.time() >= task.deadline


def _one_by_one(
    candidates: Sequence[Candidate], task: Task, report: Report | None
) -> tuple[list[Evaluation], list[str]]:
    done: list[Evaluation] = []
    for i, candidate in enumerate(candidates):
        if candidate.group != "naive" and _over(task):
            return done, [each.name for each in candidates[i:]]
        if report is not None:
            report(i, len(candidates), candidate.name)
        done.append(evaluate(candidate, task))
    return done, []


def _spread(
    candidates: Sequence[Candidate], task: Task, jobs: int, report: Report | None
) -> tuple[list[Evaluation], list[str]]:
    """The same in spawned processes; a candidate that learns each series by itself is split over them.

    Raises:
        RekalError: a process ended by itself.
        KeyboardInterrupt: Ctrl-C; what waits for its turn does not get it.
    """
    every = np.arange(task.data.batch)
    parts: dict[int, list[tuple[np.ndarray, Evaluation]]] = {}
    unreached: set[int] = set()
    with (
        _shared_cache(),
        ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        waiting: dict[Future[Evaluation | None], tuple[int, np.ndarray]] = {}
        for i, candidate in enumerate(candidates):
            split = min(jobs, task.data.batch) if candidate.by_series else 1
            for which in np.array_split(every, split):
                own = task if split == 1 else task.of_series(which)
                waiting[pool.submit(_in_turn, candidate, own)] = i, which
        try:
            for future in as_completed(waiting):
                i, which = waiting[future]
                result = future.result()
                if result is None:
                    unreached.add(i)
                else:
                    parts.setdefault(i, []).append((which, result))
                if report is not None:
                    report(len({*parts, *unreached}), len(candidates), candidates[i].name)
        except BrokenProcessPool as error:
            raise RekalError(
                "a process of the comparison ended by itself: memory may be short, or a script needs "
                'if __name__ == "__main__": before it compares; jobs=1 works without processes'
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    evaluations = [
        joined(sorted(parts[i], key=lambda part: part[0][0]))
        for i in sorted(parts)
        if i not in unreached
    ]
    return evaluations, [candidates[i].name for i in sorted(unreached)]


def _in_turn(candidate: Candidate, task: Task) -> Evaluation | None:
    """An evaluation, or None where the budget has ended before its turn."""
    if candidate.group != "naive" and _over(task):
        return None
    return evaluate(candidate, task)


@contextmanager
def _shared_cache() -> Generator[None]:
    """Processes that are spawned meanwhile keep what they compile where this one does, on a core each."""
    import jax

    configured: Any = jax.config
    folder = configured.jax_compilation_cache_dir
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if folder:
        least = configured.jax_persistent_cache_min_compile_time_secs
        settings["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        settings["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(least)
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
