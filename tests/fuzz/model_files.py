"""Damaged and resealed model files: each gives the right forecast, or one sentence that names the file.

    python tests/fuzz/model_files.py [NUMBER] [SEED] [FOLDER]

FOLDER keeps the intact models for the next time.

Of every entry and every array of six models: it is removed, null, of another type, of another shape, not
finite, or joined by one that no version knows, and the file is sealed again, as a stranger or a newer version
would do. Other files are cut off or have a flipped bit.
"""

from __future__ import annotations

import copy
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import rekalman
from rekalman.foundation.archive import load_archive, save_archive
from rekalman.foundation.errors import RekalError

NEUTRAL = ("history", "labels.names", "labels.units", "labels.series_names", "labels.time", "seconds",
           "model_kind", "parameters", "input_names", "uncertainty", "log_likelihood", "held_out",
           "trained")  # fmt: skip
"""What no forecast depends on: a file that is still read forecasts the same."""

VALUES = (None, "text", "", -1, 0, 3, 2.5, 10**30, True, [], ["x"], [None], {}, {"x": 1}, float("nan"),
          float("inf"), -1.0)  # fmt: skip
"""What stands in the place of an entry."""


class Base(NamedTuple):
    """An intact model, and what it forecasts."""

    name: str
    data: rekalman.Sequences
    path: Path
    config: dict[str, Any]
    arrays: dict[str, np.ndarray]
    mean: np.ndarray
    inputs: np.ndarray | None


class Case(NamedTuple):
    """What is done to which model: the place, and a name for the damage."""

    base: int
    place: str
    damage: str
    content: Any


def bases(folder: Path, names: tuple[str, ...] | None = None) -> list[Base]:
    """The models, hardly trained: it is not their quality that is tested."""
    rng = np.random.default_rng(0)
    y = np.cumsum(rng.normal(size=(40, 2)), 0)
    u = rng.normal(size=(40, 1))
    stamps = np.cumsum(rng.uniform(0.5, 2.0, 40))
    plain = rekalman.Sequences.from_arrays(y[:, 0])
    driven = rekalman.Sequences.from_arrays(y, inputs=u, names=["a", "b"], input_names=["u"])
    timed = rekalman.Sequences.from_arrays(y[:, 0], times=stamps, irregular=True)
    recipes: dict[str, tuple[rekalman.Sequences, dict[str, Any]]] = {
        "linear": (driven, {"learner": rekalman.EM(iterations=1), "states": 2}),
        "em-rnn": (plain, {"learner": rekalman.EM(particles=20, iterations=1), "states": 2, "restarts": 1}),
        "local-level": (plain, {}),
        "oscillator": (timed, {"period": 8}),
        "rbf": (plain, {"states": 1, "kernels": 2, "trial_iterations": 1,
                        "learner": rekalman.EM(iterations=1, smoother="gaussian", average=1)}),
        "rkn": (driven, {"states": 2, "learner": rekalman.Backprop(epochs=1, batch=16)}),
        "elman": (timed, {"states": 2, "units": 3, "learner": rekalman.Backprop(epochs=1, batch=16)}),
    }  # fmt: skip
    made = []
    for name in names or tuple(recipes):
        data, options = recipes[name]
        path = folder / f"{name}.rekalman"
        if not path.exists():
            rekalman.fit(data, name, progress=False, **options).save(path)
        inputs = np.ones((1, 3, 1)) if data.n_inputs else None
        mean = np.asarray(rekalman.load(path).forecast(data, 3, inputs).mean)
        made.append(Base(name, data, path, *load_archive(path), mean, inputs))
    return made


def places(value: Any, place: str = "") -> Iterator[str]:
    """Every entry of a JSON value, as `labels.names.0`."""
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list)
        else ()
    )  # fmt: skip
    for name, part in items:
        here = f"{place}.{name}" if place else str(name)
        yield here
        yield from places(part, here)


