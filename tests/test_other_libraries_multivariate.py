"""Several series at once beside statsmodels 0.15.0, gaps in one of them or in all."""

from __future__ import annotations

import numpy as np
import pytest
from library_cases import FORMS, Cases, build, check, double  # noqa: F401

NAN = float("nan")
t = np.arange(50)
PAIR = np.stack(
    [np.sin(0.5 * t) + 0.4 * np.cos(t * t), 0.6 * np.sin(0.5 * t - 1) + 0.3 * np.sin(2 * t * t)], 1
)
HOLES = PAIR.copy()
HOLES[t % 7 == 3, 0] = HOLES[t % 5 == 2, 1] = HOLES[20:24] = NAN
VAR = np.array([[0.5, 0.2], [-0.3, 0.6]])
S = np.array([[0.3, 0.1], [0.1, 0.2]])

case = Cases()


def stacked(*weights: np.ndarray) -> np.ndarray:
    """The companion form of an autoregression of pairs."""
    n = 2 * len(weights)
    return np.vstack([np.concatenate(weights, 1), np.eye(n)[:-2]])


@case
def vector_autoregression():
    """VARMAX(y, order=(1, 0), trend='c'), intercepts 0.1 and -0.2."""
    c = np.array([0.1, -0.2])
    return build(VAR, np.eye(2), S, [0, 0], c=c, initial="stationary"), HOLES, {
        "log_likelihood": -69.0963153057, "filtered": {1: [0.695546460951, -0.0148660951148], 49:
        [-0.31941002202, -0.299706769496]}, "filtered_var": {49: [0, 0]}, "smoothed": {0: [0.4,
        -0.504882590885], 25: [-0.460076800142, -0.629232210412]}, "smoothed_var": {0: [0, 0], 25: [0, 0]},
        "ahead": [[-0.119646364909, -0.284001055092], [-0.016623393473, -0.334506723582]], "ahead_var":
        [[0.3, 0.2], [0.403, 0.263]],
    }  # fmt: skip


@case
def vector_autoregression_with_noise():
    """VARMAX(y, order=(1, 0), trend='n', measurement_error=True), noise 0.1 and 0.05."""
    model = build(VAR, np.eye(2), S, [0.1, 0.05], initial="stationary")
    return model, HOLES, {
        "log_likelihood": -61.2491001169, "filtered": {1: [0.562741851886, -0.0524688852161], 49:
        [-0.416555246944, -0.198512499977]}, "filtered_var": {49: [0.0742098332328, 0.0399375750855]},
        "smoothed": {0: [0.331538834053, -0.38963157972], 25: [-0.36357941754, -0.536194460864]},
        "smoothed_var": {0: [0.0725703288605, 0.0406341152611], 25: [0.0719629631206, 0.0392978669186]},
        "ahead": [[-0.247980123468, 0.00585907409705], [-0.122818246914, 0.0779094814985]], "ahead_var":
        [[0.421057485575, 0.269422868347], [0.507991298756, 0.323777383576]],
    }  # fmt: skip


@case
def vector_autoregression_of_order_two():
    """VARMAX(y, order=(2, 0), trend='n'): two of four states are the past of the others."""
    Q = np.zeros((4, 4))
    Q[:2, :2] = S
    A = stacked(VAR, [[-0.2, 0.1], [0.0, -0.3]])
    model = build(A, np.eye(4)[:2], Q, [0, 0], initial="stationary")
    return model, HOLES, {
        "log_likelihood": -65.4833407919, "filtered": {1: [0.695546460951, -0.0148660951148, 0.4,
        -0.504882590885], 49: [-0.31941002202, -0.299706769496, -1.0458182553, -0.310724909015]},
        "filtered_var": {49: [0, 0, 0, 0]}, "smoothed": {0: [0.4, -0.504882590885, 0.394012187492,
        -0.102743397465], 25: [-0.460076800142, -0.629232210412, -0.0328637142488, -0.353464231229]},
        "smoothed_var": {0: [0, 0, 0.250359270272, 0.220232856266], 25: [0, 0, 0.224756108816, 0]}, "ahead":
        [[-0.0415552047511, 0.00921641761288], [0.0149770086014, 0.107908442842]], "ahead_var": [[0.3, 0.2],
        [0.403, 0.263]],
    }  # fmt: skip


