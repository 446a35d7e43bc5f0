"""Draw docs/images/pendulum.png: a film that noise hides at times, and what an RKN says of the angle.

    python docs/make_pendulum_picture.py

Takes the network of `rekalman study pendulum` with seed 0 (trains it, if that study was not run) and its
first test series that noise hides for long. Needs Chromium.
"""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from photograph import photograph
from PIL import Image

from rekalman.datasets.filmed import Filmed
from rekalman.networks.network import Network
from rekalman.studies.base import StudyOptions
from rekalman.studies.films.pendulum import OURS, STUDY

TARGET = Path(__file__).parent / "images" / "pendulum.png"
WIDTH, HEIGHT = 1100, 470
BLUE, INK, SHADE = "31,95,180", "#22272e", "rgba(138,143,152,0.22)"
STEP = 0.05  # s
EVERY = 5  # frames between two pictures
BLIND, LONG = 0.1, 15  # noise factor below which a frame tells nothing; steps of such in a row


def draw(network: Network, film: Filmed) -> go.Figure:
    """The figure: frames above, the sine of the angle with its 90 % interval below."""
    blind = film.factor < BLIND
    runs = np.lib.stride_tricks.sliding_window_view(blind, LONG, axis=1).all(-1).any(1)
    which = int(np.argmax(runs))
    frames, truth = film.frames.values[which], film.frames.targets[which, :, 0]
    output = network.run(frames[None]).distribution
    mean, half = np.asarray(output.mean)[0, :, 0], 1.645 * np.sqrt(np.asarray(output.var)[0, :, 0])
    seconds = STEP * np.arange(len(truth))
    figure = go.Figure()
    figure.add_scatter(x=seconds, y=mean + half, line_width=0, mode="lines", showlegend=False)
    figure.add_scatter(
        x=seconds,
        y=mean - half,
        line_width=0,
        mode="lines",
        fill="tonexty",
        fillcolor=f"rgba({BLUE},0.22)",
        name="90 % interval",
        legendrank=3,
    )
    figure.add_scatter(x=seconds, y=mean, line_color=f"rgb({BLUE})", name="RKN", legendrank=2)
    figure.add_scatter(
        x=seconds,
        y=truth,
        mode="markers",
        marker={"color": INK, "size": 5},
        name="truth",
        legendrank=1,
    )
    for t in np.flatnonzero(blind[which]):
        figure.add_vrect(
            x0=seconds[t] - STEP / 2,
            x1=seconds[t] + STEP / 2,
            fillcolor=SHADE,
            line_width=0,
            layer="below",
        )
    for t in range(0, len(frames), EVERY):
        figure.add_layout_image(
            source=Image.fromarray(frames[t, ..., 0]).resize((96, 96), Image.Resampling.NEAREST),
            x=seconds[t],
            y=1.03,
            xref="x",
            yref="paper",
            sizex=0.9 * EVERY * STEP,
            sizey=0.25,
            xanchor="center",
            yanchor="bottom",
        )
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        margin={"l": 60, "r": 20, "t": 100, "b": 80},
        font={"family": "Helvetica, Arial, sans-serif", "size": 15, "color": INK},
        legend={"orientation": "h", "y": -0.28, "x": 0, "traceorder": "normal"},
    )
    figure.update_xaxes(range=[-0.15, seconds[-1] + 0.15], title_text="time in s; grey: only noise")
    figure.update_yaxes(title_text="sine of the angle", zeroline=False)
    return figure


if __name__ == "__main__":
    comparison, _ = STUDY.comparison(StudyOptions())
    test = STUDY.task(*STUDY.size).test
    photograph(draw(comparison.trained(OURS, 0).model, test), TARGET, WIDTH, HEIGHT)
