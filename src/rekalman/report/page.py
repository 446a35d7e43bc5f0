"""The page: HTML, style and the few lines of script that draw the figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from rekalman.report.style import FONT, text

# The policy forbids the browser every request, so the file is self-contained by force.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)

STYLE = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #fff; color: #24292f; font: 15px/1.55 {FONT}; }}
main {{ max-width: 1120px; margin: 0 auto; padding: 36px 24px 64px; }}
h1 {{ font-size: 26px; line-height: 1.25; font-weight: 600; margin: 0 0 6px; overflow-wrap: anywhere; }}
h2 {{ font-size: 19px; font-weight: 600; margin: 44px 0 8px; }}
p {{ max-width: 74ch; margin: 8px 0; }}
.lead {{ color: #57606a; }}
figure {{ margin: 18px 0 22px; min-width: 0; }}
figcaption {{ color: #57606a; font-size: 13.5px; max-width: 86ch; margin: 0 0 6px; }}
figcaption b {{ color: #24292f; font-weight: 600; }}
.row {{ display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 28px; align-items: end; }}
.row.tall {{ align-items: start; }}
select {{ font: inherit; color: inherit; padding: 3px 6px; margin-left: 6px; max-width: 100%;
  border: 1px solid #d0d7de; border-radius: 5px; background: #fff; }}
.wide {{ overflow-x: auto; margin: 12px 0 18px; }}
table {{ border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }}
caption {{ caption-side: top; text-align: left; color: #57606a; padding: 0 0 6px; max-width: 86ch; }}
caption b {{ color: #24292f; }}
th, td {{ padding: 4px 18px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #eaeef2; }}
thead th {{ font-weight: 600; border-bottom: 1px solid #d0d7de; vertical-align: bottom; }}
.pairs td, .pairs th {{ overflow-wrap: anywhere; }}
.n {{ text-align: right; }}
td.n, .k {{ white-space: nowrap; }}
.pairs th {{ font-weight: 400; color: #57606a; padding-right: 28px; }}
.blocks {{ display: flex; flex-wrap: wrap; gap: 0 44px; align-items: flex-start; }}
.blocks .wide {{ max-width: 100%; }}
details {{ margin: 14px 0; }}
summary {{ cursor: pointer; font-weight: 600; }}
pre {{ background: #f6f8fa; border-radius: 6px; padding: 12px 14px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
@media (max-width: 860px) {{ .row {{ grid-template-columns: minmax(0, 1fr); }}
  main {{ padding: 20px 14px 40px; }} }}
@media print {{ select, summary {{ display: none; }} figure {{ break-inside: avoid; }} }}
"""

SCRIPT = """
for (const box of document.querySelectorAll("figure[data-figure]")) {
  const drawings = JSON.parse(document.getElementById(box.dataset.figure).textContent);
  const target = box.querySelector(".plot");
  const choice = box.querySelector("select");
  const settings = {displaylogo: false, responsive: true, displayModeBar: false};
  const draw = (which) => Plotly.react(target, drawings[which].data, drawings[which].layout, settings);
  if (choice) choice.addEventListener("change", () => draw(Number(choice.value)));
  draw(0);
}
"""


class Page:
    """Collects sections and figures, and makes one HTML document of them."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []
        self.data: list[str] = []

    def add(self, html: str) -> None:
        """Append HTML."""
        self.parts.append(html)

    def heading(self, title: str) -> None:
        """Begin a section."""
        self.add(f"<h2>{title}</h2>")

    def figure(
        self,
        drawings: go.Figure | Sequence[tuple[str, go.Figure]],
        caption: str,
        choose: str = "series",
    ) -> str:
        """A figure, or several between which one chooses.

        Args:
            drawings: the figure, or named ones (the names as they are, not escaped).
            caption: HTML.
            choose: what one chooses.

        Returns:
            HTML to add; the numbers come at the end of the page.
        """
        named = [("", drawings)] if isinstance(drawings, go.Figure) else list(drawings)
        name = f"figure-{len(self.data) + 1}"
        content = ",".join(str(drawing.to_json()) for _, drawing in named)
        harmless = f"[{content}]".replace("<", "\\u003c")
        self.data.append(f'<script type="application/json" id="{name}">{harmless}</script>')
        select = ""
        if len(named) > 1:
            options = "".join(
                f"<option value={i}>{text(label)}</option>" for i, (label, _) in enumerate(named)
            )
            select = f"<label>{text(choose)}<select autocomplete=off>{options}</select></label>"
        height = int(named[0][1].layout.height or 300)
        plot = f'<div class="plot" style="min-height:{height}px"></div>'
        return f'<figure data-figure="{name}"><figcaption>{caption}</figcaption>{select}{plot}</figure>'

    def render(self) -> str:
        """The whole document."""
        return "".join(
            [
                '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f"<title>{text(self.title)}</title><style>{STYLE}</style></head><body><main>",
                *self.parts,
                "</main>",
                *self.data,
                f"<script>{get_plotlyjs()}</script>",
                f"<script>{SCRIPT}</script></body></html>\n",
            ]
        )


def code(lines: str) -> str:
    """Program text."""
    return f"<pre>{text(lines)}</pre>"