def all_cases(models: list[Base]) -> Iterator[Case]:
    """Everything that can be done to one entry or array."""
    for i, base in enumerate(models):
        for place in places(base.config):
            yield Case(i, place, "removed", None)
            yield Case(i, place, "extra", None)
            for value in VALUES:
                yield Case(i, place, "value", value)
        for name in base.arrays:
            for damage in ("removed", "nan", "inf", "empty", "longer", "axis", "scalar", "integers",
                           "booleans", "flipped", "negative"):  # fmt: skip
                yield Case(i, name, f"array {damage}", None)
        for k in range(8):
            yield Case(i, f"extra{k}", "array extra", None)
        size = base.path.stat().st_size
        for k in range(60):
            yield Case(i, str(k * size // 60), "cut", None)
            yield Case(i, str(k * 8 * size // 60 + k % 8), "bit", None)


def chosen(models: list[Base], number: int, seed: int) -> list[Case]:
    """So many of them, drawn without replacement, damage by damage alike."""
    everything = list(all_cases(models))
    random.Random(seed).shuffle(everything)
    by_damage: dict[str, list[Case]] = {}
    for case in everything:
        by_damage.setdefault(case.damage, []).append(case)
    drawn: list[Case] = []
    while len(drawn) < number and any(by_damage.values()):
        drawn += [left.pop() for left in by_damage.values() if left]
    return drawn[:number]


def damaged(base: Base, case: Case, path: Path) -> None:
    """Write the damaged file."""
    if case.damage in ("cut", "bit"):
        data = bytearray(base.path.read_bytes())
        place = int(case.place)
        if case.damage == "cut":
            data = data[:place]
        else:
            data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        return
    config, arrays = copy.deepcopy(base.config), dict(base.arrays)
    if case.damage.startswith("array"):
        _damage_array(arrays, case)
    else:
        _damage_entry(config, case)
    save_archive(path, config, arrays)


def _damage_entry(config: Any, case: Case) -> None:
    *before, last = case.place.split(".")
    holder = config
    for name in before:
        holder = holder[int(name)] if isinstance(holder, list) else holder[name]
    key: Any = int(last) if isinstance(holder, list) else last
    if case.damage == "removed":
        del holder[key]
    elif case.damage == "value":
        holder[key] = case.content
    elif isinstance(holder[key], dict):
        holder[key]["unknown"] = 1
    elif isinstance(holder[key], list):
        holder[key].append(copy.deepcopy(holder[key][0]) if holder[key] else 1)
    elif isinstance(holder, dict):
        holder["unknown"] = 1
    else:
        holder.append(1)


def _damage_array(arrays: dict[str, np.ndarray], case: Case) -> None:
    name, damage = case.place, case.damage.removeprefix("array ")
    if damage == "extra":
        arrays[f"filter.model.{name}" if name > "extra3" else name] = np.zeros(2)
        return
    array = np.array(arrays[name])
    if damage == "removed":
        del arrays[name]
        return
    if damage in ("nan", "inf", "negative") and array.size and array.dtype.kind == "f":
        array.flat[-1] = {"nan": np.nan, "inf": -np.inf, "negative": -3.0}[damage]
    elif damage == "empty":
        array = array[:0] if array.ndim else np.zeros(0, array.dtype)
    elif damage == "longer":
        array = np.concatenate([array, array]) if array.ndim else np.stack([array, array])
    elif damage == "axis":
        array = array[None]
    elif damage == "scalar":
        array = np.zeros((), array.dtype)
    elif damage == "integers":
        array = array.astype(np.int32)
    elif damage == "booleans":
        array = array.astype(bool)
    elif damage == "flipped":
        array = np.ascontiguousarray(array.T)
    arrays[name] = array


def verdict(base: Base, case: Case, folder: Path) -> str | None:
    """What is wrong with how rekalman takes the file, or None."""
    path = folder / "damaged.rekalman"
    damaged(base, case, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted = rekalman.load(path)
            try:
                made = fitted.forecast(base.data, 3, base.inputs)
            except RekalError as error:
                return None if _is_sentence(str(error)) else f"no sentence: {error!r}"
            if _neutral(case):
                fitted.summary()
    except RekalError as error:
        said = str(error)
        good = said.startswith(str(path)) and _is_sentence(said)
        return None if good else f"no sentence with the file: {said!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    mean = np.asarray(made.mean)
    if not (np.isfinite(mean).all() and np.isfinite(np.asarray(made.interval(0.9))).all()):
        return "it forecasts what is not finite"
    same = _neutral(case) or case.damage in ("cut", "bit")
    if same and not np.array_equal(mean, base.mean):
        return "it forecasts something else"
    return None


def _neutral(case: Case) -> bool:
    return case.place.startswith(NEUTRAL)


def _is_sentence(said: str) -> bool:
    return 10 < len(said) < 600 and "\n" not in said and "Traceback" not in said


def main(number: int = 2000, seed: int = 0, keep: str | None = None) -> int:
    """Run so many cases; say what failed."""
    with tempfile.TemporaryDirectory() as folder:
        models = bases(Path(keep or folder))
        wrong = 0
        for k, case in enumerate(chosen(models, number, seed)):
            base = models[case.base]
            said = verdict(base, case, Path(folder))
            if said is not None:
                wrong += 1
                print(
                    f"{base.name} {case.place} {case.damage} {case.content!r}: {said}", flush=True
                )
            if k % 100 == 99:
                print(f"{k + 1} files, {wrong} wrong", file=sys.stderr, flush=True)
    print(f"{number} files, {wrong} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:4]))
