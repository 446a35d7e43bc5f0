"""What is read off a predictor: exactly for linear ones, by linearisation for networks."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import solve_discrete_are
from test_innovations import Linear, linear
from typer.testing import CliRunner

import rekalman
from rekalman.cli.app import app
from rekalman.core.innovations_form import InnovationsForm
from rekalman.data.scales.standardiser import Standardiser
from rekalman.filters.innovations import Innovations
from rekalman.fitting.history import History
from rekalman.fitting.result import Fit
from rekalman.forecasting import Labels
from rekalman.foundation.errors import RekalError
from rekalman.identification.balancing import balanced, observation_noise
from rekalman.identification.innovations import as_linear_gaussian
from rekalman.networks.predictors.linearise import linearise
from rekalman.networks.predictors.predictor import Predictor
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.report import report_html

KINDS = (rekalman.Elman, rekalman.GRU, rekalman.LSTM)
TURN = 0.95 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])


def stable(seed):
    """A linear predictor whose dynamics and whose predictor are both stable."""
    made = linear(np.random.default_rng(seed))
    A, K, C = (np.asarray(each, float) for each in (made.A, made.K, made.C))
    A = 0.8 * A / np.abs(np.linalg.eigvals(A)).max()
    while np.abs(np.linalg.eigvals(A - K @ C)).max() > 0.9:
        K = 0.7 * K
    return dataclasses.replace(made, A=jnp.asarray(A), K=jnp.asarray(K))


@pytest.mark.returns_nan("no independent noise of the observation has these innovations")
@pytest.mark.parametrize("seed", range(4))
def test_a_linear_predictor_gives_its_matrices_back(seed):
    with jax.enable_x64(True):
        made = stable(seed)
        form = made.innovations_form()
        for ours, theirs in zip(
            form[:5], (made.A, made.B, made.C, made.K, made.N @ made.N.T), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-14)
        assert form.rests and not form.output.any()
        found = rekalman.identify(made, states=3).linear
        np.testing.assert_allclose(
            np.sort_complex(found.poles), np.sort_complex(np.linalg.eigvals(made.A)), atol=1e-10
        )
        F = np.asarray(made.A - made.K @ made.C)
        np.testing.assert_allclose(
            np.sort_complex(found.predictor.poles),
            np.sort_complex(np.linalg.eigvals(F)),
            atol=1e-10,
        )


def padded(form, more, rng):
    """The same to every observer: states that nothing drives or that nobody sees, in a random basis."""
    n, p = form.K.shape
    k = form.B.shape[1]
    A = np.zeros((n + 2 * more, n + 2 * more))
    A[:n, :n] = form.A
    A[n : n + more, n : n + more] = 0.9 * np.linalg.qr(rng.normal(size=(more, more)))[0]  # undriven
    A[n + more :, n + more :] = 0.7 * np.linalg.qr(rng.normal(size=(more, more)))[0]  # unseen
    A[n + more :, :n] = rng.normal(size=(more, n))
    C = np.hstack([form.C, rng.normal(size=(p, more)), np.zeros((p, more))])
    K = np.vstack([form.K, np.zeros((more, p)), rng.normal(size=(more, p))])
    B = np.vstack([form.B, np.zeros((more, k)), rng.normal(size=(more, k))])
    T = rng.normal(size=A.shape)
    back = np.linalg.inv(T)
    return form._replace(A=T @ A @ back, B=T @ B, C=C @ back, K=T @ K)


@pytest.mark.parametrize("seed", range(4))
def test_balancing_finds_the_poles_of_a_padded_system(seed):
    with jax.enable_x64(True):
        form = stable(seed).innovations_form()
    result = balanced(padded(form, 4, np.random.default_rng(seed)), states=3)
    for ours, theirs in ((result.form.A, form.A), (result.form.predictor, form.predictor)):
        np.testing.assert_allclose(
            np.sort_complex(np.linalg.eigvals(ours)), np.sort_complex(np.linalg.eigvals(theirs)),
            atol=1e-8,
        )  # fmt: skip
    assert (np.diff(result.hankel) <= 0).all()
    assert result.hankel[3] < 1e-6 * result.hankel[0]
    for power in range(4):  # the response to an innovation
        np.testing.assert_allclose(
            result.form.C @ np.linalg.matrix_power(result.form.A, power) @ result.form.K,
            form.C @ np.linalg.matrix_power(form.A, power) @ form.K,
            atol=1e-8,
        )


def settled(A, C, Q, R):
    """The innovations form of a linear model, from its Riccati equation."""
    P = solve_discrete_are(A.T, C.T, Q, R)
    S = C @ P @ C.T + R
    K = A @ P @ C.T @ np.linalg.inv(S)
    return InnovationsForm(A, np.zeros((len(A), 0)), C, K, S, np.zeros(len(C)), np.zeros(0))


@pytest.mark.parametrize("p", [1, 2])
def test_without_the_gain_the_noise_of_the_observation_comes_back(p):
    rng = np.random.default_rng(p)
    R = np.eye(p) + 0.3
    form = settled(TURN, rng.normal(size=(p, 2)), 0.2 * np.eye(2), R)
    np.testing.assert_allclose(observation_noise(form), R, atol=1e-10)
    for factor in (-1, 9):  # more noise than the innovations have, and less than none
        assert observation_noise(form._replace(K=factor * form.K)) is None
    assert observation_noise(form._replace(A=np.zeros((2, 2)))) is None


def test_the_linear_model_has_the_likelihood_of_the_innovations_form():
    with jax.enable_x64(True):
        form = settled(TURN, np.eye(1, 2), 0.2 * np.eye(2), np.eye(1))
        y = np.random.default_rng(0).normal(size=30)
        x, total = np.zeros(2), 0.0
        for each in y:
            e = each - (form.C @ x)[0]
            total -= 0.5 * (np.log(2 * np.pi * form.S[0, 0]) + e * e / form.S[0, 0])
            x = form.A @ x + form.K[:, 0] * e
        kalman = rekalman.Kalman(as_linear_gaussian(form))
        path = kalman.run(jnp.asarray(y[:, None]), jnp.ones((30, 1), bool))
        assert float(path.log_likelihood) == pytest.approx(total, rel=1e-9)


def network(kind, units=6, **options):
    return RecurrentPredictor.create(kind, 1, units=units, key=jax.random.key(0), **options)


@pytest.mark.parametrize("kind, direct", [*zip(KINDS, (False, True, False), strict=True)])
def test_a_network_near_rest_does_what_its_linearisation_says(kind, direct):
    with jax.enable_x64(True):
        made = network(kind, inputs=1, direct=direct)
        made = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), made)
        form = made.innovations_form(np.array([0.3]))
        u = jnp.array([0.3])
        x = made.start()
        for _ in range(300):
            x = made.advance(x, made.output(x), u)
        np.testing.assert_allclose(made.output(x), form.output, atol=1e-9)
        rng, size = np.random.default_rng(0), 1e-5
        z = np.zeros(made.states)
        for _ in range(6):
            e, v = size * rng.normal(size=(2, 1))
            x = made.advance(x, made.output(x) + e, u + v)
            z = form.A @ z + form.K @ e + form.B @ v
            np.testing.assert_allclose(made.output(x) - form.output, form.C @ z, atol=2e-8)


def fit_of(predictor, data):
    standardiser = Standardiser.of(data)
    return Fit(
        algorithm=Innovations(predictor),
        standardiser=standardiser,
        history=History(np.zeros(1), (), "converged", 1.0, 10),
        seed=0,
        labels=Labels.of(data),
        input_names=data.input_names,
    )


def wave():
    rng = np.random.default_rng(0)
    return rekalman.Sequences.from_arrays(
        5 + 2 * np.sin(0.5 * np.arange(200))[:, None] + rng.normal(size=(200, 1))
    )


def oscillating(dtype=jnp.float32, growth=1.0):
    """A linear predictor of an oscillation, in single precision as fits have it."""
    form = settled(growth * TURN, np.eye(1, 2), 0.05 * np.eye(2), np.eye(1))
    blocks = (form.A, form.B, form.C, form.K, np.linalg.cholesky(form.S))
    return Linear(*(jnp.asarray(each, dtype) for each in blocks)), form


def test_a_fit_is_identified_in_its_own_units():
    data = wave()
    predictor, form = oscillating()
    fit = fit_of(predictor, data)
    scale = float(np.asarray(fit.standardiser.scale)[0])
    result = fit.identify()
    mode = result.fixed_points[0].oscillation
    assert mode.period == pytest.approx(2 * np.pi / 0.5, rel=1e-5)
    assert mode.modulus == pytest.approx(0.95, rel=1e-5)
    assert result.center[0] == pytest.approx(float(np.asarray(fit.standardiser.location)[0]))
    assert result.observation_std[0] == pytest.approx(scale, rel=1e-4)
    spread = np.sqrt(result.linear.responses.innovation_cov[0, 0])
    assert spread == pytest.approx(scale * np.sqrt(form.S[0, 0]), rel=1e-5)
    told = fit.summary()
    assert "Poles of the predictor" in told and "period 12.57" in told
    assert "predictor" in result.to_dict()["linear"]


def test_a_report_tells_the_dynamics_of_a_network():
    data = wave()
    html = report_html(fit_of(oscillating()[0], data), data)
    assert "The dynamics that the network learned" in html and "Spectrum" in html
    assert "damped oscillation" in html


def test_a_report_does_not_give_a_growing_network_a_spectrum():
    data = wave()
    html = report_html(fit_of(oscillating(growth=1.2)[0], data), data)
    assert "growing oscillation" in html and "grows by a factor e" in html
    assert "Spectrum" not in html and "falls by a factor e" not in html


@pytest.mark.returns_nan(
    "the noise of a network that was not trained is not that of an observation"
)
def test_the_file_of_a_network_is_identified_on_the_command_line(tmp_path):
    data = wave()
    fit = fit_of(network(rekalman.GRU), data)
    path = tmp_path / "network.rekalman"
    fit.save(path)
    result = CliRunner().invoke(app, ["identify", str(path), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["linear"]
    here = fit.identify().linear
    np.testing.assert_allclose(
        told["predictor"]["poles"], [[p.real, p.imag] for p in here.predictor.poles], atol=1e-7
    )


class Restless(Predictor):
    """x' = 0.3 x + y, y = -1.8 tanh(x) + e: without noise it changes its sign at every step, for ever."""

    weight: jax.Array

    observations = property(lambda self: 1)
    n_inputs = property(lambda self: 0)
    states = property(lambda self: 1)
    described = property(lambda self: "restless")

    def start(self):
        return jnp.zeros(1, self.weight.dtype)

    def advance(self, state, y, u=None):
        return 0.3 * state + y

    def output(self, state):
        return self.weight * jnp.tanh(state)

    def noise(self, state):
        return jnp.eye(1, dtype=state.dtype)


