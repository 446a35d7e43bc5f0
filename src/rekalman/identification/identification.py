"""What a model has learned, in numbers: its attractor, its modes and its noise.

The noise-free dynamics are followed from states that the model visits under noise, past a transient,
to see where they end (Unkelbach et al. 2009, fig. 2 and 4). At the fixed points, found by Newton's
method, the linearised system gives frequencies and damping. The model under noise gives the
share of the output's variance that is state, not observation noise. Of a linear model all of it follows
from the matrices (`rest.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.core.innovations_form import Linearises
from rekalman.foundation.errors import RekalError
from rekalman.identification.attractor import Attractor, attractor
from rekalman.identification.innovations import identify_predictor
from rekalman.identification.linear import linear_facts
from rekalman.identification.modes import FixedPoint, fixed_points
from rekalman.identification.rest import identify_linear
from rekalman.identification.result import Identification
from rekalman.identification.text import find_warnings
from rekalman.learners.likelihood.uncertainty import Uncertainty
from rekalman.models.gaussian import GaussianModel
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.precision import in_own_precision
from rekalman.simulation.models import simulate

STARTS = 8
"""Series that are simulated, with and without noise."""

LENGTH, TRANSIENT, RECORD = 1024, 4000, 4096
"""Steps with noise; steps without noise that are dropped; steps without noise that are looked at."""


@in_own_precision
def identify(
    model: GaussianModel | Linearises,
    interval: int | float = 1.0,
    scale: Any = None,
    location: Any = None,
    *,
    u: Any = None,
    names: Sequence[str] | None = None,
    time_unit: str | None = None,
    seed: int = 0,
    input_scale: Any = None,
    input_names: Sequence[str] = (),
    uncertainty: Uncertainty | None = None,
    states: int | None = None,
    visited: Any = None,
) -> Identification:
    """Describe the dynamics and the noise of a model.

    Args:
        model: a `StochasticRNN`, or any other model with additive Gaussian noise; or a predictor, such as a
            trained recurrent network, or its filter: it is linearised where it rests.
        interval: time units between two steps.
        scale: one number for each output that turns it into original units; default 1.
        location: likewise added to it; default 0.
        u: the input `(input,)`, held constant; default 0.
        names: names of the outputs; default y, or y1, y2, ...
        time_unit: what a time unit is called.
        seed: of the simulation.
        input_scale: one number for each input of a linear model that turns it into original units.
        input_names: names of the inputs of a linear model.
        uncertainty: of a linear model (`model_uncertainty`), which gives its numbers 95 % intervals.
        states: of a predictor, how many states are described; default those that count for forecasts.
        visited: of a predictor, states `(count, states)` that it visits on data, at whose mean it is
            linearised where it does not rest.

    Raises:
        RekalError: the model has no mean dynamics, the interval is not positive, an argument has a wrong
            shape, or a predictor does not rest and `visited` is not given.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> turn = 0.95 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
        >>> model = rekalman.LinearGaussian.create(A=turn, C=np.eye(1, 2), Q=np.eye(2), R=np.eye(1))
        >>> description = rekalman.identify(model, interval=0.1, time_unit="s")
        >>> round(description.spectral_radius, 2)
        0.95
    """
    if not isinstance(model, GaussianModel | Linearises):
        raise RekalError(f"{type(model).__name__} has no mean dynamics that could be identified")
    if not interval > 0:
        raise RekalError(f"the interval must be above 0, but is {interval}")
    obs = cast(Any, model).observations
    default = ("y",) if obs == 1 else tuple(f"y{k + 1}" for k in range(obs))
    named = default if names is None else tuple(names)
    if len(named) != obs:
        raise RekalError(f"{len(named)} names do not fit a model with {obs} outputs")
    by = _vector(1.0 if scale is None else scale, obs, "scale")
    at = _vector(0.0 if location is None else location, obs, "location")
    width = cast(Any, model).n_inputs
    held = None if width == 0 else _vector(0.0 if u is None else u, width, "u")
    if width == 0 and u is not None:
        raise RekalError("the model takes no inputs, so leave u out")
    if isinstance(model, Linearises):
        per = _vector(1.0 if input_scale is None else input_scale, width, "input_scale")
        return identify_predictor(
            model,
            held,
            float(interval),
            by,
            at,
            named,
            time_unit,
            per,
            input_names,
            states,
            visited,
        )
    if states is not None or visited is not None:
        raise RekalError("states and visited are for predictors: leave them out")

    model = model.discrete(float(interval))
    if model.linear and model.time_invariant:
        linear = cast(LinearGaussian, model)
        per = _vector(1.0 if input_scale is None else input_scale, width, "input_scale")
        facts = linear_facts(linear, by, per, input_names, interval, uncertainty)
        return identify_linear(linear, held, float(interval), by, at, named, time_unit, facts)

    x, y = _simulate(model, held, LENGTH, seed, STARTS, noise=True, burn_in=500)
    initial = np.asarray(_sample_initial(model, jax.random.key(seed), STARTS))
    stays = bool(np.abs(x).max() < 1e6 * np.abs(initial).max())  # False with NaN as well
    visited = x[:, -1] if stays else initial
    level = float(x.std((0, 1)).max() if stays else np.abs(initial).max())
    final, several = _settle(model, held, visited, level)
    center = x.mean((0, 1)) if stays else visited.mean(0)
    points = _points(model, held, visited, center, interval, at, by)
    noise_var = np.diagonal(np.asarray(model.R))
    output_var = y.var((0, 1)) if stays else np.full(obs, np.nan)
    with np.errstate(invalid="ignore"):
        explained = np.clip(1 - noise_var / output_var, 0, 1)
    return Identification(
        attractor=final.kind,
        period_steps=final.period,
        period=None if final.period is None else final.period * interval,
        amplitude=final.amplitude * np.abs(by),
        center=final.mean * by + at,
        harmonic_share=final.harmonic_share,
        cycle=final.outputs[: LENGTH // 2] * by + at,
        fixed_points=points,
        process_std=np.sqrt(np.diagonal(np.asarray(model.Q))),
        observation_std=np.sqrt(noise_var) * np.abs(by),
        output_std=np.sqrt(output_var) * np.abs(by),
        explained=explained,
        interval=float(interval),
        names=named,
        time_unit=time_unit,
        warnings=find_warnings(final, several, points, explained, named),
    )


@eqx.filter_jit
def _sample_initial(
    model: GaussianModel, key: PRNGKeyArray, count: int
) -> Float[Array, "count states"]:
    return model.sample_initial(key, count)


def _simulate(
    model: GaussianModel, u: np.ndarray | None, steps: int, seed: int, batch: int, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    inputs = None if u is None else np.tile(u, (steps, 1))
    x, y = simulate(model, steps, jax.random.key(seed), batch, inputs, **options)
    return np.asarray(x), np.asarray(y)


def _settle(
    model: GaussianModel, u: np.ndarray | None, visited: np.ndarray, level: float
) -> tuple[Attractor, bool]:
    """The attractor that most starts end on, and whether others end elsewhere."""
    states, outputs = _simulate(
        model, u, RECORD, 0, len(visited), noise=False, burn_in=TRANSIENT, start=visited
    )
    result = [attractor(a, b, level) for a, b in zip(states, outputs, strict=True)]
    kinds = [one.kind for one in result]
    common = max(dict.fromkeys(kinds), key=kinds.count)
    chosen = result[kinds.index(common)]
    size = np.nan_to_num(chosen.amplitude).max()
    # A cycle mirrored about the origin, say, has the same amplitude about another centre.
    same = [
        one.kind == common
        and np.allclose(one.amplitude, chosen.amplitude, 0.05, 0.01 * level, equal_nan=True)
        and np.allclose(one.mean, chosen.mean, 0, 0.05 * (size + level), equal_nan=True)
        for one in result
    ]
    return chosen, not all(same)


def _points(
    model: GaussianModel,
    u: np.ndarray | None,
    visited: np.ndarray,
    center: np.ndarray,
    interval: int | float,
    location: np.ndarray,
    scale: np.ndarray,
) -> tuple[FixedPoint, ...]:
    """Fixed points, the one closest to `center` first, with outputs in original units."""
    dtype = np.asarray(model.m).dtype
    starts = np.concatenate([center[None], visited, np.asarray(model.m)[None]]).astype(dtype)
    held = None if u is None else jnp.asarray(u, dtype)
    result = fixed_points(model, jnp.asarray(starts), held, interval)
    result.sort(key=lambda point: float(np.linalg.norm(np.array(point.state) - center)))
    return tuple(
        replace(point, output=tuple(map(float, np.array(point.output) * scale + location)))
        for point in result
    )


def _vector(value: Any, size: int, name: str) -> np.ndarray:
    vector = np.asarray(value, np.float64)
    if vector.shape not in ((), (size,)) or not np.isfinite(vector).all():
        raise RekalError(f"{name} must be {size} finite numbers, but its shape is {vector.shape}")
    return np.broadcast_to(vector, (size,))
