"""Write `docs/models.md` from what the methods declare of themselves: `python docs/make_models_page.py`."""

from __future__ import annotations

from pathlib import Path

from rekalman.methods.describe import CAPABILITIES, describe
from rekalman.methods.registry import get, names

PAGE = Path(__file__).with_name("models.md")
INTRODUCTION = """\
# The models to choose from

`rekalman.fit` learns by one of these methods. These three calls give the same fit:

    rekalman.fit(data, "gru", states=12)
    rekalman.fit(data, rekalman.methods.GRU(states=12))
    rekalman fit data.csv --model gru --set states=12

`rekalman models` prints this table and `rekalman models gru` the options of one; `--json` gives both as
data. An option that is unknown, of the wrong type or out of range is refused in a sentence that says what it
may be. A model of your own ([linear](linear.md), [nonlinear](nonlinear.md), a function of parameters) may
stand in place of a name.
"""


def page() -> str:
    """The page as Markdown."""
    about = [describe(get(name)) for name in names()]
    can = list(CAPABILITIES)
    lines = [INTRODUCTION, f"| model | what for | needs | {' | '.join(can)} |"]
    lines.append("|---|---|---|" + "---|" * len(can))
    for each in about:
        cells = ["yes" if each[word] else "" for word in can]
        name = f"[{each['name']}](#{each['name']})"
        lines.append(f"| {name} | {each['summary']} | {each['needs']} | {' | '.join(cells)} |")
    for each in about:
        lines += ["", f"## {each['name']}", "", f"{each['summary'].capitalize()}.", ""]
        trained = " or ".join(f"`{learner}`" for learner in each["learners"])
        trained = f"trained by {trained}" if trained else "in closed form"
        filtered = f"filtered by `{each['filter']}`" if each["filter"] else "its own filter"
        lines.append(f"Needs {each['needs']}; {trained}; {filtered}.")
        if each["options"]:
            lines += ["", "| option | default | range | what it is |", "|---|---|---|---|"]
        for one in each["options"]:
            cells = (f"`{one['name']}`", one["by_default"], one["range"], one["help"])
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
