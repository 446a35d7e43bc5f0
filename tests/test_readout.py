"""The online readout filter against a plain loop, and that it cannot see the future."""

import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.learners.online.readout import readout_forecasts

HORIZONS = (1, 3)


def made(steps=120, seed=0):
    """Labels that follow the features, with a few coughs; the network's own forecast is noise."""
    rng = np.random.default_rng(seed)
    features = np.hstack([rng.normal(size=(steps, 3)), np.ones((steps, 1))])
    weights = rng.normal(size=(2, 4, 2))
    own = 0.1 * rng.normal(size=(steps, 2, 2))
    values = 0.05 * rng.normal(size=(steps, 2))
    values[1:] += features[:-1] @ weights[0]
    values[[40, 41]] += 30.0
    return features, own, values, np.ones(values.shape, bool)


def naive(features, own, values, lam, ridge, kappa):
    """As in the text of the module, one step after the other."""
    steps, p = features.shape
    issued = np.zeros(own.shape)
    for j, h in enumerate(HORIZONS):
        W, P, size = np.zeros((p, values.shape[1])), np.eye(p) / ridge, None
        for t in range(steps):
            if t >= h:
                phi = features[t - h]
                r = values[t] - own[t - h, j] - phi @ W
                square = r @ r
                size = square if size is None else size
                w = min(1.0, kappa * np.sqrt(size / square))
                size = 0.99 * size + 0.01 * min(square, 9 * size)
                g = P @ phi / (lam / w + phi @ P @ phi)
                W = W + np.outer(g, r)
                P = (P - np.outer(g, phi @ P)) / lam
            issued[t, j] = own[t, j] + features[t] @ W
    return issued


def run(features, own, values, mask, **options):
    arrays = (jnp.asarray(a, jnp.float32) for a in (features, own, values))
    return np.asarray(readout_forecasts(*arrays, jnp.asarray(mask), HORIZONS, **options))


@pytest.mark.parametrize(("lam", "kappa"), [(1.0, 1.5), (0.97, 1.5), (0.998, 1e6)])
def test_equals_a_plain_loop(lam, kappa):
    features, own, values, mask = made()
    got = run(features, own, values, mask, forgetting=lam, huber=kappa)
    assert np.allclose(got, naive(features, own, values, lam, 10.0, kappa), rtol=2e-3, atol=2e-3)


def test_learns_and_resists_coughs():
    features, own, values, mask = made(steps=400)
    weight = np.abs(values[300:] - run(features, own, values, mask)[299:-1, 0]).mean()
    free = np.abs(values[300:] - run(features, own, values, mask, huber=1e6)[299:-1, 0]).mean()
    assert weight < 0.2 < np.abs(values[300:]).mean()
    assert weight <= free * 1.05


def test_the_future_changes_nothing_issued_before():
    features, own, values, mask = made()
    before = run(features, own, values, mask)
    for later in (features, own, values):
        later[70:] += 5.0
    after = run(features, own, values, mask)
    assert np.array_equal(before[:70], after[:70])
    assert not np.allclose(before[70:], after[70:])


def test_missing_labels():
    features, own, values, mask = made()
    nothing = np.zeros_like(mask)
    assert np.allclose(run(features, own, values, nothing), own, atol=1e-6)
    half = mask.copy()
    half[:, 1] = False
    got = run(features, own, np.where(half, values, 1e6), half)
    assert np.allclose(got[..., 1], own[..., 1], atol=1e-6)
    assert np.abs(got[100:-1, 0, 0] - values[101:, 0]).mean() < 0.5


@pytest.mark.parametrize(
    "how", [{"forgetting": 0.0}, {"forgetting": 1.1}, {"ridge": 0.0}, {"huber": -1.0}]
)
def test_refuses_what_makes_no_sense(how):
    with pytest.raises(RekalError):
        run(*made(), **how)
