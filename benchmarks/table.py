"""Writes the table of results/benchmarks.json into benchmarks/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"


def main() -> None:
    """Replace what stands between the two marks."""
    results = json.loads((HERE.parent / "results" / "benchmarks.json").read_text())
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}")


def table(results: dict[str, Any]) -> str:
    """Ratios first, then every figure they come from."""
    machine = results["machine"]
    named = [name for name in machine if name != "load_average_at_the_end"]
    lines = [
        "Machine: " + ", ".join(f"{name} {machine[name]}" for name in named)
        + f"; load average {machine['load_average_at_the_end']:.1f} at the end of the run.",
        "",
        "| comparison | ratio | goal | met |",
        "|---|---:|---|---|",
    ]  # fmt: skip
    for row in results["ratios"]:
        goal = "none" if row["goal"] == ">= 0" else row["goal"]
        met = "" if goal == "none" else "yes" if row["met"] else "no"
        lines.append(f"| {row['group']}: {row['name']} | {row['ratio']:.3g} | {goal} | {met} |")
    lines += ["", "| group | candidate | fastest round | other figures |", "|---|---|---:|---|"]
    for group, candidates in results["figures"].items():
        for name, entry in candidates.items():
            seconds = entry.get("seconds")
            time = "" if seconds is None else f"{1e3 * seconds:.4g} ms"
            left = {k: v for k, v in entry.items() if k not in ("seconds", "median_seconds")}
            facts = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in left.items())
            lines.append(f"| {group} | {name} | {time} | {facts} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
