"""Extended and unscented filters beside filterpy 2.0.0: radar, bearings only, coordinated turn, pendulum.

ExtendedKalmanFilter has the tangent of the transition as F, UnscentedKalmanFilter our default sigma points:
MerweScaledSigmaPoints(n, alpha=1, beta=0, kappa=max(0, 3 - n)). Log-likelihoods are sums of `log_likelihood`;
the smoothed moments of the unscented filter are those of `rts_smoother`.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from library_cases import Cases, double  # noqa: F401

import rekalman

t = np.arange(25)
NOISE = np.cos(1.3 * t * t)
OTHER = np.sin(0.7 * t * t + 1)

case = Cases()


@eqx.filter_jit
def smooth(algorithm, y):
    return algorithm.smooth(y, None)


@case
def radar():
    """Range and bearing of a walk in the plane (position, velocity, position, velocity)."""
    move = np.kron(np.eye(2), [[1.0, 1.0], [0.0, 1.0]])
    noise = np.kron(np.eye(2), 0.02 * np.array([[0.25, 0.5], [0.5, 1.0]])) + 1e-3 * np.eye(4)

    def seen(x, u=None):
        return jnp.array([jnp.hypot(x[0], x[2]), jnp.arctan2(x[2], x[0])])

    place = np.stack([20 + 0.8 * t + 0.5 * np.sin(0.3 * t), 10 + 0.5 * t], 1)
    y = np.stack(
        [np.hypot(*place.T) + 0.5 * NOISE, np.arctan2(place[:, 1], place[:, 0]) + 0.02 * OTHER], 1
    )
    model = rekalman.NonlinearGaussian.create(
        lambda x, u, dt: jnp.asarray(move) @ x, seen, noise, np.diag([0.25, 4e-4]),
        np.array([19.0, 1.0, 11.0, 0.3]), np.diag([4.0, 1.0, 4.0, 1.0]),
    )  # fmt: skip
    return model, y


@case
def bearings_only():
    """The model of particles' BearingsOnly (velocities, positions moved without noise)."""

    def move(x, u=None, dt=None):
        return jnp.array([x[0], x[1], x[0] + x[2], x[1] + x[3]])

    place = np.stack([1.0 + 0.03 * t, 1.0 - 0.03 * t], 1)
    y = np.arctan2(place[:, 1], place[:, 0])[:, None] + 0.02 * NOISE[:, None]
    Q = np.diag([1e-4, 1e-4, 0.0, 0.0])
    model = rekalman.NonlinearGaussian.create(
        move, lambda x, u: jnp.arctan2(x[3:], x[2:3]), Q, np.array([[4e-4]]),
        np.array([0.02, -0.02, 1.0, 1.0]), np.diag([1e-3, 1e-3, 1e-2, 1e-2]),
    )  # fmt: skip
    return model, y


@case
def coordinated_turn():
    """Position, velocity and rate of turn, which is learned; positions are seen."""

    def move(x, u=None, dt=None):
        s, c, w = jnp.sin(x[4]), jnp.cos(x[4]), x[4]
        return jnp.array([
            x[0] + (s * x[2] - (1 - c) * x[3]) / w, x[1] + ((1 - c) * x[2] + s * x[3]) / w,
            c * x[2] - s * x[3], s * x[2] + c * x[3], w,
        ])  # fmt: skip

    angle = 0.15 * t
    y = np.stack([np.sin(angle) / 0.15 + 0.2 * NOISE, (1 - np.cos(angle)) / 0.15 + 0.2 * OTHER], 1)
    Q = np.diag([1e-3, 1e-3, 1e-2, 1e-2, 1e-4])
    model = rekalman.NonlinearGaussian.create(
        move, lambda x, u: x[:2], Q, 0.04 * np.eye(2), np.array([0.0, 0.0, 1.0, 0.0, 0.1]),
        np.diag([0.1, 0.1, 0.1, 0.1, 0.01]),
    )  # fmt: skip
    return model, y


@case
def pendulum():
    """Särkkä (2013), example 5.1: the sine of the angle is seen."""

    def move(x, u=None, dt=None):
        return jnp.array([x[0] + 0.1 * x[1], x[1] - 0.981 * jnp.sin(x[0])])

    Q = 0.05 * np.array([[1e-3 / 3, 5e-3], [5e-3, 0.1]])
    y = np.sin(1.4 * np.cos(0.29 * t))[:, None] + 0.15 * NOISE[:, None]
    model = rekalman.NonlinearGaussian.create(
        move,
        lambda x, u: jnp.sin(x[:1]),
        Q,
        np.array([[0.04]]),
        np.array([1.2, 0.0]),
        0.1 * np.eye(2),
    )
    return model, y


