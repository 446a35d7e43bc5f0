"""What is known of a linear model beyond what every model has: poles, responses, what is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rekalman.foundation.errors import RekalError
from rekalman.identification.confidence import Confidence, confidence, listed
from rekalman.identification.response import Responses, responses
from rekalman.identification.text import between
from rekalman.identification.visibility import hidden_modes
from rekalman.learners.likelihood.uncertainty import Uncertainty
from rekalman.models.linear import LinearGaussian

SHOWN = 100  # steps of the impulse and step responses


@dataclass(frozen=True)
class PredictorFacts:
    """What is known of a predictor beyond its dynamics.

    Attributes:
        poles: eigenvalues of the predictor `A - K C`, the largest modulus first: how fast it forgets.
        gain: `K`, the effect of an innovation on each state, per unit of the output `(states, obs)`.
        hankel: Hankel singular values of all states, in falling order: what each counts for forecasts.
    """

    poles: tuple[complex, ...]
    gain: np.ndarray
    hankel: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON: complex ones as pairs."""
        return {
            "poles": [[p.real, p.imag] for p in self.poles],
            "gain": listed(self.gain),
            "hankel_singular_values": listed(self.hankel),
        }


@dataclass(frozen=True)
class LinearFacts:
    """What is known of a linear model beyond what every model has.

    Attributes:
        poles: eigenvalues of the transition, the largest modulus first.
        responses: the invariants (`Responses`) as arrays, in the units of the data.
        input_names: names of the inputs.
        hidden: what cannot be identified, one sentence each.
        intervals: 95 % intervals of these, or None where they were not worked out.
        predictor: of a linearised predictor, what is known of it beyond its dynamics.
    """

    poles: tuple[complex, ...]
    responses: Responses
    input_names: tuple[str, ...]
    hidden: tuple[str, ...]
    intervals: Confidence | None = None
    predictor: PredictorFacts | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON: complex ones as pairs."""
        pair = lambda v: np.stack([v.real, v.imag], -1).tolist()  # noqa: E731
        r = self.responses
        return {
            "poles": [[p.real, p.imag] for p in self.poles],
            "dc_gain": listed(r.gain),
            "step_response": listed(r.step),
            "impulse_response": listed(r.impulse),
            "innovation_response": listed(r.innovation),
            "innovation_covariance": listed(r.innovation_cov),
            "frequencies": listed(r.frequencies),
            "frequency_response": pair(np.asarray(r.frequency)),
            "spectrum": pair(np.asarray(r.spectrum)),
            "input_names": list(self.input_names),
            "not_identifiable": list(self.hidden),
            **({} if self.intervals is None else {"intervals": self.intervals.to_dict()}),
            **({} if self.predictor is None else {"predictor": self.predictor.to_dict()}),
        }

    def lines(self, names: Sequence[str]) -> list[str]:
        """What a summary says."""
        known = self.intervals
        errors = np.zeros((len(self.poles), 2)) if known is None else known.poles
        each = [_pole(p, e) for p, e in zip(self.poles, errors, strict=True) if p.imag >= 0]
        said = [f"Poles: {', '.join(each)}"]
        if self.predictor is not None:
            each = [_pole(p, np.zeros(2)) for p in self.predictor.poles if p.imag >= 0]
            said.append(f"Poles of the predictor, which are those of A - K C: {', '.join(each)}")
        gain = np.asarray(self.responses.gain)
        for j, source in enumerate(self.input_names):
            for i, name in enumerate(names):
                if np.isfinite(gain[i, j]):
                    ends = None if known is None else (known.gain[0, i, j], known.gain[1, i, j])
                    said.append(
                        f"  DC gain from {source} to {name}: {gain[i, j]:.5g}{between(ends, True)}"
                    )
        spread = np.sqrt(np.diagonal(np.asarray(self.responses.innovation_cov)))
        each = ", ".join(f"{n} {s:.4g}" for n, s in zip(names, spread, strict=True))
        said.append(f"Innovation (standard deviation of the one-step error): {each}")
        notes = self.hidden if known is None else (*self.hidden, *known.notes)
        return said + [f"Note: {sentence}" for sentence in notes]


def linear_facts(
    model: LinearGaussian,
    scale: np.ndarray,
    input_scale: np.ndarray,
    input_names: Sequence[str],
    interval: int | float = 1.0,
    uncertainty: Uncertainty | None = None,
) -> LinearFacts:
    """Poles, responses and what is hidden, in the units of the data.

    Args:
        model: a constant linear model, of standardised data say.
        scale: turns each output into original units.
        input_scale: likewise each input.
        input_names: names of the inputs.
        interval: time units between two steps.
        uncertainty: of the model, for intervals.

    Raises:
        RekalError: scales or names do not fit.
    """
    k = model.n_inputs
    if input_scale.shape != (k,):
        raise RekalError(f"input_scale must be {k} numbers, but its shape is {input_scale.shape}")
    named = tuple(input_names) or tuple(f"u{j + 1}" for j in range(k))
    result = responses(model, SHOWN)
    driven = scale[:, None] / input_scale[None, :]
    noisy = scale[:, None] / scale[None, :]
    both = scale[:, None] * scale[None, :]
    poles = np.linalg.eigvals(np.asarray(model.A, np.float64))
    order = np.lexsort((-poles.imag, -np.abs(poles)))
    result = result._replace(
        impulse=result.impulse * driven,
        step=result.step * driven,
        gain=result.gain * driven,
        innovation=result.innovation * noisy,
        innovation_cov=result.innovation_cov * both,
        frequency=result.frequency * driven,
        spectrum=result.spectrum * both,
    )
    ordered = tuple(complex(p) for p in poles[order])
    intervals = None
    if uncertainty is not None:
        intervals = confidence(model, result, ordered, uncertainty, interval, scale, input_scale)
    return LinearFacts(ordered, result, named, hidden_modes(model), intervals)


def _pole(value: complex, error: np.ndarray) -> str:
    real = value.imag == 0
    said = f"{value.real:.4f}" if real else f"{value.real:.4f} ± {value.imag:.4f}i"
    known = error[:1] if real else error
    if not (known > 0).all():  # not known, or fixed by the model
        return said
    return f"{said} (standard error {' and '.join(f'{e:.2g}' for e in known)})"
