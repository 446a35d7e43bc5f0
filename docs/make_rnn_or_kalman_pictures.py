"""Draw the pictures of docs/rnn-or-kalman.md from the figures of the study.

    python docs/make_rnn_or_kalman_pictures.py

Reads results/rnn-or-kalman.json, writes docs/images/rnn-or-kalman-*.png. Needs Chromium to turn the figures
into pixels.
"""

import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from photograph import photograph
from plotly.subplots import make_subplots

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
INK, GREY = "#22272e", "#8a8f98"
COLOURS = {
    "GRU": "31,95,180",
    "Elman": "214,106,20",
    "linear EM": "60,60,60",
    "EM-RNN": "29,140,80",
}
SYSTEMS = ("1 state", "2 states", "4 states", "4 states, driven", "8 states")
GOAL = 0.3
"""Excess error in per cent that the study aims at with 500 sequences."""


def styled(figure: go.Figure, width: int, height: int) -> go.Figure:
    """The same with the look of all pictures of the documentation."""
    figure.update_layout(
        template="plotly_white",
        width=width,
        height=height,
        margin={"l": 65, "r": 15, "t": 60, "b": 50},
        font={"family": "Helvetica, Arial, sans-serif", "size": 14, "color": INK},
        legend={"orientation": "h", "y": 1.1, "yanchor": "bottom", "x": 0},
    )
    return figure


def band(figure: go.Figure, x: list, table: np.ndarray, name: str, colour: str, **place) -> None:
    """Median over the seeds as a line, lowest and highest as a band."""
    low, middle, high = table.min(1), np.median(table, 1), table.max(1)
    figure.add_scatter(
        x=[*x, *x[::-1]], y=[*high, *low[::-1]], fill="toself", line_width=0, mode="lines",
        fillcolor=f"rgba({colour},.13)", showlegend=False, legendgroup=name, **place,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=middle, name=name, legendgroup=name, mode="lines+markers",
        line_color=f"rgb({colour})", marker_size=6,
        showlegend=name not in {each.name for each in figure.data[:-1]}, **place,
    )  # fmt: skip


def accuracy(figures: dict) -> go.Figure:
    """Error beyond that of the exact filter, over the number of training sequences."""
    names = [name for name in SYSTEMS if f"GRU, {name}, 500" in figures]
    figure = make_subplots(1, len(names), subplot_titles=names, shared_yaxes=True)
    for column, name in enumerate(names, 1):
        for method, colour in COLOURS.items():
            counts = [
                int(key.rsplit(", ", 1)[1])
                for key in figures
                if key.startswith(f"{method}, {name}, ")
                and key.rsplit(", ", 1)[0] == f"{method}, {name}"
            ]
            if counts:
                table = 100 * (
                    np.array([figures[f"{method}, {name}, {count}"] for count in counts]) - 1
                )
                band(figure, counts, table, method, colour, row=1, col=column)
        figure.add_hline(y=GOAL, line={"color": GREY, "dash": "dot"}, row=1, col=column)
    figure.update_xaxes(type="log", title_text="sequences", tickvals=[10, 30, 100, 500, 2500])
    figure.update_yaxes(type="log", dtick=1)
    figure.update_yaxes(title_text="error beyond the Kalman filter's (%)", col=1)
    return styled(figure, 1150, 430)


