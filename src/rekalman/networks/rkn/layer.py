"""Recurrent Kalman Network: a recurrent layer that carries a mean and a factorised covariance.

P. Becker, H. Pandya, G. Gebhardt, C. Zhao, J. Taylor, G. Neumann, "Recurrent Kalman Networks: Factorized
Inference in High-Dimensional Deep Feature Spaces", ICML 2019. The state is `[p; q]`, the encoder observes `p`
with a diagonal variance, and the transition is a mixture of `K` banded matrices whose coefficients depend on
the state.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.foundation.errors import RekalError
from rekalman.networks.beliefs import Evidence, Factorised, Readout, Track
from rekalman.networks.layer import Layer
from rekalman.networks.rkn.cell import Dynamics, Move, predict, update
from rekalman.networks.rkn.coefficients import Coefficients
from rekalman.networks.rkn.options import Control, RKNOptions
from rekalman.networks.rkn.parallel import scan_parallel
from rekalman.networks.rkn.scan import scan_rkn
from rekalman.networks.rkn.steps import (
    belief_of,
    clean,
    frame_features,
    moments_of,
    moves_of,
    steps_of,
    time_first,
)


class RKN(Layer):
    """The paper's cell; where its published implementations differ, `create` has options.

    Attributes:
        bases: basis matrices by diagonals (`networks/rkn/banded.py`), `(bases, 4, diagonals, latent)`.
        coefficients: the network that mixes them.
        raw_noise: process variances before the positive map, `(2, latent)`.
        raw_start: variances of the first belief before the positive map, or None where they are not learned.
        control: what inputs add to the predicted mean (Shaj et al. 2020), or None.
        latent: size `m` of the observable part.
        n_inputs: number of inputs.
        options: what it was made with.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> layer = rekalman.RKN.create(3, bases=4, inputs=1, key=jax.random.key(0))
        >>> layer.init().mean.shape  # three observed and three remembered states
        (6,)
    """

    bases: Float[Array, "bases 4 diagonals latent"]
    coefficients: Coefficients
    raw_noise: Float[Array, "2 latent"]
    raw_start: Float[Array, "2 latent"] | None
    control: Control | None
    latent: int = eqx.field(static=True)
    n_inputs: int = eqx.field(static=True)
    options: RKNOptions = eqx.field(static=True)

    @classmethod
    def create(cls, latent: int, *, inputs: int = 0, key: PRNGKeyArray, **keywords: Any) -> RKN:
        """Draw a network.

        Args:
            latent: size `m` of the latent observation; the state has `2 m` entries.
            inputs: number of known inputs.
            key: randomness.
            **keywords: options, see `RKNOptions`.

        Raises:
            RekalError: a size that is not positive, or an option that is unknown, out of range or useless.
        """
        options = RKNOptions.of(keywords)
        if latent < 1 or inputs < 0:
            raise RekalError(f"an RKN needs latent >= 1 and inputs >= 0, not {latent} and {inputs}")
        if options.control != RKNOptions.control and not inputs:
            raise RekalError("control is the network of the inputs: give inputs, or leave it out")
        if options.activation != RKNOptions.activation and not options.hidden and not inputs:
            raise RekalError("activation is that of hidden layers: give hidden, or leave it out")
        keys = jax.random.split(key, 3)
        states, act = 2 * latent, options.activation
        by_state = states if options.mixed_by == "state" else 0
        return cls(
            bases=options.draw_bases(latent, keys[0]),
            coefficients=Coefficients.create(
                by_state, options.known(latent), options.hidden, options.bases, act, keys[1]
            ),
            raw_noise=options.raw(options.noise, latent),
            raw_start=options.raw(options.start_var, latent) if options.learn_start else None,
            control=Control.create(inputs, options.control, states, act, keys[2])
            if inputs
            else None,
            latent=latent,
            n_inputs=inputs,
            options=options,
        )

    @property
    def dynamics(self) -> Dynamics:
        """The parameters of the recursion."""
        mixing = self.coefficients
        return Dynamics(self.bases, mixing.state, mixing.head, self.options.var(self.raw_noise))

    @property
    def sizes(self) -> tuple[int, int]:
        """Mean of the state; upper, lower and side variances."""
        return 2 * self.latent, 3 * self.latent

    @property
    def idle(self) -> int:
        """What diagonals hold beyond the ends of the matrix: `b (b + 1)` numbers for each band."""
        bands, diagonals = math.prod(self.bases.shape[:-2]), self.bases.shape[-2]
        return bands * (diagonals**2 - 1) // 4

    def read(self, belief: Factorised) -> Readout:
        """Mean and variances of the state."""
        return Readout(belief.mean, belief.spread)

    def init(self, shape: tuple[int, ...] = ()) -> Factorised:
        """The belief before the first observation; a transition into it has zero input and length 1."""
        fixed = jnp.full_like(self.raw_noise, self.options.start_var)
        var = fixed if self.raw_start is None else self.options.var(self.raw_start)
        upper, lower = (jnp.broadcast_to(row, (*shape, self.latent)) for row in var)
        zero = jnp.zeros((*shape, 2 * self.latent + 1), var.dtype)
        features = zero if self.options.mixed_by == "encoder" else None
        start = Factorised(zero[..., 1:], upper, lower, zero[..., : self.latent], features)
        if self.options.order == "update":
            return start
        u = jnp.zeros((*shape, self.n_inputs), var.dtype) if self.n_inputs else None
        dt = jnp.ones(shape, var.dtype) if self.options.takes_time else None
        return self.predict(start, u, dt)

    def predict(
        self,
        belief: Factorised,
        u: Float[Array, "*batch input"] | None = None,
        dt: Float[Array, "*batch"] | None = None,
    ) -> Factorised:
        """One step through time (equations 4 to 6)."""
        lead = belief.mean.shape[:-1]
        self.check_drive(lead, u, dt, self.options.takes_time)
        one = lambda x: x.reshape(-1, 1, *x.shape[len(lead) :])  # noqa: E731
        moves = self._moves((math.prod(lead), 1), *jax.tree.map(one, (u, dt, belief.features)))
        start = jax.tree.map(lambda part: part.reshape(-1, self.latent), moments_of(belief))
        ahead = lambda x, move: (predict(self.dynamics, x, move)[0], None)  # noqa: E731
        x, _ = jax.lax.scan(ahead, start, moves)
        x = jax.tree.map(lambda part: part.reshape(*lead, self.latent), x)
        return belief_of(x, belief.features)

    def update(
        self, belief: Factorised, evidence: Evidence
    ) -> tuple[Factorised, Float[Array, "*batch"]]:
        """An encoded observation enters (equations 7 to 9): no inverse, only numbers."""
        self.check(evidence)
        w, r, seen = clean(evidence, self.bases.dtype)
        x = update(moments_of(belief), w, r, seen)
        total = belief.upper + r
        gap = jnp.square(w - belief.mean[..., : self.latent])
        density = -0.5 * (jnp.log(2 * jnp.pi * total) + gap / total).sum(-1)
        return belief_of(x, self._features(evidence)), density * seen[..., 0]

    def run(
        self,
        evidence: Evidence,
        inputs: Float[Array, "batch time input"] | None = None,
        dt: Float[Array, "batch time"] | None = None,
        start: Factorised | None = None,
        prior: bool = False,
    ) -> Track:
        """Filter whole series (`Layer.run`).

        Raises:
            RekalError: evidence, inputs or time steps that the network does not take, or that are missing.
        """
        self.check(evidence)
        batch, time = evidence.seen.shape
        self.check_drive((batch, time), inputs, dt, self.options.takes_time)
        features, before = self._features(evidence), None
        if start is None:  # the first step needs no transition: `init` is the belief before it
            first = self.init((batch,))
        else:
            first = self.predict(start, *(None if x is None else x[:, 0] for x in (inputs, dt)))
        if features is not None and first.features is not None:
            before = jnp.concatenate([first.features[:, None], features[:, :-1]], 1)
        every = self.options.substeps
        steps = steps_of(evidence, self._moves((batch, time), inputs, dt, before), every)
        scan = scan_parallel if self.options.parallel else scan_rkn
        path = scan(self.dynamics, moments_of(first), steps, prior)
        after, priors = time_first(jax.tree.map(lambda leaf: leaf[::every], path))
        posterior = belief_of(after, features)
        predicted = None if priors is None else belief_of(priors, before)
        return Track(posterior, predicted, jax.tree.map(lambda leaf: leaf[:, -1], posterior))

    def _moves(self, lead: tuple[int, int], u: Any, dt: Any, before: Any) -> Move:
        return moves_of(self.coefficients, self.control, self.options, lead, u, dt, before)

    def _features(self, evidence: Evidence) -> Array | None:
        return (
            frame_features(evidence, self.bases.dtype)
            if self.options.mixed_by == "encoder"
            else None
        )
