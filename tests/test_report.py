import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from browser import look

from rekalman.data import Sequences
from rekalman.datasets import load_example
from rekalman.fitting.result import Fit
from rekalman.foundation.errors import RekalError
from rekalman.learners.em.em import EM
from rekalman.report import report_html, write_report
from rekalman.report.evidence import (
    CHUNK,
    calibrate,
    choose_horizons,
    fan_series,
    filter_series,
    is_training_data,
)
from rekalman.report.figures import signal_figure
from rekalman.report.tables import number
from rekalman.report.thinning import LIMIT, envelope, extremes
from rekalman.verbs.fit import fit

SCRIPT_NAME = "<script>window.injected=1</script>"
IMAGE_NAME = '<img src=x onerror="window.injected=2">'


def train(data: Sequences, **options) -> Fit:
    learner = EM(particles=20, iterations=3)
    made = fit(data, "em-rnn", learner=learner, states=2, restarts=1, progress=False, **options)
    return dataclasses.replace(made, algorithm=dataclasses.replace(made.algorithm, particles=40))


def wave(steps: int, seed: int, period: float = 16.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(steps) / period + seed
    return np.sin(phase) + 0.2 * rng.normal(size=steps)


@pytest.fixture(scope="session")
def several() -> tuple[Fit, Sequences]:
    """Two series of unequal length, two columns with harmful names, a gap, missing entries."""
    rng = np.random.default_rng(0)
    series = []
    for seed, steps in ((1, 120), (2, 70)):
        y = np.stack([10 + 3 * wave(steps, seed), 1e-3 * wave(steps, seed + 5)], 1)
        y[rng.random(y.shape) < 0.3] = np.nan
        y[30:45] = np.nan
        series.append(y)
    data = Sequences.from_arrays(
        series, names=[SCRIPT_NAME, "b & c"], units=["mm", IMAGE_NAME], interval=0.1,
        time_unit="s", series_names=[IMAGE_NAME, "second"],
    )  # fmt: skip
    return train(data), data


@pytest.fixture(scope="session")
def driven() -> tuple[Fit, Sequences]:
    """One dated series with an input."""
    rng = np.random.default_rng(1)
    u = np.repeat(rng.normal(size=12), 10)
    y = np.convolve(u, 0.5 ** np.arange(6))[:120] + 0.2 * rng.normal(size=120)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=120), "y": y, "heat": u})
    data = Sequences.from_pandas(frame, inputs=["heat"], time="day")
    return train(data), data


@pytest.fixture(scope="session")
def page(several: tuple[Fit, Sequences]) -> str:
    return report_html(*several)


@pytest.fixture(scope="session")
def driven_page(driven: tuple[Fit, Sequences]) -> str:
    return report_html(*driven)


def without_plotly(page: str) -> str:
    """The page without Plotly's own script."""
    scripts = re.findall(r"<script>.*?</script>", page, re.DOTALL)
    return page.replace(max(scripts, key=len), "")


class TestBrowser:
    @pytest.mark.parametrize("which", ["page", "driven_page"])
    def test_it_opens_draws_and_logs_no_error(self, which, request, tmp_path):
        seen = look(request.getfixturevalue(which), tmp_path)
        assert seen.errors == []
        assert seen.fetched == []
        assert seen.injected is None
        assert seen.title.startswith("rekalman: ")
        assert len(seen.figures) >= 7
        for figure in seen.figures:
            assert figure["width"] > 300, figure
            assert figure["height"] > 200, figure
            assert figure["traces"] > 0, figure

    def test_it_fits_a_narrow_screen(self, page, tmp_path):
        seen = look(page, tmp_path, width=500)
        assert seen.errors == []
        assert seen.width <= 500
        assert all(figure["right"] <= 500 for figure in seen.figures)

    @pytest.mark.parametrize(
        ("fault", "trace"),
        [
            ("<script>undefinedFunction()</script>", "undefinedFunction"),
            ("<script>console.error('broken')</script>", "broken"),
            ("<script>Promise.reject('refused')</script>", "refused"),
            ('<script src="https://example.invalid/x.js"></script>', "blocked: https"),
        ],
    )
    def test_a_broken_page_would_be_caught(self, page, tmp_path, fault, trace):
        bare = re.sub(r"<script(?! type).*</script>|<script type.*?</script>", "", page, flags=re.S)
        seen = look(bare.replace("</main>", f"</main>{fault}"), tmp_path)
        assert any(trace in error for error in seen.errors), seen.errors
        assert all(figure["traces"] == 0 for figure in seen.figures)

    def test_a_harmful_name_would_be_caught(self, page, tmp_path):
        seen = look(page.replace("</main>", f"{SCRIPT_NAME}</main>"), tmp_path)
        assert seen.injected == 1


