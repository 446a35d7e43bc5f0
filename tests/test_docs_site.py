"""The site: formulas are MathML, and a reader without a network sees all of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"'\s>]+)")
LINKED = re.compile(r"<link\b[^>]*>")
OUTSIDE = re.compile(r"(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages, but for the reference, whose text comes from docstrings and takes long to build."""
    pytest.importorskip("mkdocs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), plugins=["search"])
    build(config)
    return {str(page.relative_to(folder)): page.read_text() for page in folder.rglob("*.html")}


def outside(html: str) -> list[str]:
    """What a browser would load from another place."""
    links = [link for link in LINKED.findall(html) if "canonical" not in link]
    targets = [match for link in links for match in re.findall(r"href=[\"']?([^\"'\s>]+)", link)]
    return [target for target in LOADED.findall(html) + targets if OUTSIDE.match(target)]


def test_pages_load_nothing_from_the_network(site: dict[str, str]):
    assert len(site) > 20
    for name, html in site.items():
        assert not outside(html), name
    assert outside('<script src="https://cdn.example/a.js"></script>')
    assert outside('<link rel="stylesheet" href="//cdn.example/a.css">')


def test_formulas_of_the_pages_are_mathml(site: dict[str, str]):
    model = site["concepts/index.html"]
    assert '<math display="block">' in model and "<mtd" in model
    for name, html in site.items():
        assert "arithmatex" not in html, name


def test_a_formula_that_is_none_names_its_page(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(ROOT / "docs")
    from types import SimpleNamespace

    from formulas import on_page_content
    from mkdocs.exceptions import PluginError

    page = SimpleNamespace(file=SimpleNamespace(src_uri="linear.md"))
    good = on_page_content(r'<span class="arithmatex">\(x_t &lt; 1\)</span>', page=page)
    assert good.startswith("<math>") and "&lt;" in good
    with pytest.raises(PluginError, match=r"linear\.md: the formula .*nonsense"):
        on_page_content(r'<span class="arithmatex">\(\nonsense\)</span>', page=page)
