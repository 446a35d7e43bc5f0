"""Reservoirs and nonlinear autoregressions against NumPy loops, brute force and closed forms."""

import dataclasses
from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rekalman
from rekalman.foundation.errors import RekalError
from rekalman.learners.reservoir.harvest import harvest, run_freely, stacked, states_along
from rekalman.learners.reservoir.learned import Prepared, learn_readout
from rekalman.learners.reservoir.nvar_search import Shape, delayed_rows, features_of
from rekalman.networks.predictors.nvar import NVAR
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.networks.predictors.reservoir_weights import filled, recurrence, spectral_radius

KINDS = {
    "small": {"units": 12},
    "sparse": {"units": 150, "leak": 0.4},
    "many diagonals": {"units": 140, "density": 0.4},
    "cycle": {"units": 30, "topology": "cycle"},
    "es2n": {"units": 20, "topology": "es2n", "leak": 0.2},
    "squares": {"units": 12, "squares": True, "increment": True},
}


def numpy_features(network, y, u):
    """The recursion written out."""
    W = np.asarray(network.recurrent)
    W = W if network.offsets is None else filled(W, network.offsets)
    V, b, a = (np.asarray(each) for each in (network.into, network.bias, network.leak))
    rotated = np.eye(len(W)) if network.rotation is None else np.asarray(network.rotation)
    x, row, rows = np.zeros(len(W)), np.zeros(V.shape[1]), []
    for t in range(len(y)):
        rows.append(np.concatenate([x, x**2, row, [1]] if network.squares else [x, row, [1]]))
        row = np.concatenate([y[t], u[(t + 1) % len(y)]])
        x = a * np.tanh(W @ x + V @ row + b) + (1 - a) * rotated @ x
    return np.array(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_harvested_features_are_those_of_a_loop_in_numpy(kind):
    rng = np.random.default_rng(0)
    y, u = rng.normal(size=(2, 40, 2)), rng.normal(size=(2, 40, 1))
    networks = [Reservoir.create(2, inputs=1, seed=seed, **KINDS[kind]) for seed in (3, 4)]
    with jax.enable_x64(True):
        found = harvest(stacked(networks), jnp.asarray(y), None, jnp.asarray(u))
        single = harvest(networks[1], jnp.asarray(y), None, jnp.asarray(u))
    assert found.features.shape == (2, 2, 40, networks[0].features)
    for network, features in zip(networks, found.features, strict=True):
        for i in range(2):
            wanted = numpy_features(network, y[i], u[i])
            np.testing.assert_allclose(features[i], wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(single.features, found.features[1], rtol=1e-12, atol=1e-13)
    before = np.concatenate([np.zeros((2, 1, 2)), y[:, :-1]], 1)
    wanted = y - before if networks[0].increment else y
    np.testing.assert_allclose(single.targets, wanted)


@pytest.mark.parametrize("units", [20, 150, 700])
@pytest.mark.parametrize("topology", ["random", "cycle"])
def test_the_spectral_radius_is_exact(units, topology):
    W = recurrence(units, topology, None, np.random.default_rng(1)).matrix
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.0, abs=1e-9)
    assert spectral_radius(3.0 * W) == pytest.approx(3.0, abs=1e-8)


def test_density_and_rotation_are_what_was_asked_for():
    W = recurrence(200, "random", 0.1, np.random.default_rng(0)).matrix
    assert (np.count_nonzero(W, axis=1) == 20).all()
    turn = np.asarray(Reservoir.create(1, units=30, topology="es2n").rotation)
    np.testing.assert_allclose(turn @ turn.T, np.eye(30), atol=1e-12)


def test_monomials_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    y, u = rng.normal(size=(30, 2)), rng.normal(size=(30, 1))
    shape = Shape(taps=3, stride=2, order=3)
    made = NVAR.create(2, inputs=1, **shape._asdict())
    with jax.enable_x64(True):
        found = harvest(made, jnp.asarray(y)[None], None, jnp.asarray(u)[None]).features[0]
    quick = features_of(delayed_rows(y, u, shape), shape.order)
    assert found.shape == (30, made.features) and made.memory == 5 * 3
    for t in (5, 17, 29):
        d = np.concatenate([[*y[t - 1 - 2 * k], *u[t - 2 * k]] for k in range(3)])
        wanted = [
            np.prod(d[list(which)])
            for degree in (1, 2, 3)
            for which in combinations_with_replacement(range(9), degree)
        ]
        np.testing.assert_allclose(found[t], [*wanted, 1], rtol=1e-12)
        np.testing.assert_allclose(quick[t - 5], [*wanted, 1], rtol=1e-12)


def test_a_network_runs_freely_through_gaps_and_no_number_behind_a_mask_counts():
    rng = np.random.default_rng(0)
    y = np.sin(0.3 * np.arange(120))[None, :, None] + 0.01 * rng.normal(size=(1, 120, 1))
    mask = rng.random(y.shape) < 0.8
    mask[0, :5] = True
    network = Reservoir.create(1, units=25, input_scale=0.5)

    def trained(values):
        data = dataclasses.replace(rekalman.Sequences.from_arrays(y), values=values, mask=mask)
        return learn_readout(network, Prepared.of(data), 10, 1e-6)[0]

    one, other = (trained(np.where(mask, y, fill)) for fill in (0.0, 1e6))
    np.testing.assert_array_equal(one.readout, other.readout)
    with jax.enable_x64(True):
        seen = jnp.asarray(mask[0])
        path = states_along(one, jnp.asarray(y[0]), seen)
        path_other = states_along(one, jnp.asarray(np.where(mask[0], y[0], 1e6)), seen)
        np.testing.assert_array_equal(path, path_other)
        t = int(np.flatnonzero(~mask[0, :, 0])[0])
        own = one.advance(path[t], one.output(path[t]))
        np.testing.assert_allclose(path[t + 1], own, rtol=1e-12)


def test_a_free_run_feeds_its_own_rows_and_stays_within_the_bound():
    made = NVAR.create(1, taps=1, order=2, increment=False, bound=3.0)
    with jax.enable_x64(True):
        made = made.with_readout(jnp.asarray([[1.5], [1.0], [0.5]]))
        run = np.asarray(run_freely(made, jnp.array([0.5, 0.0]), 12))[:, 0]
    y = 0.5
    for each in run:
        y = 1.5 * np.clip(y, -3, 3) + np.clip(y, -3, 3) ** 2 + 0.5
        assert each == pytest.approx(y)
    assert run[-1] == pytest.approx(14.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions(dtype):
    with jax.enable_x64(dtype == np.float64):
        made = jax.tree.map(
            lambda leaf: leaf.astype(dtype), Reservoir.create(1, units=150, topology="es2n")
        )
        rows = harvest(made, jnp.ones((1, 9, 1), dtype))
        assert rows.features.dtype == dtype
        assert made.noise(made.start()).dtype == dtype


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spectral_radius": 0.0}, "spectral_radius must be above 0"),
        ({"spectral_radius": 2.5}, "spectral_radius must be at most 2, but is 2.5"),
        ({"leak": 1.2}, "leak must be above 0 and at most 1, but is 1.2"),
        ({"leak": 0.0}, "leak must be above 0"),
        ({"density": 0.0}, "density must be above 0 and at most 1, but is 0"),
        ({"density": 1.5}, "density must be above 0 and at most 1, but is 1.5"),
        ({"topology": "ring"}, "unknown topology 'ring'"),
        ({"units": 0}, "units must be at least 1"),
        ({"input_scale": -1.0}, "input_scale must be above 0"),
    ],
)
def test_bad_settings_are_refused_by_name(options, message):
    with pytest.raises(RekalError, match=message):
        Reservoir.create(1, **{"units": 20, **options})


def test_too_many_monomials_are_refused():
    with pytest.raises(RekalError, match="use fewer taps or a lower order"):
        NVAR.create(10, taps=10, order=4)
    with pytest.raises(RekalError, match="order must be at most 5"):
        NVAR.create(1, order=6)
