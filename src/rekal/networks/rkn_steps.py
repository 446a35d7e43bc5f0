"""All that enters the recursion of an RKN and needs no belief, worked out for all steps at once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekal.networks.beliefs import Evidence
from rekal.networks.coefficients import Coefficients
from rekal.networks.flat import time_major
from rekal.networks.rkn_options import Control, RKNOptions
from rekal.networks.rkn_scan import Steps


def clean(evidence: Evidence, dtype: Any) -> tuple[Array, Array, Array]:
    """Mean, variance and a 0 or 1 for each entry; harmless numbers stand for what was not seen.

    Variances are held within 1e-30 and 1e30, between which float32 can divide; negative ones become NaN.
    """
    seen = evidence.seen[..., None]
    mean = jnp.where(seen, evidence.mean, 0.0).astype(dtype)
    var = jnp.where(seen, evidence.var, 1.0).astype(dtype)
    var = jnp.where(var < 0, jnp.nan, jnp.clip(var, 1e-30, 1e30))
    return mean, var, jnp.broadcast_to(seen, mean.shape).astype(mean.dtype)


def frame_features(evidence: Evidence, dtype: Any) -> Float[Array, "*batch features"]:
    """What a frame tells the coefficient network: mean, variance, and whether it was there."""
    mean, var, seen = clean(evidence, dtype)
    return jnp.concatenate([mean, var * seen, seen[..., :1]], -1)


def steps_of(
    coefficients: Coefficients,
    control: Control | None,
    options: RKNOptions,
    evidence: Evidence,
    u: Float[Array, "batch time input"] | None,
    dt: Float[Array, "batch time"] | None,
    before: Float[Array, "batch time features"] | None,
) -> Steps:
    """The steps of a recursion.

    In continuous time a step of `dt` is `substeps` steps of `dt / substeps`, and only the last one has an
    observation.

    Args:
        coefficients: the coefficient network.
        control: the network of the inputs.
        options: those of the RKN.
        evidence: encoded observations, leaves `(batch, time, ...)`.
        u: inputs.
        dt: time steps.
        before: features of the frame before each step, where they mix the transition.
    """
    mean, var, seen = clean(evidence, coefficients.known.bias.dtype)
    batch, time = mean.shape[:2]
    known = [before] if before is not None else []
    if options.timed == "coefficients" and dt is not None:
        known.append(dt[..., None].astype(mean.dtype))
    joined = jnp.concatenate(known, -1) if known else jnp.zeros((batch, time, 0), mean.dtype)
    added = None
    if control is not None and u is not None:
        added = time_major(control(u.astype(mean.dtype))).reshape(time, 2, -1)
    known_before = coefficients.known(joined).transpose(1, 2, 0)
    steps = Steps(known_before, *(time_major(each) for each in (mean, var, seen)), control=added)
    if options.timed != "continuous" or dt is None:
        return steps
    n = options.substeps
    length = jnp.repeat(dt.T.astype(mean.dtype) / n, n, 0)
    observed = (jnp.arange(len(length)) % n == n - 1)[:, None]
    often: Steps = jax.tree.map(lambda leaf: jnp.repeat(leaf, n, 0), steps)
    if often.control is not None:
        tau = jnp.tile(length, (1, mean.shape[-1]))[:, None]
        often = often._replace(control=often.control * tau)
    return often._replace(seen=often.seen * observed, length=length)
