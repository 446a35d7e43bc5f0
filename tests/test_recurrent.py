"""LSTM, GRU and Elman as filters: their equations, and that a run and the verbs are the same."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence, Hidden
from rekalman.networks.elman import Elman
from rekalman.networks.gru import GRU
from rekalman.networks.lstm import LSTM
from rekalman.networks.recurrent import count_parameters, matched_units

KINDS = (LSTM, GRU, Elman)
BATCH, TIME, LATENT, UNITS, INPUTS = 3, 6, 2, 5, 2
KEY = jax.random.key(3)


@eqx.filter_jit
def run(layer, *data, **options):
    return layer.run(*data, **options)


@eqx.filter_jit
def predict(layer, belief, u, dt):
    return layer.predict(belief, u, dt)


@eqx.filter_jit
def update(layer, belief, evidence):
    return layer.update(belief, evidence)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def naive_step(layer, x, h, c):
    """The published equations, gate by gate, for one series and in double precision."""
    into, across, bias = (np.float64(leaf) for leaf in (layer.into, layer.across, layer.bias))
    n = len(h)
    W, U, b = (
        [np.split(each, into.shape[1] // n, -1)[k] for k in range(into.shape[1] // n)]
        for each in (into, across, bias)
    )
    if isinstance(layer, LSTM):
        i, f, o = (logistic(x @ W[k] + h @ U[k] + b[k]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(x @ W[2] + h @ U[2] + b[2])
        return o * np.tanh(c), c
    if isinstance(layer, GRU):
        r, z = (logistic(x @ W[k] + h @ U[k] + b[k]) for k in (0, 1))
        n = np.tanh(x @ W[2] + r * (h @ U[2]) + b[2])
        return (1 - z) * n + z * h, c
    return np.tanh(x @ W[0] + h @ U[0] + b[0]), c


def naive_run(layer, evidence, inputs, dt, start=None):
    """Posterior and prior hidden vectors of every series, step by step."""
    batch, steps = evidence.seen.shape
    result = np.zeros((2, batch, steps, layer.units))
    for i in range(batch):
        h, c = (np.zeros(layer.units),) * 2
        if start is not None:
            h = np.float64(start.hidden[i])
            c = None if start.memory is None else np.float64(start.memory[i])
        for t in range(steps):
            u = [] if inputs is None else np.float64(inputs[i, t])
            log_dt = [] if dt is None else [np.log(np.float64(dt[i, t]))]
            drive = np.concatenate([u, log_dt])
            if t == 0 and start is None:
                drive = 0 * drive
            latent = np.concatenate([evidence.mean[i, t], evidence.var[i, t], [1.0]])
            unseen = np.concatenate([0 * latent, drive])
            result[1, i, t], _ = naive_step(layer, unseen, h, c)
            x = np.concatenate([latent, drive]) if evidence.seen[i, t] else unseen
            h, c = naive_step(layer, x, h, c)
            result[0, i, t] = h
    return result


def case(kind, driven=True):
    """A layer whose every weight counts, and series with gaps."""
    rng = np.random.default_rng(5)
    layer = kind.create(LATENT, units=UNITS, inputs=INPUTS if driven else 0, timed=driven, key=KEY)
    bias = jnp.asarray(rng.normal(size=layer.bias.shape), jnp.float32)
    layer = eqx.tree_at(lambda each: each.bias, layer, bias)
    seen = rng.random((BATCH, TIME)) < 0.6
    mean = rng.normal(size=(BATCH, TIME, LATENT)).astype(np.float32)
    var = rng.exponential(size=(BATCH, TIME, LATENT)).astype(np.float32)
    evidence = Evidence(*(jnp.asarray(each) for each in (mean, var, seen)))
    if not driven:
        return layer, evidence, None, None
    inputs = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)
    dt = rng.exponential(size=(BATCH, TIME)).astype(np.float32)
    return layer, evidence, jnp.asarray(inputs), jnp.asarray(dt)


def streamed(layer, evidence, inputs, dt, belief=None):
    """The verbs, step by step: priors, posteriors."""
    priors, posteriors = [], []
    for t in range(evidence.seen.shape[1]):
        if t == 0 and belief is None:
            belief = layer.init((evidence.seen.shape[0],))
        else:
            u, step = (None if each is None else each[:, t] for each in (inputs, dt))
            belief = predict(layer, belief, u, step)
        priors.append(belief)
        belief, log_density = update(layer, belief, at(evidence, np.s_[:, t]))
        assert log_density.shape == (evidence.seen.shape[0],) and not log_density.any()
        posteriors.append(belief)
    return [
        jax.tree.map(lambda *leaves: jnp.stack(leaves, 1), *each) for each in (priors, posteriors)
    ]


def at(tree, index):
    """A part of every leaf."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), one, other)