@case
def vector_moving_average():
    """VARMAX(y, order=(0, 1), trend='n'): the noise comes back a step later."""
    A = np.zeros((4, 4))
    A[:2, 2:] = [[0.4, 0.2], [-0.1, 0.3]]
    model = build(A, np.eye(4)[:2], np.tile(S, (2, 2)), [0, 0], initial="stationary")
    return model, HOLES, {
        "log_likelihood": -52.3704266355, "filtered": {1: [0.695546460951, -0.0148660951148, 0.65111932627,
        0.157673193594], 49: [-0.31941002202, -0.299706769496, -0.0470928267768, -0.266968090096]},
        "filtered_var": {49: [0, 0, 0.00313507505905, 0.000759842103542]}, "smoothed": {0: [0.4,
        -0.504882590885, 0.333253378299, -0.464201903501], 25: [-0.460076800142, -0.629232210412,
        -0.33671463335, -0.541677558339]}, "smoothed_var": {0: [0, 0, 0.0544329818104, 0.0137666392183], 25:
        [0, 0, 0.0336888494857, 0.00292866465944]}, "ahead": [[-0.07223074873, -0.0753811443512], [0, 0]],
        "ahead_var": [[0.30076655518, 0.200011780483], [0.372, 0.215]],
    }  # fmt: skip


@case
def driven_vector_autoregression():
    """KalmanSmoother with state_intercept: two inputs of the states, one of them of a series too."""
    steps = np.arange(52)
    u = np.stack([np.cos(0.3 * steps), (steps > 30) * 1.0], 1)
    B, D = np.array([[0.5, 0.0], [0.2, -1.0]]), np.array([[0.0, 0.0], [0.0, 0.8]])
    model = build(VAR, np.eye(2), S, [0.1, 0.05], B=B, D=D, P=np.eye(2))
    return (
        model,
        HOLES,
        {
            "log_likelihood": -81.7019946732,
            "filtered": {
                1: [0.678247494058, -0.0467799299964],
                49: [-0.45568708559, -1.15732784964],
            },
            "filtered_var": {49: [0.0742098332328, 0.0399375750855]},
            "smoothed": {
                0: [0.345588631088, -0.460052628808],
                25: [-0.264000292956, -0.569666286379],
            },
            "smoothed_var": {
                0: [0.0804486823685, 0.0446429064337],
                25: [0.0719629631206, 0.0392978669186],
            },
            "ahead": [[-0.839153069153, -0.90962816668], [-1.22046755812, -1.15761713535]],
            "ahead_var": [[0.421057485575, 0.269422868347], [0.507991298756, 0.323777383576]],
        },
        u,
    )


@case
def dynamic_factor():
    """DynamicFactor(y, k_factors=1, factor_order=2): loadings 0.8, 0.5, noise 0.1, 0.2, weights 1.2, -0.5."""
    model = build(
        [[1.2, -0.5], [1, 0]], [[0.8, 0], [0.5, 0]], [1, 0], [0.1, 0.2], initial="stationary"
    )
    return model, HOLES, {
        "log_likelihood": -63.6730814944, "filtered": {1: [0.67793746855, 0.27911380999], 49:
        [-0.45707457061, -1.1995843424]}, "filtered_var": {49: [0.117693783722, 0.104317182709]},
        "smoothed": {0: [0.278668452813, -0.00483310657631], 25: [-0.648366323383, -0.78578640551]},
        "smoothed_var": {0: [0.117728972072, 1.17956043145], 25: [0.108490845398, 0.474853135606]}, "ahead":
        [[0.0410421491757, 0.0256513432348], [0.232080407255, 0.145050254534]], "ahead_var":
        [[0.854916958136, 0.494889436772], [1.74256502512, 0.841626962938]],
    }  # fmt: skip


@case
def two_dynamic_factors():
    """KalmanSmoother: as many dynamic factors as series."""
    model = build(VAR, [[0.8, 0.1], [0.5, -0.4]], [1, 1], [0.1, 0.2], initial="stationary")
    return model, HOLES, {
        "log_likelihood": -63.2500234914, "filtered": {1: [0.698238907327, 0.764797857278], 49:
        [-0.450978123544, 0.191281047686]}, "filtered_var": {49: [0.116801383109, 0.586013146879]},
        "smoothed": {0: [0.271441489058, 1.13613075898], 25: [-0.605093091601, 0.587185455797]},
        "smoothed_var": {0: [0.116342196605, 0.596884667968], 25: [0.116077206934, 0.526421960595]},
        "ahead": [[-0.12478007522, -0.193641252387], [-0.0142625008784, -0.104284844521]], "ahead_var":
        [[0.797113579346, 0.635719327406], [0.962653396118, 0.772500279632]],
    }  # fmt: skip


