"""Dense layers, layer norm, positive maps, distributions and the simple encoder and head."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from small_networks import small_network

from rekalman.core.bernoulli import Bernoulli
from rekalman.core.gaussian import DiagonalGaussian
from rekalman.foundation.errors import RekalError
from rekalman.networks.decoders import GaussianHead
from rekalman.networks.dense import MLP, Dense, LayerNorm
from rekalman.networks.encoders import BYTE, DenseEncoder
from rekalman.networks.positive import POSITIVE, positive

KEY = jax.random.key(0)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", POSITIVE)
@given(x=FLOATS)
def test_positive_maps_are_positive_with_finite_gradient(name, x):
    value, slope = jax.value_and_grad(positive(name).forward)(jnp.float32(x))
    assert 0 < value < np.inf
    assert np.isfinite(slope)


@pytest.mark.parametrize("name", POSITIVE)
@given(v=st.floats(2.0**-60, 2.0**60, width=32))
def test_inverses_of_positive_maps(name, v):
    back = positive(name).forward(positive(name).inverse(jnp.float32(v)))
    # log in float32 keeps 1e-7 of its value, up to 46 here, so exp of it keeps about 1e-5.
    np.testing.assert_allclose(back, v, rtol=1e-5)


@pytest.mark.parametrize("name", POSITIVE)
def test_gradients_of_inverses_are_finite(name):
    v = jnp.asarray([1e-10, 0.1, 1.0, 10.0, 1e10])
    assert np.isfinite(jax.vmap(jax.grad(positive(name).inverse))(v)).all()


def test_known_values_of_positive_maps():
    x = jnp.asarray([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(POSITIVE["elu1"].forward(x), jax.nn.elu(x) + 1, rtol=1e-6)
    np.testing.assert_allclose(POSITIVE["softplus"].forward(x), np.log1p(np.exp(x)), rtol=1e-6)
    with pytest.raises(RekalError, match="unknown positive map 'square'"):
        positive("square")


def test_dense_weights_fill_the_interval_of_glorot():
    dense = Dense(300, 100, key=KEY)
    bound = np.sqrt(6 / 400)
    assert 0.99 * bound < abs(dense.weight).max() <= bound
    assert dense.weight.dtype == jnp.float32 and not dense.bias.any()


def test_mlp_against_numpy():
    mlp = MLP(5, (7, 3), "tanh", key=KEY)
    x = RNG.normal(size=(2, 4, 5)).astype(np.float32)
    first, second = mlp.layers
    expected = np.tanh(np.tanh(x @ first.weight + first.bias) @ second.weight + second.bias)
    np.testing.assert_allclose(mlp(jnp.asarray(x)), expected, atol=1e-6)
    assert mlp.outputs == 3
    nothing = MLP(5, (), key=KEY)
    np.testing.assert_array_equal(nothing(jnp.asarray(x)), x)
    assert nothing.outputs == 5


def test_layer_norm_over_all_axes_of_a_sample():
    norm = LayerNorm(3, eps=1e-12)
    scale, offset = jnp.asarray([1.0, -2.0, 0.5]), jnp.asarray([0.0, 1.0, 2.0])
    norm = jax.tree.unflatten(jax.tree.structure(norm), [scale, offset])
    x = (50 + 3 * RNG.normal(size=(4, 6, 5, 3))).astype(np.float32)
    flat = x.reshape(4, -1).astype(float)
    unit = ((flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)).reshape(x.shape)
    np.testing.assert_allclose(norm(jnp.asarray(x)), unit * scale + offset, atol=2e-5)


@pytest.mark.parametrize("eps", [1e-12, 1e-5])
@pytest.mark.parametrize("level", [0.0, 0.1, 255.0])
def test_layer_norm_of_a_constant_frame_is_finite(eps, level):
    norm = LayerNorm(2, eps)
    x = jnp.full((1, 8, 8, 2), level)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(norm(x) ** 3 + norm(x)))(x)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_gaussian_density_against_scipy():
    mean, var = RNG.normal(size=(2, 3, 4)), RNG.uniform(0.1, 2, (2, 3, 4))
    target = RNG.normal(size=(2, 3, 4))
    output = DiagonalGaussian(jnp.asarray(mean, jnp.float32), jnp.asarray(var, jnp.float32))
    expected = scipy.stats.norm.logpdf(target, mean, np.sqrt(var))
    wanted = jnp.asarray(target, jnp.float32)
    np.testing.assert_allclose(output.log_prob(wanted), expected.sum(-1), atol=1e-4)
    low, high = output.interval(0.9)
    exact = scipy.stats.norm.interval(0.9, mean, np.sqrt(var))
    np.testing.assert_allclose(low, exact[0], atol=1e-5)
    np.testing.assert_allclose(high, exact[1], atol=1e-5)
    assert output.reshape((6,)).mean.shape == (6, 4)
    with pytest.raises(RekalError, match="between 0 and 1, but is 90"):
        output.interval(90)


def test_bernoulli_density_against_the_cross_entropy():
    logits = 3 * RNG.normal(size=(5, 4, 4, 1))
    pixels = RNG.integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    p, t = 1 / (1 + np.exp(-logits)), pixels / 255
    expected = (t * np.log(p) + (1 - t) * np.log(1 - p)).sum((1, 2, 3))
    output = Bernoulli(jnp.asarray(logits, jnp.float32))
    soft = jnp.asarray(t, jnp.float32)
    np.testing.assert_allclose(output.log_prob(jnp.asarray(pixels)), expected, rtol=1e-5)
    np.testing.assert_allclose(output.log_prob(soft), expected, rtol=1e-5)
    np.testing.assert_allclose(output.mean, p, rtol=1e-5)
    np.testing.assert_allclose(output.var, p * (1 - p), rtol=1e-5)
    assert output.reshape((5, 1)).logits.shape == (5, 1, 4, 4, 1)


def test_bernoulli_density_is_stable_in_the_far():
    output = Bernoulli(jnp.asarray([[1e4, -1e4, 1e4]]), axes=1)
    np.testing.assert_allclose(output.log_prob(jnp.asarray([[1.0, 0.0, 0.0]])), [-1e4])


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli"])
def test_unknown_targets_count_nothing(kind):
    def density(x, target):
        output = DiagonalGaussian(x, jnp.exp(x)) if kind == "gaussian" else Bernoulli(x, axes=1)
        return output.log_prob(target).sum()

    x, target = jnp.asarray([[0.3, -0.2, 0.5]]), jnp.asarray([[0.1, np.nan, 0.9]])
    value, gradient = jax.value_and_grad(density)(x, target)
    some, gradient_some = jax.value_and_grad(density)(x[:, ::2], target[:, ::2])
    np.testing.assert_allclose(value, some, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, ::2], gradient_some[0], rtol=1e-6)
    assert gradient[0, 1] == 0


@pytest.mark.parametrize("normalise", ["post", "pre", None])
def test_dense_encoder_in_steps(normalise):
    encoder = DenseEncoder((4, 4, 1), 3, (8,), scale=BYTE, normalise=normalise, key=KEY)
    frames = RNG.integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    (layer,), head = encoder.body.layers, encoder.head
    hidden = np.maximum(
        frames.reshape(5, -1) / 255 @ np.asarray(layer.weight) + np.asarray(layer.bias), 0
    )
    if normalise == "pre":
        hidden /= np.linalg.norm(hidden, axis=1, keepdims=True)
    mean, score = (
        hidden @ np.asarray(h.weight) + np.asarray(h.bias) for h in (head.mean, head.var)
    )
    if normalise == "post":
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    found_mean, found_var = encoder(jnp.asarray(frames))
    np.testing.assert_allclose(found_mean, mean, atol=1e-5)
    np.testing.assert_allclose(found_var, np.where(score > 0, score + 1, np.exp(score)), rtol=1e-5)


@pytest.mark.parametrize("normalise", ["post", "pre", None])
def test_dense_encoder_on_nothing_has_finite_gradients(normalise):
    encoder = DenseEncoder((6,), 3, (8, 8), norm=True, normalise=normalise, key=KEY)

    def loss(encoder):
        mean, var = encoder(jnp.zeros((2, 6)))
        return jnp.sum(mean**2 + mean + jnp.log(var))

    gradient = jax.jit(jax.grad(loss))(encoder)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_encoders_refuse_what_they_were_not_made_for():
    encoder = DenseEncoder((6,), 3, key=KEY)
    with pytest.raises(RekalError, match=r"made for observations of shape \(6,\), not \(5,\)"):
        encoder(jnp.zeros((2, 5)))
    with pytest.raises(RekalError, match="unknown normalise='after'"):
        DenseEncoder((6,), 3, normalise="after", key=KEY)


def test_gaussian_head_reads_its_two_vectors_apart():
    head = GaussianHead(4, 6, 2, (30,), "tanh", key=KEY)
    features, spread = RNG.normal(size=(2, 5, 6)).astype(np.float32)
    output = head(jnp.asarray(features[:, :4]), jnp.asarray(spread))
    other = head(jnp.asarray(features[:, :4]), jnp.asarray(spread + 1))
    np.testing.assert_array_equal(output.mean, other.mean)
    assert output.mean.shape == output.var.shape == (5, 2)
    assert (output.var > head.floor).all() and abs(output.var - other.var).min() > 0


def test_networks_refuse_other_frames_and_masks():
    network = small_network()
    with pytest.raises(RekalError, match=r"observations of shape \(3, 3, 1\), not \(9, 1, 1\)"):
        network.encode(jnp.zeros((2, 4, 9, 1, 1)))
    with pytest.raises(RekalError, match=r"a mask for \(2, 4\) observations .*, not \(2, 3\)"):
        network.encode(jnp.zeros((2, 4, 3, 3, 1)), jnp.ones((2, 3), bool))
