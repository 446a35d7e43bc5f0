"""The code of the pages runs, in order, as it stands there; the README says what is run here."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(page: str, holding: str = "") -> int:
    """Run the blocks of a page that hold some words, in order; how many there were."""
    text = (ROOT / "docs" / page).read_text()
    names: dict[str, object] = {"__name__": page}
    blocks = [block for block in BLOCK.finditer(text) if holding in block[1]]
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], f"docs/{page}", "exec"), names)
    return len(blocks)


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("tutorial.md") >= 8
    printed = capsys.readouterr().out
    assert "('x_mm',) ('mm',) 1.7% missing" in printed


def test_the_page_on_data_runs(capsys):
    assert run("data.md") == 6
    printed = capsys.readouterr().out
    assert "2024-01-31" in printed and "Period('2025Q1', 'Q-DEC')" in printed
    assert "['unique_id', 'origin', 'horizon', 'ds', 'column', 'mean'" in printed


def test_the_page_on_nonlinear_models_runs(capsys):
    assert run("nonlinear.md") == 3
    printed = capsys.readouterr().out
    assert "0.045" in printed and "f.mu 0.904384 (standard error 0.061)" in printed


def test_the_page_on_driven_systems_runs(capsys):
    assert run("driven.md") == 1
    assert "True" in capsys.readouterr().out


def test_the_page_on_training_runs(capsys):
    assert run("training.md") == 1
    assert "epochs True" in capsys.readouterr().out


def test_the_page_on_networks_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert run("networks.md") == 1
    assert "(1, 3, 1)" in capsys.readouterr().out


@pytest.mark.nightly
def test_the_page_on_networks_and_kalman_filters_runs(capsys):
    assert run("rnn-or-kalman.md") == 1
    assert "Poles of the predictor" in capsys.readouterr().out


def test_the_page_on_recurrent_kalman_networks_runs(capsys):
    assert run("rkn.md") == 3
    assert capsys.readouterr().out == "True\n" * 3


def test_the_example_of_irregular_sampling_runs():
    assert run("linear.md", "irregular=True") == 1


def test_the_example_of_a_function_of_parameters_runs(capsys):
    assert run("linear.md", "ParametricModel") == 1
    assert "r 18976 (standard error 2.8e+03)" in capsys.readouterr().out


def test_the_example_of_intervals_runs(capsys):
    assert run("linear.md", "identify(sunspots)") == 1
    assert "year (95 % interval 9.8" in capsys.readouterr().out


def test_the_page_on_extending_runs(capsys):
    assert run("extending.md") == 3
    printed = capsys.readouterr().out
    assert "(3,)" in printed and "smoothing (1, 3, 1)" in printed


def test_the_page_on_other_libraries_runs_with_sktime(capsys):
    pytest.importorskip("sktime")
    assert run("libraries.md", "RekalForecaster") == 1
    assert "2023-01" in capsys.readouterr().out


def test_the_page_on_other_libraries_runs_with_arviz(capsys):
    pytest.importorskip("numpyro")
    pytest.importorskip("arviz")
    assert run("libraries.md", "arviz") == 2
    printed = capsys.readouterr().out
    assert "level variance" in printed and "flow[" in printed


def test_the_page_of_models_says_what_the_methods_declare(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from make_models_page import page

    assert (ROOT / "docs" / "models.md").read_text() == page()


def test_the_commands_of_the_readme_are_the_ones_that_are_run():
    readme = (ROOT / "README.md").read_text()
    for command in ("pip install . && rekalman fit sunspots", 'pip install -e ".[test]"'):
        assert command in readme
    tests = "python -m pytest -n 2"
    assert tests in readme
    assert f"\n{tests}\n" in (ROOT / ".ci" / "run").read_text() + "\n"


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        *(
            f"docs/{n}.md"
            for n in (
                "index",
                "concepts",
                "linear",
                "nonlinear",
                "driven",
                "training",
                "networks",
                "rkn",
                "rkn_figures",
                "libraries",
            )
        ),
    ],
)
def test_links_between_pages_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_changelog_knows_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
