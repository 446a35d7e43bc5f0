"""Names from strangers cannot steer a terminal: control characters are written out wherever text is shown."""

import json
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from cli_helpers import call, make_model, oscillation, write_csv

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.foundation.printable import printable, printable_json, printable_line
from rekalman.report.style import short, text

pytest_plugins = ["cli_fixtures"]

TITLE = "y\x1b]0;owned\x07\x9b31m"  # sets the title of the window, and a colour by C1
TURNED = "u\u202egnp.exe"
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe(*texts):
    for said in texts:
        assert not UNSAFE.search(said), UNSAFE.search(said)


def test_every_control_character_is_written_out_and_nothing_else():
    every = "".join(map(chr, range(0x3000)))
    safe(printable(every), printable_line(every), printable_json(every))
    harmless = [c for c in every if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp")]
    assert printable("".join(harmless)) == "".join(harmless)
    assert printable("a\tb\n") == "a\tb\n" and printable_line("a\tb\n") == "a\\tb\\n"
    assert printable("\x1b[1m größer") == "\\x1b[1m größer"
    assert printable("\ud800\u202e") == "\\ud800\\u202e"


def test_json_stays_the_same_document():
    value = {TITLE: [TURNED, "\x7f\x85\u2028 größer \U0001f600"]}
    written = printable_json(json.dumps(value, ensure_ascii=False))
    safe(written)
    assert json.loads(written) == value


def test_refusals_carry_none():
    error = RekalError(f"there is no column '{TITLE}'")
    safe(str(error))
    assert "\\x1b]0;owned\\x07" in str(error)
    with pytest.raises(RekalError) as caught:
        Sequences.from_arrays(np.zeros((20, 2)), names=[TITLE, TITLE])
    safe(str(caught.value))


@pytest.fixture
def hostile(here):
    """A model with such names, and its data."""
    table = oscillation(driven=True).rename(columns={"y_mm": TITLE, "u": TURNED})
    table["who"] = "a\x1b[2J"
    write_csv(here / "h.csv", pd.concat([table, table.assign(who="b\x1b[2J")]))
    make_model(Sequences.from_csv("h.csv", inputs=[TURNED], series="who")).save("h.rekalman")
    write_csv(here / "f.csv", table[[TURNED]].head(3))
    return here


def test_commands_print_none(hostile):
    source = ("h.rekalman", "h.csv", "--series", "who")
    ahead = ("--future-inputs", "f.csv", "-n", "3")
    runs = [
        call("identify", "h.rekalman"),
        call("identify", "h.rekalman", "--json"),
        call("forecast", *source, *ahead),
        call("forecast", *source, *ahead, "--json"),
        call("forecast", *source, "-n", "2", "--rolling"),
        call("simulate", "h.rekalman", "--input-file", "f.csv", "--steps", "3"),
        call("simulate", "h.rekalman", "--input-file", "f.csv", "--steps", "3", "--json"),
    ]
    for out in runs:
        assert out.exit_code == 0, out.stderr
        safe(out.stdout, out.stderr)
    assert "y\\x1b]0;owned\\x07" in runs[2].stdout
    assert json.loads(runs[1].stdout)["names"] == [TITLE]
    refusals = [
        call("forecast", *source),
        call("forecast", "h.rekalman", "y.csv"),
        call("identify", "no\x1b[2Jne.rekalman"),
        call("forecast", "h.rekalman", "y.csv", "a\x1b[2J"),
        call("what\x1b[2J"),
        call("fit", "y.csv", "--model", "x\x1b[2J"),
        call("study", "x\x1b[2J"),
    ]
    for out in refusals:
        assert out.exit_code == 2
        safe(out.stdout, out.stderr)


def test_files_keep_the_names_as_they_are(hostile):
    call("simulate", "h.rekalman", "--input-file", "f.csv", "--steps", "3", "--out", "s.csv")
    assert TITLE in pd.read_csv(hostile / "s.csv").columns


def test_summaries_and_the_report_carry_none(hostile):
    fitted = make_model(Sequences.from_csv("h.csv", inputs=[TURNED], series="who"))
    safe(fitted.summary(), str(fitted.identify()))
    safe(text(TITLE), short(TITLE), text(TURNED))
    assert "owned" in fitted.summary() and "\n  y\\x1b" in fitted.summary()
    split = make_model(Sequences.from_arrays(np.sin(np.arange(30.0)), names=["a\nWarning: b"]))
    assert "a\\nWarning: b" in split.summary() and "\nWarning: b" not in split.summary()
