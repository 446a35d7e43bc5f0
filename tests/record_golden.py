"""Record the golden numbers again: `python tests/record_golden.py [case ...]`.

Under the flags of the tests, since where a maximum is flat they decide the last digits. Without names every
case is recorded. Differences from what was recorded are printed; look at them before committing the file.
"""

from __future__ import annotations

import json
import sys
import time

from conftest import compile_in_haste

compile_in_haste()  # before anything is compiled

from golden_cases import CASES  # noqa: E402
from golden_numbers import differences  # noqa: E402
from test_golden import FILE  # noqa: E402

from rekalman.numerics.compiled_functions import make_room  # noqa: E402


def main(names: list[str]) -> None:
    """Run the cases, say what has changed, and write the file."""
    recorded = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name in names or CASES:
        began = time.process_time()
        numbers = CASES[name].run()
        print(f"{name}: {time.process_time() - began:.1f} s of CPU time", flush=True)
        for sentence in differences(CASES[name], numbers, recorded.get(name, {})):
            if name in recorded:
                print(f"  {sentence}", flush=True)
        recorded[name] = {key: numbers[key].tolist() for key in sorted(numbers)}
        FILE.write_text(as_text(recorded))
        make_room()


def as_text(recorded: dict) -> str:
    """JSON with a line for each array, in the order of the table."""
    tables = []
    for name in CASES:
        if name in recorded:
            rows = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in recorded[name].items())
            tables.append(f" {json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(tables) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
