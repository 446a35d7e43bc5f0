"""Autoregressions and moving averages beside Stata (as kept in statsmodels' tests) and statsmodels 0.15.0.

Each case names what is smoothed: SARIMAX(y, ...).smooth(parameters). Observations are free of noise unless
it says otherwise.
"""

from __future__ import annotations

import numpy as np
import pytest
from library_cases import FORMS, Cases, build, check, classic, double  # noqa: F401

NAN = float("nan")
# Tenths of the wholesale price index of the United States, 1960Q1 to 1990Q4 (Stata's wpi1).
WPI = 0.1 * np.array([
    307, 308, 307, 307, 308, 305, 305, 306, 307, 306, 307, 307, 306, 305, 306, 307, 307, 306, 307, 307,
    309, 312, 314, 316, 321, 322, 326, 324, 323, 323, 324, 325, 329, 331, 333, 334, 339, 344, 347, 350,
    355, 357, 359, 359, 365, 369, 372, 372, 379, 383, 388, 392, 411, 431, 449, 453, 483, 500, 536, 554,
    554, 560, 572, 578, 581, 590, 597, 602, 616, 630, 631, 639, 654, 674, 684, 700, 725, 751, 774, 802,
    839, 856, 884, 904, 931, 952, 959, 958, 966, 967, 971, 972, 973, 976, 986, 991, 1002, 1008, 1006,
    1003, 1001, 1002, 995, 1001, 986, 968, 963, 967, 978, 994, 1005, 1010, 1016, 1032, 1047, 1052, 1075,
    1094, 1090, 1094, 1110, 1108, 1128, 1162,
])  # fmt: skip
PRICES = np.diff(WPI)
t = np.arange(60)
WAVES = np.sin(0.7 * t) + 0.5 * np.cos(t * t) + 0.3 * np.sin(3 * t)
HOLES = np.where((t % 11 < 3) | (t == 40), NAN, WAVES)

case = Cases()


def arma(ar, ma, variance: float, noise: float = 0.0, **more):
    """Harvey's form: the first state is the series, the others carry what its past adds later."""
    n = max(len(ar), len(ma) + 1)
    A = np.eye(n, k=1)
    A[: len(ar), 0] = ar
    weights = np.array([1.0, *ma, *[0.0] * (n - 1 - len(ma))])
    Q = variance * np.outer(weights, weights)
    return build(A, np.eye(n)[:1], Q, [noise], **({"initial": "stationary"} | more))


@case
def prices_of_order_three():
    """Stata's sspace, log-likelihood -136.21782: order (3, 0, 0) in companion form."""
    A = [[0.52707154, 0.09526127, 0.25803547], [1, 0, 0], [0, 1, 0]]
    model = build(A, [1, 0, 0], [0.53074593, 0, 0], [0], initial="stationary")
    return model, PRICES, {
        "log_likelihood": -136.217849701, "filtered": {1: [-0.1, 0.1, 0.0343241729106], 122: [3.4, 2,
        -0.2]}, "filtered_var": {122: [0, 0, 0]}, "smoothed": {0: [0.1, 0.043181027, 0.00648207039967], 61:
        [1.2, 0.6, 0]}, "smoothed_var": {0: [0, 0.53074593, 0.67818948903], 61: [0, 0, 0]}, "ahead":
        [[1.930958682], [1.8577126242]], "ahead_var": [[0.53074593], [0.67818948903]],
    }  # fmt: skip


@case
def prices_with_a_mean():
    """Stata's arima, log-likelihood -135.35131: order (1, 0, 1), mean 0.7498197."""
    model = arma([0.8742288], [-0.4120458], 0.7250436**2, d=np.array([0.7498197]))
    return model, PRICES, {
        "log_likelihood": -135.351363416, "filtered": {1: [-0.8498197, 0.160970803862], 122: [2.6501803,
        -0.907805774248]}, "filtered_var": {122: [0, 2.21856838456e-11]}, "smoothed": {0: [-0.6498197,
        0.10025274844], 61: [0.4501803, -0.190295532995]}, "smoothed_var": {0: [0, 0.0386706307295], 61: [0,
        2.21856773994e-11]}, "ahead": [[2.1588778692], [1.98165893239]], "ahead_var": [[0.525688222032],
        [0.637982126114]],
    }  # fmt: skip


