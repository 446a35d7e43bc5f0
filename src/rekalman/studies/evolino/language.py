"""The task of counting: the language a^n b^n c^n, read symbol by symbol."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rekalman.datasets.recurrent.counting_language import accepted, counting_language
from rekalman.learners.evolution.evolino import Evolino
from rekalman.networks.lstm import LSTM
from rekalman.networks.predictors.recurrent import RecurrentPredictor
from rekalman.studies.base import Row, StudyOptions
from rekalman.studies.evolino.gradient import one_step, trained_networks
from rekalman.studies.evolino.series import Errors, rows_of
from rekalman.studies.evolino.settings import LANGUAGE, Setting

Symbols = Float[np.ndarray, "strings steps 4"]
LAGS = (4, 8, 16, 31)
"""Symbols that the linear model sees; strings that are trained on have 31 at most."""
REACH = 40
"""The linear model is tried on strings up to this n: it sees no more than 31 symbols."""


def largest_accepted(said: Symbols, longest: int) -> float:
    """The largest n up to which all strings are accepted.

    Args:
        said: outputs after each symbol of the strings n = 1 to `longest`.
        longest: the largest n.
    """
    right = accepted(said, np.arange(1, longest + 1))
    return float(longest if right.all() else np.argmin(right))


def outputs(network: RecurrentPredictor, longest: int) -> Symbols:
    """What a network says after each symbol of the strings n = 1 to `longest`."""
    strings = counting_language(range(1, longest + 1))
    assert strings.inputs is not None
    with jax.enable_x64(True):
        inputs = jnp.asarray(np.asarray(strings.inputs, np.float64))
        said = _outputs(network, jnp.zeros(inputs.shape), inputs)
    return np.asarray(said)[:, 1:]


_outputs = eqx.filter_jit(one_step)


def language_rows(
    options: StudyOptions, setting: Setting, seeds: list[int]
) -> tuple[list[Row], dict[str, Any]]:
    """The largest n that each method accepts after training on short strings."""
    name = f"a^n b^n c^n from n = 1 to {setting.strings}"
    strings = counting_language(range(1, setting.strings + 1))
    assert strings.inputs is not None
    learner = setting.limited(LANGUAGE)
    first = dataclasses.replace(learner, generations=1)
    made: Errors = {"Evolino": [], "best random LSTM": [], "ESN": [], "GRU": [], "linear": []}
    for i, seed in enumerate(seeds):
        options.report(i, len(seeds), name)
        for title, setup in (("Evolino", learner), ("best random LSTM", first)):
            network = evolved(strings, setup, setting.lstm[1], seed)
            made[title].append(largest_accepted(outputs(network, setting.longest), setting.longest))
        made["ESN"].append(echo_state(setting, seed))
        made["linear"].append(linear(setting))
    options.report(len(seeds), len(seeds), f"{name}, back-propagation")
    counted = np.asarray(strings.valid()).copy()
    counted[:, 0] = False
    networks = trained_networks(
        np.stack([np.asarray(strings.values)] * len(seeds)), np.asarray(strings.inputs), counted,
        units=setting.gru, updates=setting.updates, seeds=seeds,
    )  # fmt: skip
    made["GRU"] = [
        largest_accepted(outputs(each, setting.longest), setting.longest) for each in networks
    ]
    return rows_of(name, "largest_n", made, 0, "higher"), {name: made}


def evolved(strings: Any, learner: Evolino, units: int, seed: int) -> RecurrentPredictor:
    """A network that inputs alone drive, bred on the strings."""
    key = jax.random.key(seed)
    start = RecurrentPredictor.create(LSTM, 4, units=units, inputs=4, key=key)
    return learner.run(start, strings, key=jax.random.fold_in(key, 1)).model


def echo_state(setting: Setting, seed: int) -> float:
    """An echo state network; of some radii and penalties those that accept the most training strings.

    Args:
        setting: sizes.
        seed: of its weights.
    """
    random, units = np.random.default_rng(seed), setting.reservoir[0]
    W = random.normal(size=(units, units)) / np.sqrt(units)
    W /= np.abs(np.linalg.eigvals(W)).max()
    into = random.uniform(-1, 1, (4, units))
    best, taken = (-1.0, -np.inf), None
    reach = min(setting.longest, REACH)
    for radius in (0.8, 0.95, 1.0):
        H, Y, valid = _states(radius * W, into, setting.strings)
        for penalty in (1e-10, 1e-6, 1e-3):
            X = H[valid]
            gram = X.T @ X / len(X) + penalty * np.eye(units + 1)
            readout = np.linalg.solve(gram, X.T @ Y[valid] / len(X))
            right = largest_accepted(H @ readout, setting.strings)
            error = np.mean((X @ readout - Y[valid]) ** 2)
            if (right, -error) > best:
                best, taken = (right, -error), (radius, readout)
    assert taken is not None
    radius, readout = taken
    return largest_accepted(_states(radius * W, into, reach)[0] @ readout, reach)


def _states(W: np.ndarray, into: np.ndarray, longest: int) -> tuple[np.ndarray, ...]:
    """Features after each symbol of all strings, what may follow, and True within each string."""
    strings = counting_language(range(1, longest + 1))
    symbols, wanted = np.asarray(strings.inputs)[:, 1:], np.asarray(strings.values)[:, 1:]
    h, made = np.zeros((longest, len(W))), []
    for t in range(symbols.shape[1]):
        h = np.tanh(h @ W.T + symbols[:, t] @ into)
        made.append(np.column_stack([h, np.ones(longest)]))
    return np.stack(made, 1), wanted, np.asarray(strings.valid())[:, 1:]


def linear(setting: Setting) -> float:
    """Ridge regression on the last symbols; of some numbers of lags the one that accepts the most."""
    best = 0.0
    reach = min(setting.longest, REACH)
    for lags in LAGS:
        X, Y, valid = _windows(setting.strings, lags)
        gram = X[valid].T @ X[valid] + 1e-8 * np.eye(X.shape[-1])
        readout = np.linalg.solve(gram, X[valid].T @ Y[valid])
        if largest_accepted(X @ readout, setting.strings) >= min(best, setting.strings):
            best = max(best, largest_accepted(_windows(reach, lags)[0] @ readout, reach))
    return best


def _windows(longest: int, lags: int) -> tuple[np.ndarray, ...]:
    """The last symbols at each step of all strings, what may follow, and True within each string."""
    strings = counting_language(range(1, longest + 1))
    symbols, wanted = np.asarray(strings.inputs)[:, 1:], np.asarray(strings.values)[:, 1:]
    padded = np.pad(symbols, [(0, 0), (lags - 1, 0), (0, 0)])
    X = np.concatenate([padded[:, i : i + symbols.shape[1]] for i in range(lags)], -1)
    ones = np.ones((*X.shape[:2], 1))
    return np.concatenate([X, ones], -1), wanted, np.asarray(strings.valid())[:, 1:]
