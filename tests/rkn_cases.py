"""RKNs of every option with random parameters, series for them, and compiled functions that tests share."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rekalman.networks.beliefs import Evidence
from rekalman.networks.rkn.layer import RKN

BATCH, TIME, LATENT = 2, 5, 3

CASES = {
    "paper": {},
    "later code": {
        "order": "update",
        "learn_start": True,
        "positive_map": "softplus",
        "hidden": (5, 4),
        "activation": "tanh",
        "bandwidth": 2,
        "timed": "coefficients",
    },
    "continuous": {
        "timed": "continuous",
        "substeps": 2,
        "inputs": 2,
        "control": (4,),
        "learn_start": True,
        "positive_map": "exp",
    },
    "encoder": {"mixed_by": "encoder", "timed": "coefficients"},
    "separable": {
        "mixed_by": "encoder",
        "bandwidth": 0,
        "timed": "continuous",
        "substeps": 2,
        "inputs": 1,
    },
}


@eqx.filter_jit
def started(layer, evidence):
    """The verbs at the first step: prior, posterior and log density."""
    prior = layer.init(evidence.seen.shape)
    return prior, *layer.update(prior, evidence)


@eqx.filter_jit
def stepped(layer, belief, evidence, u=None, dt=None):
    """The verbs at a further step."""
    prior = layer.predict(belief, u, dt)
    return prior, *layer.update(prior, evidence)


@eqx.filter_jit
def run(layer, evidence, inputs=None, dt=None, start=None, prior=False):
    return layer.run(evidence, inputs, dt, start, prior)


def random_rkn(latent=LATENT, seed=0, **options):
    """A layer whose every number counts, those beyond the ends of the diagonals too, if they should not.

    In double precision where JAX has it. Bases are the identity and random numbers.
    """
    options = {"bases": 3, "bandwidth": 1, **options}
    layer = eqx.filter_eval_shape(lambda: RKN.create(latent, key=jax.random.key(0), **options))
    rng = np.random.default_rng(seed)
    layer = jax.tree.map(lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape)), layer)
    bases = 0.5 * np.array(layer.bases)
    bases[:, [0, 3], bases.shape[2] // 2] += 0.9
    return eqx.tree_at(lambda each: each.bases, layer, jnp.asarray(bases))


def random_series(layer, batch=BATCH, steps=TIME, seed=1):
    """Evidence with gaps, and inputs and time steps where the layer takes them: numpy arrays."""
    rng = np.random.default_rng(seed)
    some = lambda draw, *shape: draw(size=(batch, steps, *shape))  # noqa: E731
    mean, var = some(rng.normal, layer.latent), some(rng.exponential, layer.latent)
    evidence = Evidence(mean, 0.05 + var, rng.random((batch, steps)) < 0.6)
    inputs = some(rng.normal, layer.n_inputs) if layer.n_inputs else None
    dt = None if layer.options.timed == "ignored" else 0.2 + some(rng.random)
    return evidence, inputs, dt


def case(name, scan="serial"):
    """A layer and its series."""
    layer = random_rkn(**CASES[name], scan=scan)
    return layer, random_series(layer)


def part(tree, index):
    """A part of every leaf."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def known(tree):
    """The same with numpy arrays, parts of which cost no compilation."""
    return jax.tree.map(np.asarray, tree)
