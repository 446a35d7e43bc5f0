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

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from rekalman.filters.kalman.gains import gains
from rekalman.filters.kalman.system import linear_system
from rekalman.foundation.errors import RekalError
from rekalman.models.linear import LinearGaussian
from rekalman.numerics.placing import placed
from rekalman.numerics.precision import in_own_precision

SETTLED = 2000  # steps after which the covariance is taken as settled
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

    impulse: Float[Array, "steps obs inputs"]
    step: Float[Array, "steps obs inputs"]
    gain: Float[Array, "obs inputs"]
    innovation: Float[Array, "steps obs obs"]
    innovation_cov: Float[Array, "obs obs"]
    frequencies: Float[Array, " frequencies"]
    frequency: Complex[Array, "frequencies obs inputs"]
    spectrum: Complex[Array, "frequencies obs obs"]


@in_own_precision
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
    stable = np.abs(np.linalg.eigvals(np.asarray(model.A, np.float64))).max() < 1
    return _responses(model, placed(stable), steps)


@eqx.filter_jit
def _responses(model: LinearGaussian, stable: Bool[Array, ""], steps: int) -> Responses:
    A, B, C, D = model.A, model.B, model.C, model.D
    eye = jnp.eye(model.states, dtype=A.dtype)

    def power(carry: Array, _: None) -> tuple[Array, Array]:
        return A @ carry, C @ carry

    _, reads = jax.lax.scan(power, eye, None, length=steps)
    impulse = (reads @ B).at[0].add(D)
    # Between the edges: a pole on the unit circle sits at zero more often than not.
    frequencies = (jnp.arange(POINTS, dtype=A.dtype) + 0.5) / (2 * POINTS)
    z = jnp.exp(-2j * jnp.pi * frequencies)[:, None, None]
    resolvent = C @ jnp.linalg.inv(eye - A * z)
    gain = D + C @ jnp.linalg.solve(eye - A, B)
    K, cov = _settled_gain(model)
    return Responses(
        impulse=impulse,
        step=jnp.cumsum(impulse, 0),
        gain=jnp.where(stable, gain, jnp.nan),
        innovation=reads @ A @ K,
        innovation_cov=cov,
        frequencies=frequencies,
        frequency=D + resolvent @ B,
        spectrum=resolvent @ model.Q @ jnp.conj(resolvent.mT) + model.R,
    )


def _settled_gain(
    model: LinearGaussian,
) -> tuple[Float[Array, "states obs"], Float[Array, "obs obs"]]:
    """Gain of the settled filter, and the covariance of its innovation."""
    zeros = jnp.zeros((SETTLED, model.observations), model.A.dtype)
    u = jnp.zeros((SETTLED, model.n_inputs), model.A.dtype) if model.n_inputs else None
    # The settled gain does not depend on the start: a flat one is replaced by a wide one.
    found = gains(linear_system(_proper(model), zeros, None, u))
    P = found.prior[found.worked - 1]
    cov = model.C @ P @ model.C.T + model.R
    return jnp.linalg.solve(cov, model.C @ P).T, 0.5 * (cov + cov.T)


def _proper(model: LinearGaussian) -> LinearGaussian:
    blocks = {name: getattr(model, name) for name in ("A", "B", "c", "C", "D", "d", "Q", "R", "m")}
    wide = jnp.eye(model.states, dtype=model.A.dtype)
    return LinearGaussian(**blocks, P=wide)


class Distance(NamedTuple):
    """How far two models are from each other, whatever their bases: 0 means the same.

    Attributes:
        input: of the frequency responses (the H2 norm); 0 for models without inputs.
        noise: of the spectra.
    """

    input: float
    noise: float


@in_own_precision
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

    def apart(one: Array, other: Array) -> float:
        norm = lambda x: float(jnp.sqrt(jnp.sum(jnp.abs(x) ** 2)))  # noqa: E731
        size = norm(one) if relative_to == "first" else np.hypot(norm(one), norm(other))
        difference = norm(one - other)
        return float(difference / size) if difference else 0.0

    return Distance(apart(a.frequency, b.frequency), apart(a.spectrum, b.spectrum))