class TestPage:
    @pytest.mark.parametrize("which", ["page", "driven_page"])
    def test_it_is_self_contained(self, which, request):
        own = without_plotly(request.getfixturevalue(which))
        assert not re.search(r"https?://", own)
        assert not re.search(r"<(script|img|link|iframe)[^>]*\b(src|href)=", own)
        assert "default-src 'none'" in own

    def test_names_from_a_file_are_escaped(self, page):
        own = without_plotly(page)
        assert SCRIPT_NAME not in own
        assert "<img" not in own
        assert "&lt;script&gt;window.injected=1&lt;/script&gt;" in own

    def test_its_size_is_mostly_plotly(self, page):
        assert len(page) < 6e6

    def test_it_says_what_was_trained_on_what(self, page, several):
        _, data = several
        assert "70 to 120" in page
        assert f"{100 * data.fraction_missing:.1f} %" in page
        assert "Computed on the training data" in page

    def test_it_says_when_calibrated_on_other_data(self, several):
        model, data = several
        other = data.window(0, 60)
        assert not is_training_data(model, other)
        assert "not trained on" in report_html(model, data, held_out=other)

    def test_with_inputs_no_forecast_looks_beyond_them(self, driven, driven_page):
        model, data = driven
        assert "the inputs are unknown" in driven_page
        fans = fan_series(model, data, 10, (5, 6), 4)
        assert not fans.beyond
        assert (fans.origins + 10 < 120).all()

    def test_other_columns_are_refused(self, several, driven):
        with pytest.raises(RekalError, match="was trained on the columns"):
            report_html(several[0], driven[1])


class TestLinear:
    def test_a_structure_is_called_what_it_is(self):
        data = load_example("nile")
        page = without_plotly(report_html(fit(data, "local-level", progress=False), data))
        assert "What the structure local-level learned of flow" in page
        assert "hidden unit" not in page
        assert "Parameters of the structure" in page
        assert "<b>The filter is" in page
        assert "Computed on the training data" in page
        assert "nothing draws it back" in page
        assert page.count("standardised") == 1
        assert "The numbers are those of standardised data" in page  # the matrices alone
        assert "pass for white noise" in page
        assert "rekalman.fit(data, &quot;local-level&quot;, seed=0)" in page
        assert "it converged to a maximum" in page


class TestWriting:
    def test_an_old_file_survives_a_failure(self, several, tmp_path, monkeypatch):
        target = tmp_path / "report.html"
        target.write_text("old")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("rekalman.foundation.files.os.fsync", full)
        with pytest.raises(RekalError, match="No space left"):
            write_report(*several, target)
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_what_is_written_is_the_page(self, several, page, tmp_path):
        write_report(*several, tmp_path / "report.html")
        written = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert written.startswith("<!DOCTYPE html>")
        assert abs(len(written) - len(page)) < 1000