@case
def prices_with_differencing_in_the_state():
    """order (1, 1, 1) on the index itself, use_exact_diffuse=True."""
    core = arma([0.8742288], [-0.4120458], 0.7250436**2)
    A = np.block([[np.ones((1, 2)), np.zeros((1, 1))], [np.zeros((2, 1)), np.asarray(core.A)]])
    Q, P = np.zeros((2, 3, 3))
    Q[1:, 1:], P[1:, 1:] = core.Q, core.initial_moments()[1]
    model = build(A, [1, 1, 0], Q, [0], initial="diffuse", flat=(0,), P=P)
    return model, WPI[:60], {
        "log_likelihood": -51.1585215006, "filtered": {1: [30.7, 0.1, -0.0216160828202], 59: [53.6, 1.8,
        0.196088474659]}, "filtered_var": {59: [0, 0, 2.21856838456e-11]}, "smoothed": {0: [30.6732956062,
        0.0267043937671, -0.00405417911378], 30: [32.3, 0.1, -0.0481847270499]}, "smoothed_var": {0:
        [0.525688221901, 0.525688221901, 0.0782725032202], 30: [0, 0, 2.21856773994e-11]}, "ahead":
        [[57.1697003147], [58.7168232971]], "ahead_var": [[0.525688222032], [1.6495986673]],
    }  # fmt: skip


@case
def moving_average_of_order_two():
    """order (0, 0, 2), [0.6, 0.3, 0.5]."""
    return arma([], [0.6, 0.3], 0.5), WAVES, {
        "log_likelihood": -60.7998804081, "filtered": {1: [0.95670484259, 0.516340434913, 0.200231983486],
        59: [0.316638072207, 0.105680134974, 0.24087769803]}, "filtered_var": {59: [0, 4.18166890004e-11,
        4.8226631022e-12]}, "smoothed": {0: [0.5, 0.285426479898, 0.11437839777], 30: [1.13797798872,
        0.54647942399, 0.202267105495]}, "smoothed_var": {0: [0, 0.01470168, 0.01352862], 30: [0,
        4.18166865531e-11, 4.82266837576e-12]}, "ahead": [[0.105680134974], [0.24087769803]], "ahead_var":
        [[0.500000000054], [0.680000000054]],
    }  # fmt: skip


@case
def moving_average_at_the_edge():
    """order (0, 0, 1), [-1.0, 0.5]: not invertible, the variance of the innovation falls like 1 / t."""
    return arma([], [-1.0], 0.5), WAVES, {
        "log_likelihood": -307.32758366, "filtered": {1: [0.95670484259, -0.80446989506], 59:
        [0.316638072207, -4.24693186099]}, "filtered_var": {59: [0, 0.00819672131148]}, "smoothed": {0:
        [0.5, 3.66089568231], 30: [1.13797798872, -0.693330499357]}, "smoothed_var": {0: [0,
        0.00819672131148], 30: [0, 0.00819672131148]}, "ahead": [[-4.24693186099], [0]], "ahead_var":
        [[0.508196721311], [1]],
    }  # fmt: skip


@case
def autoregression_with_noise_and_gaps():
    """order (2, 0, 0), measurement_error=True, [1.2, -0.6, 0.1, 0.4]."""
    return arma([1.2, -0.6], [], 0.4, 0.1), HOLES, {
        "log_likelihood": -45.8027491696, "filtered": {1: [0, 0], 59: [0.220069079123, 0.207058352885]},
        "filtered_var": {59: [0.0865549389201, 0.0311053517642]}, "smoothed": {0: [0.13977050813,
        0.0358338018687], 30: [1.02828551098, -0.657259313388]}, "smoothed_var": {0: [1.27883730034,
        0.46671659702], 30: [0.0694620093795, 0.0248783149648]}, "ahead": [[0.471141247833],
        [0.433328049926]], "ahead_var": [[0.642350062386], [1.17061357425]],
    }  # fmt: skip


@case
def mixed_with_gaps():
    """order (2, 0, 1), [1.2, -0.6, 0.5, 0.4]."""
    return arma([1.2, -0.6], [0.5], 0.4), HOLES, {
        "log_likelihood": -105.04159752, "filtered": {1: [0, 0], 59: [0.316638072207, 0.311692433732]},
        "filtered_var": {59: [0, 0.0574619458641]}, "smoothed": {0: [1.28408122821, 0.0712659377839], 30:
        [1.13797798872, -0.409619951117]}, "smoothed_var": {0: [2.38544830783, 0.996251306817], 30: [0,
        0.000188385628905]}, "ahead": [[0.691658120381], [0.640006901133]], "ahead_var": [[0.457461945864],
        [1.63874520204]],
    }  # fmt: skip