@pytest.mark.returns_nan("no independent noise of the observation has these innovations")
def test_what_does_not_rest_is_refused_or_linearised_at_a_mean():
    made = Restless(jnp.asarray(-1.8, jnp.float32))
    with pytest.raises(RekalError, match="does not come to rest"):
        rekalman.identify(made)
    result = rekalman.identify(made, visited=np.full((4, 1), 0.2))
    assert any("mean of the states" in each for each in result.warnings)
    assert result.spectral_radius == pytest.approx(1.8 / np.cosh(0.2) ** 2 - 0.3, rel=1e-5)
    fit = fit_of(made, wave())
    assert "no linear model of its dynamics" in fit.summary()
    with pytest.raises(RekalError, match="does not come to rest"):
        fit.identify()
    assert fit.identify(wave()).to_dict()["linear"]["predictor"] is not None


@pytest.mark.returns_nan("no independent noise of the observation has these innovations")
def test_bad_arguments_are_refused():
    made = network(rekalman.GRU)
    with pytest.raises(RekalError, match="takes no inputs"):
        rekalman.identify(made, u=1.0)
    with pytest.raises(RekalError, match="states must lie between 1 and 6"):
        rekalman.identify(made, states=7)
    with pytest.raises(RekalError, match="visited must be states"):
        linearise(made, visited=np.zeros((3, 2)))
    with pytest.raises(RekalError, match="u must be 0 finite numbers"):
        linearise(made, u=np.zeros(2))
    broken = eqx.tree_at(lambda each: each.readout, made, made.readout * jnp.nan)
    with pytest.raises(RekalError, match="come to rest"):
        rekalman.identify(broken)
    with pytest.raises(RekalError, match="not finite"):
        rekalman.identify(broken, visited=np.zeros((2, 6)))
    wild = InnovationsForm(
        2 * np.eye(1),
        np.zeros((1, 0)),
        np.eye(1),
        4 * np.eye(1),
        np.eye(1),
        np.zeros(1),
        np.zeros(0),
    )
    with pytest.raises(RekalError, match="neither the linearised network nor its predictor"):
        balanced(wild)
    one = np.eye(1)
    model = rekalman.LinearGaussian.create(A=0.5 * one, C=one, Q=one, R=one)
    with pytest.raises(RekalError, match="for predictors"):
        rekalman.identify(model, states=1)
