"""What objects say of themselves: short, with the key numbers, and escaped in a notebook."""

from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import rekalman
from rekalman.evaluation.posterior_facts import posterior_facts, predictions_facts
from rekalman.fitting.facts import facts as fit_facts
from rekalman.forecasting import Labels
from rekalman.foundation.facts import Facts, counted, listed, shown, shown_html

NILE = rekalman.load_example("nile")
ONE = np.eye(1)
KALMAN = rekalman.Kalman(
    rekalman.LinearGaussian.create(ONE, ONE, 1469 * ONE, 15099 * ONE, initial="diffuse")
)


def test_data_say_their_sizes_columns_time_and_gaps():
    assert repr(NILE) == (
        "Sequences: 1 series of 100 steps\n"
        "columns: flow; time: 1871 to 1970, every 1 year; missing: 0.0%"
    )
    several = [pd.DataFrame({"x": np.arange(float(n)), "u": np.arange(n) % 2}) for n in (12, 20)]
    several[0].loc[3, "x"] = np.nan
    data = rekalman.Sequences.from_pandas(several, inputs=("u",))
    assert repr(data) == (
        "Sequences: 2 series of 12 to 20 steps\ncolumns: x; inputs: u; missing: 3.1%"
    )


def test_data_sampled_irregularly_say_so():
    times = np.cumsum(np.arange(1.0, 13.0))
    data = rekalman.Sequences.from_arrays(np.ones(12), times=times, irregular=True)
    assert "time: 1 to 78, irregular;" in repr(data)


def test_films_say_their_sizes_and_targets():
    films = rekalman.Frames.from_arrays(
        np.zeros((2, 10, 8, 6), np.uint8), np.zeros((2, 10, 1)), names=("angle",)
    )
    assert repr(films) == (
        "Frames: 2 series of 10 steps\nframes: 8 x 6 pixels, 1 channel; targets: angle; missing: 0.0%"
    )


def test_forecasts_say_their_horizons_and_where_they_end():
    ahead = rekalman.forecast(KALMAN, NILE, horizon=5)
    low, high = (float(end[0, -1, 0]) for end in ahead.interval(0.9))
    assert repr(ahead) == (
        "Forecast of flow\nhorizons: 1 to 5 steps ahead; origins: 1; "
        f"last, 90 %: flow {low:.4g} to {high:.4g}"
    )


def test_filtered_states_say_how_likely_the_data_are():
    output = posterior_facts(rekalman.filter(KALMAN, NILE)).text()
    assert output == (
        "Filtered states of flow\nsizes: 1 state, 1 series of 100 steps; "
        "log-likelihood: -632.5 nats (-6.325 per value)"
    )
    entries: Any = SimpleNamespace(data=NILE, log_likelihood=-600.0)
    assert predictions_facts(entries).text() == (
        "One-step predictions of flow\nsizes: 1 series of 100 steps; "
        "log-likelihood: -600.0 nats (-6.000 per value)"
    )


def test_streams_count_their_samples():
    model = rekalman.LinearGaussian.create(ONE, ONE, 0.1 * ONE, ONE)
    stream = rekalman.Stream(rekalman.Kalman(model), NILE.standardiser(), Labels.of(NILE))
    stream.update(919.35)  # the mean
    assert repr(stream).startswith("Stream of flow\nfilter: Kalman; samples: 1; log-likelihood: -")
    assert "<td" in stream._repr_html_()
    keys = jax.random.split(jax.random.key(0), 3)
    layer = rekalman.Elman.create(2, key=keys[0])
    head = rekalman.GaussianHead(*layer.sizes, 1, key=keys[2])
    network = rekalman.Network(rekalman.DenseEncoder((1,), 2, key=keys[1]), layer, head)
    assert (
        repr(rekalman.film_fit(network).stream()) == "Stream of y\nfilter: FilmNetwork; samples: 0"
    )


@pytest.mark.parametrize(
    "likely, held, said",
    [([-700.0, -650.0], [], "-650.0 nats (-6.500 per value)"), ([], [-2.0, -1.5], "-1.500 nats")],
)
def test_fits_say_their_kind_and_how_likely_the_data_are(likely, held, said):
    history = SimpleNamespace(log_likelihood=likely, held_out=held, entries=100)
    labels = SimpleNamespace(names=("flow",), units=("m3",), series_names=("a", "b"))
    fit: Any = SimpleNamespace(kind="gru", history=history, labels=labels, algorithm=KALMAN)
    output = fit_facts(fit).text()
    assert output.startswith("gru fitted to flow (m3)\nfilter: Kalman; series: 2; ")
    assert said in output and output.endswith("trained on: 100 values")


def test_names_are_text_in_a_notebook_and_in_a_terminal():
    frame = pd.DataFrame({"<script>x\x1b[2J": np.arange(12.0)})
    data = rekalman.Sequences.from_pandas(frame)
    html = data._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;x\\x1b[2J" in html
    assert html.startswith("<table>") and "\x1b" not in html + repr(data)


def test_many_names_are_counted():
    names = [f"y{k}" for k in range(9)]
    assert listed(names) == "y0, y1, y2, y3, y4, y5 and 3 more"
    assert counted(1, "step") == "1 step" and counted(0, "step") == "0 steps"


def test_what_holds_no_numbers_shows_its_tree():
    assert repr(jax.tree.map(lambda _: None, NILE)).startswith("Sequences(")

    def traced(values):
        said.append(repr(eqx.tree_at(lambda data: data.values, NILE, values)))
        return values

    said: list[str] = []
    jax.jit(traced)(jnp.asarray(NILE.values))
    emptied = eqx.tree_at(lambda data: data.mask, NILE, None)
    assert "Sequences" in said[0] and repr(emptied).startswith("Sequences(")
    assert emptied._repr_html_().startswith("<pre>Sequences(")

    def broken(_: object) -> Facts:
        raise ValueError

    assert shown(3, broken) == object.__repr__(3) and "&lt;int object" in shown_html(3, broken)
