r"""The free parameters of a model as one vector without bounds, and back.

A structure brings its own. Of a linear model every entry of A, B, c (in continuous time F, G, g), C, D, d
and m is a parameter, and a covariance `S = L L'` the lower triangle of `L` with the logarithms of its
diagonal, so that every vector is a model. A singular covariance keeps its range, `V = G S G'` (`support.py`),
and `S` is what is free of it; one that is "scaled" has the logarithm of a factor. Blocks that are frozen, and
single entries that are fixed, are no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.learners.em.constraints import check_flat_columns, constrain, shape_of
from rekalman.learners.em.linear_maximise import LinearNoise
from rekalman.learners.likelihood.function_arrays import block_of
from rekalman.learners.likelihood.named_parameters import NamedParameters
from rekalman.learners.support import Support, support_of
from rekalman.models.bounds import Bounds
from rekalman.models.continuous import LinearContinuous
from rekalman.models.linear import LinearGaussian
from rekalman.models.nonlinear import NonlinearGaussian

COVARIANCES = ("Q", "R", "P")


class ModelParameters(eqx.Module):
    """The free parameters of a linear model, or of one of two functions.

    Attributes:
        base: the model where the search begins.
        chosen: for each block, which of its entries are free (of a covariance: of the lower triangle of `S`;
            none where only its size is).
        supports: range of each free covariance.
    """

    base: LinearGaussian | LinearContinuous | NonlinearGaussian
    chosen: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)
    supports: dict[str, Support] = eqx.field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, such as `A[1, 2]`, counted from 1."""
        names = []
        for name, entries in self.chosen:
            if name in self.supports:
                places = self._places(name)[list(entries) or [0]]
            else:
                every = list(np.ndindex(*block_of(self.base, name).shape))
                places = [every[i] for i in entries]
            names.extend(
                f"{name}[{', '.join(str(i + 1) for i in place)}]" if len(place) else name
                for place in places
            )
        return tuple(names)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """Bounds of the parameters: entries of matrices have symmetric intervals."""
        return (Bounds(),) * len(self.names)

    @property
    def logarithms(self) -> tuple[bool, ...]:
        """Which entries of the vector are logarithms: those of the diagonals of Cholesky factors."""
        return tuple(
            mark for name, entries in self.chosen for mark in self._diagonal(name, entries)
        )

    @property
    def variances(self) -> tuple[bool, ...]:
        """Which of them are logarithms of variances: those of covariances that are diagonal or scaled."""
        marks: list[bool] = []
        for name, entries in self.chosen:
            each = self._diagonal(name, entries)
            marks.extend(each if all(each) else [False] * len(each))
        return tuple(marks)

    def _diagonal(self, name: str, entries: tuple[int, ...]) -> list[bool]:
        if name not in self.supports:
            return [False] * len(entries)
        rows, columns = _lower(self.supports[name].rank).T
        return (rows == columns)[list(entries) or [0]].tolist()

    def structure(self, vector: Float[Array, " parameters"]) -> None:
        """None: the model has no structure behind it."""

    def scale_exponents(self) -> tuple[np.ndarray, np.ndarray] | None:
        """For covariances times `k`: what `log k` adds to each parameter, which power of `k` multiplies it.

        A covariance is `S = L L'`: the logarithms of the diagonal of `L` move by half of `log k`, what is
        below it is multiplied by `k^(1/2)`. The one parameter of a "scaled" covariance is the logarithm of a
        variance. None where `Q` or `R` is not free.
        """
        if not {"Q", "R"} <= {name for name, _ in self.chosen}:
            return None
        return self.exponents()

    def exponents(self) -> tuple[np.ndarray, np.ndarray]:
        """The same for those covariances that are free."""
        logs, products, first = [], [], 0
        marks = self.logarithms
        for name, entries in self.chosen:
            count = len(entries) or 1
            covariance = name in self.supports
            for i in range(first, first + count):
                half = 1.0 if not entries else 0.5
                logs.append(half if covariance and marks[i] else 0.0)
                products.append(0.5 if covariance and not marks[i] else 0.0)
            first += count
        return np.array(logs), np.array(products)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """Where the search begins."""
        return jnp.concatenate([self._start(name, entries) for name, entries in self.chosen])

    def build(
        self, vector: Float[Array, " parameters"]
    ) -> LinearGaussian | LinearContinuous | NonlinearGaussian:
        """The model of a vector."""
        first, blocks = 0, []
        for name, entries in self.chosen:
            count = len(entries) or 1
            blocks.append(self._block(name, entries, vector[first : first + count]))
            first += count
        names = [name for name, _ in self.chosen]
        return eqx.tree_at(lambda m: [block_of(m, name) for name in names], self.base, blocks)

    def natural(self, vector: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """The entries of the blocks themselves."""
        model, pieces = self.build(vector), []
        for name, entries in self.chosen:
            block = block_of(model, name)
            if name in self.supports:
                rows, columns = self._places(name)[list(entries) or [0]].T
                pieces.append(block[rows, columns])
            else:
                pieces.append(block.reshape(-1)[np.array(entries, int)])
        return jnp.concatenate(pieces)

    def _places(self, name: str) -> np.ndarray:
        """Rows and columns in a covariance of the lower triangle of its `S` `(entries, 2)`."""
        support = self.supports[name]
        return np.array(support.pivots, int)[_lower(support.rank)]

    def _start(self, name: str, entries: tuple[int, ...]) -> Float[Array, " free"]:
        block = block_of(self.base, name)
        if name not in self.supports:
            return block.reshape(-1)[np.array(entries, int)]
        S = self.supports[name].inner(block)
        return _unbounded(S)[np.array(entries, int)] if entries else jnp.log(S[:1, 0])

    def _block(self, name: str, entries: tuple[int, ...], part: Float[Array, " free"]) -> Array:
        old = block_of(self.base, name)
        if name not in self.supports:
            return old.reshape(-1).at[np.array(entries, int)].set(part).reshape(old.shape)
        support = self.supports[name]
        S = support.inner(old)
        if not entries:
            return old * (jnp.exp(part[0]) / S[0, 0])
        flat = _unbounded(S).at[np.array(entries, int)].set(part)
        return support.outer(_covariance(flat, support.rank))


Parameters = NamedParameters | ModelParameters


@eqx.filter_jit
def natural_values(
    parameters: Parameters, vectors: Float[Array, "many parameters"]
) -> Float[Array, "many parameters"]:
    """The parameters of several vectors in natural units."""
    return jax.vmap(parameters.natural)(vectors)


@eqx.filter_jit
def natural_and_slopes(
    parameters: Parameters, vector: Float[Array, " parameters"]
) -> tuple[Float[Array, " parameters"], Float[Array, "parameters parameters"]]:
    """The parameters in natural units, and their derivatives by the entries of the vector."""
    return parameters.natural(vector), jax.jacfwd(parameters.natural)(vector)


def model_parameters(
    model: LinearGaussian | LinearContinuous,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    process_noise: LinearNoise | None = None,
    observation_noise: LinearNoise | None = None,
) -> ModelParameters:
    """The parameters of a linear model.

    Args:
        model: where the search begins.
        freeze: blocks that keep their value; m and P are also kept where the start does not use them.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: "full" or "diagonal" `Q` (the model's must be so already), or "scaled", which learns
            one factor of the model's; None is diagonal where the model's is, else full. Directions without
            noise stay so in every shape.
        observation_noise: the same of `R`.

    Raises:
        RekalError: a block that is unknown or does not fit, a free covariance that is not diagonal where it
            should be, free columns of A (F) or C that belong to flat coordinates, or
            nothing is left free.
    """
    constraints = constrain(model, freeze, fixed)
    check_flat_columns(model, constraints)
    if model.initial != "given":
        freeze = (*freeze, "m", "P")
    weights = (*model.transition_blocks, *model.observation_blocks, "m")
    return free_of(model, weights, freeze, fixed or {}, process_noise, observation_noise)


def free_of(
    model: LinearGaussian | LinearContinuous | NonlinearGaussian,
    weights: tuple[str, ...],
    freeze: tuple[str, ...],
    fixed: Mapping[str, Any],
    process_noise: LinearNoise | None,
    observation_noise: LinearNoise | None,
) -> ModelParameters:
    """What is left free of some blocks of weights and of the covariances.

    Args:
        model: where the search begins.
        weights: names of the blocks of weights.
        freeze: names of blocks that keep their value.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: shape of `Q`, as for `model_parameters`.
        observation_noise: the same of `R`.

    Raises:
        RekalError: a free covariance that is not diagonal where it should be, or nothing is left free.
    """
    shapes = {"Q": process_noise, "R": observation_noise, "P": "full"}
    chosen: list[tuple[str, tuple[int, ...]]] = []
    supports: dict[str, Support] = {}
    for name in weights:
        block = np.asarray(block_of(model, name))
        free = ~np.asarray(fixed.get(name, np.zeros(block.shape)), bool).reshape(-1)
        if name not in freeze and free.any():
            chosen.append((name, tuple(np.flatnonzero(free).tolist())))
    for name in COVARIANCES:
        block = getattr(model, name)
        support = support_of(block)
        if name in freeze or not support.rank:
            continue
        shape = shape_of(name, block, shapes[name])
        rows, columns = _lower(support.rank).T
        entries = np.flatnonzero(rows == columns) if shape == "diagonal" else np.arange(len(rows))
        chosen.append((name, () if shape == "scaled" else tuple(entries.tolist())))
        supports[name] = support
    if not chosen:
        raise RekalError("nothing is left to learn: every block is frozen")
    return ModelParameters(model, tuple(chosen), supports)


def _lower(n: int) -> np.ndarray:
    """Rows and columns of the lower triangle `(entries, 2)`."""
    return np.stack(np.tril_indices(n), 1)


def _unbounded(S: Float[Array, "n n"]) -> Float[Array, " entries"]:
    """The lower triangle of the Cholesky factor, with logarithms on the diagonal."""
    rows, columns = _lower(S.shape[0]).T
    low = jnp.linalg.cholesky(S)[rows, columns]
    return jnp.where(rows == columns, jnp.log(jnp.where(rows == columns, low, 1.0)), low)


def _covariance(flat: Float[Array, " entries"], n: int) -> Float[Array, "n n"]:
    rows, columns = _lower(n).T
    low = jnp.where(rows == columns, jnp.exp(jnp.where(rows == columns, flat, 0.0)), flat)
    L = jnp.zeros((n, n), flat.dtype).at[rows, columns].set(low)
    return L @ L.T
