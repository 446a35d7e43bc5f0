"""The four verbs that the documentation promises, on raw observations, against whole runs of each filter."""

import jax.numpy as jnp
import numpy as np
import pytest

from rekalman import (
    ExtendedKalman,
    Kalman,
    LinearGaussian,
    ParticleFilter,
    RekalError,
    UnscentedKalman,
)

Y = np.array([[0.3, -1.0], [np.nan, 0.4], [np.nan, np.nan], [0.8, 2.0]])
U = np.array([[1.0], [0.5], [-1.0], [2.0]])


def model(**changes):
    blocks = {
        "A": [[0.9, 0.2], [0.0, 0.7]], "B": [[0.3], [1.0]],
        "C": [[1.0, 0.0], [0.5, 1.0]], "D": [[0.0], [0.4]],
        "Q": [[0.5, 0.1], [0.1, 0.3]], "R": [[0.4, 0.1], [0.1, 0.6]], "m": [0.1, -0.2], **changes,
    }  # fmt: skip
    return LinearGaussian.create(**{name: np.array(block) for name, block in blocks.items()})


def followed(algorithm, y=Y, mask=None):
    belief, total = algorithm.init(), []
    for t in range(len(y)):
        belief = algorithm.predict(belief, jnp.asarray(U[t])) if t else belief
        belief, gain = algorithm.update(belief, y[t], None if mask is None else mask[t], U[t])
        total.append(float(gain))
    return belief, np.array(total)


@pytest.mark.parametrize("form", ["covariance", "square-root"])
@pytest.mark.parametrize("kind", [Kalman, ExtendedKalman, UnscentedKalman])
def test_update_takes_raw_observations_with_nan_for_what_is_missing(kind, form):
    algorithm = kind(model(), form=form)
    mask = ~np.isnan(Y)
    whole = algorithm.run(jnp.asarray(np.nan_to_num(Y)), jnp.asarray(mask), jnp.asarray(U))
    belief, gains = followed(algorithm)
    np.testing.assert_allclose(gains, whole.log_evidence, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(belief.mean, whole.mean[-1], rtol=1e-5, atol=1e-6)
    again, same = followed(algorithm, np.nan_to_num(Y, nan=7.0), mask)
    np.testing.assert_allclose(same, gains)
    np.testing.assert_allclose(again.mean, belief.mean)


def test_a_particle_filter_takes_the_same():
    exact = Kalman(model()).run(
        jnp.asarray(np.nan_to_num(Y)), jnp.asarray(~np.isnan(Y)), jnp.asarray(U)
    )
    belief, gains = followed(ParticleFilter(model(), 20_000, "bootstrap"))
    np.testing.assert_allclose(gains, exact.log_evidence, atol=0.1)
    np.testing.assert_allclose(belief.mean, exact.mean[-1], atol=0.1)


@pytest.mark.parametrize("make", [Kalman, lambda m: ParticleFilter(m, 10)])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (([1.0], None, [0.0]), "y has shape \\(1,\\), but the model observes 2 columns"),
        (([1.0, np.inf], None, [0.0]), "column 1 of y is infinite"),
        (([1.0, 2.0],), "1 inputs, which every step must bring"),
        (([1.0, 2.0], None, [1.0, 2.0]), "u has shape \\(2,\\)"),
        (([1.0, 2.0], None, [np.nan]), "an input is missing"),
        (([1.0, 2.0], [True], [0.0]), "the mask has shape \\(1,\\)"),
        (([1.0, 2.0], [0.0, 1.0], [0.0]), "the mask is of booleans"),
    ],
)
def test_what_does_not_fit_is_refused(make, row, message):
    algorithm = make(model())
    with pytest.raises(RekalError, match=message):
        algorithm.update(algorithm.init(), *row)
