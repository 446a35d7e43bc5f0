"""Simulated films: dynamics, pictures and noise against naive computations and known figures."""

from itertools import pairwise

import numpy as np
import pytest
from naive import entropy

from rekalman.datasets import pendulum, pendulum_task
from rekalman.datasets.image_noise import draw_factor
from rekalman.datasets.rendering import draw
from rekalman.foundation.errors import RekalError


def test_pendulum_has_the_known_figures():
    frames = pendulum(400, 75, image_noise=False, seed=1).frames
    assert frames.shape == (24, 24, 1) and frames.targets.shape == (400, 75, 2)
    brightness = frames.values / 255.0
    mean = brightness.mean((0, 1))
    assert entropy(brightness).mean() == pytest.approx(11.97, abs=0.1)
    assert entropy(mean) == pytest.approx(55.0, abs=2.0)
    assert ((brightness - mean) ** 2).mean() == pytest.approx(0.0172, abs=0.0005)


def test_noise_factor_has_the_known_distribution():
    factor = draw_factor(np.random.RandomState(0), 20_000, 75)[..., 0]
    assert (factor[:, :5] == 1).all()
    late = factor[:, 5:]
    shares = [(late == 0).mean(), (late <= 0.1).mean(), (late == 1).mean(), late.mean()]
    np.testing.assert_allclose(shares, [0.168, 0.232, 0.167, 0.5], atol=0.006)


def test_pendulum_draws_in_the_published_order():
    """One film at a time in plain loops, with the numbers drawn in the order of the original generator."""
    film = pendulum(2, 6, dt=0.01, seed=42)
    random = np.random.RandomState(42)
    first = random.uniform(0, 2 * np.pi, (2, 1))[:, 0]
    pushes = [random.normal(0, 0.1, 2) for _ in range(5)]
    shake = random.normal(0, 1e-5, (2, 6, 2))[..., 0]
    walk = [random.uniform(0, 1, 2)]
    for _ in range(5):
        walk.append(np.clip(walk[-1] + random.uniform(-0.2, 0.2, 2), 0, 1))
    low, high = random.uniform(0, 0.25, 2), random.uniform(0.75, 1, 2)
    for i in range(2):
        angle, velocity, angles = first[i], 0.0, [first[i]]
        for push in pushes:
            for _ in range(100):
                velocity += 1e-4 * (3 * 9.81 * np.sin(angle) - 0.1 * velocity)
                angle += 1e-4 * velocity
            velocity += push[i]
            angle %= 2 * np.pi
            angles.append(angle)
        angles = np.array(angles) - np.pi
        np.testing.assert_allclose(film.angles[i, :, 0], angles, atol=1e-9)
        f = np.clip((np.array(walk)[:, i] - low[i]) / (high[i] - low[i]), 0, 1)
        f[:5] = 1
        np.testing.assert_allclose(film.factor[i], f, atol=1e-12)
        noise = random.uniform(0, 255, (6, 24, 24))
        seen = angles + shake[i]
        for t in range(6):
            tip = [64 + 55 * np.sin(seen[t]), 64 + 55 * np.cos(seen[t])]
            clean = draw(np.array([[64.0, 64.0], tip]), 24, 8).frames
            expected = (f[t] * clean + (1 - f[t]) * noise[t]).astype(np.uint8)
            np.testing.assert_array_equal(film.frames.values[i, t, :, :, 0], expected)


def test_a_picture_is_what_pillow_draws_between_points_that_are_no_whole_numbers():
    from PIL import Image, ImageDraw

    corners = np.random.default_rng(0).uniform(5, 120, (50, 3, 2))
    pictures = draw(corners, 48, 6).frames
    for chain, picture in zip(corners, pictures, strict=True):
        canvas = Image.new("F", (128, 128), 0.0)
        for start, end in pairwise(chain):
            ImageDraw.Draw(canvas).line([*start, *end], fill=1.0, width=6)
        small = np.asarray(canvas.resize((48, 48), Image.Resampling.LANCZOS))
        np.testing.assert_array_equal(picture, (255 * small.clip(0, 1)).astype(np.uint8))


def test_the_rod_points_where_the_targets_say():
    frames = pendulum(20, 3, image_noise=False).frames
    bright = frames.values[..., 0] / frames.values.sum((2, 3, 4))[..., None, None]
    pixel = (np.arange(24) + 0.5) * 128 / 24 - 64
    middle = np.stack([bright.sum(2) @ pixel, bright.sum(3) @ pixel], -1)
    np.testing.assert_allclose(middle, 27.5 * frames.targets, atol=2.5)


def test_a_seed_fixes_a_task(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    one, two, other = (pendulum_task(3, 2, 8, seed=seed) for seed in (0, 0, 1))
    for mine, same in zip(one[:2], two[:2], strict=True):
        np.testing.assert_array_equal(mine.frames.values, same.frames.values)
        np.testing.assert_array_equal(mine.factor, same.factor)
    assert not np.array_equal(one.train.angles, other.train.angles)
    assert not np.array_equal(one.train.angles[:2], one.test.angles)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 1}, "at least 1 sequence and 2 frames, not 2000 and 1"),
        ({"dt": 0.0}, "dt from 0.0001 s"),
        ({"process_noise": -1.0}, "noise -1"),
    ],
)
def test_impossible_pendulums_are_refused(settings, message):
    with pytest.raises(RekalError, match=message):
        pendulum(**settings)
