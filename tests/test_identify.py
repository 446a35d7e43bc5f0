import json

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekalman import RekalError
from rekalman.identification import identify
from rekalman.identification.attractor import attractor, find_period
from rekalman.identification.modes import fixed_points, modes
from rekalman.models.stochastic_rnn import StochasticRNN


def model(A, q=0.001, r=0.01, **more):
    A = jnp.asarray(A)
    n = len(A)
    C = jnp.eye(n)[:1]
    return StochasticRNN.create(A=A, C=C, Q=q * jnp.eye(n), R=r * jnp.eye(1), **more)


def rotation(modulus, angle):
    c, s = np.cos(angle), np.sin(angle)
    return modulus * np.array([[c, -s], [s, c]])


def test_the_papers_system():
    result = identify(model([[1.0, 1.0], [-0.05, 0.98]]))
    # Unkelbach et al. 2009, section 4.1: almost harmonic, with a period of 28 time steps.
    assert result.attractor == "limit cycle" and round(result.period) == 28
    assert result.period == result.period_steps and result.harmonic_share > 0.99
    cycle = result.cycle[:, 0]
    assert result.amplitude[0] == pytest.approx(np.ptp(cycle) / 2, rel=0.01)
    up = np.flatnonzero((cycle[:-1] < 0) & (cycle[1:] >= 0))
    crossings = up - cycle[up] / (cycle[up + 1] - cycle[up])
    assert result.period == pytest.approx(np.diff(crossings).mean(), rel=1e-3)
    point = result.fixed_points[0]
    np.testing.assert_allclose(point.state, 0, atol=1e-6)
    eigenvalue = np.linalg.eigvals([[1, 1], [-0.05, 0.98]])[0]
    assert result.spectral_radius == pytest.approx(abs(eigenvalue), rel=1e-6)
    assert point.oscillation is not None and point.oscillation.growing
    np.testing.assert_allclose(result.process_std, np.sqrt(0.001), rtol=1e-5)
    assert result.observation_std[0] == pytest.approx(0.1, rel=1e-5)
    assert result.output_std[0] == pytest.approx(0.38, rel=0.1)
    assert result.explained[0] == pytest.approx(1 - 0.01 / 0.38**2, abs=0.03)
    assert result.warnings == ()


def test_units_of_time_and_output():
    A = [[1.0, 1.0], [-0.05, 0.98]]
    raw = identify(model(A))
    result = identify(
        model(A), interval=0.1, scale=[20.0], location=[5.0], names=["x"], time_unit="s"
    )
    assert result.period == pytest.approx(0.1 * raw.period)
    assert result.period_steps == pytest.approx(raw.period)
    for name in ("amplitude", "observation_std", "output_std"):
        np.testing.assert_allclose(getattr(result, name), 20 * getattr(raw, name), rtol=1e-6)
    np.testing.assert_allclose(result.center, 5 + 20 * raw.center, rtol=1e-6)
    np.testing.assert_allclose(result.explained, raw.explained)
    assert result.fixed_points[0].output == pytest.approx((5.0,))
    mode, before = result.fixed_points[0].oscillation, raw.fixed_points[0].oscillation
    assert mode is not None and before is not None
    assert mode.frequency == pytest.approx(10 * before.frequency)
    assert mode.damping_ratio == pytest.approx(before.damping_ratio)
    text = result.summary()
    assert "limit cycle" in text and "2.831 s (28.31 steps)" in text and str(result) == text


def test_results_as_json_and_table():
    result = identify(model(rotation(1.1, 0.3), activation="identity"))
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["attractor"] == "diverges" and plain["explained"] == [None]
    assert (
        plain["fixed_points"][0]["modes"][0]["growing"] and not plain["fixed_points"][0]["stable"]
    )
    assert any("diverge" in sentence for sentence in plain["warnings"])
    frame = result.to_frame()
    assert len(frame) == 1 and frame["modulus"][0] == pytest.approx(1.1, rel=1e-5)
    assert "Warning: The noise-free dynamics diverge" in result.summary()


def test_damped_oscillator_as_a_model():
    # x'' + 2 zeta w x' + w^2 x = 0, sampled exactly.
    zeta, w, interval = 0.1, 2 * np.pi * 1.5, 0.05
    s = -zeta * w + 1j * w * np.sqrt(1 - zeta**2)
    A = rotation(abs(np.exp(s * interval)), np.angle(np.exp(s * interval)))
    result = identify(model(A, activation="identity", c=jnp.array([0.2, 0.1])), interval=interval)
    assert result.attractor == "fixed point" and result.period is None
    mode = result.fixed_points[0].oscillation
    assert mode is not None and mode.damping_ratio == pytest.approx(zeta, rel=1e-4)
    assert mode.frequency == pytest.approx(1.5 * np.sqrt(1 - zeta**2), rel=1e-5)
    assert mode.time_constant == pytest.approx(1 / (zeta * w), rel=1e-4)
    exact = np.linalg.solve(np.eye(2) - A, [0.2, 0.1])
    np.testing.assert_allclose(result.fixed_points[0].state, exact, rtol=1e-4)
    np.testing.assert_allclose(result.center, exact[:1], rtol=1e-3)


