"""Every figure in docs/rkn_figures.md and of RKNs in the README is one of results/, of no quick run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "rkn_figures.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
LEFT_OUT = re.compile(r", as many parameters.*|, coefficient network.*| \(reduced.*")


class Column(NamedTuple):
    """What stands in a column: a metric, its digits and unit, and which of its figures."""

    metric: str
    digits: int = 3
    scale: float = 1
    figure: str = "ours"
    horizon: int | None = None

    def cell(self, rows: dict, runs: list[dict]) -> str:
        """The figure of one network as the page writes it."""
        if self.metric == "parameters_layer":
            value = sorted(run[self.metric] for run in runs)[len(runs) // 2]
        else:
            value = rows[self.metric, self.horizon].get(self.figure)
        return "" if value is None else f"{value * self.scale:.{self.digits}f}"


DENSITY = [Column("log_likelihood", figure=figure) for figure in ("ours", "worst", "published")]
SPLIT = [Column("rmse_clear"), Column("rmse_blind")]
COVERAGE = Column("coverage_90")
LOSS = "negative_log_likelihood"
SIZE = Column("parameters_layer", 0)
TABLES = {
    "Pendulum": [
        *DENSITY,
        Column("log_likelihood_unseen"),
        Column("rmse"),
        *SPLIT,
        Column("rmse_blind_unseen"),
        COVERAGE,
    ],
    "Pendulum at irregular times": [
        *(Column("mse", 2, 1000, figure) for figure in ("ours", "worst", "published")),
        *SPLIT,
        COVERAGE,
        SIZE,
    ],
    "Three pendulums": [*DENSITY, Column("rmse"), *SPLIT, COVERAGE, SIZE],
    "Quad link": [
        *DENSITY,
        Column("rmse"),
        Column("rmse", figure="published"),
        COVERAGE,
        SIZE,
    ],
    "Frames filled in": [
        Column(LOSS),
        Column(LOSS, figure="worst"),
        *(Column(f"{LOSS}_{part}") for part in ("hidden", "observed")),
    ],
    "Pneumatic arm": [
        *(Column("rmse", 1, 1000, horizon=h) for h in (1, 3, 5, 7, 10)),
        *(Column("log_likelihood", 2, horizon=h) for h in (1, 10)),
        *(Column("coverage_90", horizon=h) for h in (1, 10)),
    ],
}

FILMS = {
    "pendulum under noise": ("pendulum", "RKN", Column("log_likelihood")),
    "pendulum at irregular times": (
        "irregular-pendulum",
        "RKN on the grid",
        Column("mse", 2, 1000),
    ),
    "pendulum, half of the frames hidden": ("imputation", "informed: RKN", Column(LOSS)),
    "quad link, clean": ("quad-link", "clean: RKN", Column("log_likelihood")),
    "quad link under noise": ("quad-link", "noisy: RKN", Column("log_likelihood")),
}


def told(text: str) -> dict[str, list[str]]:
    """The rows of the table of a section by their names, without the headings."""
    rows = re.findall(r"^\| (.+?) \| (.*?) ?\|$", text, re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows[1:]}


def results_of(study: str) -> tuple[dict, dict[str, dict]]:
    """What a study printed, and its rows by network, metric and horizon."""
    result = json.loads((ROOT / "results" / f"{study}.json").read_text())
    systems: dict[str, dict] = {}
    for row in result["rows"]:
        name = LEFT_OUT.sub("", row["system"])
        systems.setdefault(name, {})[row["metric"], row.get("horizon")] = row
    return result, systems


@pytest.mark.parametrize("title", TABLES)
def test_tables_are_those_of_the_results(title):
    text = SECTIONS[title]
    outcome = re.search(r"`results/(.+?)\.json`", text)
    assert outcome is not None
    result, systems = results_of(outcome[1])
    config = result["config"]
    parts = {"": config} if "all" in config else {f"{half}: ": config[half] for half in config}
    runs = {}
    for half, part in parts.items():
        assert not part["quick"]
        runs |= {half + LEFT_OUT.sub("", name): each for name, each in part["all"].items()}
    table = told(text)
    assert set(table) == set(systems)
    for name, cells in table.items():
        assert cells == [each.cell(systems[name], runs.get(name, [])) for each in TABLES[title]]
    command = re.search(r"^`(rekalman study .+?)`", text, re.M)
    assert command is not None and command[1].split()[-1] == str(result["seeds"])
    reduced = any(part.get("reduced", False) for part in parts.values())
    assert reduced == ("--reduced" in command[1]) == ("Reduced: " in text)
    assert ("One seed." in text) == (result["seeds"] == 1)
    made_by = re.search(
        rf"`{outcome[1]}\.json` \| `(.+?)`", (ROOT / "results" / "README.md").read_text()
    )
    assert made_by is not None and set(command[1].split()) <= set(made_by[1].split())


def test_what_is_said_of_more_scrambled_frames_is_its_result():
    result = re.search(
        r"more-scrambled.json`\) it has (.+?), and (.+?) on blind.*table, (.+?) and (.+?) in log-likelihood",
        SECTIONS["Pendulum"],
        re.S,
    )
    assert result is not None
    systems = results_of("pendulum-more-scrambled")[1]
    density, blind = Column("log_likelihood"), Column("rmse_blind")
    wanted = [("RKN", density), ("RKN", blind), ("LSTM", density), ("GRU", density)]
    assert list(result.groups()) == [what.cell(systems[who], []) for who, what in wanted]


def test_the_readme_tells_the_results():
    readme = (ROOT / "README.md").read_text()
    table = told(readme[readme.index("| film |") :].split("\n\n")[0])
    assert set(table) == set(FILMS)
    for film, (study, network, column) in FILMS.items():
        rows = results_of(study)[1][network]
        both = [column._replace(figure=figure).cell(rows, []) for figure in ("published", "ours")]
        assert table[film][1:] == both
