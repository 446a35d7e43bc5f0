"""Diffuse starts beside KFAS 1.3.1, statsmodels 0.15.0 and Koopman (1997).

The log-likelihoods of KFAS are those that statsmodels keeps for its own tests: results_exact_initial_*_R.csv.
Like ours they count observations that fix a diffuse state without their log 2 pi. Moments are statsmodels'
(KalmanSmoother, initialized exactly diffuse), checked in rational arithmetic: the smoothed states that KFAS
1.3.1 printed for three of these models are wrong.
"""

from __future__ import annotations

import numpy as np
import pytest
from library_cases import FORMS, Cases, build, check, double  # noqa: F401

NAN = float("nan")
# Gross domestic product and consumption of the United States, 1959Q1 to 1964Q1 (statsmodels' macrodata).
GDP = [
    2710.349, 2778.801, 2775.488, 2785.204, 2847.699, 2834.39, 2839.022, 2802.616, 2819.264, 2872.005,
    2918.419, 2977.83, 3031.241, 3064.709, 3093.047, 3100.563, 3141.087, 3180.447, 3240.332, 3264.967,
    3338.246,
]  # fmt: skip
CONSUMPTION = [
    1707.4, 1733.7, 1751.8, 1753.7, 1770.5, 1792.9, 1785.8, 1788.2, 1787.7, 1814.3, 1823.1, 1859.6, 1879.4,
    1902.5, 1917.9, 1945.1, 1958.2, 1976.9, 2003.8, 2020.6, 2060.5,
]  # fmt: skip
GROWTH = 400 * np.diff(np.log(np.stack([GDP, CONSUMPTION], 1)), axis=0)
GAPS = GROWTH.copy()
GAPS[:5, 0] = NAN
GAPS[8:12] = NAN
VAR = [[0.5, 0.3], [0.2, 0.4]]
COMMON = np.stack([[10.2394, *[1.0] * 9], [8.2304, *[1.0] * 9]], 1)
WALKS = np.array([5.0, 5.3, 4.9, 5.6, 6.0, 5.8, NAN, 6.1, 6.4, 6.2])

case = Cases()


@case
def local_level():
    """Koopman (1997), section 5.1; results_exact_initial_local_level_R.csv has a variance of 1e6 instead."""
    y = [10.2394, *[1.0] * 9]
    model = build(1, 1, [8.253], [1.993], initial="diffuse")
    return model, y, {
        "log_likelihood": -23.0163218509, "filtered": {1: [2.50454483209], 9: [1.00000092722]},
        "filtered_var": {9: [1.65936477979]}, "smoothed": {0: [8.69269189482], 5: [1.00101134968]},
        "smoothed_var": {0: [1.65936477979], 5: [1.42141506688]}, "ahead": [[1.00000092722],
        [1.00000092722]], "ahead_var": [[11.9053647799], [20.1583647799]],
    }  # fmt: skip


@case
def local_linear_trend():
    """Koopman (1997), section 5.2; results_exact_initial_local_linear_trend_R.csv: -21.1364984."""
    y = [10.2394, 4.2039, 6.123123, *[1.0] * 7]
    model = build([[1, 1], [0, 1]], [1, 0], [8.253, 2.334], [1.993], initial="diffuse")
    return model, y, {
        "log_likelihood": -21.1364983872, "filtered": {2: [5.60835701068, -1.75671757199], 9:
        [0.971480183483, -0.132997822505]}, "filtered_var": {9: [1.78897970994, 6.0510162266]}, "smoothed":
        {0: [9.72422585109, -2.42127577522], 5: [0.951444257135, -0.406708844795]}, "smoothed_var": {0:
        [1.78897970994, 3.7170162266], 5: [1.4700592503, 2.2449348586]}, "ahead": [[0.838482360978],
        [0.705484538473]], "ahead_var": [[19.4665800004], [49.5872127441]],
    }  # fmt: skip


@case
def local_linear_trend_with_a_gap():
    """results_exact_initial_local_linear_trend_missing_R.csv: -18.3036127."""
    y = [10.2394, NAN, 6.123123, *[1.0] * 7]
    model = build([[1, 1], [0, 1]], [1, 0], [8.253, 2.334], [1.993], initial="diffuse")
    return model, y, {
        "log_likelihood": -18.3036127436, "filtered": {3: [1.27426261571, -3.30174675801], 9:
        [0.968046318637, -0.149009597053]}, "filtered_var": {9: [1.78898628171, 6.05115911433]}, "smoothed":
        {0: [10.1958496847, -2.10871399397], 5: [0.945287780768, -0.455692577605]}, "smoothed_var": {0:
        [1.91294710857, 3.77146495556], 5: [1.47008037451, 2.24627213061]}, "ahead": [[0.819036721584],
        [0.670027124531]], "ahead_var": [[19.466790747], [49.5879134409]],
    }  # fmt: skip