def eigenvalues(figures: dict) -> go.Figure:
    """What stands in the networks against what is true, in the unit circle."""
    wanted = [name for name in SYSTEMS[1:4] if f"GRU, {name}, 2500" in figures][:2]
    parts = {"dynamics": "A", "predictor": "A (I - K C)"}
    titles = [f"{name}: {said}" for name in wanted for said in parts.values()]
    figure = make_subplots(1, 2 * len(wanted), subplot_titles=titles)
    turn = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
    for i, name in enumerate(wanted):
        predictions = [each for each in figures[f"GRU, {name}, 2500"] if each is not None]
        for j, part in enumerate(parts):
            place = {"row": 1, "col": 2 * i + j + 1}
            figure.add_scatter(
                x=turn.real, y=turn.imag, mode="lines", line={"color": GREY, "width": 1},
                showlegend=False, **place,
            )  # fmt: skip
            pairs = [each["eigenvalues"][part] for each in predictions]
            ours, true = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
            gap = np.full(len(ours), np.nan)
            figure.add_scatter(
                x=np.stack([ours[:, 0], true[:, 0], gap], 1).ravel(),
                y=np.stack([ours[:, 1], true[:, 1], gap], 1).ravel(),
                mode="lines", line={"color": GREY, "width": 1}, showlegend=False, **place,
            )  # fmt: skip
            first = i == j == 0
            figure.add_scatter(
                x=true[:, 0], y=true[:, 1], mode="markers", name="of the system",
                marker={"symbol": "circle-open", "size": 9, "color": INK}, showlegend=first, **place,
            )  # fmt: skip
            figure.add_scatter(
                x=ours[:, 0], y=ours[:, 1], mode="markers", name="read off the GRU",
                marker={"size": 5, "color": f"rgb({COLOURS['GRU']})"}, showlegend=first, **place,
            )  # fmt: skip
    figure.update_xaxes(range=[-1.05, 1.05], dtick=0.5)
    figure.update_yaxes(range=[-1.05, 1.05], dtick=0.5)
    for i in range(1, 5):  # circles are round
        across = f"x{i}" if i > 1 else "x"
        figure.layout[f"yaxis{i}" if i > 1 else "yaxis"].update(
            scaleanchor=across, constrain="domain"
        )
    return styled(figure, 1150, 390)


def nonlinear(figures: dict) -> go.Figure:
    """Error beyond that of a particle filter with the true model."""
    methods = {
        "GRU, 300 sequences": "31,95,180",
        "GRU, 30 sequences": "150,185,230",
        "linear EM, 300 sequences": "60,60,60",
        "EM-RNN, 30 sequences": "29,140,80",
    }
    figure = go.Figure()
    names = list(dict.fromkeys(key.split("; ")[1] for key in figures))
    for method, colour in methods.items():
        known = [name for name in names if f"{method}; {name}" in figures]
        if not known:
            continue
        figure.add_scatter(
            x=known,
            y=[100 * (float(np.median(figures[f"{method}; {name}"])) - 1) for name in known],
            name=method,
            mode="markers",
            marker={"size": 12, "color": f"rgb({colour})"},
        )
    figure.update_xaxes(categoryorder="array", categoryarray=names)
    figure.update_yaxes(type="log", title_text="error beyond the particle filter's (%)", dtick=1)
    figure = styled(figure, 1150, 470)
    figure.update_layout(margin={"b": 120, "r": 60})
    return figure


def distilled(figures: dict) -> go.Figure:
    """A network taught by the filter, within its training range and beyond."""
    figure = go.Figure()
    places = list(dict.fromkeys(key.split(", ", 2)[2] for key in figures))
    for kind in ("GRU", "Elman"):
        for teacher, dash in (("the Kalman filter", "solid"), ("the data", "dot")):
            table = 100 * (
                np.array([figures[f"{kind}, {teacher}, {place}"] for place in places]) - 1
            )
            middle = np.median(table, 1)
            symbol = "circle" if dash == "solid" else "circle-open"
            figure.add_scatter(
                x=places, y=middle, name=f"{kind} taught by {teacher}", mode="markers",
                marker={"size": 13, "symbol": symbol, "color": f"rgb({COLOURS[kind]})"},
            )  # fmt: skip
    figure.update_yaxes(type="log", title_text="error beyond the Kalman filter's (%)", dtick=1)
    return styled(figure, 1050, 400)


if __name__ == "__main__":
    record = json.loads((ROOT / "results" / "rnn-or-kalman.json").read_text())["config"]
    for name, draw in (
        ("accuracy", accuracy),
        ("dynamics", eigenvalues),
        ("nonlinear", nonlinear),
        ("distilled", distilled),
    ):
        figure = draw(record["dynamics" if name == "dynamics" else name])
        target = IMAGES / f"rnn-or-kalman-{name}.png"
        photograph(figure, target, figure.layout.width, figure.layout.height)
