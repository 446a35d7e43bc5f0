"""The Recurrent Kalman Network against the paper's equations with dense matrices, in every form it has."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import naive_rkn as naive
import numpy as np
import pytest
from rkn_cases import (
    BATCH,
    CASES,
    LATENT,
    TIME,
    case,
    known,
    part,
    random_rkn,
    random_series,
    run,
    started,
    stepped,
)

import rekalman
from rekalman.datasets.spring_damper import spring_damper
from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence
from rekalman.networks.elman import Elman
from rekalman.networks.recurrent import count_parameters, matched_units
from rekalman.networks.rkn.layer import RKN
from rekalman.networks.rkn.options import RKNOptions

KEY = jax.random.key(5)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def close(one, other, **tolerance):
    """Equal trees."""
    check = lambda a, b: np.testing.assert_allclose(a, b, **{"atol": 1e-11, **tolerance})  # noqa: E731
    jax.tree.map(check, one, other)


def assert_is(belief, reference):
    """A belief, or the beliefs of a series, is what the reference says."""
    reference = reference if isinstance(reference, list) else [reference]
    moments = [(each.mean, *naive.diagonals_of(each.cov)) for each in reference]
    for leaf, *rows in zip(
        (belief.mean, belief.upper, belief.lower, belief.side), *moments, strict=True
    ):
        np.testing.assert_allclose(np.atleast_2d(leaf), rows, atol=1e-11)


def reference_of(layer, series, i):
    """The reference on one series of a batch."""
    evidence, inputs, dt = part(series, i)
    return naive.filter_series(layer, *(np.asarray(x) for x in evidence), inputs, dt)


@pytest.mark.parametrize(
    ("name", "scan"), [*((name, "serial") for name in CASES), ("separable", "parallel")]
)
def test_runs_and_verbs_are_the_published_recursion(name, scan):
    layer, series = case(name, scan=scan)
    track = known(run(layer, *series, prior=True))
    references = [reference_of(layer, series, i) for i in range(BATCH)]
    for i, (priors, posteriors, _) in enumerate(references):
        assert_is(part(track.prior, i), priors)
        assert_is(part(track.posterior, i), posteriors)
    close(track.last, part(track.posterior, np.s_[:, -1]))
    if scan == "parallel":  # the verbs do not scan
        return
    belief = None
    for t in range(TIME):
        now = part(series, np.s_[:, t])
        prior, belief, density = stepped(layer, belief, *now) if t else started(layer, now[0])
        close(prior, part(track.prior, np.s_[:, t]))
        close(belief, part(track.posterior, np.s_[:, t]))
        close(density, np.array([densities[t] for *_, densities in references]))


@pytest.mark.parametrize(
    ("name", "scan"),
    [
        ("paper", "serial"),
        ("continuous", "serial"),
        ("encoder", "serial"),
        ("separable", "parallel"),
    ],
)
def test_windows_that_carry_the_belief_are_one_run(name, scan):
    """Without priors, where only posteriors are computed."""
    layer, series = case(name, scan=scan)
    tracks = known(in_windows(layer, series))
    assert all(track.prior is None for track in tracks)
    *_, last = tracks
    path = jax.tree.map(lambda *leaves: np.concatenate(leaves, 1), *(t.posterior for t in tracks))
    for i in range(BATCH):
        assert_is(part(path, i), reference_of(layer, series, i)[1])
    close(last.last, part(path, np.s_[:, -1]))


@eqx.filter_jit
def in_windows(layer, series):
    """Two runs, the second from where the first ended."""
    head = layer.run(*part(series, np.s_[:, :2]))
    return head, layer.run(*part(series, np.s_[:, 2:]), start=head.last)


def test_verbs_take_one_series_or_any_number_of_them():
    layer, series = case("encoder")
    track = known(run(layer, *series, prior=True))
    steps = (
        track.posterior,
        part(series, np.s_[:, 1:]),
        part((track.prior, track.posterior), np.s_[:, 1:]),
    )
    one = part(steps, (0, 0))
    many = part(steps, np.s_[:, :2])
    for belief, now, expected in (one, many):
        close(stepped(layer, belief, *now)[:2], expected)


def test_what_was_not_seen_has_no_say():
    """Open-loop prediction, whatever stands behind the mask."""
    layer, (evidence, _, _) = case("paper")
    nothing = np.zeros_like(evidence.seen)
    track = known(run(layer, Evidence(np.nan * evidence.mean, -evidence.var, nothing), prior=True))
    close(track.posterior, track.prior)
    belief, path = naive.first_belief(layer), []
    for _ in range(TIME):
        path.append(belief)
        belief = naive.predict(layer, belief)
    assert_is(part(track.prior, 0), path)


def test_observations_that_are_exact_or_say_nothing():
    layer, (evidence, _, _) = case("paper")
    seen = np.ones_like(evidence.seen)
    for var in (0.0, 1e-300):
        exact = run(layer, Evidence(evidence.mean, np.full_like(evidence.var, var), seen))
        close(exact.posterior.mean[..., :LATENT], evidence.mean)
        close(exact.posterior.upper, 0 * evidence.var)
        close(exact.posterior.side, 0 * evidence.var)
        assert (exact.posterior.upper > 0).all() and (exact.posterior.lower > 0).all()
    for var in (1e300, np.inf):
        vague = Evidence(evidence.mean, np.full_like(evidence.var, var), seen)
        track = run(layer, vague, prior=True)
        close(track.posterior, track.prior)
    wrong = run(layer, Evidence(evidence.mean, -evidence.var, seen))
    assert np.isnan(wrong.posterior.mean[:, -1]).all()


def test_without_band_it_is_the_exact_kalman_filter():
    """Two springs that do not touch: position and speed of each make a filter of its own."""
    spring = spring_damper(3, 100, damping=0.1, seed=4)
    values = np.array(spring.data.values)
    seen = np.random.default_rng(0).random(values.shape[:2]) < 0.6
    seen[0] = True
    model = rekalman.LinearGaussian.create(spring.A, spring.C, spring.Q, spring.R, P=spring.P)
    mask = np.broadcast_to(seen[..., None], values.shape)
    exact = [
        rekalman.Kalman(model).run(*map(jnp.asarray, each))
        for each in zip(values, mask, strict=True)
    ]
    values[~seen] = np.nan
    options = {"bandwidth": 0, "noise": 0.1**2, "start_var": 1.0, "order": "update"}
    layer = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), RKN.create(2, key=KEY, **options))
    blocks = spring.A.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 2, 2)
    assert not (blocks * (1 - np.eye(2))).any()
    alike = jnp.broadcast_to(blocks.diagonal(0, 1, 2)[:, None], layer.bases.shape)
    layer = eqx.tree_at(lambda each: each.bases, layer, jnp.asarray(alike, float))
    belief = known(run(layer, Evidence(values, np.full(values.shape, 1.2**2), seen)).posterior)
    for i, path in enumerate(exact):
        cov = np.asarray(path.cov)
        np.testing.assert_allclose(belief.mean[i], path.mean, atol=1e-6)
        np.testing.assert_allclose(belief.upper[i], cov[:, [0, 1], [0, 1]], rtol=1e-6)
        np.testing.assert_allclose(belief.lower[i], cov[:, [2, 3], [2, 3]], rtol=1e-6)
        np.testing.assert_allclose(belief.side[i], cov[:, [0, 1], [2, 3]], atol=1e-6)


def test_start_of_the_parameters():
    layer = RKN.create(4, bandwidth=1, bases=2, key=KEY)
    for basis in layer.bases:
        eye = np.eye(4)
        turn = np.block([[eye, np.float32(0.2) * eye], [-np.float32(0.2) * eye, eye]])
        np.testing.assert_array_equal(naive.dense(np.asarray(basis)), turn)
    np.testing.assert_allclose(naive.positive("elu1", layer.raw_noise), 0.1, rtol=1e-6)
    assert layer.raw_start is None
    assert {leaf.dtype for leaf in jax.tree.leaves(layer)} == {jnp.dtype("float32")}
    other = RKN.create(4, bandwidth=1, bases=2, spread=0.5, positive_map="exp", noise=2, key=KEY)
    np.testing.assert_allclose(np.exp(other.raw_noise), 2, rtol=1e-6)
    assert abs(np.std(other.bases - layer.bases) - 0.5) < 0.1


def test_the_first_belief():
    """N(0, 10) before the transition into the first step (the paper), or as the prior of it (later code)."""
    first = RKN.create(3, bandwidth=1, order="update", key=KEY).init((2,))
    close(first.mean, np.zeros((2, 6)))
    close(first.spread, np.tile(np.repeat([10.0, 0.0], [6, 3]), (2, 1)))
    moved = eqx.filter_jit(RKN.init)(RKN.create(3, bandwidth=1, key=KEY))
    # Var(p + 0.2 q) + noise; Cov(p + 0.2 q, q - 0.2 p) = 0.
    close(moved.spread, np.repeat([10 * (1 + 0.2**2) + 0.1, 0.0], [6, 3]), rtol=1e-6, atol=1e-6)
    learned = RKN.create(3, learn_start=True, start_var=7, order="update", key=KEY)
    assert learned.raw_start is not None
    close(learned.init().upper, np.full(3, 7.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("latent", "parameters"), [(15, 6075), (100, 44495)], ids=["pendulum", "quad link"]
)
def test_parameters_are_counted_as_published(latent, parameters):
    """15 * 4 bands, the coefficient network and the process noise."""
    shape = eqx.filter_eval_shape(lambda: RKN.create(latent, key=KEY))
    assert count_parameters(shape) == parameters
    assert count_parameters((shape, {"x": np.zeros(3)})) == parameters + 3
    units = matched_units(lambda units: Elman.create(latent, units=units, key=KEY), parameters)
    elman = units * (2 * latent + 1 + units + 1)
    assert abs(elman - parameters) < (2 * latent + 2 * units + 3) / 2 + 1


def test_parameters_of_options_are_counted():
    def counted(keys=KEY, **options):
        one = lambda key: RKN.create(3, bases=2, key=key, **options)  # noqa: E731
        make = eqx.filter_vmap(one) if keys.ndim else one
        return count_parameters(eqx.filter_eval_shape(make, keys))

    count = 2 * 4 * 3 + 2 * (6 + 1) + 6
    assert counted(bandwidth=0) == count
    assert counted(bandwidth=0, learn_start=True) == count + 6
    assert counted(bandwidth=9) == count + 2 * 4 * (9 - 3)
    assert counted(jax.random.split(KEY, 5), bandwidth=9) == 5 * counted(bandwidth=9)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"basis": 3}, r"no option 'basis': use one of bases, bandwidth, hidden"),
        ({"latent": 0}, r"needs latent >= 1 and inputs >= 0, not 0 and 0"),
        ({"inputs": -1}, r"needs latent >= 1 and inputs >= 0, not 3 and -1"),
        ({"bases": 0}, r"bases must be a whole number of at least 1, but is 0"),
        ({"hidden": (4, 0)}, r"hidden must be a whole number of at least 1, but is 0"),
        ({"control": (0,), "inputs": 1}, r"control must be a whole number of at least 1, but is 0"),
        ({"control": (3,)}, r"control is the network of the inputs: give inputs"),
        ({"bandwidth": -1}, r"bandwidth must be a whole number of at least 0, but is -1"),
        ({"noise": 0}, r"noise is a variance above 0, but is 0"),
        ({"start_var": float("nan")}, r"start_var is a variance above 0, but is nan"),
        ({"turn": float("inf")}, r"turn must be finite and spread at least 0"),
        ({"spread": -0.1}, r"turn must be finite and spread at least 0.*0.2 and -0.1"),
        (
            {"substeps": 0, "timed": "continuous"},
            r"substeps must be a whole number of at least 1, but is 0",
        ),
        ({"substeps": 2}, r"substeps belong to timed='continuous'"),
        ({"scan": "parallel"}, r"scan='parallel' needs mixed_by='encoder' and bandwidth=0"),
        ({"activation": "tanh"}, r"activation is that of hidden layers: give hidden"),
        ({"activation": "swing"}, r"unknown activation 'swing'"),
    ],
)
def test_networks_that_cannot_be_made(how, match):
    with pytest.raises(RekalError, match=match):
        RKN.create(how.pop("latent", LATENT), key=KEY, **how)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mixed_by", "'state' or 'encoder'"),
        ("scan", "'auto' or 'serial' or 'parallel'"),
        ("order", "'predict' or 'update'"),
        ("positive_map", "'elu1' or 'softplus' or 'exp'"),
        ("timed", "'ignored' or 'coefficients' or 'continuous'"),
    ],
)
def test_names_that_options_do_not_know(name, known):
    """Past the type checks that only tests have."""
    options = object.__new__(RKNOptions)
    object.__setattr__(options, name, "other")
    with pytest.raises(RekalError, match=f"there is no {name} 'other': use {known}"):
        options.__post_init__()


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("bases", 2.5, r"bases must be a whole number of at least 1, but is 2.5"),
        ("hidden", 64, r"hidden is a tuple of sizes, such as \(64,\), but is 64"),
    ],
)
def test_options_of_another_type(name, value, match):
    """Past the type checks that only tests have."""
    options = object.__new__(RKNOptions)
    object.__setattr__(options, name, value)
    with pytest.raises(RekalError, match=match):
        options.__post_init__()


def test_sizes_may_be_a_list():
    assert RKNOptions.of({"hidden": [4, 5]}).hidden == (4, 5)


def test_series_that_a_layer_cannot_take():
    layer = random_rkn(inputs=2, order="update")
    evidence, inputs, _ = jax.tree.map(jnp.asarray, random_series(layer))
    for bad, match in [
        ((None, None), r"made for 2 inputs: shape .* is wanted, but none are given"),
        (
            (inputs[..., :1], None),
            r"made for 2 inputs: shape \(.*2\) is wanted, but shape \(.*1\) is given",
        ),
        ((inputs.at[0, 0].set(np.nan), None), r"an input is missing or infinite"),
        ((inputs, inputs[..., 0]), r"takes no time steps: leave dt out"),
    ]:
        with pytest.raises(RekalError, match=match):
            layer.run(evidence, *bad)
        with pytest.raises(RekalError, match=match):
            layer.predict(layer.init((BATCH,)), *(x if x is None else x[:, 0] for x in bad))
    still = random_rkn(timed="coefficients")
    with pytest.raises(RekalError, match=r"made for 0 inputs: none are wanted, but shape"):
        still.run(evidence, inputs, inputs[..., 0])
    with pytest.raises(RekalError, match=r"was made for time steps: give dt"):
        still.run(evidence)


@pytest.mark.parametrize(
    ("inputs", "dt", "match"),
    [
        (
            np.ones((1, 4, 2)),
            np.ones((3, 4)),
            r"shape \(3, 4, 2\) is wanted, but shape \(1, 4, 2\)",
        ),
        (np.ones((3, 4, 2)), np.ones(4), r"time steps of shape \(3, 4\) are wanted, not \(4,\)"),
        (np.ones((3, 4, 2)), np.ones((3, 4, 1)), r"are wanted, not \(3, 4, 1\)"),
        (np.ones((3, 4, 2)), np.zeros((3, 4)), "dt must be finite times above 0"),
        (np.ones((3, 4, 2)), np.full((3, 4), np.inf), "dt must be finite times above 0"),
        (np.full((3, 4, 2), np.nan), np.ones((3, 4)), "an input is missing or infinite"),
    ],
)
def test_what_drives_a_layer_is_checked(inputs, dt, match):
    """Shapes past the type checks that only tests have."""
    layer = random_rkn(inputs=2, timed="coefficients")
    layer.check_drive((3, 4), np.ones((3, 4, 2)), np.ones((3, 4)), True)
    with pytest.raises(RekalError, match=match):
        layer.check_drive((3, 4), inputs, dt, True)


@pytest.mark.parametrize("kind", [RKN, Elman])
def test_evidence_that_a_layer_cannot_take(kind):
    layer = kind.create(LATENT, key=KEY)
    mean, var, seen = random_series(random_rkn())[0]
    belief = eqx.filter_jit(kind.init)(layer, (BATCH,))
    for bad in (Evidence(mean[..., :2], var[..., :2], seen), Evidence(mean, var, seen[:, :2])):
        with pytest.raises(RekalError, match=r"takes latent observations of size 3: mean and"):
            layer.run(bad)
    with pytest.raises(RekalError, match=r"takes latent observations of size 3: mean and"):
        layer.update(belief, Evidence(mean[:, 0], var[:, 0, :1], seen[:, 0]))
    seen[1, 2], seen[0, 3], var[0, 3] = True, False, np.nan
    for wrong in (0.0, -1.5, np.nan):
        var[1, 2, 0] = wrong
        with pytest.raises(RekalError, match=rf"must be above 0, but entry \(1, 2, 0\) is {wrong}"):
            layer.run(Evidence(mean, var, seen))
