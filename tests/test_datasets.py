import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from rekalman.datasets import EXAMPLES, breathing, load_breathing, load_example, open_data
from rekalman.foundation.errors import RekalError


@pytest.mark.parametrize(
    ("name", "first", "last", "steps", "mean"),
    [
        ("sunspots", 1700, 1988, 289, 48.61),
        ("nile", 1871, 1970, 100, 919.35),
        ("lynx", 1821, 1934, 114, 1538.02),
    ],
)
def test_examples(name, first, last, steps, mean):
    data = load_example(name)
    frame = data.to_frame()
    assert (frame.index[0], frame.index[-1], len(frame)) == (first, last, steps)
    assert frame.to_numpy().mean() == pytest.approx(mean, abs=0.005)
    assert (data.interval, data.time_unit, data.time_name) == (1.0, "year", "year")
    assert data.fraction_missing == 0 and data.batch == 1 and data.observations == 1


def test_every_example_is_there_and_others_are_refused():
    assert len({load_example(name).names for name in EXAMPLES}) == len(EXAMPLES)
    with pytest.raises(RekalError, match=r"no example 'moon'; there are sunspots, nile, lynx"):
        load_example("moon")


def test_data_by_name_or_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nile = open_data("nile")
    frame = nile.to_frame()
    frame.to_csv("flow.csv", sep=";", decimal=",")
    frame.to_parquet("flow.parquet")
    for data in (
        open_data("flow.csv", decimal=","),
        open_data(tmp_path / "flow.parquet"),
        open_data("nile", columns=["flow"]),
    ):
        np.testing.assert_array_equal(data.values, nile.values)
        np.testing.assert_array_equal(data.times, nile.times)
    (tmp_path / "lynx").write_text((tmp_path / "flow.csv").read_text())
    assert open_data("lynx", decimal=",").names == ("flow",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("moon", "moon: there is neither such a file nor such an example; the examples are sun"),
        ("moon.csv", "moon.csv: there is no such file"),
        ("moon.parquet", "moon.parquet: there is no such file"),
    ],
)
def test_data_that_is_not_there(source, message):
    with pytest.raises(RekalError, match=message):
        open_data(source)
    with pytest.raises(RekalError, match=r"nile: there is no column 'q'; there are 'year', 'flow'"):
        open_data("nile", columns=["q"])


@pytest.fixture(scope="module")
def records(data_root):
    root = data_root / "breathing"
    if not root.is_dir():
        pytest.skip("needs the breathing records: REKAL_DATA has no folder breathing")
    return root


def test_breathing_at_10_hz(records):
    data = load_breathing(records)
    assert data.lengths.tolist() == [2220, 1383, 1297, 1422, 1307, 1171, 726, 3199, 3061]
    assert data.names == breathing.NAMES and set(data.units) == {"mm"}
    assert (data.interval, data.time_unit, data.fraction_missing) == (0.1, "s", 0.0)
    assert data.series_names == tuple(f"seq{i}" for i in range(1, 10))
    for i in range(9):
        published = pd.read_csv(records / "hz10" / f"seq{i + 1}.csv").to_numpy()
        one = data.series(i)
        np.testing.assert_array_equal(one.values[0], published[:, 1:])
        np.testing.assert_allclose(one.times[0], published[:, 0], atol=1e-12)


@pytest.mark.parametrize("hz", [10, 3.33])
def test_conversion_of_originals_is_exact(records, tmp_path, hz):
    (tmp_path / "original").symlink_to(records / "original")
    published, converted = load_breathing(records, hz), load_breathing(tmp_path, hz)
    np.testing.assert_array_equal(converted.values, published.values)
    np.testing.assert_array_equal(converted.lengths, published.lengths)
    np.testing.assert_allclose(converted.times, published.times, atol=1e-9)
    assert (converted.names, converted.units) == (published.names, published.units)
    assert converted.interval == pytest.approx(published.interval)


def test_30_hz_is_read_or_refused(records, tmp_path):
    assert load_breathing(records, 30).interval == pytest.approx(1 / 30, rel=1e-2)
    (tmp_path / "original").mkdir()
    with pytest.raises(RekalError, match="30 Hz"):
        load_breathing(tmp_path, 30)


def test_folder_from_the_environment(records, monkeypatch):
    monkeypatch.setenv("REKAL_DATA", str(records.parent))
    assert load_breathing().batch == 9


def test_breathing_refusals(tmp_path):
    with pytest.raises(RekalError, match=r"3.33, 10 or 30 Hz, not at 20"):
        load_breathing(tmp_path, 20)
    with pytest.raises(RekalError, match="no breathing records"):
        load_breathing(tmp_path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server of a folder that stands in for the origin, with an empty cache."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/Original%20data/"
        monkeypatch.setattr(breathing, "ORIGIN", address)
        monkeypatch.setenv("REKAL_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("REKAL_DATA", raising=False)
        yield folder
        running.shutdown()


def test_download(server, records):
    (server / "Original data").symlink_to(records / "original")
    data = load_breathing()
    np.testing.assert_array_equal(data.values, load_breathing(records).values)
    (server / "Original data").unlink()
    assert load_breathing().batch == 9


def test_download_that_fails_or_was_altered(server):
    with pytest.raises(RekalError, match=r"could not be downloaded \(404"):
        load_breathing()
    (server / "Original data").mkdir()
    for name in breathing._checksums():
        (server / "Original data" / name).write_text('"Frame";"Timestamp";"x";"y";"z"\n0;0;1;2;3\n')
    with pytest.raises(RekalError, match="could not be downloaded"):
        load_breathing()
