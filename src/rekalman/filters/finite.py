"""Why a filter broke down: the first step at which something is not finite, or means nothing.

The check looks at numbers, so it is made after a run, outside compiled functions; inside `jit` or `grad`,
where nothing can be looked at, it passes, and can be made on the result.
"""

from __future__ import annotations

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rekalman.core.beliefs import GaussianPath, Path
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import GaussianModel
from rekalman.numerics.placing import placed


def check_finite(
    model: GaussianModel,
    path: GaussianPath,
    inputs: Float[Array, "steps input"] | None = None,
    dt: Float[Array, " steps"] | None = None,
) -> None:
    """Every belief of one filtered series is finite, and no observation is impossible.

    Args:
        model: the model that was filtered.
        path: what the filter left.
        inputs: the inputs of the series.
        dt: its time steps.

    Raises:
        RekalError: one is not; the sentence names the step, counted from 0, and whether it was the
            transition or the observation, its value or its Jacobian. Or an observation has no density.
    """
    leaves = [path.prior_mean, path.prior_cov, path.mean, path.cov]
    if any(isinstance(leaf, Tracer) for leaf in (*leaves, path.log_evidence)):
        return
    evidence = np.asarray(path.log_evidence)
    white = np.abs(np.asarray(path.white)).max(-1, initial=0.0)
    far = white > np.sqrt(np.finfo(white.dtype).max)  # whose square overflows
    if not model.linear:
        far |= np.isfinite(evidence) & (_digits(evidence) > MEANINGLESS)
    steps = path.mean.shape[0]
    finite = np.stack([np.isfinite(np.asarray(leaf).reshape(steps, -1)).all(1) for leaf in leaves])
    bad = np.flatnonzero(~finite.all(0))
    for t in np.flatnonzero(far | ~np.isfinite(evidence))[:1]:
        if bad.size and (bad[0] < t or not finite[:2, t].all() or np.isnan(evidence[t])):
            break  # the belief broke down first
        if far[t] or not np.isneginf(evidence[t]):
            raise RekalError(_impossible(f"the observation at step {t} (counted from 0)", evidence))
        raise RekalError(
            f"the model rules out what was observed at step {t} (counted from 0): the entry was "
            "known exactly from earlier ones, and is another: give R a variance above zero"
        )
    if not bad.size:
        return
    t = int(bad[0])
    u = None if inputs is None else inputs[t]
    if finite[:2, t].all():
        x, what = placed(path.prior_mean[t]), f"observation at step {t}"
        value, jacobian = model.observation_mean(x[None], u), model.observation_jacobian(x[None], u)
    elif t == 0:
        raise RekalError("the initial state of the model, m or P, is not finite")
    else:
        x, what = placed(path.mean[t - 1]), f"transition into step {t}"
        step = None if dt is None else dt[t]
        value = model.transition_mean(x[None], u, step)
        jacobian = model.transition_jacobian(x, u, step)
    where = f"at x = {np.array2string(np.asarray(x), precision=4, threshold=12)}"
    for name, result in ((f"the {what}", value), (f"the Jacobian of the {what}", jacobian)):
        if not np.isfinite(np.asarray(jax.device_get(result))).all():
            raise RekalError(f"{name} (counted from 0) is not finite {where}")
    raise RekalError(
        f"the belief is not finite at step {t} (counted from 0), after the {what}: the filter has "
        "diverged, or the data hold a value that is not finite"
    )


def is_sound(model: GaussianModel, path: GaussianPath) -> bool:
    """Whether `check_finite` would pass every one of several series: a look at all of them at once."""
    evidence, white = np.asarray(path.log_evidence), np.asarray(path.white)
    leaves = (path.prior_mean, path.prior_cov, path.mean, path.cov, evidence)
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves):
        return False
    if not np.abs(white).max(initial=0.0) <= np.sqrt(np.finfo(white.dtype).max):
        return False
    return model.linear or not (_digits(evidence) > MEANINGLESS).any()


def check_particles(path: Path) -> None:
    """Every cloud of one series filtered by particles is finite, and every observation is possible.

    Args:
        path: what the filter left.

    Raises:
        RekalError: one is not; the sentence names the step, counted from 0.
    """
    for leaf in (path.x, path.log_evidence):
        if isinstance(leaf, Tracer):
            return
    evidence = np.asarray(path.log_evidence)
    doubtful = ~np.isfinite(evidence) | (_digits(evidence) > MEANINGLESS)
    for t in np.flatnonzero(doubtful)[:1]:
        there = placed(path.x[t]), placed(path.log_evidence[t])
        check_evidence(*there, f" at step {t} (counted from 0)")


def check_evidence(
    x: Float[Array, "particles states"], log_evidence: Float[Array, ""], where: str = ""
) -> None:
    """One observation that entered a cloud of particles was possible.

    The weights of particles are differences of log densities: where these are so large that no digit behind
    the decimal point is left, the weights mean nothing.

    Args:
        x: the particles.
        log_evidence: log density of the observation.
        where: the step, for the sentence.

    Raises:
        RekalError: the particles are not finite, or the log density is not, or has no digits left.
    """
    if isinstance(x, Tracer) or isinstance(log_evidence, Tracer):
        return
    value = np.asarray(log_evidence)
    if np.isfinite(value) and _digits(value) <= MEANINGLESS:
        return
    if not np.isfinite(np.asarray(x)).all():
        raise RekalError(
            f"the particles{where} are not finite: the transition or the observation of the model, or its "
            "Jacobian, gives a value that is not"
        )
    raise RekalError(_impossible(f"the observation{where}", value))


MEANINGLESS = 0.5
"""Rounding error of a log density, in nats, from which on it tells particles apart no more."""


def _digits(log_density: np.ndarray) -> np.ndarray:
    """Rounding error of a log density in nats."""
    return np.asarray(np.finfo(log_density.dtype).eps * np.abs(log_density))


def _impossible(what: str, log_density: np.ndarray) -> str:
    return (
        f"{what} lies so far from what the model expects that {log_density.dtype} cannot hold its density: "
        "take an outlier out (NaN stands for missing), or give the model more noise"
    )
