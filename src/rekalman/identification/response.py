r"""What a linear model does, in numbers that no change of basis alters.

Two models with states `x` and `T x` are the same to every observer, so single entries of their matrices say
nothing. What is the same (Kailath 1980, ch. 2 and 6; Van Overschee and De Moor 1996, ch. 3):

* poles: the eigenvalues of `A`;
* Markov parameters of the input, `H_0 = D + C B`, `H_k = C A^k B`: the response to a unit impulse `k` steps
  later (the input at `t` drives the step into `t`), and their sums, the step response;
* the frequency response `H(w) = D + C (I - A z^{-1})^{-1} B`, `z = exp(i w)`, and the DC gain `H(0)`;
* the Markov parameters of the innovation `C A^k K_p`, with the predictor gain `K_p = A K` of the settled
  filter, and the innovation's covariance;
* the spectrum of the outputs that noise makes, `C (I - A z^{-1})^{-1} Q (.)* + R`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from rekalman.foundation.errors import RekalError
from rekalman.models.linear import LinearGaussian

SETTLED = 2000  # steps after which the covariance is taken as settled
ROUNDING = 1e-15  # share of a covariance that a step may still move
POINTS = 64  # frequencies of a spectrum


class Responses(NamedTuple):
    """Invariants of a linear model.

    Attributes:
        impulse: Markov parameters of the input `(steps, obs, inputs)`.
        step: their running sums, the response to a unit step.
        gain: response to a constant input after all transients, NaN where the model is not stable.
        innovation: Markov parameters of the innovation `(steps, obs, obs)`.
        innovation_cov: covariance of the innovation of the settled filter.
        frequencies: cycles per step, evenly between 0 and 1/2.
        frequency: frequency response `(frequencies, obs, inputs)`.
        spectrum: power density of the noise in the outputs `(frequencies, obs, obs)`, per cycle a step.
    """

    impulse: Float[np.ndarray, "steps obs inputs"]
    step: Float[np.ndarray, "steps obs inputs"]
    gain: Float[np.ndarray, "obs inputs"]
    innovation: Float[np.ndarray, "steps obs obs"]
    innovation_cov: Float[np.ndarray, "obs obs"]
    frequencies: Float[np.ndarray, " frequencies"]
    frequency: Complex[np.ndarray, "frequencies obs inputs"]
    spectrum: Complex[np.ndarray, "frequencies obs obs"]


def responses(model: LinearGaussian, steps: int = 100) -> Responses:
    """Invariants of a model.

    Args:
        model: a constant linear model.
        steps: length of the impulse and step responses.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.5 * one, B=one, C=one, Q=one, R=one)
        >>> rekalman.responses(model, steps=4).impulse[:, 0, 0].tolist()
        [1.0, 0.5, 0.25, 0.125]
    """
    A, B, C, D, Q, R = (np.asarray(getattr(model, name), np.float64) for name in "ABCDQR")
    eye = np.eye(len(A))
    reads = np.empty((steps, *C.shape))
    reads[:1] = C
    for k in range(1, steps):
        reads[k] = reads[k - 1] @ A
    impulse = reads @ B
    impulse[:1] += D
    # Between the edges: a pole on the unit circle sits at zero more often than not.
    frequencies = (np.arange(POINTS) + 0.5) / (2 * POINTS)
    z = np.exp(-2j * np.pi * frequencies)[:, None, None]
    resolvent = C @ np.linalg.inv(eye - A * z)
    stable = np.abs(np.linalg.eigvals(A)).max() < 1
    K, cov = _settled_gain(A, C, Q, R)
    return Responses(
        impulse=impulse,
        step=np.cumsum(impulse, 0),
        gain=D + C @ np.linalg.solve(eye - A, B) if stable else np.full(D.shape, np.nan),
        innovation=reads @ A @ K,
        innovation_cov=cov,
        frequencies=frequencies,
        frequency=D + resolvent @ B,
        spectrum=resolvent @ Q @ resolvent.conj().swapaxes(-1, -2) + R,
    )


def _settled_gain(
    A: Float[np.ndarray, "states states"],
    C: Float[np.ndarray, "obs states"],
    Q: Float[np.ndarray, "states states"],
    R: Float[np.ndarray, "obs obs"],
) -> tuple[Float[np.ndarray, "states obs"], Float[np.ndarray, "obs obs"]]:
    """Gain of the settled filter, and the covariance of its innovation.

    The recursion of the covariance, in the form of Joseph, which stays semidefinite. Where it ends does not
    depend on where it begins.
    """
    eye = np.eye(len(A))
    P, gain, cov = eye, np.full(C.T.shape, np.nan), np.full(R.shape, np.nan)
    for _ in range(SETTLED):
        cov = C @ P @ C.T + R
        if not np.isfinite(cov).all():  # what nobody observes grows without bound
            break
        gain = P @ C.T @ _inverse(cov)
        left = eye - gain @ C
        following = A @ (left @ P @ left.T + gain @ R @ gain.T) @ A.T + Q
        size = np.sqrt(np.outer(np.diagonal(P), np.diagonal(P)))
        still = np.abs(following - P) <= ROUNDING * size
        P = 0.5 * (following + following.T)
        if still.all():
            break
    return gain, 0.5 * (cov + cov.T)


def _inverse(cov: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The inverse on the range of a covariance, whatever the units of its entries."""
    variances = np.diagonal(cov)
    size = np.sqrt(np.where(variances > 0, variances, 1.0))
    scale = np.outer(size, size)
    return np.linalg.pinv(cov / scale, hermitian=True) / scale


class Distance(NamedTuple):
    """How far two models are from each other, whatever their bases: 0 means the same.

    Attributes:
        input: of the frequency responses (the H2 norm); 0 for models without inputs.
        noise: of the spectra.
    """

    input: float
    noise: float


def distance(
    first: LinearGaussian, second: LinearGaussian, relative_to: Literal["both", "first"] = "both"
) -> Distance:
    r"""Compare two models of the same inputs and outputs.

    With the responses $a$ and $b$ at the same frequencies it is

    $$
    \frac{\lVert a - b \rVert}{\sqrt{\lVert a \rVert^2 + \lVert b \rVert^2}},
    $$

    the same for either order of the models: 1 from a model that does nothing, $\sqrt{2}$ from one that does
    the opposite.

    Args:
        first: a constant linear model.
        second: another; it may have another number of states.
        relative_to: "both", or "first" for $\lVert a - b \rVert / \lVert a \rVert$, the error of the second
            model where the first is the truth; that is not symmetric.

    Raises:
        RekalError: other numbers of outputs or inputs, or an unknown `relative_to`.

    Examples:
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.LinearGaussian.create(A=0.5 * one, B=one, C=one, Q=one, R=one)
        >>> rekalman.distance(model, model)
        Distance(input=0.0, noise=0.0)
    """
    if relative_to not in ("both", "first"):
        raise RekalError(f"relative_to must be 'both' or 'first', but is {relative_to!r}")
    for what in ("observations", "n_inputs"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise RekalError(f"the models differ in {what} ({one} and {other})")
    a, b = responses(first, 1), responses(second, 1)

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        norm = lambda x: float(np.sqrt(np.sum(np.abs(x) ** 2)))  # noqa: E731
        size = norm(one) if relative_to == "first" else np.hypot(norm(one), norm(other))
        difference = norm(one - other)
        return float(difference / size) if difference else 0.0

    return Distance(apart(a.frequency, b.frequency), apart(a.spectrum, b.spectrum))
