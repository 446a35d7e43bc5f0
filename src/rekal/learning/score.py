r"""The exact log-likelihood of a linear model, with its gradient in closed form.

Automatic differentiation of a filter keeps every intermediate of every step and takes four to seven times
the forward pass. The adjoint of the smoother (`smoothers/adjoint.py`) gives the same gradient from one
backward pass (Koopman and Shephard 1992, without the inverse of `Q`): with `r, N` at the predicted mean and

    u_t = U'e_t - K_t'A_{t+1}'r_{t+1},   Delta_t = U'U + K'A'N_{t+1}A K,   Gamma_t = Delta_t C - K'A'N_{t+1}A,

    dL/dA_t = r_t x_{t-1}' + (r r' - N)_t A_t P_{t-1},    dL/dQ_t = (r r' - N)_t / 2,   dL/d drift_t = r_t,
    dL/dC_t = u_t x_{t|T}' - Gamma_t P_t^-,               dL/dR_t = (u u' - Delta)_t / 2,   dL/dy_t = -u_t,
    dL/dm = r_1,                                          dL/dP = (r r' - N)_1 / 2.

With a diffuse start every vector is affine in `delta` (its columns), and a product of two is averaged over
`delta | y`: `a b'` becomes `a M b'`, `M` being the second moment of `[1; delta]`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekal.filters.forms import Form
from rekal.filters.gains import Gains, gains
from rekal.filters.means import Means, each, means, small
from rekal.filters.start import StartLaw, products, start_law
from rekal.filters.system import LinearSystem
from rekal.smoothers.adjoint import adjoint

LOG_2PI = 1.8378770664093453


def log_likelihood(system: LinearSystem, form: Form) -> Float[Array, ""]:
    """Log-likelihood of one series in nats; differentiable in every array of the system."""
    return _log_likelihood(form, system)


def _value(system: LinearSystem, found: Gains, run: Means) -> tuple[Array, StartLaw]:
    law = start_law(products(run.white).sum(0))
    constant = (found.log_f[found.where] + LOG_2PI * system.seen).sum()
    return law.log_evidence - 0.5 * constant, law


def _forward(form: Form, system: LinearSystem) -> tuple[Array, tuple[LinearSystem, Gains, Means]]:
    found = gains(system, form)
    run = means(system, found)
    return _value(system, found, run)[0], (system, found, run)


def _backward(
    form: Form, kept: tuple[LinearSystem, Gains, Means], slope: Float[Array, ""]
) -> tuple[LinearSystem]:
    system, found, run = kept
    steps = system.y.shape[0]
    law = start_law(products(run.white).sum(0))
    back = adjoint(system, found, run)
    mean = law.moment[:, 0]
    leave = jax.vmap(form.leave)
    prior, posterior = leave(found.prior)[found.where], leave(found.posterior)[found.where]
    whitener, gain = found.whitener[found.where], found.gain[found.where]

    rr = small(back.r @ law.moment, back.r.mT) - back.N
    later = system.A[1:] if system.A.shape[0] > 1 else system.A
    moved_r, moved_N = each(later.mT, back.r[1:]), small(later.mT, small(back.N[1:], later))
    zero = lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf[:1])])  # noqa: E731
    moved_r, moved_N = zero(moved_r), zero(moved_N)

    u = each(whitener.mT, run.white) - each(gain.mT, moved_r)
    KN = small(gain.mT, moved_N)
    Delta = small(whitener.mT, whitener) + small(KN, gain)
    Gamma = small(Delta, system.C) - KN
    smoothed = run.prior + each(prior, back.r)
    uu = small(u @ law.moment, u.mT) - Delta

    dA = small(back.r[1:] @ law.moment, run.posterior[:-1].mT)
    dA = dA + small(rr[1:], small(later, posterior[:-1]))
    dA = jnp.concatenate([jnp.zeros_like(dA[:1]), dA])
    dQ = 0.5 * jnp.concatenate([jnp.zeros_like(rr[:1]), rr[1:]])
    dC = small(u @ law.moment, smoothed.mT) - small(Gamma, prior)
    drift = jnp.concatenate([jnp.zeros_like(back.r[:1, :, 0]), back.r[1:] @ mean])
    first = lambda column, like: jnp.zeros_like(like).at[..., 0].set(column)  # noqa: E731
    fit = lambda leaf, like: (
        slope
        * (  # noqa: E731
            leaf.sum(0, keepdims=True) if like.shape[0] == 1 and steps > 1 else leaf
        )
    )
    return (
        LinearSystem(
            A=fit(dA, system.A),
            Q=fit(dQ, system.Q),
            C=fit(dC, system.C),
            noise=fit(0.5 * jnp.diagonal(uu, axis1=1, axis2=2), system.noise),
            y=slope * first(-(u @ mean), system.y),
            drift=first(fit(drift, system.drift), system.drift),
            start=slope * first(back.r[0] @ mean, system.start),
            P=slope * 0.5 * rr[0],
            seen=slope * jnp.full_like(system.seen, -0.5 * LOG_2PI),
            settled=np.zeros((), jax.dtypes.float0),  # pyright: ignore
        ),
    )


_log_likelihood = jax.custom_vjp(
    lambda form, system: _forward(form, system)[0], nondiff_argnums=(0,)
)
_log_likelihood.defvjp(_forward, _backward)