class TestEvidence:
    def test_gaps_stay_gaps(self, several):
        model, data = several
        one = data.series(0)
        filtered = filter_series(model, one)
        fans = fan_series(model, one, 5, (3, 4), 3)
        figure = signal_figure(one, filtered, fans, [0, 1])
        observed = [trace for trace in figure.data if trace.name == "observed"]
        assert len(observed) == 2
        for k, trace in enumerate(observed):
            assert not trace.connectgaps
            missing = ~np.asarray(data.mask)[0, :, k]
            np.testing.assert_array_equal(np.isnan(trace.y), missing)
        mean = next(trace for trace in figure.data if trace.name == "filtered mean")
        assert np.isfinite(mean.y).all()

    def test_the_filtered_signal_agrees_with_the_filter(self, several):
        model, data = several
        one = data.series(0)
        result = filter_series(model, one)
        np.testing.assert_allclose(result.mean, model.filter(one).observed_mean[0], rtol=1e-4)
        assert (result.low <= result.mean).all()
        assert (result.mean <= result.high).all()

    def test_a_long_series_is_filtered_piece_by_piece(self, several, monkeypatch):
        model, data = several
        one = data.series(0)
        whole = filter_series(model, one)
        monkeypatch.setattr("rekalman.report.evidence.CHUNK", 70)
        monkeypatch.setattr("rekalman.report.evidence.OVERLAP", 40)
        pieces = filter_series(model, one)
        assert pieces.mean.shape == whole.mean.shape
        width = np.asarray(model.standardiser.alone(one).scale)
        assert (np.abs(pieces.mean[70:] - whole.mean[70:]) < 0.7 * width).all()

    def test_forecasts_are_scored_where_something_was_observed(self, several):
        model, data = several
        result = calibrate(model, data, (1, 4))
        assert result is not None
        assert result.whole
        mask = np.asarray(data.mask)
        assert result.seen[:, 0].sum() == mask[:, 1:].sum()
        assert result.seen[:, 1].sum() == mask[:, 4:].sum()
        assert ((result.pit[result.seen] >= 0) & (result.pit[result.seen] <= 1)).all()
        judged = result.posterior.diagnose()
        assert judged.entries == mask.sum()
        assert judged == model.diagnose(data)

    def test_series_too_short_to_score_are_told_apart(self, several):
        model, data = several
        assert calibrate(model, data.window(0, 3), (1, 4)) is None
        assert choose_horizons(data, 16.0) == (1, 4, 8, 16)

    def test_training_data_are_recognised(self, several):
        assert is_training_data(*several)


class TestThinning:
    def test_extremes_and_gaps_are_kept(self):
        values = np.sin(np.arange(100_000) / 50)
        values[777], values[55_555] = 9, -9
        values[20_000:30_000] = np.nan
        retained = extremes(values)
        assert len(retained) <= LIMIT
        assert np.all(np.diff(retained) > 0)
        assert {777, 55_555} <= set(retained)
        assert np.isnan(values[retained]).sum() > 100

    def test_a_thinned_band_covers_the_whole_one(self):
        rng = np.random.default_rng(0)
        low, high = -rng.random(10_000), rng.random(10_000)
        steps, below, above = envelope(low, high)
        assert len(steps) == len(below) == len(above) <= LIMIT
        assert below.min() == low.min()
        assert above.max() == high.max()

    def test_short_series_are_untouched(self):
        values = np.array([1.0, np.nan, 3.0])
        np.testing.assert_array_equal(extremes(values), [0, 1, 2])

    def test_a_long_report_stays_small(self, several):
        model, _ = several
        steps = 3 * CHUNK
        y = np.stack([10 + 3 * wave(steps, 1), 1e-3 * wave(steps, 2)], 1)
        names, units = [SCRIPT_NAME, "b & c"], ["mm", IMAGE_NAME]
        data = Sequences.from_arrays(y, names=names, units=units, interval=0.1, time_unit="s")
        with pytest.raises(RekalError, match="no scale of the series 1"):
            report_html(model, data)
        page = report_html(model.with_series(data), data)
        assert len(page) < 7e6
        assert "Of long data only the last steps are scored" in page


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"), (1e-17, "0"), (-1.5, "−1.5"), (3.14159, "3.142"), (100.0, "100"),
        (123456.0, "123\u202f456"), (2.5e-9, "2.5 × 10⁻⁹"), (float("nan"), "–"), (None, "–"),
        (0.00012346, "0.0001235"), (1e7, "1 × 10⁷"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value, written):
    assert number(value) == written


def test_a_combination_shows_the_dynamics_of_its_heaviest_linear_member():
    nile = load_example("nile")
    members = "naive, ridge-ar(lags=2)"
    page = report_html(
        fit(nile, "combination", members=members, weights="3, 1", progress=False), nile
    )
    assert "What follows is ridge-ar(lags=2) alone, which has 25 % of the weight" in page
    assert "What was learned" in page
    assert 'members="naive, ridge-ar(lags=2)", weights="0.75, 0.25"' in page.replace("&quot;", '"')
