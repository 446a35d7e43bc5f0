"""Gradient training, against a naive loop; batches, schedule, early stopping, refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import small_frames, small_network

from rekalman.data import Sequences
from rekalman.data.images import Frames
from rekalman.foundation.errors import RekalError
from rekalman.learners.gradient.backprop import Backprop
from rekalman.learners.gradient.optimiser import (
    OptimiserSettings,
    Schedule,
    begin,
    descend,
    learning_rate,
)
from rekalman.learners.gradient.shuffling import (
    Disturbance,
    batch_size,
    held_out,
    places,
    shuffled,
    spans,
)
from rekalman.learners.gradient.training_bar import BackpropProgress, training_bar
from rekalman.networks.network import Network


def leaves(network: Network) -> list[Any]:
    return jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))


def same(one: Network, other: Network, **options: Any) -> None:
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **options)


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
            output = eqx.combine(parameters, rest).run(values, mask, start=belief)
            return -jnp.mean(output.distribution.log_prob(targets)), output.last

        return jax.grad(loss, has_aux=True)(parameters)

    for draws in batches:
        for draw in draws:
            belief = None
            taken = data.take(draw.which[draw.counts])
            for at in range(0, data.steps, window):
                cut = slice(at, at + window)
                part = (taken.values[:, cut], taken.mask[:, cut], taken.targets[:, cut])
                gradient, belief = gradient_of(parameters, *part, belief)
                update, moments = adam.update(gradient, moments)
                parameters = optax.apply_updates(parameters, update)
    return eqx.combine(parameters, rest)


@pytest.mark.parametrize(("batch", "window"), [(5, 7), (4, 4)])
def test_trains_as_a_naive_loop_does(batch: int, window: int) -> None:
    """With whole series; and with windows, and a last batch that is filled up, of two series."""
    network, data = small_network(), small_frames()
    options = Backprop(epochs=2, batch=batch, rate=1e-2, warmup=0, clip=0.5, window=window)
    result = options.run(network, data)
    same(result.model, naive_training(network, data, options, window), rtol=2e-4, atol=2e-6)
    assert (
        result.stopped == "epochs" and result.train.shape == (2,) and result.frames_per_second > 0
    )


def test_learns_and_leaves_the_network_it_was_given_alone() -> None:
    network, data = small_network(), small_frames()
    before = [np.array(leaf) for leaf in leaves(network)]
    result = Backprop(epochs=60, batch=5, rate=1e-2).run(network, data)
    assert result.train[-1] < result.train[0] - 0.5
    for a, b in zip(before, leaves(network), strict=True):
        np.testing.assert_array_equal(a, b)


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
    retained, apart = held_out(20, 0.25, seed=3)
    assert len(apart) == 5 and sorted([*retained, *apart]) == list(range(20))


def test_hidden_spans_take_up_their_share_and_have_their_length() -> None:
    hidden = spans(np.random.default_rng(0), (400, 500), 0.3, 5.0)
    assert not hidden[:, 0].any()
    assert hidden.mean() == pytest.approx(0.3, abs=0.01)
    starts = (hidden[:, 1:] & ~hidden[:, :-1]).sum()
    assert hidden.sum() / starts == pytest.approx(5.0, rel=0.03)


def test_hidden_frames_do_not_reach_the_network() -> None:
    """Other pixels in a blackout change nothing."""
    data, options = small_frames(), Backprop(epochs=1, batch=5, mask_probability=0.5, span_length=4)
    values = data.values.copy()
    for draw in shuffled(
        10, 5, options.seed, 0, data.steps, Disturbance(mask_probability=0.5, length=4.0)
    ):
        assert draw.hidden is not None and draw.hidden.any()
        there = np.zeros((10, data.steps), bool)
        there[draw.which] = draw.hidden
        values[there] = 77
    other = Frames.from_arrays(values, data.targets, mask=data.mask)
    one, two = options.run(small_network(), data), options.run(small_network(), other)
    np.testing.assert_array_equal(one.train, two.train)


def test_scrambled_frames_are_the_same_pixels_in_other_places() -> None:
    """Pixels put into other places beforehand, by the same permutation, give the same run."""
    data, options = (
        small_frames(),
        Backprop(epochs=1, batch=5, permute_probability=0.5, span_length=4),
    )
    values = data.values.copy()
    draws = shuffled(
        10, 5, options.seed, 0, data.steps, Disturbance(permute_probability=0.5, length=4.0)
    )
    for number, draw in enumerate(draws):
        assert draw.scrambled is not None and draw.scrambled.any()
        there = np.zeros((10, data.steps), bool)
        there[draw.which] = draw.scrambled
        order = places(9, options.seed, 0, number)
        values[there] = values[there].reshape(-1, 9)[:, order].reshape(-1, 3, 3, 1)
    other = Frames.from_arrays(values, data.targets, mask=data.mask)
    one = options.run(small_network(), data)
    two = Backprop(epochs=1, batch=5).run(small_network(), other)
    np.testing.assert_allclose(one.train, two.train, rtol=1e-6)


def test_progress_is_told_after_each_batch() -> None:
    output: list[Any] = []
    Backprop(epochs=2, batch=5).run(small_network(), small_frames(), progress=output.append)
    assert [(p.epoch, p.batch) for p in output] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_the_bar_shows_epoch_losses_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    with training_bar(True) as report:
        assert report is not None
        report(BackpropProgress(2, 3, 4, 5, -1.25, 0.5, 12345.6))
    shown = capsys.readouterr()
    assert shown.out == ""
    for words in ("epoch 2/3", "loss -1.250, validation 0.500", "12,346 frames/s"):
        assert words in shown.err


def test_series_that_do_not_fit_onto_the_devices_are_sent_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options, data = Backprop(epochs=2, batch=5, window=4), small_frames()
    one = options.run(small_network(), data)
    monkeypatch.setattr("rekalman.learners.gradient.devices.Devices.fit", lambda *_: False)
    same(one.model, options.run(small_network(), data).model, rtol=1e-5, atol=1e-7)


def test_rate_rises_and_falls_as_optax_has_it() -> None:
    def rates(schedule: Schedule) -> list[float]:
        numbers = (np.array(x, np.float32) for x in (0.1, 4.0, 20.0, np.inf))
        optimiser_settings = OptimiserSettings(schedule, *numbers, average=None)
        return [float(learning_rate(optimiser_settings, jnp.array(i))) for i in range(20)]

    expected = optax.warmup_cosine_decay_schedule(0.0, 0.1, 4, 20)
    falls = np.array(rates("cosine"))
    np.testing.assert_allclose(falls[4:], [expected(i) for i in range(4, 20)], rtol=1e-5)
    np.testing.assert_allclose(falls[:4], [0.025, 0.05, 0.075, 0.1], rtol=1e-6)
    np.testing.assert_allclose(rates("constant")[2:], [0.075] + [0.1] * 17, rtol=1e-6)


def test_the_moving_average_forgets_the_start() -> None:
    optimiser_settings = OptimiserSettings(
        "constant", *(np.array(x, np.float32) for x in (0.5, 0.0, 9.0, np.inf, 0.9))
    )
    state, expected = begin(optimiser_settings, jnp.array([3.0, -1.0])), np.array([3.0, -1.0])
    for n in range(9):
        state, norm = descend(optimiser_settings, state, jnp.array([1.0, -2.0]))
        keep = min(0.9, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * np.asarray(state.parameters)
    assert float(norm) == pytest.approx(np.sqrt(5))
    np.testing.assert_allclose(state.result, expected, rtol=1e-6)
    np.testing.assert_allclose(state.parameters, [3 - 4.5, -1 + 4.5], rtol=1e-4)


def test_the_best_epoch_is_handed_out_and_waited_for_only_so_long() -> None:
    network, data, other = small_network(), small_frames(), small_frames(6, seed=1)
    options = Backprop(epochs=50, batch=5, rate=0.3, schedule="constant", warmup=0, patience=3)
    result = options.run(network, data, other)
    best = int(np.argmin(result.validation))
    assert result.stopped == "patience" and len(result.validation) == best + 1 + 3
    short = dataclasses.replace(options, epochs=best + 1).run(network, data, other)
    same(result.model, short.model, rtol=0)
    output = result.model.run(jnp.asarray(other.values), jnp.asarray(other.mask))
    loss = -float(output.distribution.log_prob(jnp.asarray(other.targets)).mean())
    assert result.validation[best] == pytest.approx(loss, rel=1e-5)


def test_ragged_series_with_gaps_train_a_forecasting_network_on_their_values() -> None:
    random = np.random.default_rng(0)
    series = [random.normal(size=(length, 2)) for length in (5, 9)]
    series[0][1, 0] = series[1][3] = np.nan
    network = small_network(shape=(2,), targets=2, decodes="prior")
    result = Backprop(epochs=1, warmup=0).run(network, Sequences.from_arrays(series))
    density_of = eqx.filter_jit(lambda v, seen: network.run(v, seen).distribution.log_prob(v))
    losses = []
    for values in series:
        output = jnp.asarray(values, jnp.float32)[None]
        density = density_of(output, ~jnp.isnan(output).any(2))[0]
        losses += [
            -float(d) for d, row in zip(density, values, strict=True) if not np.isnan(row).all()
        ]
    assert len(losses) == 13
    assert result.train[0] == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_target_that_cannot_be_learned_stops_the_run_in_its_batch() -> None:
    data = small_frames()
    targets = data.targets.copy()
    targets[7, 2] = 1e30
    bad = Frames.from_arrays(data.values, targets, mask=data.mask)
    batches = [draw.which for draw in shuffled(10, 5, 0, 0)]
    where = 1 + next(i for i, which in enumerate(batches) if 7 in which)
    with pytest.raises(RekalError, match=f"not finite in epoch 1, batch {where}"):
        Backprop(epochs=2, batch=5).run(small_network(), bad)
    with pytest.raises(RekalError, match="series for validation is not finite after epoch 1"):
        Backprop(epochs=2, batch=5).run(small_network(), data, bad)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epochs": 0}, "epochs must be at least 1, but is 0"),
        ({"window": 0}, "window must be at least 1, but is 0"),
        ({"rate": -1e-3}, "rate must be above 0"),
        ({"clip": np.nan}, "clip must be a finite number"),
        ({"mask_probability": 1.0}, "mask_probability is a share of at least 0 and below 1"),
        ({"average": -0.1}, "average is a share"),
        ({"permute_probability": -0.1}, "permute_probability is a share of at least 0 and below 1"),
        ({"span_length": 0.5}, "span_length must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(RekalError, match=match):
        Backprop(**settings)


def test_data_that_do_not_fit_are_refused() -> None:
    network, data = small_network(), small_frames(4)
    table = Sequences.from_arrays(np.zeros((3, 8, 2)))

    def refused(match: str, how: Backprop, *data: Frames | Sequences) -> None:
        with pytest.raises(RekalError, match=match):
            how.run(network, *data)

    large = Frames.from_arrays(np.zeros((2, 4, 5, 3), np.uint8), np.zeros((2, 4, 1)))
    refused(r"observations of shape \(3, 3, 1\), but the data have \(5, 3, 1\)", Backprop(), large)
    refused(r"but the validation data have \(5, 3, 1\)", Backprop(), data, large)
    refused("the data have no targets, and a network", Backprop(), table)
    driven = Frames.from_arrays(data.values, data.targets, inputs=np.zeros((4, 7, 2)))
    refused("the network has 0 inputs, but the data have 2", Backprop(), driven)
    unknown = Frames.from_arrays(data.values, np.full_like(data.targets, np.nan))
    refused("the data have no known target", Backprop(), unknown)
    two = Frames.from_arrays(data.values, np.zeros((4, 7, 2)))
    refused(r"targets of shape \(1,\), but those of the data have \(2,\)", Backprop(), two)
    refused(r"but those of the validation data have \(2,\)", Backprop(), data, two)
    images = Frames.from_arrays(data.values, data.values)
    refused(r"but those of the data have \(3, 3, 1\)", Backprop(), images)
    dark = Frames.from_arrays(data.values, data.targets, mask=np.zeros((4, 7), bool))
    refused("nothing of the data is seen", Backprop(), dark)
    with pytest.raises(RekalError, match="a target is infinite: give NaN"):
        Sequences.from_arrays(np.zeros((3, 8, 2)), targets=np.full((3, 8, 1), np.inf))
    refused("patience needs series for validation", Backprop(patience=2), data)
    refused("hold_out needs at least two series", Backprop(hold_out=0.5), small_frames(1))
    refused("not both", Backprop(hold_out=0.5), data, data)