@case
def common_level():
    """Koopman (1997), section 5.3; results_exact_initial_common_level_R.csv: -51.9451615."""
    model = build(np.eye(2), [[1, 0], [0.1111, 1]], [3.2324, 0], [1, 1], initial="diffuse")
    return model, COMMON, {
        "log_likelihood": -51.9451615109, "filtered": {1: [2.54115493077, 3.99085133], 9: [0.931919296292,
        1.509290266]}, "filtered_var": {9: [0.79439485744, 0.101234321]}, "smoothed": {0: [8.89753745716,
        1.509290266], 5: [0.934280548821, 1.509290266]}, "smoothed_var": {0: [0.79439485744, 0.101234321],
        5: [0.663836959059, 0.101234321]}, "ahead": [[0.931919296292, 1.61282649982], [0.931919296292,
        1.61282649982]], "ahead_var": [[5.02679485744, 1.14846925355], [8.25919485744, 1.18836744556]],
    }  # fmt: skip


@case
def common_level_restricted():
    """results_exact_initial_common_level_restricted_R.csv: -62.9698545."""
    model = build(1, [[1], [0.1111]], [3.2324], [1, 1], initial="diffuse")
    return model, COMMON, {
        "log_likelihood": -62.969854476, "filtered": {1: [2.97913246485], 9: [1.09755694457]},
        "filtered_var": {9: [0.793175586163]}, "smoothed": {0: [9.06317510544], 5: [1.0999181971]},
        "smoothed_var": {0: [0.793175586162], 5: [0.662617687781]}, "ahead": [[1.09755694457,
        0.121938576542], [1.09755694457, 0.121938576542]], "ahead_var": [[5.02557558619, 1.04968852483],
        [8.25797558619, 1.08958671684]],
    }  # fmt: skip


@case
def vector_autoregression_without_noise():
    """results_exact_initial_var1_R.csv: -167.4314976: the first row fixes the states."""
    model = build(VAR, np.eye(2), [2, 3], [0, 0], initial="diffuse")
    return model, GROWTH, {
        "log_likelihood": -167.431497599, "filtered": {1: [-0.477180844267, 4.15439109486], 19:
        [8.87834554754, 7.8216699141]}, "filtered_var": {19: [0, 0]}, "smoothed": {0: [9.97685232655,
        6.11444296625], 10: [8.06112641876, 7.9292248028]}, "smoothed_var": {0: [0, 0], 10: [0, 0]},
        "ahead": [[6.785673748, 4.90433707515], [4.86413799654, 3.31886957966]], "ahead_var": [[2, 3],
        [2.77, 3.56]],
    }  # fmt: skip


@case
def vector_autoregression_with_gaps():
    """results_exact_initial_var1_missing_R.csv: -85.7656323."""
    model = build(VAR, np.eye(2), [2, 3], [0, 0], initial="diffuse")
    return model, GAPS, {
        "log_likelihood": -85.7656323069, "filtered": {2: [2.97226666731, 0.433604378503], 19:
        [8.87834554754, 7.8216699141]}, "filtered_var": {19: [0, 0]}, "smoothed": {0: [5.94141980663,
        6.11444296625], 10: [2.29916745752, 2.402620937]}, "smoothed_var": {0: [56.0121773466, 0], 10:
        [2.71544039573, 3.20192211193]}, "ahead": [[6.785673748, 4.90433707515], [4.86413799654,
        3.31886957966]], "ahead_var": [[2, 3], [2.77, 3.56]],
    }  # fmt: skip


@case
def vector_autoregression_half_diffuse():
    """results_exact_initial_var1_mixed_R.csv: -174.2210168."""
    model = build(
        VAR,
        np.eye(2),
        [2, 3],
        [0, 0],
        initial="diffuse",
        flat=(0,),
        P=np.eye(2) * 3.5714285714285716,
    )
    return model, GROWTH, {
        "log_likelihood": -174.22101676, "filtered": {1: [-0.477180844267, 4.15439109486], 19:
        [8.87834554754, 7.8216699141]}, "filtered_var": {19: [0, 0]}, "smoothed": {0: [9.97685232655,
        6.11444296625], 10: [8.06112641876, 7.9292248028]}, "smoothed_var": {0: [0, 0], 10: [0, 0]},
        "ahead": [[6.785673748, 4.90433707515], [4.86413799654, 3.31886957966]], "ahead_var": [[2, 3],
        [2.77, 3.56]],
    }  # fmt: skip


@case
def vector_autoregression_with_noise():
    """results_exact_initial_var1_measurement_error_R.csv: -110.9160143."""
    model = build(VAR, np.eye(2), [2, 3], [4, 5], initial="diffuse")
    return model, GROWTH, {
        "log_likelihood": -110.916014299, "filtered": {1: [3.48441453984, 3.76173356747], 19: [5.1588705117,
        4.43968896807]}, "filtered_var": {19: [1.57577552126, 2.01737188563]}, "smoothed": {0:
        [8.09390874867, 4.82113832108], 10: [5.5372187535, 4.98864217243]}, "smoothed_var": {0:
        [3.35507153489, 4.22122746006], 10: [1.43791047684, 1.8426761531]}, "ahead": [[3.91134194627,
        2.80764968957], [2.79796588, 1.90532826508]], "ahead_var": [[6.62316701097, 8.41122900837],
        [7.09509252885, 8.72127807663]],
    }  # fmt: skip


