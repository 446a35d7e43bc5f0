"""What is done again with other numbers of the same shapes is not compiled again."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations

import rekalman
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood import nuts
from rekalman.learners.likelihood.likelihood import in_double
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.parameters import natural_and_slopes, natural_values
from rekalman.learners.likelihood.total import form_of, groups_of
from rekalman.learners.likelihood.uncertainty import model_uncertainty
from rekalman.report import report_html


def walk(seed, steps=60):
    generator = np.random.default_rng(seed)
    return rekalman.Sequences.from_arrays(
        generator.normal(size=steps).cumsum() + generator.normal(size=steps)
    )


def test_compilations_are_counted():
    with compilations() as names:
        jax.jit(lambda x: x + 1)(jnp.ones(3))
    assert len(names) >= 1


def test_a_second_fit_and_its_report_compile_nothing():
    results = []
    for seed in (1, 2):
        with compilations() as names:
            data = walk(seed)
            fit = rekalman.fit(data, "local-level")
            results.append((fit.history.log_likelihood[-1], len(report_html(fit, data))))
    assert not names
    assert results[0] != results[1]


def test_a_second_model_has_its_responses_and_uncertainty_without_compiling():
    data = walk(3)
    for pole, interval in ((0.8, 1.0), (0.6, 2.0)):
        one_by_one = {name: np.array([[value]]) for name, value in (("C", 1.0), ("R", 0.5))}
        rest = {**one_by_one, "m": np.zeros(1), "P": np.eye(1), "Q": np.eye(1)}
        one = rekalman.LinearGaussian.create(A=np.array([[pole]]), **rest)
        other = rekalman.LinearContinuous.create(F=np.log([[pole]]), interval=1.0, **rest)
        with compilations() as names:
            impulse = rekalman.responses(one, 5).innovation
            result = model_uncertainty(other, data, interval)
        ratio = np.asarray(impulse)[1, 0, 0] / np.asarray(impulse)[0, 0, 0]
        assert ratio == pytest.approx(pole)
        assert np.isfinite(result.information).all()
    assert not names


def test_draws_of_other_data_are_judged_without_compiling():
    values = []
    for seed in (1, 2):
        with jax.enable_x64(True):
            data = walk(seed)
            batch = in_double(as_batch(data))
            structure = in_double(rekalman.local_level().start(np.asarray(data.values)[0]))
            parameters = named_parameters(structure)
            center, width = (jnp.asarray(v) for v in nuts.weak_priors(parameters, batch))
            groups, form = groups_of(batch), form_of(parameters.build(parameters.vector))
            vectors = jnp.stack([parameters.vector] * 3)
            with compilations() as names:
                natural = natural_values(parameters, vectors)
                slopes = natural_and_slopes(parameters, parameters.vector)[1]
                scaled = (vectors - center) / width
                result = nuts._log_likelihoods(parameters, scaled, center, width, groups, form)
            values.append(np.asarray(result))
            np.testing.assert_allclose(natural[0], parameters.natural(parameters.vector))
            np.testing.assert_allclose(np.diagonal(slopes), natural[0])  # of exponentials
    assert not names
    assert np.isfinite(values).all() and not np.allclose(*values)
