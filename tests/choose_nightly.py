"""Choose the tests that are left to nightly runs, by how long each took.

    python -m pytest -n 2 -m "" --durations=0 --durations-min=0 > durations.txt
    python tests/choose_nightly.py durations.txt 2.0

Tests that take longer than so many seconds are listed in `nightly.txt`, which `conftest.py` reads. The
quickest of each file stays in the suite, and so do those in `ALWAYS`, which go through the whole library.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

NIGHTLY = Path(__file__).with_name("nightly.txt")
ALWAYS = {
    "tests/test_cli.py::test_fit_writes_a_model_and_a_report_here",
    "tests/test_core_filter.py::test_the_recursion_written_once_gives_what_each_filter_gives_faster"
    "[UnscentedKalman]",
    "tests/test_files_in_new_processes.py::test_a_new_process_reads_a_file[gru]",
    "tests/test_film_fits.py::test_the_command_line_fits_and_forecasts_films",
    "tests/test_golden.py::test_the_numbers_are_those_recorded[kalman-diffuse]",
    "tests/test_golden.py::test_the_numbers_are_those_recorded[local-level]",
    "tests/test_kalman_properties.py::test_single_precision_is_right_to_its_digits",
    "tests/test_kalman_properties.py::test_a_ragged_batch_is_the_exact_law_of_each_series[covariance]",
    "tests/test_methods_toy.py::test_it_has_the_command_line",
}
LINE = re.compile(r"^([\d.]+)s call\s+(tests/\S+?\.py)::(.+?)\s*$", re.MULTILINE)


def choose(log: str, most: float) -> list[str]:
    """The tests that take longer than so many seconds, but for the quickest of each file.

    Args:
        log: what pytest printed.
        most: seconds.
    """
    by_file: dict[str, dict[str, float]] = {}
    for seconds, file, name in LINE.findall(log.replace("\r", "")):
        by_file.setdefault(file, {})[name] = float(seconds)
    chosen = []
    for file, tests in by_file.items():
        quickest = min(tests, key=lambda name: tests[name])
        chosen += [
            f"{file}::{name}"
            for name, seconds in tests.items()
            if seconds > most and name != quickest and f"{file}::{name}" not in ALWAYS
        ]
    return sorted(chosen)


if __name__ == "__main__":
    found = choose(Path(sys.argv[1]).read_text(), float(sys.argv[2]))
    NIGHTLY.write_text("\n".join(found) + "\n")
    print(f"{len(found)} tests")