@case
def dynamic_factor_with_autocorrelated_errors():
    """DynamicFactor(y, k_factors=1, factor_order=1, error_order=1): no noise of observation."""
    model = build(
        np.diag([0.8, 0.5, -0.3]),
        [[0.8, 1, 0], [0.5, 0, 1]],
        [1, 0.1, 0.2],
        [0, 0],
        initial="stationary",
    )
    return model, HOLES, {
        "log_likelihood": -62.8845173307, "filtered": {1: [0.44735298048, 0.337664076568, -0.238542585355],
        49: [-0.370101376898, -0.0233289205016, -0.114656081047]}, "filtered_var": {49: [0.139613437453,
        0.08935259997, 0.0349033593633]}, "smoothed": {0: [0.100197697511, 0.319841841991, -0.55498143964],
        25: [-0.693605106986, 0.0948072854473, -0.282429656919]}, "smoothed_var": {0: [0.139597732422,
        0.0893425487502, 0.0348994331055], 25: [0.127586298593, 0.0816552310994, 0.0318965746482]}, "ahead":
        [[-0.248529341466, -0.113643726445], [-0.195324135097, -0.128751487902]], "ahead_var":
        [[0.748041733997, 0.49223306483], [1.18819053046, 0.638558266207]],
    }  # fmt: skip


@case
def correlated_noise():
    """KalmanSmoother: two walks, the noise of the observations correlated by 0.9."""
    R = np.array([[1.0, 0.09], [0.09, 0.01]])
    return build(np.eye(2), np.eye(2), S, R, P=np.eye(2)), HOLES, {
        "log_likelihood": -71.7291540262, "filtered": {1: [0.529974093404, -0.0343136137224], 49:
        [-0.689468501336, -0.33218171125]}, "filtered_var": {49: [0.406149588593, 0.00524944825907]},
        "smoothed": {0: [0.244712028515, -0.513237740297], 25: [-0.0187522028879, -0.582261771989]},
        "smoothed_var": {0: [0.291487688555, 0.00428400305308], 25: [0.333324201335, 0.00460847500941]},
        "ahead": [[-0.689468501336, -0.33218171125], [-0.689468501336, -0.33218171125]], "ahead_var":
        [[1.70614958859, 0.215249448259], [2.00614958859, 0.415249448259]],
    }  # fmt: skip


@case
def noise_shared_by_both_sensors():
    """KalmanSmoother: the same noise in both observations, whose difference is exact."""
    model = build(VAR, [[1, 0], [1, 1]], S, 0.2 * np.ones((2, 2)), initial="stationary")
    return model, HOLES, {
        "log_likelihood": -80.759752104, "filtered": {1: [0.366985158158, -0.710412556066], 49:
        [-0.377823232356, 0.0197032525239]}, "filtered_var": {49: [0.119681575791, 0]}, "smoothed": {0:
        [0.349919550358, -0.904882590885], 25: [-0.186697313888, -0.16915541027]}, "smoothed_var": {0:
        [0.112927686292, 0], 25: [0.104388872383, 0]}, "ahead": [[-0.184970965673, -0.059802044452],
        [-0.0674516985923, 0.0631409438422]], "ahead_var": [[0.529920393948, 0.904787263032],
        [0.607320504886, 1.07434575889]],
    }  # fmt: skip


@case
def common_trend_of_a_pair():
    """KalmanSmoother: one diffuse trend seen by both, the second with a diffuse level of its own."""
    A = [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    model = build(A, [[1, 0, 0], [0.6, 0, 1]], [0.05, 0.01, 0], [0.1, 0.2], initial="diffuse")
    return model, HOLES, {
        "log_likelihood": -63.1909271176, "filtered": {2: [0.662701638135, 0.11520671922, -0.563731850783],
        49: [-0.673275473786, -0.0607795744029, -0.0662164896413]}, "filtered_var": {49: [0.0575506815811,
        0.0345134285367, 0.00643036112121]}, "smoothed": {0: [0.381819400996, 0.0368705389967,
        -0.0662164896413], 25: [-0.1456588365, 0.145352376231, -0.0662164896413]}, "smoothed_var": {0:
        [0.0576367368925, 0.0245736723105, 0.00643036112121], 25: [0.043940108849, 0.0131190481255,
        0.00643036112121]}, "ahead": [[-0.734055048188, -0.506649518554], [-0.794834622591,
        -0.543117263196]], "ahead_var": [[0.275318450744, 0.267768244489], [0.472113076981,
        0.338624032004]],
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", case.names)
def test_several_series(name, form):
    check(*case.all[name](), form=form)
