r"""The extended Kalman filter: both functions of the model replaced by their tangents.

    prediction   m^- = g(m),  P^- = A P A' + Q,  A = dg/dx at m
    update       K = P^- C' (C P^- C' + R)^{-1},  m = m^- + K r(y, h(m^-)),  P = (I - K C) P^-,  C = dh/dx

(Särkkä 2013, section 5.2). Jacobians are those of the functions as written, by automatic differentiation.

Iterations. The tangent at the predicted mean can be a poor one where the observation is precise and curved.
The iterated filter (Jazwinski 1970, section 8.7) takes it at the latest estimate `x_i` of the posterior mean,
but always combines it with the prediction: `h(x) ~ h(x_i) + C_i (x - x_i)`, so that seen from `m^-`

    x_{i+1} = m^- + K_i (r(y, h(x_i)) + C_i r(x_i, m^-)),

a Gauss-Newton step towards the posterior mode (Bell and Cathey 1993). On a linear `h` every iteration gives
the same answer. The log evidence is that of the last linearisation.

Use it where the functions are nearly linear over the width of the belief; otherwise `UnscentedKalman`, which
feels the curvature, or `ParticleFilter`, which makes no such assumption.
"""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.core.beliefs import GaussianBelief
from rekalman.core.gaussian import Gaussian
from rekalman.core.serial import storable
from rekalman.filters.kalman.forms import CovarianceForm, RootForm
from rekalman.filters.nonlinear import NonlinearFilter, Observed, ruled_out
from rekalman.foundation.arguments import whole
from rekalman.models.gaussian import LOG_2PI
from rekalman.models.products import rows_times
from rekalman.numerics.precision import in_own_precision
from rekalman.smoothers.rts import Backward, backward_covariance, backward_roots


@storable
class ExtendedKalman(NonlinearFilter):
    r"""The extended Kalman filter, with its Rauch-Tung-Striebel smoother (Särkkä 2013, section 5.2).

    $$
    \begin{aligned}
    m^- &= g(m), & P^- &= A P A^\top + Q, & A &= \partial g / \partial x \text{ at } m, \\
    K &= P^- C^\top (C P^- C^\top + R)^{-1}, & m &= m^- + K (y - h(m^-)), & P &= (I - K C) P^-,
    \end{aligned}
    $$

    with $C = \partial h / \partial x$ at $m^-$.

    Attributes:
        model: a model with additive Gaussian noise.
        form: "auto", "covariance" or "square-root" (see `NonlinearFilter`).
        iterations: how often each observation is linearised; 1 is the ordinary filter.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.NonlinearGaussian.create(
        ...     lambda x, u, dt: x + 0.1 * jnp.sin(x), lambda x, u: x**2, one, one, m=np.ones(1), P=one
        ... )
        >>> data = rekalman.Sequences.from_arrays(np.array([1.2, 1.9, 3.1, 4.2]))
        >>> round(float(rekalman.filter(rekalman.ExtendedKalman(model), data).log_likelihood), 2)
        -8.17
    """

    short_name: ClassVar[str] = "extended"
    long_name: ClassVar[str] = "the extended Kalman filter"

    iterations: int = eqx.field(static=True, default=1)

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        more = (("linearisations of an observation", self.iterations),)
        return (("filter", "extended Kalman"), *(more if self.iterations > 1 else ()))

    def __check_init__(self) -> None:
        whole("iterations", self.iterations, 1, 1000)

    def moved(
        self,
        belief: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> GaussianBelief:
        """One step through time along the tangent."""
        m = belief.mean
        form = RootForm if belief.root else CovarianceForm
        A = self.model.transition_jacobian(m, u, dt)
        mean = self.model.transition_mean(m[None], u, dt)[0]
        carry = form.predict(belief.carry, A, noise)
        # What removes rounding would take infinity times zero for rounding, too.
        carry = jnp.where(jnp.isfinite(A).all(), carry, jnp.nan)
        return self._belief(mean, carry, belief.step + 1)

    @in_own_precision
    def condition(
        self, belief: GaussianBelief, evidence: Observed
    ) -> tuple[GaussianBelief, Float[Array, ""], Float[Array, " obs"]]:
        """One encoded observation enters; also its log predictive density and white innovation."""
        m, carry = belief.mean, belief.carry
        form = RootForm if belief.root else CovarianceForm
        y, shape, noise, seen, u = evidence

        def linearised(x: Array) -> tuple[Array, Array]:
            """Rows of the tangent at `x`, and the innovation that it has at the predicted mean."""
            C = self.model.observation_jacobian(x[None], u)[0]
            e = self.observation_residual(y, self.model.observation_mean(x[None], u)[0])
            if self.iterations > 1:
                e = e + rows_times(self.state_residual(x, m)[None], C)[0]
            return rows_times(C.T, shape).T, rows_times(e[None], shape)[0]

        def improve(_: Array, x: Array) -> Array:
            C, e = linearised(x)
            return m + rows_times(e[None], form.update(carry, C, noise).gain)[0]

        x = m
        if self.iterations > 1:
            x = jax.lax.fori_loop(0, self.iterations - 1, improve, m)
        C, e = linearised(x)
        new = form.update(carry, C, noise)
        white = rows_times(e[None], new.whitener)[0]
        gain = -0.5 * ((white**2).sum() + new.log_f + LOG_2PI * (seen - new.void))
        move = rows_times(e[None], new.gain)[0]
        size = rows_times(jnp.abs(y)[None], jnp.abs(shape))[0]
        size += rows_times((jnp.abs(m) + jnp.abs(move))[None], jnp.abs(C))[0]
        impossible = ruled_out(noise, e - rows_times(move[None], C)[0], size)
        gain = jnp.where(impossible, -jnp.inf, gain)
        return self._belief(m + move, new.carry, belief.step), gain, white

    @in_own_precision
    def observe(self, belief: GaussianBelief, u: Float[Array, " input"] | None = None) -> Gaussian:
        """The distribution of `y` along the tangent, observation noise included."""
        m = belief.mean[None]
        C = self.model.observation_jacobian(m, u)[0]
        cov = C @ belief.cov @ C.T + self.model.R
        return Gaussian(self.model.observation_mean(m, u)[0], 0.5 * (cov + cov.T))

    def backward(
        self,
        belief: GaussianBelief,
        prior: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Backward:
        """Smoother gain from the tangent of the transition."""
        A = self.model.transition_jacobian(belief.mean, u, dt)
        if belief.root:
            return backward_roots(belief.carry, A @ belief.carry, noise)
        return backward_covariance(belief.carry, rows_times(belief.carry, A), prior.carry)