@case
def dynamic_factor_of_order_two():
    """results_exact_initial_dfm_R.csv: -167.1358334: one factor and its lag, both diffuse."""
    model = build([[0.9, 0.1], [1, 0]], [[0.5, 0], [1, 0]], [1, 0], [1.5, 2], initial="diffuse")
    return model, GROWTH, {
        "log_likelihood": -167.1358334, "filtered": {2: [2.03864009618, 1.96412564572], 19: [7.93974845731,
        6.34161097995]}, "filtered_var": {19: [0.800890673155, 0.623287625517]}, "smoothed": {0:
        [9.51694281356, -60.4597700698], 10: [7.02778930908, 5.57570857577]}, "smoothed_var": {0:
        [1.49300890673, 320.338075043], 10: [0.564457730664, 0.564458818411]}, "ahead": [[3.88996735479,
        7.77993470957], [3.89795804217, 7.79591608435]], "ahead_var": [[1.92959518762, 3.71838075048],
        [2.13399606164, 4.53598424657]],
    }  # fmt: skip


@case
def random_walk_without_noise():
    """UnobservedComponents(y, 'rwalk', use_exact_diffuse=True), variance 0.118, with a gap."""
    model = build(1, 1, [0.118], [0], initial="diffuse")
    return model, WALKS, {
        "log_likelihood": -3.87437550904, "filtered": {1: [5.3], 9: [6.2]}, "filtered_var": {9: [0]},
        "smoothed": {0: [5], 5: [5.8]}, "smoothed_var": {0: [0], 5: [0]}, "ahead": [[6.2], [6.2]],
        "ahead_var": [[0.118], [0.236]],
    }  # fmt: skip


@case
def random_trend_without_noise():
    """UnobservedComponents(y, 'rtrend', use_exact_diffuse=True): noise in the slope alone."""
    model = build([[1, 1], [0, 1]], [1, 0], [0, 0.09], [0], initial="diffuse")
    return model, WALKS, {
        "log_likelihood": -12.8080472442, "filtered": {2: [4.9, -0.4], 9: [6.2, -0.2]}, "filtered_var": {9:
        [0, 0.09]}, "smoothed": {0: [5, 0.3], 5: [5.8, 0.0666666666667]}, "smoothed_var": {0: [0, 0], 5: [0,
        0.015]}, "ahead": [[6], [5.8]], "ahead_var": [[0.09], [0.45]],
    }  # fmt: skip


@case
def two_exact_sensors_of_two_levels():
    """KalmanSmoother: y1 = a, y2 = a + b, both walks diffuse, the second sensor silent at first."""
    y = np.stack([WALKS, 2 * WALKS[::-1]], 1)
    y[:3, 1] = NAN
    model = build(np.eye(2), [[1, 0], [1, 1]], [0.1, 0.4], [0, 0], initial="diffuse")
    return model, y, {
        "log_likelihood": -11.5270290959, "filtered": {5: [5.8, 6.2], 9: [6.2, 3.8]}, "filtered_var": {9:
        [0, 0]}, "smoothed": {0: [5, 5.6], 5: [5.8, 6.2]}, "smoothed_var": {0: [0, 1.6], 5: [0, 0]},
        "ahead": [[6.2, 10], [6.2, 10]], "ahead_var": [[0.1, 0.5], [0.2, 1]],
    }  # fmt: skip


@case
def integrated_moving_average_with_differencing_in_the_state():
    """SARIMAX(y, order=(0, 1, 1), use_exact_diffuse=True), theta -0.4, variance 0.2."""
    A, C = [[1, 1, 0], [0, 0, 1], [0, 0, 0]], [1, 1, 0]
    Q = 0.2 * np.outer([0, 1, -0.4], [0, 1, -0.4])
    P = 0.2 * np.array([[0, 0, 0], [0, 1.16, -0.4], [0, -0.4, 0.16]])
    model = build(A, C, Q, [0], initial="diffuse", flat=(0,), P=P)
    return model, WALKS, {
        "log_likelihood": -4.01342948578, "filtered": {1: [5, 0.3, -0.103448275862], 9: [6.4, -0.2,
        0.0193244323962]}, "filtered_var": {9: [0, 0, 0.000206698054545]}, "smoothed": {0: [5.11008199231,
        -0.110081992308, 0.0440327969232], 5: [6, -0.2, -0.0211811041595]}, "smoothed_var": {0:
        [0.20000085124, 0.20000085124, 0.0268801361984], 5: [0, 0, 2.81858656944e-06]}, "ahead":
        [[6.2193244324], [6.2193244324]], "ahead_var": [[0.200206698055], [0.272206698055]],
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", case.names)
def test_a_diffuse_start(name, form):
    check(*case.all[name](), form=form)
