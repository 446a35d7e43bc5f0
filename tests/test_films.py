"""Three pendulums, springs, frames taken away, and films kept on disk."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rekalman.datasets import (
    hide,
    imputation_task,
    irregular_task,
    pendulum,
    quad_link_task,
    spring_damper,
    thin,
    three_pendulums,
    three_pendulums_task,
    untold,
)
from rekalman.datasets.cache import cached
from rekalman.datasets.filmed import Filmed
from rekalman.datasets.gaps import draw_kept
from rekalman.datasets.pendulum import swing
from rekalman.datasets.tasks import interpolation_task
from rekalman.foundation.archive import save_archive
from rekalman.foundation.errors import RekalError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    return tmp_path / "simulated"


def assert_same(one, two):
    for a, b in zip(
        [*vars(one.frames).values(), *one[1:]], [*vars(two.frames).values(), *two[1:]], strict=True
    ):
        np.testing.assert_array_equal(a, b)


# Three pendulums


def test_nearer_pendulums_hide_farther_ones():
    film = three_pendulums(20, 10, image_noise=False)
    frames = film.frames.values
    assert frames.shape == (20, 10, 24, 24, 3) and film.frames.targets.shape == (20, 10, 6)
    alone = pendulum(20, 10, image_noise=False)
    assert frames[..., 2].sum() == pytest.approx(alone.frames.values.sum(), rel=0.05)
    assert (frames[frames[..., 2] > 25][:, :2] == 0).all()
    assert (frames[frames[..., 1] > 25][:, 0] == 0).all()
    brightness = frames.sum((0, 1, 2, 3), dtype=np.int64)
    assert brightness[0] < brightness[1] < brightness[2]
    assert set(np.unique(film.factor)) <= {0.0, 1.0}


def test_three_pendulums_under_noise_by_plain_loops():
    film = three_pendulums(2, 9, seed=5)
    clean = three_pendulums(2, 9, image_noise=False, seed=5).frames.values
    random = np.random.RandomState(5)
    angles, _ = swing(random, 2, 9, 0.05, 0.1, 0.1, 3)
    np.testing.assert_array_equal(film.angles, angles)
    walk = [random.uniform(0, 1, (2, 4))]
    for _ in range(8):
        walk.append(np.clip(walk[-1] + random.uniform(-0.2, 0.2, (2, 4)), 0, 1))
    low, high = random.uniform(0, 0.25, (2, 4)), random.uniform(0.75, 1, (2, 4))
    factor = np.clip((np.array(walk) - low) / (high - low), 0, 1)
    factor[:5] = 1
    quarters = [np.s_[:12, :12], np.s_[:12, 12:], np.s_[12:, :12], np.s_[12:, 12:]]
    for i in range(2):
        noise = random.uniform(0, 255, (4, 9, 12, 12, 3)).astype(np.uint8)
        for t in range(9):
            for k, quarter in enumerate(quarters):
                f = factor[t, i, k]
                expected = (f * clean[i, t][quarter] + (1 - f) * noise[k, t]).astype(np.uint8)
                np.testing.assert_array_equal(film.frames.values[i, t][quarter], expected)
            for colour in range(3):
                seen = [(clean[i, t][quarter][..., colour] > 5).sum() for quarter in quarters]
                f = factor[t, i, int(np.argmax(seen))] if max(seen) >= 10 else 0.0
                assert film.factor[i, t, colour] == pytest.approx(f, abs=1e-12)


# Springs


def test_spring_damper_is_the_system_it_says():
    made = spring_damper(400, seed=2)
    dt = 0.2
    np.testing.assert_allclose(
        made.A, [[1, 0, dt, 0], [0, 1, 0, dt], [-dt, 0, 1, 0], [0, -dt, 0, 1]], atol=1e-15
    )
    assert made.data.values.shape == (400, 100, 2) and made.data.interval == dt
    x, y = made.states, np.asarray(made.data.values)
    process, observation = x[:, 1:] - x[:, :-1] @ made.A.T, y - x @ made.C.T
    np.testing.assert_allclose(np.cov(process.reshape(-1, 4).T), made.Q, atol=2e-4)
    np.testing.assert_allclose(np.cov(observation.reshape(-1, 2).T), made.R, atol=0.03)
    np.testing.assert_allclose(np.cov(x[:, 0].T), made.P, atol=0.2)
    damped = spring_damper(mass=2.0, damping=0.5).A
    assert damped[2, 0] == -dt / 2 and damped[2, 2] == pytest.approx(1 - dt / 4)
    with pytest.raises(RekalError, match="above 0"):
        spring_damper(mass=0)


# Frames taken away


def test_hidden_frames_are_black_and_wanted():
    clean = pendulum(200, 30, image_noise=False)
    film = hide(clean, seed=1)
    mask = film.frames.mask
    assert mask[:, :5].all() and mask[:, 5:].mean() == pytest.approx(0.5, abs=0.02)
    assert not film.frames.values[~mask].any()
    np.testing.assert_array_equal(film.frames.values[mask], clean.frames.values[mask])
    np.testing.assert_array_equal(film.frames.targets, clean.frames.values)
    np.testing.assert_array_equal(film.factor, mask)
    blind = untold(film)
    assert blind.frames.mask.all()
    np.testing.assert_array_equal(blind.frames.values, film.frames.values)


def test_thinning_in_both_forms():
    film = pendulum(3, 20)
    retained = draw_kept(3, 20, 8, 100)
    assert (retained[1] == np.sort(np.random.default_rng(101).choice(20, 8, replace=False))).all()
    short, grid = thin(film, retained), thin(film, retained, on_grid=True)
    assert short.frames.steps == 8 and grid.frames.steps == 20 and grid.frames.dt is None
    for i in range(3):
        assert short.frames.dt is not None
        np.testing.assert_array_equal(short.frames.dt[i].cumsum() - 1, retained[i])
        assert set(np.flatnonzero(grid.frames.mask[i])) == set(retained[i])
        for j, t in enumerate(retained[i]):
            for part in (short.frames.values, grid.frames.values[:, retained[i]]):
                np.testing.assert_array_equal(part[i, j], film.frames.values[i, t])
            for part in (short.frames.targets, grid.frames.targets[:, retained[i]]):
                np.testing.assert_array_equal(part[i, j], film.frames.targets[i, t])
            assert short.factor[i, j] == film.factor[i, t]
            assert short.angles[i, j] == film.angles[i, t]
    assert np.isnan(grid.frames.targets[~grid.frames.mask]).all()
    assert not grid.frames.values[~grid.frames.mask].any()


@pytest.mark.parametrize("kept", [[[3, 2]], [[0, 0]], [[-1, 2]], [[1, 5]], [[0, 1], [0, 1]]])
def test_frames_that_are_not_there_cannot_be_kept(kept):
    with pytest.raises(RekalError, match="increasing numbers from 0 to 4, one row"):
        thin(pendulum(1, 5), np.array(kept))


def test_what_cannot_be_thinned_is_refused():
    retained = np.array([[0, 2]])
    with pytest.raises(RekalError, match="without the grid"):
        thin(hide(pendulum(1, 5)), retained, on_grid=True)
    with pytest.raises(RekalError, match="between 0 and 1, not 2"):
        hide(pendulum(1, 5), share=2)
    with pytest.raises(RekalError, match="regular times"):
        thin(thin(pendulum(1, 5), retained), np.array([[0, 1]]))


# Tasks


def test_irregular_task_follows_the_published_seeds():
    task = irregular_task(3, 2, 2)
    assert task.valid is not None
    random = np.random.RandomState(42)
    train, test = (pendulum(n, 100, dt=0.01, seed=random) for n in (3, 2))
    valid = pendulum(2, 100, dt=0.01, seed=43)
    for film, whole, first in (
        (task.train, train, 3),
        (task.test, test, 0),
        (task.valid, valid, 2),
    ):
        assert_same(film, thin(whole, draw_kept(whole.frames.batch, 100, 50, first)))
    grid = irregular_task(3, 2, 2, on_grid=True)
    np.testing.assert_array_equal(
        grid.test.frames.values[grid.test.frames.mask],
        task.test.frames.values.reshape(-1, 24, 24, 1),
    )


def test_interpolation_task_draws_masks_between_the_films():
    task = interpolation_task(2, 1)
    random = np.random.RandomState(42)
    for film, first in ((task.train, 2), (task.test, 0)):
        n = film.frames.batch
        clean = pendulum(n, 100, image_noise=False, seed=random)
        valid = random.rand(n, 100) > 0.5
        valid[:, :5] = True
        retained = draw_kept(n, 100, 50, first)
        rows = np.arange(n)[:, None]
        np.testing.assert_array_equal(film.frames.mask, valid[rows, retained])
        np.testing.assert_array_equal(film.frames.targets, clean.frames.values[rows, retained])


def test_imputation_is_the_same_informed_or_not():
    informed, uninformed = imputation_task(3, 2, 12), imputation_task(3, 2, 12, informed=False)
    assert not informed.train.frames.mask.all() and uninformed.train.frames.mask.all()
    np.testing.assert_array_equal(informed.test.frames.values, uninformed.test.frames.values)
    np.testing.assert_array_equal(uninformed.test.factor, informed.test.frames.mask)


def test_a_seed_fixes_every_task():
    for make in (three_pendulums_task, quad_link_task, imputation_task):
        one, other = make(2, 1, 6), make(2, 1, 6, seed=9)
        assert not np.array_equal(one.train.angles, other.train.angles)
        assert not np.array_equal(one.train.angles[:1], one.test.angles)


# Cache


def films(folder):
    return sorted(folder.glob("*.rekalman"))


def test_films_come_from_the_cache(folder, recwarn):
    first = three_pendulums_task(2, 1, 6)
    (path,) = films(folder)
    stamp = path.stat().st_mtime_ns
    second = three_pendulums_task(2, 1, 6)
    for one, two in zip(first[:2], second[:2], strict=True):
        assert_same(one, two)
    assert path.stat().st_mtime_ns == stamp and not recwarn.list
    three_pendulums_task(2, 1, 7)
    assert len(films(folder)) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_cache_is_made_anew_and_says_so(folder, damage):
    first = imputation_task(2, 1, 6)
    (path,) = films(folder)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-1000] ^= 1
    path.write_bytes({"cut": whole[:-100], "flip": bytes(flipped), "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"\.rekalman was damaged, so its films are made anew"):
        second = imputation_task(2, 1, 6)
    assert_same(first.train, second.train)
    assert path.read_bytes() == whole


def test_an_archive_of_something_else_is_replaced(folder):
    first = imputation_task(2, 1, 6)
    (path,) = films(folder)
    whole = path.read_bytes()
    save_archive(path, {"films": "other"}, {"x": np.zeros(3)})
    with pytest.warns(UserWarning, match=r"\.rekalman was damaged, so its films are made anew"):
        assert_same(imputation_task(2, 1, 6).train, first.train)
    assert path.read_bytes() == whole


def test_without_a_folder_to_write_the_films_are_still_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="could not be kept for the next time"):
        assert isinstance(imputation_task(2, 1, 6).train, Filmed)


def test_makers_side_by_side_leave_one_whole_file(folder):
    def make():
        return cached("pendulum", {"n": 1}, lambda: [pendulum(4, 20)])

    with ThreadPoolExecutor(4) as pool:
        made = [task.result() for task in [pool.submit(make) for _ in range(8)]]
    for one in made[1:]:
        assert_same(one[0], made[0][0])
    assert [path.name for path in folder.iterdir()] == [path.name for path in films(folder)]
    assert_same(make()[0], made[0][0])
