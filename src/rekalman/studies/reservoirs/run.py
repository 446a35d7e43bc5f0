"""The study of reservoirs: four parts, each in a file of its own.

Settings were chosen on series and networks of other seeds than those whose figures are quoted. Each figure is
the median over seeds, which draw both the network and the series.
"""

from __future__ import annotations

import time

import jax

from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.reservoirs.lorenz import lorenz_rows
from rekalman.studies.reservoirs.mackey_glass import mackey_glass_rows
from rekalman.studies.reservoirs.narma import narma_rows
from rekalman.studies.reservoirs.oscillators import oscillator_rows

PARTS = {
    "mackey-glass": mackey_glass_rows,
    "narma10": narma_rows,
    "oscillators": oscillator_rows,
    "lorenz": lorenz_rows,
}


def run(options: StudyOptions) -> StudyResult:
    """Run all four parts."""
    began = time.perf_counter()
    rows, config = [], {}
    with jax.enable_x64(True):
        for number, (name, part) in enumerate(PARTS.items()):
            options.report(number, len(PARTS), name)
            since = time.perf_counter()
            outcomes, setting = part(options)
            rows.extend(outcomes)
            config[name] = {**setting, "seconds": time.perf_counter() - since}
    return StudyResult(
        study="reservoirs",
        rows=tuple(rows),
        seeds=options.seeds or 1,
        seconds=time.perf_counter() - began,
        config={"quick": options.quick, **config},
    )
