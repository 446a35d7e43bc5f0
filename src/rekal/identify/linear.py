"""What is known of a linear model beyond what every model has: poles, responses, what is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rekal.errors import RekalError
from rekal.identify.response import Responses, responses
from rekal.identify.visibility import hidden_modes
from rekal.models.linear import LinearGaussian

SHOWN = 100  # steps of the impulse and step responses


@dataclass(frozen=True)
class LinearFacts:
    """What is known of a linear model beyond what every model has.

    Attributes:
        poles: eigenvalues of the transition, the largest modulus first.
        responses: the invariants (`Responses`) as arrays, in the units of the data.
        input_names: names of the inputs.
        hidden: what cannot be identified, one sentence each.
    """

    poles: tuple[complex, ...]
    responses: Responses
    input_names: tuple[str, ...]
    hidden: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON: complex ones as pairs."""
        pair = lambda v: np.stack([v.real, v.imag], -1).tolist()  # noqa: E731
        r = self.responses
        return {
            "poles": [[p.real, p.imag] for p in self.poles],
            "dc_gain": _finite(r.gain),
            "step_response": _finite(r.step),
            "impulse_response": _finite(r.impulse),
            "innovation_response": _finite(r.innovation),
            "innovation_covariance": _finite(r.innovation_cov),
            "frequencies": _finite(r.frequencies),
            "frequency_response": pair(np.asarray(r.frequency)),
            "spectrum": pair(np.asarray(r.spectrum)),
            "input_names": list(self.input_names),
            "not_identifiable": list(self.hidden),
        }

    def lines(self, names: Sequence[str]) -> list[str]:
        """What a summary says."""
        said = [f"Poles: {', '.join(_pole(p) for p in self.poles if p.imag >= 0)}"]
        gain = np.asarray(self.responses.gain)
        for j, source in enumerate(self.input_names):
            for i, name in enumerate(names):
                if np.isfinite(gain[i, j]):
                    said.append(f"  DC gain from {source} to {name}: {gain[i, j]:.5g}")
        spread = np.sqrt(np.diagonal(np.asarray(self.responses.innovation_cov)))
        each = ", ".join(f"{n} {s:.4g}" for n, s in zip(names, spread, strict=True))
        said.append(f"Innovation (standard deviation of the one-step error): {each}")
        return said + [f"Note: {sentence}" for sentence in self.hidden]


def linear_facts(
    model: LinearGaussian, scale: np.ndarray, input_scale: np.ndarray, input_names: Sequence[str]
) -> LinearFacts:
    """Poles, responses and what is hidden, in the units of the data.

    Args:
        model: a constant linear model, of standardised data say.
        scale: turns each output into original units.
        input_scale: likewise each input.
        input_names: names of the inputs.

    Raises:
        RekalError: scales or names do not fit.
    """
    k = model.n_inputs
    if input_scale.shape != (k,):
        raise RekalError(f"input_scale must be {k} numbers, but its shape is {input_scale.shape}")
    named = tuple(input_names) or tuple(f"u{j + 1}" for j in range(k))
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), model)
        found = jax.tree.map(np.asarray, responses(double, SHOWN))
    driven = scale[:, None] / input_scale[None, :]
    noisy = scale[:, None] / scale[None, :]
    both = scale[:, None] * scale[None, :]
    poles = np.linalg.eigvals(np.asarray(model.A, np.float64))
    order = np.lexsort((-poles.imag, -np.abs(poles)))
    return LinearFacts(
        poles=tuple(complex(p) for p in poles[order]),
        responses=found._replace(
            impulse=found.impulse * driven,
            step=found.step * driven,
            gain=found.gain * driven,
            innovation=found.innovation * noisy,
            innovation_cov=found.innovation_cov * both,
            frequency=found.frequency * driven,
            spectrum=found.spectrum * both,
        ),
        input_names=named,
        hidden=hidden_modes(model),
    )


def _finite(value: Any) -> Any:
    """Lists with None for what is not finite."""
    if np.ndim(value):
        return [_finite(one) for one in np.asarray(value, np.float64)]
    return float(value) if np.isfinite(value) else None


def _pole(value: complex) -> str:
    return f"{value.real:.4f}" if value.imag == 0 else f"{value.real:.4f} ± {value.imag:.4f}i"
