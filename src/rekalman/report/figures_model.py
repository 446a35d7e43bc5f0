"""Figures of the model: how it was found, and its dynamics without noise."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Float

from rekalman.data.scales.standardiser import Standardiser
from rekalman.fitting.result import Fit
from rekalman.models.gaussian import GaussianModel
from rekalman.report.style import (
    BLUE,
    CYCLE,
    FAINT,
    INK,
    ORANGE,
    line,
    panels,
    points,
    shade,
    short,
    text,
)
from rekalman.report.thinning import extremes

TRANSIENT = 2000
"""Steps without noise after which a model is taken to have settled."""


def likelihood_figure(fit: Fit) -> go.Figure:
    """Log-likelihood per observation over the iterations."""
    values = np.asarray(fit.history.log_likelihood, np.float64) / max(fit.history.entries, 1)
    figure = panels(1, 260, legend=False)
    shown = extremes(values)
    mode = "lines+markers" if len(values) < 40 else "lines"
    trace = line(
        shown + 1, values[shown], "log-likelihood", BLUE, mode=mode, showlegend=False,
        hovertemplate="iteration %{x}: %{y:.4f}",
    )  # fmt: skip
    figure.add_trace(trace)
    figure.update_xaxes(title_text="iteration", rangemode="tozero")
    figure.update_yaxes(title_text="log-likelihood per observation (nats)")
    return figure


@dataclass(frozen=True)
class Dynamics:
    """The model left to itself, without noise.

    Attributes:
        states: `(steps, states)`.
        hidden: what the output layer reads of them, `(steps, states)`.
        output: in raw units `(steps, obs)`.
        settled: a lasting motion after a transient; otherwise the way from the last filtered state
            to rest, because after the transient nothing moves.
        runs_away: the motion grows without bound, and what is shown ends early.
    """

    states: np.ndarray
    hidden: np.ndarray
    output: np.ndarray
    settled: bool
    runs_away: bool


def noise_free(fit: Fit, start: np.ndarray, steps: int, lasts: bool, own: Standardiser) -> Dynamics:
    """Run the model without noise, inputs at the location of the standardisation.

    Args:
        fit: the model.
        start: state to start from, say the last filtered one.
        steps: how many to keep.
        lasts: the motion goes on after a transient, which is then left out.
        own: the units of the output.
    """
    moved = _run(fit.model, jnp.asarray(start, fit.model.m.dtype), TRANSIENT + steps)
    path, signal = (np.asarray(v, np.float64) for v in moved)
    output = np.asarray(own.invert(signal))
    finite = np.isfinite(output).all(1) & (np.abs(signal) < 1e6).all(1)
    last = len(signal) if finite.all() else int(np.argmin(finite))
    moving = lasts and last == len(signal)
    part = slice(TRANSIENT, TRANSIENT + steps) if moving else slice(0, min(steps, last))
    states = path[part]
    return Dynamics(
        states=states,
        hidden=_hidden(fit, states),
        output=output[part],
        settled=moving,
        runs_away=last < len(signal),
    )


@eqx.filter_jit
def _run(
    model: GaussianModel, start: Float[Array, " states"], steps: int
) -> tuple[Float[Array, "times states"], Float[Array, "times obs"]]:
    """States and observations of the model without noise, from a start."""

    def step(x: Array, _: None) -> tuple[Array, Array]:
        following = model.transition_mean(x[None], None)[0]
        return following, following

    path = jnp.concatenate([start[None], jax.lax.scan(step, start, None, length=steps)[1]])
    return path, model.observation_mean(path, None)


def dynamics_figure(
    result: Dynamics, titles: list[str], interval: float | int, axis: str, hidden: str
) -> go.Figure:
    """Output thick, hidden units thin (paper, figures 2 and 4).

    Args:
        result: the motion.
        titles: names of the columns with their units.
        interval: time between steps.
        axis: title of the time axis.
        hidden: what the hidden part is called.
    """
    count = len(titles)
    figure = panels(count + 1, 160, heights=[1.0] * count + [1.25])
    x = np.arange(len(result.output)) * interval
    for k in range(count):
        trace = line(
            x, result.output[:, k], "output", ORANGE, width=3, legendgroup="output",
            showlegend=k == 0,
        )  # fmt: skip
        figure.add_trace(trace, row=k + 1, col=1)
        figure.update_yaxes(title_text=short(titles[k], 20), row=k + 1, col=1)
    for i in range(result.hidden.shape[1]):
        trace = line(
            x, result.hidden[:, i], hidden, BLUE, width=1, legendgroup="hidden",
            showlegend=i == 0, opacity=0.75, hovertemplate=f"{i + 1}: %{{y:.3f}}",
        )  # fmt: skip
        figure.add_trace(trace, row=count + 1, col=1)
    figure.update_yaxes(title_text=hidden, row=count + 1, col=1)
    figure.update_xaxes(title_text=text(axis), row=count + 1, col=1)
    return figure


def phase_figure(result: Dynamics, filtered: np.ndarray) -> go.Figure:
    """The orbit in the plane of the state in which it moves most, over the filtered states.

    Args:
        result: the motion.
        filtered: filtered states of the data `(steps, states)`.
    """
    centre = result.states.mean(0)
    if result.states.shape[1] == 2:
        plane, names = np.eye(2), ["state 1", "state 2"]
    else:
        _, sizes, directions = np.linalg.svd(result.states - centre, full_matrices=False)
        plane = directions[:2] * np.sign(directions[:2].sum(1, keepdims=True) + 1e-12)
        shares = 100 * sizes**2 / max(float((sizes**2).sum()), 1e-300)
        names = [
            f"direction {i + 1} of the state ({shares[i]:.0f} % of the motion)" for i in (0, 1)
        ]
    offset = np.zeros_like(centre) if result.states.shape[1] == 2 else centre
    orbit = (result.states - offset) @ plane.T
    cloud = (filtered - offset) @ plane.T
    shown = np.linspace(0, len(cloud) - 1, min(len(cloud), 1200)).astype(int)
    figure = panels(1, 385)
    figure.add_trace(
        points(cloud[shown, 0], cloud[shown, 1], "filtered states", shade(INK, 0.22), 4,
               hoverinfo="skip", hovertemplate=None)
    )  # fmt: skip
    figure.add_trace(
        line(orbit[:, 0], orbit[:, 1], "without noise", ORANGE, width=2.5,
             hoverinfo="skip", hovertemplate=None)
    )  # fmt: skip
    mark = points(
        orbit[-1:, 0], orbit[-1:, 1], "end", CYCLE[0], 9, showlegend=not result.settled,
        hoverinfo="skip", hovertemplate=None,
    )  # fmt: skip
    if not result.settled:
        figure.add_trace(mark)
    figure.update_xaxes(title_text=names[0], zeroline=True, zerolinecolor=FAINT)
    figure.update_yaxes(title_text=names[1], zeroline=True, zerolinecolor=FAINT)
    return figure


def _hidden(fit: Fit, states: np.ndarray) -> np.ndarray:
    """What the output layer reads: the hidden units of a network, or the states themselves."""
    return np.asarray(fit.model.output_features(jnp.asarray(states, fit.model.m.dtype)))
