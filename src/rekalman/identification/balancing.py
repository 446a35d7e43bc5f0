r"""Balanced truncation of a model in innovations form: the directions of its state that count for forecasts.

A network has more units than the system that it learned has states. With the covariance $P$ of the state
that innovations (and inputs of unit variance) make, and the information $O$ that a state leaves in all later
observations,

$$
P = A P A^\top + K S K^\top + B B^\top, \qquad O = A^\top O A + C^\top S^{-1} C,
$$

the roots of the eigenvalues of $P O$ do not depend on the basis: they are the Hankel singular values, each
the effect of one direction of the past on all forecasts in units of an innovation. In a basis in which
$P = O = \operatorname{diag}(\sigma_1 \geq \sigma_2 \dots)$ the last directions may be left out; the error of
the response is at most twice the sum of their values (Antoulas 2005, sections 7.1 and 7.2). The predictor
$A - K C$ is reduced along with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_discrete_lyapunov, svd

from rekalman.core.innovations_form import InnovationsForm
from rekalman.foundation.arguments import whole
from rekalman.foundation.errors import RekalError

NEGLIGIBLE = 0.05
"""Share of the largest Hankel singular value below which a direction is left out."""


class Balanced(NamedTuple):
    """A reduced model, and what it was chosen by.

    Attributes:
        form: the model, its states in falling order of their Hankel singular values.
        hankel: all Hankel singular values of the model before the reduction.
    """

    form: InnovationsForm
    hankel: Float[np.ndarray, " states"]


def balanced(form: InnovationsForm, states: int | None = None) -> Balanced:
    """Leave out what hardly moves a forecast.

    Args:
        form: the model, which must be stable, or its predictor must.
        states: so many states are left; None leaves those whose Hankel singular value is at least a
            twentieth of the largest.

    Raises:
        RekalError: `states` is not between 1 and the number of states, or neither the model nor its
            predictor is stable.

    Examples:
        >>> import numpy as np
        >>> from rekalman.core.innovations_form import InnovationsForm
        >>> from rekalman.identification.balancing import balanced
        >>> A, C, K = np.diag([0.9, 0.5]), np.array([[1.0, 0.0]]), np.array([[0.3], [1.0]])
        >>> form = InnovationsForm(A, np.zeros((2, 0)), C, K, np.eye(1), np.zeros(1), np.zeros(0))
        >>> balanced(form).form.A.round(6).tolist()
        [[0.9]]
    """
    n = len(form.A)
    if states is not None and whole("states", states) > n:
        raise RekalError(f"states must lie between 1 and {n}, but is {states}")
    steady = next((M for M in (form.A, form.predictor) if _stable(M)), None)
    if steady is None:
        raise RekalError(
            "neither the linearised network nor its predictor is stable, so that its states cannot be "
            "ordered by what they count for forecasts: train it longer"
        )
    whitened = np.linalg.solve(np.linalg.cholesky(form.S), form.C)
    reached = _root(solve_discrete_lyapunov(steady, form.K @ form.S @ form.K.T + form.B @ form.B.T))
    seen = _root(solve_discrete_lyapunov(steady.T, whitened.T @ whitened))
    left, hankel, right = svd(seen.T @ reached)
    retained = int((hankel >= NEGLIGIBLE * hankel[0]).sum()) if states is None else states
    retained = max(1, min(retained, int((hankel > 1e-14 * hankel[0]).sum())))
    scale = 1 / np.sqrt(hankel[:retained])
    into, back = (seen @ left[:, :retained] * scale).T, reached @ right[:retained].T * scale
    reduced = form._replace(
        A=into @ form.A @ back, B=into @ form.B, C=form.C @ back, K=into @ form.K
    )
    return Balanced(reduced, hankel)


def observation_noise(form: InnovationsForm) -> Float[np.ndarray, "obs obs"] | None:
    r"""The part of the innovations that is noise of the observation and never enters the state.

    If the noises of state and observation are independent, the filter's gain is $K_f = P C^\top S^{-1}$ with
    $S = C P C^\top + R$ and $K = A K_f$, so that $C K_f S = S - R$ and

    $$
    R = (I - C A^{-1} K) S.
    $$

    Args:
        form: a model in innovations form.

    Returns:
        The covariance `R`; None where `A` cannot be inverted, or where no such noise has these innovations.
    """
    if np.linalg.cond(form.A) > 1e8:
        return None
    R = form.S - form.C @ np.linalg.solve(form.A, form.K @ form.S)
    R = 0.5 * (R + R.T)
    tolerance = 1e-9 * float(np.abs(form.S).max())
    least = min(np.linalg.eigvalsh(part)[0] for part in (R, form.S - R))
    if least < -tolerance:  # a covariance between nothing and that of the innovations
        return None
    return R + max(0.0, -float(least)) * np.eye(len(R))


def _stable(matrix: Float[np.ndarray, "n n"]) -> bool:
    return bool(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0) < 1)


def _root(cov: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """A factor `L` with `L L' = cov`, whatever its rank."""
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
    return vectors * np.sqrt(np.maximum(values, 0.0))
