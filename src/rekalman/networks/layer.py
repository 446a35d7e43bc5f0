"""What RKN, LSTM, GRU and Elman have in common: a recursion on a belief, over encoded observations."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence, Readout, Track


class Layer(eqx.Module):
    """A recurrent layer that is a filter.

    `run` takes a whole batch at once and is what training uses; the verbs take one step of any number of
    series. Both give the same numbers.

    Attributes:
        latent: size `m` of the latent observation.
        n_inputs: number of known inputs, 0 without any.
    """

    latent: eqx.AbstractVar[int]
    n_inputs: eqx.AbstractVar[int]

    @abc.abstractmethod
    def init(self, shape: tuple[int, ...] = ()) -> Any:
        """The belief before the first observation, leaves `(*shape, ...)`."""

    @abc.abstractmethod
    def predict(
        self,
        belief: Any,
        u: Float[Array, "*batch input"] | None = None,
        dt: Float[Array, "*batch"] | None = None,
    ) -> Any:
        """One step through time, with nothing observed."""

    @abc.abstractmethod
    def update(self, belief: Any, evidence: Evidence) -> tuple[Any, Float[Array, "*batch"]]:
        """One encoded observation enters a predicted belief.

        Returns:
            The belief, and the log density of the latent observation in nats of the latent space, which tells
            surprises from expected frames; 0 where nothing was seen or where a network has no such density.
        """

    @abc.abstractmethod
    def run(
        self,
        evidence: Evidence,
        inputs: Float[Array, "batch time input"] | None = None,
        dt: Float[Array, "batch time"] | None = None,
        start: Any = None,
        prior: bool = False,
    ) -> Track:
        """Filter whole series.

        Args:
            evidence: leaves `(batch, time, ...)`.
            inputs: `u_t` drives the step into `t`.
            dt: time since the step before.
            start: the belief after the step before the first, to carry on from; None = `init`.
            prior: whether the predicted beliefs are wanted too.
        """

    @abc.abstractmethod
    def read(self, belief: Any) -> Readout:
        """What decoders are given."""

    @property
    @abc.abstractmethod
    def sizes(self) -> tuple[int, int]:
        """Lengths of the two vectors of `read`."""

    @property
    def idle(self) -> int:
        """How many numbers of its arrays nothing depends on."""
        return 0

    def check(self, evidence: Evidence) -> None:
        """Refuse evidence of other sizes, and variances that are not positive.

        Inside compiled functions variances have no values yet: there only sizes are checked.

        Raises:
            RekalError: evidence that the layer cannot take.
        """
        mean, var, seen = evidence
        if mean.shape != (*seen.shape, self.latent) or var.shape != mean.shape:
            raise RekalError(
                f"the layer takes latent observations of size {self.latent}: mean and variance of shape "
                f"{(*seen.shape, self.latent)} for a mask of shape {seen.shape}, not {mean.shape} and "
                f"{var.shape}"
            )
        if isinstance(var, Tracer) or isinstance(seen, Tracer):
            return
        wrong = np.asarray(seen)[..., None] & ~(np.asarray(var) > 0)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise RekalError(
                f"an observation variance must be above 0, but entry {at} is {var[at]}"
            )

    def check_drive(self, lead: tuple[int, ...], u: Any, dt: Any, timed: bool) -> None:
        """Refuse inputs and time steps that the layer was not made for, of other shapes, or out of range.

        Inside compiled functions they have no values yet: there only presence and shapes are checked.

        Args:
            lead: shape of the series or steps.
            u: inputs `(*lead, n_inputs)`, or None.
            dt: time steps of shape `lead`, or None.
            timed: whether the layer takes time steps.

        Raises:
            RekalError: inputs or time steps that the layer cannot take, or that are missing.
        """
        given = () if u is None else np.shape(u)
        wanted = (*lead, self.n_inputs) if self.n_inputs else ()
        if (u is None) != (self.n_inputs == 0) or given != wanted:
            wish = f"shape {wanted} is wanted" if wanted else "none are wanted"
            supplied = "none are given" if u is None else f"shape {given} is given"
            raise RekalError(
                f"the layer was made for {self.n_inputs} inputs: {wish}, but {supplied}"
            )
        if (dt is None) == timed:
            wrong = (
                "was made for time steps: give dt" if timed else "takes no time steps: leave dt out"
            )
            raise RekalError(f"the layer {wrong}, or make it with another `timed`")
        if dt is not None and np.shape(dt) != lead:
            raise RekalError(f"time steps of shape {lead} are wanted, not {np.shape(dt)}")
        if u is not None and not isinstance(u, Tracer) and not np.isfinite(np.asarray(u)).all():
            raise RekalError("an input is missing or infinite: inputs must be known")
        if dt is not None and not isinstance(dt, Tracer):
            steps = np.asarray(dt)
            if not ((steps > 0) & np.isfinite(steps)).all():
                raise RekalError("dt must be finite times above 0")
