"""The chain of rods against Lagrange's equations worked out numerically, and its film."""

import numpy as np
import pytest
from naive import entropy

from rekalman.datasets import quad_link
from rekalman.datasets.chain import accelerations, simulate
from rekalman.datasets.quad_link import corners
from rekalman.foundation.errors import RekalError

G, INERTIA = 9.81, 1 / 3


def middles(relative):
    """Where the middles of the rods are, rod by rod; works with complex angles too."""
    x = y = 0.0
    places = []
    for angle in np.cumsum(relative):
        places.append((x + np.sin(angle) / 2, y - np.cos(angle) / 2))
        x, y = x + np.sin(angle), y - np.cos(angle)
    return np.array(places)


def energies(relative, speed):
    """Kinetic and potential energy; velocities of the middles by a complex step, which is exact."""
    velocity = middles(relative + 1e-30j * speed).imag / 1e-30
    kinetic = (velocity**2).sum() / 2 + INERTIA * (np.cumsum(speed) ** 2).sum() / 2
    return kinetic, G * middles(relative)[:, 1].sum()


def lagrangian(relative, speed):
    kinetic, potential = energies(relative, speed)
    return kinetic - potential


def gradient(function, at, step=1e-4):
    moves = step * np.eye(len(at))
    return np.array([(function(at + move) - function(at - move)) / (2 * step) for move in moves])


@pytest.mark.parametrize("links", [1, 2, 4])
def test_accelerations_solve_lagranges_equations(links):
    random = np.random.default_rng(links)
    for _ in range(5):
        r, v = random.uniform(-3, 3, (2, links))
        absolute = accelerations(np.cumsum(r)[:, None], np.cumsum(v)[:, None], 0.1)[:, 0]
        a = np.diff(absolute, prepend=0.0)

        def momentum(t, r=r, v=v, a=a):
            at, speed = r + v * t + a * t**2 / 2, v + a * t
            return gradient(lambda s: lagrangian(at, s), speed)

        change = (momentum(1e-4) - momentum(-1e-4)) / 2e-4
        force = gradient(lambda q, v=v: lagrangian(q, v), r)
        np.testing.assert_allclose(change - force, -0.1 * v, atol=2e-4)


def test_energy_is_kept_without_friction_and_lost_with_it():
    first = np.random.default_rng(0).uniform(-np.pi, np.pi, (5, 4))
    for friction in (0.0, 0.1):
        angles, speeds = simulate(first, 40, 0.05, friction)
        energy = np.array(
            [
                [sum(energies(*state)) for state in zip(*film, strict=True)]
                for film in zip(angles, speeds, strict=True)
            ]
        )
        if friction:
            power = friction * (speeds**2).sum(2)
            lost = 0.05 * (power[:, 1:] + power[:, :-1]).sum(1) / 2
            np.testing.assert_allclose(energy[:, 0] - energy[:, -1], lost, rtol=0.05)
        else:
            np.testing.assert_allclose(energy, energy[:, :1].repeat(40, 1), atol=1e-4)


def test_a_single_rod_swings_at_its_frequency():
    angles, _ = simulate(np.array([[1e-3]]), 50, 0.05, 0.0)
    rate = np.sqrt(G / 2 / (1 / 4 + INERTIA))
    np.testing.assert_allclose(
        angles[0, :, 0], 1e-3 * np.cos(rate * 0.05 * np.arange(50)), atol=1e-8
    )


def test_quad_link_has_the_known_figures():
    film = quad_link(1500, 2, seed=3)
    brightness = film.frames.values / 255.0
    assert film.frames.shape == (48, 48, 1) and film.frames.targets.shape == (1500, 2, 8)
    assert entropy(brightness).mean() == pytest.approx(24.2, abs=0.4)
    assert entropy(brightness.mean((0, 1))) == pytest.approx(155.0, abs=3.0)
    sin, cos = film.frames.targets[..., ::2], film.frames.targets[..., 1::2]
    np.testing.assert_allclose(np.arctan2(sin, cos), np.angle(np.exp(1j * film.angles)), atol=1e-5)


def test_quad_link_starts_from_rest_at_the_angles_drawn():
    film = quad_link(3, 2, dt=1e-4, seed=7)
    first = np.random.RandomState(7).uniform(-np.pi, np.pi, (4, 3)).T
    np.testing.assert_allclose(film.angles[:, 0], first, atol=1e-12)
    np.testing.assert_allclose(film.angles[:, 1], first, atol=1e-5)


def test_an_upright_quad_link_stays_for_a_while():
    hanging = simulate(np.zeros((1, 4)), 20, 0.05, 0.1)[0]
    upright = simulate(np.array([[np.pi, 0.0, 0.0, 0.0]]), 10, 0.05, 0.1)[0]
    np.testing.assert_array_equal(hanging, 0.0)
    np.testing.assert_allclose(upright[0, :, 0], np.pi, atol=1e-6)


def test_links_are_drawn_by_their_relative_angles():
    np.testing.assert_allclose(
        corners(np.zeros(4)), [[64, 64], [64, 80], [64, 64], [64, 48], [64, 32]]
    )
    bent = corners(np.array([0.0, 0.0, np.pi / 2, 0.0]))
    np.testing.assert_allclose(bent, [[64, 64], [64, 80], [64, 64], [48, 64], [48, 48]])


def test_image_noise_and_size():
    film = quad_link(2, 12, image_noise=True)
    assert film.frames.values.dtype == np.uint8 and film.frames.values.shape == (2, 12, 48, 48, 1)
    clean = quad_link(2, 12)
    np.testing.assert_array_equal(film.frames.values[:, :5], clean.frames.values[:, :5])
    same = (film.frames.values == clean.frames.values).all((2, 3, 4))
    np.testing.assert_array_equal(same, film.factor == 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sequences": 0}, "at least 1 sequence"),
        ({"dt": 0.0}, "dt above 0"),
        ({"friction": -1}, "-1"),
    ],
)
def test_impossible_quad_links_are_refused(settings, message):
    with pytest.raises(RekalError, match=message):
        quad_link(**{"sequences": 2, "steps": 2, **settings})