@given(
    zeta=st.floats(-0.5, 0.95),
    cycles=st.floats(0.01, 0.45),
    interval=st.floats(1e-3, 1e3),
)
def test_modes_of_known_oscillators(zeta, cycles, interval):
    angle = 2 * np.pi * cycles
    modulus = np.exp(-zeta * angle / np.sqrt(1 - zeta**2))
    (mode,) = modes(rotation(modulus, angle), interval)
    assert mode.kind == "oscillation" and mode.modulus == pytest.approx(modulus)
    assert abs(zeta) < 1e-9 or mode.growing == (zeta < 0)
    assert mode.frequency == pytest.approx(cycles / interval)
    assert mode.period == pytest.approx(interval / cycles)
    assert mode.damping_ratio == pytest.approx(zeta, abs=1e-9)


def test_modes_that_do_not_oscillate():
    slow, flip, gone = modes(np.diag([0.9, -0.5, 0.0]), 2.0)
    assert (slow.kind, flip.kind, gone.kind) == ("real", "alternating", "real")
    assert slow.time_constant == pytest.approx(-2 / np.log(0.9)) and slow.period is None
    assert slow.damping_ratio == 1 and flip.period == pytest.approx(4)
    assert gone.modulus == 0 and gone.damping_ratio is None
    (still,) = modes([[1.0]])
    assert still.damping_ratio is None and still.time_constant is None and not still.growing


def test_two_stable_states():
    two = model([[2.0]], q=1e-4, r=1.0)
    result = identify(two)
    values = sorted(point.state[0] for point in result.fixed_points)
    assert len(values) == 3 and values[1] == pytest.approx(0, abs=1e-5)
    assert values[2] == pytest.approx(2 * np.tanh(values[2]), rel=1e-5)
    assert values[0] == pytest.approx(-values[2], rel=1e-4)
    assert any("end differently" in sentence for sentence in result.warnings)
    assert any("no oscillation could be identified" in sentence for sentence in result.warnings)
    starts = jnp.array([[3.0], [2.9], [-3.0]])
    assert len(fixed_points(two, starts)) == 2


def test_input_is_held():
    driven = model([[0.5]], B=jnp.array([[1.0]]), D=jnp.array([[2.0]]), activation="identity")
    assert identify(driven).center[0] == pytest.approx(0, abs=1e-4)
    result = identify(driven, u=[3.0])
    assert result.center[0] == pytest.approx(3 / 0.5 + 2 * 3, rel=1e-4)
    assert result.fixed_points[0].output[0] == pytest.approx(12, rel=1e-5)


def test_mostly_noise_is_said():
    result = identify(model([[0.5]], q=1e-4, r=1.0))
    assert any("nearly all observation noise" in sentence for sentence in result.warnings)


@given(period=st.floats(3, 400), share=st.floats(0, 0.6), phase=st.floats(0, 6))
def test_period_of_cycles(period, share, phase):
    angle = 2 * np.pi * np.arange(4096) / period + phase
    x = np.stack([np.sin(angle), np.cos(angle) + share * np.cos(2 * angle + 1)], 1)
    result, height = find_period(x)
    # At two samples per cycle the second harmonic is no longer seen for what it is.
    if period > 4.1 or share == 0:
        assert result == pytest.approx(period, rel=1e-3) and height > 0.99


def test_kinds_of_attractor():
    t = np.arange(4096)
    wave = lambda period: np.sin(2 * np.pi * t / period)[:, None]  # noqa: E731
    kind = lambda x: attractor(x, x, 1.0).kind  # noqa: E731
    assert kind(wave(17.3)) == "limit cycle"
    assert kind(wave(13.37) + wave(21.1)) == "quasi-periodic or chaotic"
    assert kind(np.full((4096, 1), 0.7)) == "fixed point"
    assert kind(wave(20) * 0.999 ** t[:, None]) == "fixed point"
    assert kind(wave(20) * 1.001 ** t[:, None]) == "diverges"
    assert kind(np.where(t[:, None] < 4000, 0.0, np.inf)) == "diverges"
    logistic = np.empty((4096, 1))
    logistic[0] = 0.3
    for i in range(1, 4096):
        logistic[i] = 3.9 * logistic[i - 1] * (1 - logistic[i - 1])
    assert kind(logistic) == "quasi-periodic or chaotic"
    rest = attractor(np.ones((4096, 1)), np.full((4096, 2), 4.0), 1.0)
    assert rest.amplitude.tolist() == [0, 0] and rest.mean.tolist() == [4, 4]


def test_refusals():
    one = model([[0.5]])
    for wrong, words in (
        ({"interval": 0}, "interval must be above 0"),
        ({"scale": [1.0, 2.0]}, "scale must be 1 finite numbers"),
        ({"names": ["a", "b"]}, "2 names do not fit"),
        ({"u": [1.0]}, "takes no inputs"),
    ):
        with pytest.raises(RekalError, match=words):
            identify(one, **wrong)
