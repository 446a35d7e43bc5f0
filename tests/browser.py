"""A headless Chromium for tests: what a page draws, and what it logs."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# Written into the copy that is opened: collects errors from the first line of the page on, and at the
# end leaves them with the size of every figure in the document, where --dump-dom shows them.
WATCH = """<script>
window.seenErrors = [];
window.addEventListener("error", (e) => seenErrors.push("error: " + (e.message || e.target.src)), true);
window.addEventListener("unhandledrejection", (e) => seenErrors.push("rejection: " + e.reason));
window.addEventListener("securitypolicyviolation", (e) => seenErrors.push("blocked: " + e.blockedURI));
for (const level of ["error", "warn"]) {
  const before = console[level];
  console[level] = (...all) => { seenErrors.push(level + ": " + all.join(" ")); before(...all); };
}
</script>"""
REPORT = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const figures = [...document.querySelectorAll("figure[data-figure]")].map((box) => {
    const plot = box.querySelector(".main-svg"), size = plot && plot.getBoundingClientRect();
    return {
      width: size ? size.width : 0, height: size ? size.height : 0,
      traces: box.querySelectorAll(".scatterlayer .trace path, .barlayer .point path").length,
      caption: box.querySelector("figcaption").textContent,
      right: box.getBoundingClientRect().right,
    };
  });
  const answer = document.createElement("pre");
  answer.id = "answer";
  answer.textContent = JSON.stringify({
    errors: seenErrors, figures, title: document.title,
    fetched: performance.getEntriesByType("resource").map((e) => e.name),
    injected: window.injected || null, width: document.documentElement.scrollWidth,
  });
  document.body.append(answer);
}, 500));
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a browser saw.

    Attributes:
        errors: errors, warnings, rejections and blocked requests of the page.
        figures: size, number of drawn paths and caption of each figure.
        fetched: addresses of everything the page asked for.
        injected: `window.injected`, which a harmful name would set.
        width: width that the page needs.
        title: title of the document.
    """

    errors: list[str]
    figures: list[dict]
    fetched: list[str]
    injected: object
    width: int
    title: str


def chromium() -> str:
    """The browser, or a skip where there is none."""
    result = next((path for name in NAMES if (path := shutil.which(name))), None)
    if result is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed")
    return result


def look(page: str, folder: Path, width: int = 1280) -> Seen:
    """Open a page in a headless browser and say what is to be seen.

    Args:
        page: HTML; with `<head>` and `</body>`.
        folder: empty folder for the page and the browser's profile.
        width: width of the window in pixels.
    """
    command = chromium()
    watched = page.replace("<head>", f"<head>{WATCH}", 1)
    end = watched.rindex("</body>")
    target = folder / "page.html"
    target.write_text(watched[:end] + REPORT + watched[end:], encoding="utf-8")
    arguments = [
        command, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=10000", f"--window-size={width},2000", "--dump-dom",
        target.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        arguments, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, f"the browser did not finish (status {done.returncode}): {done.stderr[-2000:]}"
    return Seen(**json.loads(html.unescape(answer.group(1))))
