r"""Superimposed oscillators: eight sines, 400 steps to learn from, 300 free steps to judge.

Without noise a linear recursion of order 16 holds exactly, so that the linear row is the one to look at. With
noise of deviation 0.1 the floor (the oracle column) is the regression on sines of the true frequencies. The
series is scaled to a deviation of 1, or of one half, which has about the floor of .045 that is quoted.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

import rekalman
from rekalman.datasets.recurrent.oscillators import FREQUENCIES, oscillators
from rekalman.networks.predictors.linear_readout import LinearReadout
from rekalman.networks.predictors.nvar import NVAR
from rekalman.networks.predictors.reservoir import Reservoir
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.reservoirs.common import figure, free_runs, learned

LEARNED, AHEAD, NOISE = 400, 300, 0.1
SCALES = (1.0, 0.5)
EM_SEEDS = 3
"""Seeds for which EM runs, too, which takes longer than all else."""
WINDOW = 130
"""Rows of the lagged matrix whose signal directions give the frequencies."""
MEASURED = "measured for this project"
RIDGE: dict[str, Any] = {
    "published": 0.153,
    "source": f"{MEASURED}: autoregression of 200 lags by ridge, on a series whose floor is .045",
}


def oscillator_rows(options: StudyOptions) -> tuple[list[Row], dict[str, Any]]:
    """Without noise and with it."""
    count = len(FREQUENCIES)
    wave = oscillators(count, LEARNED + AHEAD)
    wave = wave / wave.std()
    clean = {"nvar": [], "esn": []}
    for seed in options.all_seeds:
        clean["esn"].append(after(small_network(seed), wave, wave[:LEARNED], 1e-22))
    clean["nvar"].append(after(NVAR.create(1, taps=60, order=1), wave, wave[:LEARNED], 0.0))
    rows = [
        figure("oscillators, k = 8: nvar of 60 taps, order 1, a linear autoregression", "nrmse",
               clean["nvar"], published=1.4e-4, source=f"{MEASURED}: autoregression of order 17"),
        figure("oscillators, k = 8: ES2N of 100 units near its linear range", "nrmse", clean["esn"],
               published=0.05, source="ES2N of 100 units, mean of 10,000 draws (studies of its authors)"),
    ]  # fmt: skip
    for scale in SCALES[: 1 if options.quick else None]:
        outcomes = [
            noisy(scale * wave, seed, not options.quick and number < EM_SEEDS)
            for number, seed in enumerate(options.all_seeds)
        ]
        name = f"oscillators, k = 8, noise .1 on a series of deviation {scale:g}"
        floor = float(np.median([each["floor"] for each in outcomes]))
        take = lambda key, outcomes=outcomes: [each[key] for each in outcomes]  # noqa: E731
        rows += [
            figure(f"{name}: linear Gaussian model, 8 rotations, maximum likelihood", "nrmse",
                   take("likelihood"), oracle=floor, **(RIDGE if scale == SCALES[1] else {})),
            figure(f"{name}: nvar of 150 taps, order 1 (ridge autoregression)", "nrmse", take("nvar"),
                   oracle=floor),
            figure(f"{name}: cycle reservoir of 200 units", "nrmse", take("esn"), oracle=floor),
        ]  # fmt: skip
        if "em" in outcomes[0]:
            rows.append(
                figure(f"{name}: linear Gaussian model of 16 states by EM, {EM_SEEDS} seeds", "nrmse",
                       [each["em"] for each in outcomes[:EM_SEEDS]], oracle=floor)
            )  # fmt: skip
    return rows, {"learned": LEARNED, "ahead": AHEAD, "noise": NOISE, "window": WINDOW}


def small_network(seed: int) -> Reservoir:
    """A network that is all but linear, whose units remember long."""
    return Reservoir.create(
        1,
        units=100,
        spectral_radius=0.95,
        input_scale=1e-3,
        bias_scale=0.0,
        topology="es2n",
        leak=0.1,
        seed=seed,
    )


def after(
    predictor: LinearReadout, wave: np.ndarray, seen: np.ndarray, penalty: float | None
) -> float:
    """NRMSE of the free run after what was seen."""
    washout = predictor.taps if isinstance(predictor, NVAR) else 100
    scale = seen.std()
    trained = learned(predictor, seen[:, None] / scale, washout, penalty)
    ahead = free_runs(trained, jnp.asarray(seen[None, :, None] / scale), AHEAD)
    return nrmse(scale * np.asarray(ahead)[0, :, 0], wave)


def nrmse(ahead: Float[np.ndarray, " ahead"], wave: Float[np.ndarray, " steps"]) -> float:
    """Root mean square error in units of the deviation of the series."""
    return float(np.sqrt(np.mean(np.square(ahead - wave[LEARNED:]))) / wave.std())


def noisy(wave: np.ndarray, seed: int, em: bool) -> dict[str, float]:
    """All models on one draw of the noise."""
    seen = wave[:LEARNED] + NOISE * np.random.default_rng([seed, 8]).normal(size=LEARNED)
    result = {
        "floor": nrmse(harmonic(seen, np.array(FREQUENCIES)), wave),
        "likelihood": nrmse(harmonic(seen, likeliest_frequencies(seen)), wave),
        "nvar": after(NVAR.create(1, taps=150, order=1, increment=False), wave, seen, 3e-3),
        "esn": after(
            Reservoir.create(
                1,
                units=200,
                topology="cycle",
                spectral_radius=0.98,
                input_scale=1e-3,
                bias_scale=0.0,
                seed=seed,
            ),
            wave,
            seen,
            1e-7,
        ),
    }
    if em:
        data = rekalman.Sequences.from_arrays(seen)
        fit = rekalman.fit(data, "linear", states=2 * len(FREQUENCIES), seed=seed, progress=False)
        result["em"] = nrmse(np.asarray(fit.forecast(data, AHEAD).mean)[0, :, 0], wave)
    return result


def sines(frequencies: np.ndarray, steps: int) -> np.ndarray:
    """Sine and cosine of each frequency, `(steps, 2 k)`."""
    angle = np.outer(np.arange(steps), frequencies)
    return np.concatenate([np.sin(angle), np.cos(angle)], 1)


def harmonic(seen: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """What follows by regression on sines: the forecast of a linear Gaussian model without process noise."""
    D = sines(frequencies, LEARNED + AHEAD)
    return D[LEARNED:] @ np.linalg.lstsq(D[:LEARNED], seen, rcond=None)[0]


def likeliest_frequencies(seen: np.ndarray) -> np.ndarray:
    r"""Frequencies of rotations that turn without noise, by maximum likelihood.

    The model is linear Gaussian: eight blocks that rotate by $\omega_i$ each step, without process noise. It
    starts from the eigenvalues of the shift between the signal directions of lagged rows (ESPRIT, Roy and
    Kailath 1989); then the squared errors that are left after the regression on sines are lowered.
    """
    count = len(FREQUENCIES)
    lagged = np.lib.stride_tricks.sliding_window_view(seen, WINDOW)
    both = np.concatenate([lagged, lagged[:, ::-1]])
    signal = np.linalg.svd(both, full_matrices=False)[2][: 2 * count].T
    shift = np.linalg.lstsq(signal[:-1], signal[1:], rcond=None)[0]
    angles = np.sort(np.abs(np.angle(np.linalg.eigvals(shift))))[::2]

    def left(frequencies: np.ndarray) -> np.ndarray:
        D = sines(frequencies, len(seen))
        return seen - D @ np.linalg.lstsq(D, seen, rcond=None)[0]

    return least_squares(left, angles, method="lm").x
