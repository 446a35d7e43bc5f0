"""The study of imputation: scores, sizes of the candidates, images in a mirror, and the whole course."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from rekalman.core.bernoulli import Bernoulli
from rekalman.datasets.gaps import hide
from rekalman.datasets.pendulum import pendulum
from rekalman.networks.recurrent import count_parameters
from rekalman.networks.vision.patch_decoder import PatchDecoder
from rekalman.studies import STUDIES
from rekalman.studies.base import StudyOptions
from rekalman.studies.films import imputation
from rekalman.studies.films.estimation import Size
from rekalman.studies.films.imputation_scores import imputed, losses
from rekalman.studies.films.networks import Candidate, EncoderAndHeads, network_of

SMALL = EncoderAndHeads(widths=(4, 4, 4), head=(4, 4, 4, 4))
TINY = Candidate("RKN", "rkn", 3, options=(("bases", 2), ("bandwidth", 1)))


@pytest.fixture(scope="module")
def film():
    return hide(pendulum(4, 12, image_noise=False, seed=3), seed=4)


def test_scores_are_those_of_plain_loops(film):
    network = network_of(TINY, 0, (24, 24, 1), (24, 24, 1), SMALL)
    frames = film.frames
    output = eqx.filter_jit(network.run)(
        jnp.asarray(frames.values), jnp.asarray(frames.mask)
    ).distribution
    assert isinstance(output, Bernoulli)
    chance = np.asarray(output.mean, np.float64)
    result: dict[bool, list[float]] = {True: [], False: []}
    for i in range(frames.batch):
        for t in range(frames.steps):
            total = 0.0
            for p, pixel in zip(chance[i, t].flat, frames.targets[i, t].flat, strict=True):
                y = int(pixel) / 255
                total -= y * np.log(p) + (1 - y) * np.log1p(-p)
            result[bool(frames.mask[i, t])].append(total)
    assert min(len(part) for part in result.values()) > 5
    name = "negative_log_likelihood"
    wanted = {
        name: np.mean(result[True] + result[False]),
        f"{name}_hidden": np.mean(result[False]),
        f"{name}_observed": np.mean(result[True]),
    }
    assert imputed(network, film) == pytest.approx(wanted, rel=1e-4)
    few = losses(network, frames, at_once=2)
    assert few.mean() == pytest.approx(wanted[name], rel=1e-4)


def test_probabilities_of_the_frames_themselves_lose_their_entropy(film):
    y = film.frames.targets.astype(np.float64) / 255
    inner = np.clip(y, 1e-9, 1 - 1e-9)
    entropy = -(y * np.log(inner) + (1 - y) * np.log1p(-inner)).sum((2, 3, 4))
    logits = (np.log(inner) - np.log1p(-inner)).astype(np.float32)
    best = -np.asarray(Bernoulli(jnp.asarray(logits)).log_prob(jnp.asarray(film.frames.targets)))
    np.testing.assert_allclose(best, entropy, atol=1e-3)
    assert abs(entropy.mean() - 11.97) < 1.0  # that of the task, but of a few frames


def test_all_have_the_same_decoder_and_baselines_as_many_parameters_as_the_rkn():
    study = imputation.imputation(informed=True)
    shape = (24, 24, 1)
    networks = {
        who.kind: eqx.filter_eval_shape(network_of, who, 0, shape, shape, study.encoder_and_heads)
        for who in study.candidates
    }
    assert set(networks) == {"rkn", "lstm", "gru", "elman"}
    count = count_parameters(networks["rkn"].layer)
    for kind, network in networks.items():
        assert isinstance(network.decoder, PatchDecoder)
        assert network.decoder.shape == shape
        assert abs(count_parameters(network.layer) / count - 1) < 0.03, kind


def test_one_half_is_told_what_is_hidden_and_both_have_the_same_films(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    output, untold = (imputation.imputation(informed).task(4, 2, 12) for informed in (True, False))
    assert not output.test.frames.mask.all()
    assert untold.test.frames.mask.all()
    np.testing.assert_array_equal(output.test.factor == 0, ~output.test.frames.mask)
    np.testing.assert_array_equal(output.test.factor, untold.test.factor)
    np.testing.assert_array_equal(output.test.frames.values, untold.test.frames.values)
    assert not untold.test.frames.values[untold.test.factor == 0].any()
    assert output.test.frames.targets.dtype == np.uint8


def test_the_quick_study_runs_and_its_rows_say_what_they_belong_to(tmp_path, monkeypatch):
    monkeypatch.setenv("REKAL_CACHE", str(tmp_path))
    whole = imputation.imputation

    def small(informed: bool):
        return whole(informed)._replace(candidates=(TINY._replace(title=imputation.RKN.title),))

    monkeypatch.setattr(imputation, "imputation", small)
    monkeypatch.setattr("rekalman.studies.films.estimation.SMALL", Size(20, 4, 8))
    result = imputation.run(StudyOptions(quick=True, seeds=1))
    rows = {(row.system, row.metric): row for row in result.rows}
    assert len(rows) == 6
    title = imputation.RKN.title
    for name in imputation.HALVES:
        row = rows[f"{name}: {title}", "negative_log_likelihood"]
        assert (row.published, row.better) == (None, "lower")
        hidden = rows[f"{name}: {title}", "negative_log_likelihood_hidden"]
        observed = rows[f"{name}: {title}", "negative_log_likelihood_observed"]
        assert min(hidden.ours, observed.ours) <= row.ours <= max(hidden.ours, observed.ours)
    assert result.config["informed"]["quick"] is True


def test_the_study_is_listed():
    assert STUDIES["imputation"].module == "rekalman.studies.films.imputation"