RIGHT = {
    ("radar", "extended"): {
        "log_likelihood": 36.1965166321, "filtered": {5: [24.7042501801, 0.912295036358, 12.3428899349,
        0.367828076644], 24: [39.2885334747, 0.894568832271, 22.5534841588, 0.572379959077]},
        "filtered_var": {24: [0.184378761641, 0.0507047469377, 0.290952834492, 0.0595901152684]},
    },
    ("radar", "unscented"): {
        "log_likelihood": 36.1430417666, "filtered": {5: [24.7097345647, 0.922224211466, 12.3433941277,
        0.371449417423], 24: [39.2828906524, 0.894519152053, 22.5502490977, 0.572337989902]},
        "filtered_var": {24: [0.184407567836, 0.0507089010593, 0.290936976364, 0.0595905539122]},
        "smoothed": {0: [20.1708077798, 0.902199220569, 10.4753591128, 0.367915751868], 12: [29.3883149816,
        0.674784340201, 16.2182339959, 0.476446683416]}, "smoothed_var": {0: [0.130847085787,
        0.0435612376886, 0.121498870837, 0.042731417552]},
    },
    ("bearings_only", "extended"): {
        "log_likelihood": 58.6129067131, "filtered": {5: [0.0323729225043, -0.0307729929197, 1.15011617575,
        0.856534549763], 24: [0.0552383728042, -0.0349163619305, 2.21597921261, 0.363405016249]},
        "filtered_var": {24: [0.0022857118216, 0.000361133126495, 0.462268262636, 0.0140209922295]},
    },
    ("bearings_only", "unscented"): {
        "log_likelihood": 58.4233214735, "filtered": {5: [0.0321707379239, -0.0305083966854, 1.14962235236,
        0.857547935317], 24: [0.0586052910637, -0.0348520288424, 2.26633014305, 0.375237999366]},
        "filtered_var": {24: [0.00212660098231, 0.000361768142782, 0.417853613436, 0.0122981724102]},
        "smoothed": {0: [0.0433149695471, -0.0228720516445, 0.996952078646, 1.02464804433], 12:
        [0.0547255995679, -0.0278022432251, 1.58496296847, 0.756394139611]}, "smoothed_var": {0:
        [0.000426740317918, 0.00032082873696, 0.00501419722828, 0.00514514660624]},
    },
    ("coordinated_turn", "extended"): {
        "log_likelihood": -4.24240147674, "filtered": {5: [4.60264540057, 1.69728694015, 0.764223972615,
        0.60204878463, 0.126749574138], 24: [-2.94738479605, 12.8015244264, -0.894943933699,
        -0.411422563416, 0.147610737603]}, "filtered_var": {24: [0.0257746207748, 0.0269005470758,
        0.0221616231847, 0.0242523665397, 0.00123770107146]},
    },
    ("coordinated_turn", "unscented"): {
        "log_likelihood": -4.29277521494, "filtered": {5: [4.59024305179, 1.69113358679, 0.744367977831,
        0.58995785265, 0.126703540198], 24: [-2.94453420561, 12.8024549705, -0.891145491055,
        -0.409497698873, 0.147512327058]}, "filtered_var": {24: [0.0257760527539, 0.0268973658889,
        0.022165183554, 0.024241399786, 0.00124578314196]}, "smoothed": {0: [0.121916228091, 0.11888053158,
        0.975791621664, -0.0243593757709, 0.146825622097], 12: [6.54461435143, 8.24179789809,
        -0.249284837678, 0.966070205594, 0.148285118387]}, "smoothed_var": {0: [0.01967046941,
        0.0201485957118, 0.0095613340435, 0.0112995092106, 0.00103106180277]},
    },
    ("pendulum", "extended"): {
        "log_likelihood": -11.2389443148, "filtered": {5: [0.282462105339, -4.27846489334], 24:
        [-5.50026854961, -6.12448106604]}, "filtered_var": {24: [0.0296045614255, 0.042210926412]},
    },
    ("pendulum", "unscented"): {
        "log_likelihood": -19.5429439501, "filtered": {5: [0.309117684708, -4.20899256118], 24:
        [-5.39240163938, -5.77085052105]}, "filtered_var": {24: [0.0389694431669, 0.0601493677028]},
        "smoothed": {0: [1.87059432007, -0.447709646602], 12: [-2.93362431964, -2.30639038913]},
        "smoothed_var": {0: [0.00543975580649, 0.049708856092]},
    },
}  # fmt: skip


@pytest.mark.parametrize("form", ("covariance", "square-root"))
@pytest.mark.parametrize("kind", ("extended", "unscented"))
@pytest.mark.parametrize("name", case.names)
def test_a_filter_of_filterpy(name, kind, form):
    model, y = case.all[name]()
    algorithm = {"extended": rekalman.ExtendedKalman, "unscented": rekalman.UnscentedKalman}[kind](
        model, form
    )
    path, smoothed = smooth(algorithm, jnp.asarray(y))
    right = RIGHT[name, kind]
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)  # noqa: E731
    close(path.log_evidence.sum(), right["log_likelihood"])
    for step, row in right["filtered"].items():
        close(path.mean[step], row)
    for step, row in right["filtered_var"].items():
        close(np.diag(path.cov[step]), row)
    for step, row in right.get("smoothed", {}).items():
        close(smoothed.mean[step], row)
    for step, row in right.get("smoothed_var", {}).items():
        close(np.diag(smoothed.cov[step]), row)
