"""A hook of mkdocs: formulas in LaTeX become MathML when the pages are built.

`pymdownx.arithmatex` finds them (`$...$`, `$$...$$`); math-core translates them. Browsers draw MathML
themselves: the pages need no script, no font and no network. A formula that cannot be translated stops the
build.
"""

import re
from html import unescape

from math_core import LatexError, LatexToMathML
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

FORMULA = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>'
    r'|<div class="arithmatex">\s*\\\[(?P<block>.*?)\\\]\s*</div>',
    re.DOTALL,
)
CONVERTER = LatexToMathML(annotation=True, fancy_error=False)


def mathml(latex: str, block: bool) -> str:
    """The MathML of one formula, which also holds its LaTeX for whoever copies it."""
    return CONVERTER.convert_with_local_state(latex.strip(), displaystyle=block)


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Translate all formulas of a page."""

    def translated(match: re.Match[str]) -> str:
        block = match["block"] is not None
        latex = unescape(match["block"] if block else match["inline"])
        try:
            return mathml(latex, block)
        except LatexError as error:
            raise PluginError(f"{page.file.src_uri}: the formula {latex!r}: {error}") from error

    return FORMULA.sub(translated, html)
