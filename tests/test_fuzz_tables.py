"""A share of the fuzz run over tables; the whole is `python tests/fuzz/tables.py`."""

from fuzz.tables import run


def test_random_tables_are_read_right_or_refused():
    verdicts, faults = run(100, seed=1)
    assert not faults, "\n".join(faults)
    assert verdicts["whole", "right"] >= 40 and sum(verdicts.values()) == 100