@case
def seasonal_autoregression_with_gaps():
    """order (1, 0, 0), seasonal_order (1, 0, 0, 4), [0.5, 0.6, 0.4]: five lags, two without weight."""
    return arma([0.5, 0, 0, 0.6, -0.3], [], 0.4), HOLES, {
        "log_likelihood": -56.8349355582, "filtered": {1: [0, 0, 0, 0], 59: [0.316638072207, -0.59068410628,
        0.197038045843, -0.237046569737]}, "filtered_var": {59: [0, 0.137202360292, 0.116809441166,
        0.035237764665]}, "smoothed": {0: [-0.0728911328943, 0.171924912067, -0.156282749662,
        0.262184442274], 30: [1.13797798872, 0.475954989873, 0.485944226138, 0.326667231844]},
        "smoothed_var": {0: [0.525, 0.192877382812, 0.18398953125, 0.148438125], 30: [0, 0, 0, 0]}, "ahead":
        [[-0.432365070177], [-0.019144489245]], "ahead_var": [[0.537202360292], [0.637514751822]],
    }  # fmt: skip


@case
def regression_with_autocorrelated_errors():
    """order (1, 0, 0), exog, [1.5, -0.7, 0.6, 0.4]: two regressors of the observation."""
    steps = np.arange(62)
    u = np.stack([np.cos(0.2 * steps), np.sin(1.1 * steps)], 1)
    model = arma([0.6], [], 0.4, D=np.array([[1.5, -0.7]]))
    return (
        model,
        HOLES,
        {
            "log_likelihood": -54.5722782614,
            "filtered": {1: [0], 59: [-0.148815877461]},
            "filtered_var": {59: [0]},
            "smoothed": {0: [-0.176503455429], 30: [0.397660860817]},
            "smoothed_var": {0: [0.59584], 30: [0]},
            "ahead": [[1.19507721944], [1.97893241972]],
            "ahead_var": [[0.4], [0.544]],
        },
        u,
    )


@case
def gas_consumption():
    """order (0, 1, 1), seasonal_order (0, 1, 1, 4), use_exact_diffuse=True, logarithms of UKgas.

    At its maximum: 85.004693. R's arima, whose diffuse start is a large variance, prints 85.00481.
    """
    y = np.log(classic("UKgas"))
    theta, seasonal = -0.9191695721603946, -0.23532713397215196
    core = arma([], [theta, 0, 0, seasonal, theta * seasonal], 0.010971823190094746)
    A = np.zeros((11, 11))
    A[0, 0] = 1
    A[:2, 4:6] = 1
    A[2:5, 1:4] = np.eye(3)
    A[5:, 5:] = core.A
    C = np.zeros((1, 11))
    C[0, [0, 4, 5]] = 1
    Q, P = np.zeros((2, 11, 11))
    Q[5:, 5:], P[5:, 5:] = core.Q, core.initial_moments()[1]
    model = build(A, C, Q, [0], initial="diffuse", flat=(0, 1, 2, 3, 4), P=P)
    return model, y, {
        "log_likelihood": 85.0046929319, "filtered": {5: [5.07579862, 0.287473890917, 0.348029186288,
        -0.424928548525], 107: [5.85047685381, -0.568051200962, -0.641003659179, 0.390541367183]},
        "filtered_var": {107: [0, 0, 0, 0]}, "smoothed": {0: [4.73797845545, 0.340873770009,
        -0.419595934973, -0.216738956044], 54: [5.48105550323, -0.436224145691, 0.0995734279441,
        0.793168021709]}, "smoothed_var": {0: [0.0109718232539, 0.0202416170988, 0.0202416170988,
        0.0202416170988], 54: [0, 0, 0, 0]}, "ahead": [[7.12851877873], [6.47185818716]], "ahead_var":
        [[0.0109718250485], [0.0110435100924]],
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", case.names)
def test_an_autoregressive_moving_average(name, form):
    check(*case.all[name](), form=form)
