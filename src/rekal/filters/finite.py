"""Why a filter of a nonlinear model broke down: the first step at which something is not finite.

The check looks at numbers, so it is made after a run, outside compiled functions; inside `jit` or `grad`,
where nothing can be looked at, it passes, and can be made on the result.
"""

from __future__ import annotations

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rekal.beliefs import GaussianPath
from rekal.errors import RekalError
from rekal.models.gaussian import GaussianModel
from rekal.models.jacobians import transition_jacobian


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
            transition or the observation, its value or its Jacobian.
    """
    leaves = [path.prior_mean, path.prior_cov, path.mean, path.cov]
    if any(isinstance(leaf, Tracer) for leaf in (*leaves, path.log_evidence)):
        return
    ruled_out = np.flatnonzero(np.isneginf(np.asarray(path.log_evidence)))
    if ruled_out.size:
        raise RekalError(
            f"the model rules out what was observed at step {ruled_out[0]} (counted from 0): the entry was "
            "known exactly from earlier ones, and is another: give R a variance above zero"
        )
    steps = path.mean.shape[0]
    finite = np.stack([np.isfinite(np.asarray(leaf).reshape(steps, -1)).all(1) for leaf in leaves])
    bad = np.flatnonzero(~finite.all(0))
    if not bad.size:
        return
    t = int(bad[0])
    u = None if inputs is None else inputs[t]
    if finite[:2, t].all():
        x, what = path.prior_mean[t], f"observation at step {t}"
        value, jacobian = model.observation_mean(x[None], u), model.observation_jacobian(x[None], u)
    elif t == 0:
        raise RekalError("the initial state of the model, m or P, is not finite")
    else:
        x, what = path.mean[t - 1], f"transition into step {t}"
        step = None if dt is None else dt[t]
        value = model.transition_mean(x[None], u, step)
        jacobian = transition_jacobian(model, x, u, step)
    where = f"at x = {np.array2string(np.asarray(x), precision=4, threshold=12)}"
    for name, found in ((f"the {what}", value), (f"the Jacobian of the {what}", jacobian)):
        if not np.isfinite(np.asarray(jax.device_get(found))).all():
            raise RekalError(f"{name} (counted from 0) is not finite {where}")
    raise RekalError(
        f"the belief is not finite at step {t} (counted from 0), after the {what}: the filter has "
        "diverged, or the data hold a value that is not finite"
    )
