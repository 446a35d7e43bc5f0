r"""How a simulated network moves with its weights: the sensitivity equations, carried forward.

With `x_t = A f(x_{t-1}) + B u_t + c`, `y_t = C f(x_t) + D u_t + d` and `S_t = dx_t / d(A, B, c, x_1)`,

    S_t = A diag(f'(x_{t-1})) S_{t-1} + [ I (x) f(x_{t-1})', I (x) u_t', I, 0 ],    S_1 = [0, 0, 0, I],
    dy_t / d(A, B, c, x_1) = C diag(f'(x_t)) S_t,    dy_t / dC = I (x) f(x_t)',   dy_t / dD = I (x) u_t',

which are a fifth of the work of automatic differentiation in forward mode, for the second term needs no
product.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rekalman.models.stochastic_rnn import StochasticRNN


def sensitivities(
    model: StochasticRNN,
    firsts: Float[Array, "batch states"],
    inputs: Float[Array, "batch steps inputs"] | None,
    steps: int,
) -> tuple[Float[Array, "batch steps obs"], Float[Array, "batch steps obs q"]]:
    """Simulated observations and their Jacobian.

    Args:
        model: a network; with `linear_observation` its output reads `x` itself.
        firsts: first state of each series.
        inputs: inputs of all steps, or None for a network without.
        steps: length of the simulation.

    Returns:
        Observations, and their derivatives by the weights (a dictionary in the order of `ravel_pytree`: A,
        B, C, D, c, d), then by the first states of all series.
    """
    n, p, k = model.states, model.observations, model.n_inputs
    count = firsts.shape[0]
    u = jnp.zeros((count, steps, 0), firsts.dtype) if inputs is None else inputs
    eye, seen = jnp.eye(n, dtype=firsts.dtype), jnp.eye(p, dtype=firsts.dtype)

    def read(x: Array) -> tuple[Array, Array]:
        if model.linear_observation:
            return x, model.C
        return model.f(x), model.C * model.slope(x)[None, :]

    def output(x: Array, S: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        features, slope = read(x)
        return model.C @ features + model.D @ u + model.d, (features, slope @ S)

    def step(carry: tuple[Array, Array], u: Array) -> tuple[tuple[Array, Array], tuple]:
        x, S = carry
        f = model.f(x)
        direct = jnp.concatenate(
            [(eye[:, :, None] * f).reshape(n, n * n), (eye[:, :, None] * u).reshape(n, n * k), eye,
             jnp.zeros((n, n), x.dtype)], 1,
        )  # fmt: skip
        S = (model.A * model.slope(x)[None, :]) @ S + direct
        x = model.A @ f + model.B @ u + model.c
        return (x, S), output(x, S, u)

    def one(first: Array, u: Array) -> tuple[Array, Array, Array]:
        start = jnp.concatenate([jnp.zeros((n, n * n + n * k + n), first.dtype), eye], 1)
        y, (features, J) = output(first, start, u[0])
        _, (ys, (more, Js)) = jax.lax.scan(step, (first, start), u[1:])
        join = lambda a, b: jnp.concatenate([a[None], b])  # noqa: E731
        return join(y, ys), join(features, more), join(J, Js)

    y, features, J = jax.vmap(one)(firsts, u)
    shape = (count, steps, p)
    place = lambda rows: (seen[:, :, None] * rows[:, :, None, None, :]).reshape(*shape, -1)  # noqa: E731
    a, b = n * n, n * n + n * k
    own = jnp.arange(count)[:, None] == jnp.arange(count)[None, :]
    by_first = (own[:, None, None, :, None] * J[..., b + n :][:, :, :, None, :]).reshape(*shape, -1)
    offset = jnp.broadcast_to(seen, (*shape, p))
    parts = [
        J[..., :a],
        J[..., a:b],
        place(features),
        place(u),
        J[..., b : b + n],
        offset,
        by_first,
    ]
    return y, jnp.concatenate(parts, -1)
