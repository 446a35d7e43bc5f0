r"""Evolved recurrent networks on three tasks of the literature, beside networks that are trained otherwise.

1. Superimposed oscillators: sums of 2 to 5 sines; 400 samples to learn from, then 300 steps freely.
2. The language $a^n b^n c^n$: trained on n = 1 to 10; the largest n up to which every string is accepted.
3. The Mackey-Glass equation, delay 17: 3,000 samples to learn from, error 84 steps ahead on another run.

Beside Evolino stand the best of the random networks that it begins with (no evolution), an echo state
network, gated recurrent units trained by back-propagation, and a linear model. Settings were chosen on other
data and seeds than those that are run here: sums of sines from t = 1000 on, seeds from 100 on. What
Schmidhuber, Wierstra, Gagliolo and Gomez (2007) print could not be read, so no row has a published figure.
"""

from __future__ import annotations

import time

from rekalman.studies.base import StudyOptions, StudyResult
from rekalman.studies.evolino.language import language_rows
from rekalman.studies.evolino.series import mackey_glass_rows, oscillator_rows
from rekalman.studies.evolino.settings import QUICK, Setting


def run(options: StudyOptions) -> StudyResult:
    """Run all three tasks."""
    began = time.perf_counter()
    setting = QUICK if options.quick else Setting()
    seeds = list(options.all_seeds)[: 2 if options.quick else None]
    rows, records = [], {}
    for task in (language_rows, oscillator_rows, mackey_glass_rows):
        made, retained = task(options, setting, seeds)
        rows.extend(made)
        records |= retained
    return StudyResult(
        study="evolino",
        rows=tuple(rows),
        seeds=len(seeds),
        seconds=time.perf_counter() - began,
        config={**setting.to_dict(), "quick": options.quick, "by_seed": records},
    )
