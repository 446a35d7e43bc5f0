r"""The free parameters of a model as one vector without bounds, and back.

A structure brings its own. Of a linear model every entry of A, B, c (in continuous time F, G, g), C, D, d
and m is a parameter, and a covariance `S = L L'` the lower triangle of `L` with the logarithms of its
diagonal, so that every vector is a model. Blocks that are frozen, and single entries that are
fixed, are no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekal.errors import RekalError
from rekal.learning.constraints import check_flat_columns, constrain
from rekal.learning.regression import NoiseShape
from rekal.learning.statistics import observation_blocks, transition_blocks
from rekal.models.continuous import LinearContinuous
from rekal.models.linear import LinearGaussian
from rekal.models.structures import Structure

COVARIANCES = ("Q", "R", "P")


class StructureParameters(eqx.Module):
    """The free parameters of a structure.

    Attributes:
        base: the structure where the search begins.
        chosen: which entries of its vector are free.
    """

    base: Structure
    chosen: tuple[int, ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.base.names[i] for i in self.chosen)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """Where the search begins."""
        return self.base.vector[np.array(self.chosen, int)]

    def structure(self, vector: Float[Array, " parameters"]) -> Structure:
        """The structure of a vector."""
        return self.base.replaced(self.base.vector.at[np.array(self.chosen, int)].set(vector))

    def build(self, vector: Float[Array, " parameters"]) -> LinearGaussian | LinearContinuous:
        """The linear model of a vector."""
        return self.structure(vector).build()

    def natural(self, vector: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """The parameters in natural units."""
        return self.structure(vector).natural[np.array(self.chosen, int)]


class ModelParameters(eqx.Module):
    """The free parameters of a linear model.

    Attributes:
        base: the model where the search begins.
        chosen: for each block, which of its entries are free (of a covariance: of its lower triangle).
    """

    base: LinearGaussian | LinearContinuous
    chosen: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, such as `A[1, 2]`, counted from 1."""
        names = []
        for name, entries in self.chosen:
            shape = getattr(self.base, name).shape
            places = (
                _lower(shape[0])
                if name in COVARIANCES
                else np.indices(shape).reshape(len(shape), -1).T
            )
            names.extend(f"{name}[{', '.join(str(i + 1) for i in places[e])}]" for e in entries)
        return tuple(names)

    @property
    def vector(self) -> Float[Array, " parameters"]:
        """Where the search begins."""
        pieces = [self._free(name)[np.array(entries, int)] for name, entries in self.chosen]
        return jnp.concatenate(pieces)

    def build(self, vector: Float[Array, " parameters"]) -> LinearGaussian | LinearContinuous:
        """The linear model of a vector."""
        first, blocks = 0, []
        for name, entries in self.chosen:
            part = vector[first : first + len(entries)]
            first += len(entries)
            flat = self._free(name).at[np.array(entries, int)].set(part)
            old = getattr(self.base, name)
            blocks.append(
                _covariance(flat, old.shape[0]) if name in COVARIANCES else flat.reshape(old.shape)
            )
        names = [name for name, _ in self.chosen]
        return eqx.tree_at(lambda m: [getattr(m, name) for name in names], self.base, blocks)

    def natural(self, vector: Float[Array, " parameters"]) -> Float[Array, " parameters"]:
        """The entries of the blocks themselves."""
        model, pieces = self.build(vector), []
        for name, entries in self.chosen:
            block = getattr(model, name)
            if name in COVARIANCES:
                rows, columns = _lower(block.shape[0]).T
                block = block[rows, columns]
            pieces.append(block.reshape(-1)[np.array(entries, int)])
        return jnp.concatenate(pieces)

    def _free(self, name: str) -> Float[Array, " entries"]:
        block = getattr(self.base, name)
        if name not in COVARIANCES:
            return block.reshape(-1)
        L = jnp.linalg.cholesky(block)
        rows, columns = _lower(block.shape[0]).T
        low = L[rows, columns]
        return jnp.where(rows == columns, jnp.log(jnp.where(rows == columns, low, 1.0)), low)


Parameters = StructureParameters | ModelParameters


def structure_parameters(structure: Structure, freeze: tuple[str, ...] = ()) -> StructureParameters:
    """The parameters of a structure but those frozen by name.

    Raises:
        RekalError: an unknown name, or nothing is left free.
    """
    for name in freeze:
        if name not in structure.names:
            raise RekalError(
                f"the structure has no parameter {name!r}: use one of {', '.join(structure.names)}"
            )
    chosen = tuple(i for i, name in enumerate(structure.names) if name not in freeze)
    if not chosen:
        raise RekalError("nothing is left to learn: every parameter is frozen")
    return StructureParameters(structure, chosen)


def model_parameters(
    model: LinearGaussian | LinearContinuous,
    freeze: tuple[str, ...] = (),
    fixed: Mapping[str, Any] | None = None,
    process_noise: NoiseShape = "full",
    observation_noise: NoiseShape = "full",
) -> ModelParameters:
    """The parameters of a linear model.

    Args:
        model: where the search begins.
        freeze: blocks that keep their value; m and P are also kept where the start does not use them.
        fixed: for a block of weights, an array that is True where an entry keeps its value.
        process_noise: "full" or "diagonal" `Q` (the model's must be so already).
        observation_noise: "full" or "diagonal" `R`.

    Raises:
        RekalError: a block that is unknown or does not fit, a free covariance that is singular or not
            diagonal where it should be, free columns of A (F) or C that belong to flat coordinates, or
            nothing is left free.
    """
    constraints = constrain(
        model, freeze, fixed, process_noise=process_noise, observation_noise=observation_noise
    )
    check_flat_columns(model, constraints)
    if model.initial != "given":
        freeze = (*freeze, "m", "P")
    shapes = {"Q": process_noise, "R": observation_noise, "P": "full"}
    chosen: list[tuple[str, tuple[int, ...]]] = []
    weights = (*transition_blocks(model), *observation_blocks(model), "m")
    for name in (*weights, *COVARIANCES):
        block = np.asarray(getattr(model, name))
        if name in freeze or not block.size:
            continue
        if name in COVARIANCES:
            _check_free(name, block, shapes[name])
            rows, columns = _lower(len(block)).T
            free = rows == columns if shapes[name] == "diagonal" else np.ones(len(rows), bool)
        else:
            free = ~np.asarray((fixed or {}).get(name, np.zeros(block.shape)), bool).reshape(-1)
        if free.any():
            chosen.append((name, tuple(np.flatnonzero(free).tolist())))
    if not chosen:
        raise RekalError("nothing is left to learn: every block is frozen")
    return ModelParameters(model, tuple(chosen))


def _check_free(name: str, block: np.ndarray, shape: str) -> None:
    if shape == "diagonal" and np.abs(block - np.diag(np.diagonal(block))).max() > 0:
        raise RekalError(f"{name} is to stay diagonal, but the model's is not")
    if np.linalg.eigvalsh(block)[0] <= 0:
        raise RekalError(
            f"{name} is singular, and a search over its Cholesky factor cannot begin there: freeze it, or "
            "give it full rank"
        )


def _lower(n: int) -> np.ndarray:
    """Rows and columns of the lower triangle `(entries, 2)`."""
    return np.stack(np.tril_indices(n), 1)


def _covariance(flat: Float[Array, " entries"], n: int) -> Float[Array, "n n"]:
    rows, columns = _lower(n).T
    low = jnp.where(rows == columns, jnp.exp(jnp.where(rows == columns, flat, 0.0)), flat)
    L = jnp.zeros((n, n), flat.dtype).at[rows, columns].set(low)
    return L @ L.T
