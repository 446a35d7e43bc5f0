"""NUTS on structures: the posterior agrees with maximum likelihood where the data speak."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from rekalman.data import Sequences
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import as_batch
from rekalman.learners.likelihood.named_parameters import named_parameters
from rekalman.learners.likelihood.nuts import NUTS, weak_priors
from rekalman.models.structures.structural import autoregression, local_level, oscillator


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def test_nile(data_root):
    y = pd.read_csv(data_root / "classic_ssm" / "Nile.csv")["value"].to_numpy(float)
    batch = as_batch(Sequences.from_arrays(y))
    learner = NUTS(draws=250, warmup=150, chains=2)
    result = learner.run(local_level().start(y), batch, key=jax.random.key(0))
    # The maximum: 15,099 (standard error 3,146) and 1,469 (1,280).
    middle = result.quantile(0.5)
    assert middle["noise variance"] == pytest.approx(15099, abs=1600)
    assert middle["level variance"] == pytest.approx(1469, abs=700)
    low, high = result.quantile(0.025), result.quantile(0.975)
    assert low["noise variance"] < 15099 < high["noise variance"]
    assert low["level variance"] < 1469 < high["level variance"]
    assert all(value < 1.06 for value in result.r_hat.values())
    assert all(value > 50 for value in result.ess.values())
    assert result.divergences < 8
    assert -640 < result.log_likelihood.mean() < -632.5
    assert result.to_inference_data().posterior["level variance"].shape == (2, 250)
    assert "r-hat" in result.summary()
    assert np.isfinite(np.asarray(result.structure.build().Q)).all()


def test_every_parameter_has_a_prior():
    y = np.random.default_rng(0).normal(3.0, 2.0, 50)
    structure = (autoregression(2) + oscillator()).start(y)
    parameters = named_parameters(structure, ())
    center, width = weak_priors(parameters, as_batch(Sequences.from_arrays(y)))
    output = dict(zip(parameters.names, zip(center, width, strict=True), strict=True))
    assert output["phi2"] == (0.0, 1.0)
    assert output["mean"] == (pytest.approx(y.mean()), pytest.approx(10 * y.std()))
    assert output["period"][0] == pytest.approx(float(parameters.vector[3]))


def test_the_prior_of_a_coefficient_has_the_units_of_data_and_input():
    rng = np.random.default_rng(0)
    y, u = 1e-9 * rng.normal(size=50), 100 * rng.normal(size=(50, 1))
    structure = local_level().with_inputs(("valve",)).start(y, u)
    parameters = named_parameters(structure, ())
    batch = as_batch(Sequences.from_arrays(y, inputs=u, input_names=("valve",)))
    center, width = weak_priors(parameters, batch)
    at = parameters.names.index("coefficient of valve")
    assert (center[at], width[at]) == (0.0, pytest.approx(10 * y.std() / u.std()))
    level = parameters.names.index("level variance")
    assert center[level] == pytest.approx(np.log(np.var(np.diff(y))) - 2)


def test_what_is_refused():
    with pytest.raises(RekalError, match="chains must be at least 1"):
        NUTS(chains=0)
    with pytest.raises(RekalError, match="target must lie between 0 and 1"):
        NUTS(target=1.5)