@pytest.mark.parametrize("driven", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_run_is_the_published_equations(kind, driven):
    layer, *data = case(kind, driven)
    track = run(layer, *data, prior=True)
    posterior, prior = naive_run(layer, *data)
    close(track.posterior.hidden, posterior)
    close(track.prior.hidden, prior)
    close(track.last.hidden, posterior[:, -1])
    assert run(layer, *data).prior is None


@pytest.mark.parametrize("driven", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_run_and_verbs_are_the_same(kind, driven):
    layer, *data = case(kind, driven)
    track = run(layer, *data, prior=True)
    priors, posteriors = streamed(layer, *data)
    close(track.posterior, posteriors)
    close(track.prior, priors)  # what is pending too


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_carries_on_from_the_last_belief(kind):
    layer, *data = case(kind)
    whole = run(layer, *data, prior=True)
    first, second = (at(data, np.s_[:, part]) for part in np.s_[:4, 4:])
    head = run(layer, *first, prior=True)
    tail = run(layer, *second, start=head.last, prior=True)
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b], 1), head[:2], tail[:2])
    close(joined, whole[:2])
    close(streamed(layer, *second, belief=head.last), [tail.prior, tail.posterior])
    posterior, prior = naive_run(layer, *second, start=head.last)
    close(tail.posterior.hidden, posterior)
    close(tail.prior.hidden, prior)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_seen_neither_counts_nor_poisons_gradients(kind):
    layer, evidence, inputs, dt = case(kind)
    hidden = ~evidence.seen[..., None]
    other = Evidence(
        jnp.where(hidden, jnp.nan, evidence.mean),
        jnp.where(hidden, jnp.inf, evidence.var),
        evidence.seen,
    )

    def loss(layer, evidence):
        return jnp.sum(layer.read(layer.run(evidence, inputs, dt).posterior).spread ** 2)

    gradient = eqx.filter_jit(eqx.filter_grad(loss))
    for one, same in zip(
        *(jax.tree.leaves(gradient(layer, each)) for each in (evidence, other)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, same)
    nothing = Evidence(evidence.mean, evidence.var, jnp.zeros_like(evidence.seen))
    track = run(layer, nothing, inputs, dt, prior=True)
    close(track.posterior.hidden, track.prior.hidden)  # nothing seen: open-loop prediction


@pytest.mark.parametrize("kind", KINDS)
def test_one_series_streams_without_a_batch_axis(kind):
    layer, *data = case(kind)
    track = run(layer, *data)
    evidence, inputs, dt = at(data, 0)
    belief = layer.init()
    for t in range(TIME):
        belief = predict(layer, belief, inputs[t], dt[t]) if t else belief
        belief, _ = update(layer, belief, at(evidence, t))
    close(belief, at(track.last, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_start_of_the_weights(kind):
    layer = kind.create(15, key=KEY)
    assert layer.units == 60 and layer.into.shape == (31, 60 * kind.gates)
    np.testing.assert_allclose(layer.across @ layer.across.T, np.eye(60), atol=1e-5)
    bound = np.sqrt(6 / (31 + 60 * kind.gates))
    assert 0.95 * bound < np.abs(layer.into).max() <= bound
    forget = np.zeros(60 * kind.gates)
    forget[60:120] = kind is LSTM
    np.testing.assert_array_equal(layer.bias, forget)
    assert {leaf.dtype for leaf in jax.tree.leaves(layer)} == {jnp.dtype("float32")}


@pytest.mark.parametrize("kind", KINDS)
def test_readout_halves_the_hidden_vector(kind):
    layer = kind.create(1, units=5, key=KEY)
    belief = Hidden(jnp.array([0.1, -0.2, 0.3, 0.0, -1.0]))
    mean, spread = layer.read(belief)
    np.testing.assert_allclose(mean, [0.1, -0.2])
    np.testing.assert_allclose(spread, np.exp([0.3, 0.0, -1.0]), rtol=1e-6)
    assert layer.sizes == (2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_parameter_counts(kind):
    make = lambda units: kind.create(15, units=units, key=KEY)  # noqa: E731
    counts = {units: kind.gates * units * (31 + units + 1) for units in range(2, 120)}
    assert count_parameters(make(60)) == counts[60]
    for parameters in (10, 999, 6075):
        nearest = min(counts, key=lambda units: abs(counts[units] - parameters))
        assert matched_units(make, parameters) == nearest


@pytest.mark.parametrize("kind", KINDS)
def test_refusals(kind):
    layer, evidence, inputs, dt = case(kind)
    with pytest.raises(
        RekalError, match=r"made for 2 inputs: shape .* is wanted, but none are given"
    ):
        layer.run(evidence, None, dt)
    with pytest.raises(
        RekalError, match=r"shape \(.*, 2\) is wanted, but shape \(.*, 1\) is given"
    ):
        layer.predict(layer.init((BATCH,)), inputs[:, 0, :1], dt[:, 0])
    with pytest.raises(RekalError, match=r"made for time steps: give dt"):
        layer.run(evidence, inputs)
    still, *_ = case(kind, driven=False)
    with pytest.raises(RekalError, match=r"takes no time steps: leave dt out"):
        still.run(evidence, None, dt)
    with pytest.raises(RekalError, match="update follows init or predict"):
        still.update(still.run(evidence).last, at(evidence, np.s_[:, 0]))
    with pytest.raises(
        RekalError, match=rf"{kind.__name__}: a layer needs latent >= 1, units >= 2"
    ):
        kind.create(0, key=KEY)
