"""Gradient training, against a naive loop; batches, schedule, early stopping, refusals."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import small_frames, small_network

from rekal.learning.backprop import Backprop
from rekal.learning.shuffling import batch_size, held_out, shuffled, spans
from rekal.networks.network import Network
from rekal.sequences.images import Frames


def leaves(network: Network) -> list[Any]:
    return jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))


def same(one: Network, other: Network, **how: Any) -> None:
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **how)


def naive_training(network: Network, data: Frames, how: Backprop, window: int) -> Network:
    """What Backprop does, one batch after the other, with optax alone."""
    batches = [
        list(shuffled(data.batch, how.batch, how.seed, epoch)) for epoch in range(how.epochs)
    ]
    total = how.epochs * len(batches[0]) * -(-data.steps // window)
    rate = optax.cosine_decay_schedule(how.rate, total)
    adam = optax.chain(optax.clip_by_global_norm(how.clip), optax.adam(rate))
    parameters, rest = eqx.partition(network, eqx.is_inexact_array)
    moments = adam.init(parameters)

    @jax.jit
    def gradient_of(parameters: Any, values: Any, mask: Any, targets: Any, belief: Any) -> Any:
        def loss(parameters: Any) -> Any:
            told = eqx.combine(parameters, rest).run(values, mask, start=belief)
            return -jnp.mean(told.distribution.log_density(targets)), told.last

        return jax.grad(loss, has_aux=True)(parameters)

    for draws in batches:
        for draw in draws:
            belief = None
            taken = data.take(draw.which[draw.counts])
            for begin in range(0, data.steps, window):
                cut = slice(begin, begin + window)
                part = (taken.values[:, cut], taken.mask[:, cut], taken.targets[:, cut])
                gradient, belief = gradient_of(parameters, *part, belief)
                update, moments = adam.update(gradient, moments)
                parameters = optax.apply_updates(parameters, update)
    return eqx.combine(parameters, rest)


@pytest.mark.parametrize("window", [7, 4])
def test_trains_as_a_naive_loop_does(window: int) -> None:
    network, data = small_network(), small_frames()
    how = Backprop(epochs=2, batch=5, rate=1e-2, warmup=0, clip=0.5, window=window)
    found = how.run(network, data)
    same(found.network, naive_training(network, data, how, window), rtol=2e-4, atol=2e-6)
    assert found.stopped == "epochs" and found.train.shape == (2,) and found.frames_per_second > 0


def test_learns_and_leaves_the_network_it_was_given_alone() -> None:
    network, data = small_network(), small_frames(40)
    before = [np.array(leaf) for leaf in leaves(network)]
    found = Backprop(epochs=20, batch=10, rate=1e-2).run(network, data)
    assert found.train[-1] < found.train[0] - 0.5
    for a, b in zip(before, leaves(network), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_that_is_filled_up_counts_its_series_once() -> None:
    network, data = small_network(), small_frames(7)
    how = Backprop(epochs=2, batch=4, rate=1e-2, warmup=0)
    same(
        how.run(network, data).network, naive_training(network, data, how, 7), rtol=2e-4, atol=2e-6
    )


def test_batches_are_as_equal_as_can_be() -> None:
    assert batch_size(2000, 50) == 50
    assert batch_size(51, 50) == 26
    assert batch_size(30, 50) == 30
    assert batch_size(30, 48, 8) == 32


def test_every_series_once_an_epoch_in_an_order_that_follows_from_the_seed() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        draws = list(shuffled(11, 4, seed, epoch))
        assert {len(draw.which) for draw in draws} == {4}
        return [int(i) for draw in draws for i in draw.which[draw.counts]]

    assert sorted(order(0, 0)) == list(range(11))
    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) != order(1, 4)


def test_held_out_series_are_no_training_series() -> None:
    kept, apart = held_out(20, 0.25, seed=3)
    assert len(apart) == 5 and sorted([*kept, *apart]) == list(range(20))


def test_hidden_spans_take_up_their_share_and_have_their_length() -> None:
    hidden = spans(np.random.default_rng(0), (400, 500), 0.3, 5.0)
    assert not hidden[:, 0].any()
    assert hidden.mean() == pytest.approx(0.3, abs=0.01)
    starts = (hidden[:, 1:] & ~hidden[:, :-1]).sum()
    assert hidden.sum() / starts == pytest.approx(5.0, rel=0.03)


def test_hidden_frames_do_not_reach_the_network() -> None:
    """Other pixels in a blackout change nothing."""
    data = small_frames(6)
    how = Backprop(epochs=1, batch=6, blackouts=0.5, blackout_length=4)
    draw = next(shuffled(6, 6, how.seed, 0, data.steps, 0.5, 4.0))
    assert draw.hidden is not None and draw.hidden.any()
    values = data.values.copy()
    values[draw.which] = np.where(draw.hidden[..., None, None, None], 77, values[draw.which])
    other = Frames.from_arrays(values, data.targets, mask=data.mask)
    one, two = how.run(small_network(), data), how.run(small_network(), other)
    np.testing.assert_array_equal(one.train, two.train)


def test_progress_is_told_after_each_batch() -> None:
    told: list[Any] = []
    Backprop(epochs=2, batch=5).run(small_network(), small_frames(), progress=told.append)
    assert [(p.epoch, p.batch) for p in told] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_series_that_do_not_fit_onto_the_devices_are_sent_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how, data = Backprop(epochs=2, batch=5, window=4), small_frames()
    one = how.run(small_network(), data)
    monkeypatch.setattr("rekal.learning.devices.Devices.fit", lambda *_: False)
    same(one.network, how.run(small_network(), data).network, rtol=1e-5, atol=1e-7)
