r"""A network of radial basis functions with process and observation noise (Ghahramani and Roweis 1999).

    x_t = H rho(x_{t-1}, u_t) + A x_{t-1} + B u_t + c + w_t,   w_t ~ N(0, Q)
    y_t = G eta(x_t, u_t)     + C x_t     + D u_t + d + v_t,   v_t ~ N(0, R)

    rho_k(z) = exp(-1/2 (z - c_k)' S_k^{-1} (z - c_k)),   z = [x; u].

Given the kernels the model is linear in all its weights, and a Gaussian times a kernel is again a multiple
of a Gaussian: with a Gaussian smoother every expectation of EM has a closed form
(`learners/em/rbf_moments.py`). Without kernels it is a linear Gaussian model.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

from rekalman.data import AnyArray
from rekalman.foundation.errors import RekalError
from rekalman.models.checks import check_block_shapes, check_covariances
from rekalman.models.gaussian import (
    NOISE_BLOCKS,
    OBSERVATION_BLOCKS,
    TRANSITION_BLOCKS,
    GaussianModel,
)
from rekalman.models.products import rows_times


class Kernels(eqx.Module):
    r"""Gaussian bumps over states and inputs.

    $$
    \rho_k(z) = \exp\left(-\tfrac{1}{2} (z - c_k)^\top S_k^{-1} (z - c_k)\right), \qquad z = [x; u].
    $$

    Attributes:
        centers: where they stand, $c_k$, `(kernels, states + inputs)`.
        spreads: their covariances $S_k$ `(kernels, states + inputs, states + inputs)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import rekalman
        >>> bumps = rekalman.Kernels(jnp.array([[-1.0], [1.0]]), jnp.ones((2, 1, 1)))
        >>> print(bumps(jnp.array([[1.0]]), None).round(3))  # at x = 1
        [[0.135 1.   ]]
    """

    centers: Float[Array, "kernels z"]
    spreads: Float[Array, "kernels z z"]

    @property
    def count(self) -> int:
        """How many there are."""
        return self.centers.shape[0]

    def __call__(
        self, x: Float[Array, "particles states"], u: Float[Array, " input"] | None
    ) -> Float[Array, "particles kernels"]:
        """Height of every kernel at every particle, between 0 and 1."""
        if not self.count:
            return jnp.zeros((x.shape[0], 0), x.dtype)
        z = x
        if self.centers.shape[1] > x.shape[1]:
            u = jnp.zeros(self.centers.shape[1] - x.shape[1], x.dtype) if u is None else u
            z = jnp.concatenate([x, jnp.broadcast_to(u, (x.shape[0], u.shape[0]))], 1)
        gap = z[:, None, :] - self.centers
        solved = jnp.einsum("kij,pkj->pki", jnp.linalg.inv(self.spreads), gap)
        return jnp.exp(-0.5 * (gap * solved).sum(-1))


class RBFNetwork(GaussianModel):
    r"""Radial basis functions in the transition and, if wanted, in the observation.

    $$
    \begin{aligned}
    x_t &= H \rho(x_{t-1}, u_t) + A x_{t-1} + B u_t + c + w_t, & w_t &\sim \mathcal{N}(0, Q), \\
    y_t &= G \eta(x_t, u_t) + C x_t + D u_t + d + v_t, & v_t &\sim \mathcal{N}(0, R),
    \end{aligned}
    $$

    where $\rho$ and $\eta$ are vectors of `Kernels` (Ghahramani and Roweis 1999).

    Attributes:
        A: linear transition `(states, states)`.
        H: weights of the transition's kernels `(states, kernels)`.
        B: input weights `(states, inputs)`.
        c: offset of the transition `(states,)`.
        C: linear observation `(obs, states)`.
        G: weights of the observation's kernels `(obs, output_kernels)`.
        D: direct input weights `(obs, inputs)`.
        d: offset of the observation `(obs,)`.
        Q: covariance of the process noise.
        R: covariance of the observation noise.
        m: mean of the state at the first observation.
        P: its covariance.
        kernels: the bumps of the transition.
        output_kernels: those of the observation, often none.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> bumps = rekalman.Kernels(jnp.array([[-1.0], [1.0]]), jnp.ones((2, 1, 1)))
        >>> model = rekalman.RBFNetwork.create(
        ...     A=0.5 * one, C=one, Q=0.1 * one, R=0.1 * one, H=np.array([[1.0, -1.0]]), kernels=bumps
        ... )
        >>> float(model.transition_mean(jnp.array([[0.0]]), None)[0, 0])
        0.0
    """

    A: Float[Array, "states states"]
    H: Float[Array, "states kernels"]
    B: Float[Array, "states inputs"]
    c: Float[Array, " states"]
    C: Float[Array, "obs states"]
    G: Float[Array, "obs output_kernels"]
    D: Float[Array, "obs inputs"]
    d: Float[Array, " obs"]
    Q: Float[Array, "states states"]
    R: Float[Array, "obs obs"]
    m: Float[Array, " states"]
    P: Float[Array, "states states"]
    kernels: Kernels
    output_kernels: Kernels

    @property
    def equations(self) -> str:
        """The model in one line for people."""
        drive, direct = (" + B u", " + D u") if self.n_inputs else ("", "")
        kernels = f" + H ρ(x_{{t−1}}{', u' if self.n_inputs else ''}){drive}"
        return self._discrete("x_{t−1}", kernels, "x", direct, ",  ρ: the kernels")

    @property
    def block_meanings(self) -> dict[str, str]:
        """What each block of parameters is, by its name."""
        own = {"H": "weights of the kernels",
               "kernels.centers": "centres of the kernels, over states and inputs"}  # fmt: skip
        return {**TRANSITION_BLOCKS, **own, **OBSERVATION_BLOCKS, **NOISE_BLOCKS}

    @property
    def transition_blocks(self) -> tuple[str, ...]:
        """Linear transition, weights of the kernels, input weights, offset."""
        return ("A", "H", "B", "c")

    @property
    def observation_blocks(self) -> tuple[str, ...]:
        """Linear observation, weights of the kernels, direct input weights, offset."""
        return ("C", "G", "D", "d")

    @property
    def linear_transition(self) -> Float[Array, "states states"]:
        """`A`."""
        return self.A

    def weights(self) -> dict[str, Array]:
        """With the transition's kernels, without those of the observation, which stay as they are.

        `centers` are where the kernels stand; `log_radii`, logarithms of factors on the axes of their
        spreads, begin at zero.
        """
        centers = self.kernels.centers
        linear = {name: block for name, block in super().weights().items() if name != "G"}
        return {**linear, "centers": centers, "log_radii": jnp.zeros_like(centers)}

    def with_weights(self, weights: dict[str, Array]) -> RBFNetwork:
        """The same model with other `weights`."""
        linear = dict(weights)
        centers, factor = linear.pop("centers"), jnp.exp(linear.pop("log_radii"))
        spreads = self.kernels.spreads * factor[:, :, None] * factor[:, None, :]
        kernels = Kernels(centers, spreads)
        return eqx.tree_at(lambda model: model.kernels, super().with_weights(linear), kernels)

    @classmethod
    def create(
        cls,
        A: AnyArray,
        C: AnyArray,
        Q: AnyArray,
        R: AnyArray,
        *,
        H: AnyArray | None = None,
        kernels: Kernels | None = None,
        G: AnyArray | None = None,
        output_kernels: Kernels | None = None,
        B: AnyArray | None = None,
        c: AnyArray | None = None,
        D: AnyArray | None = None,
        d: AnyArray | None = None,
        m: AnyArray | None = None,
        P: AnyArray | None = None,
    ) -> RBFNetwork:
        """Build a network from the blocks one cares about; the others are zero (`P`: identity).

        Raises:
            RekalError: a block, or kernels, whose shape does not fit; a covariance that is none.
        """
        A, C, Q, R = (jnp.asarray(v, jnp.result_type(float)) for v in (A, C, Q, R))
        if A.ndim != 2 or C.ndim != 2:
            raise RekalError(
                f"A and C must be matrices, but their shapes are {A.shape} and {C.shape}"
            )
        n, p = A.shape[0], C.shape[0]
        k = B.shape[1] if B is not None else D.shape[1] if D is not None else 0
        zero = lambda v, *shape: (  # noqa: E731
            jnp.zeros(shape, A.dtype) if v is None else jnp.asarray(v, A.dtype)
        )
        blocks = {
            "A": A, "B": zero(B, n, k), "c": zero(c, n), "C": C, "D": zero(D, p, k),
            "d": zero(d, p), "Q": Q, "R": R, "m": zero(m, n),
            "P": jnp.eye(n, dtype=A.dtype) if P is None else jnp.asarray(P, A.dtype),
        }  # fmt: skip
        check_block_shapes(blocks, n, p, k)
        check_covariances({name: blocks[name] for name in ("Q", "R", "P")})
        inner, outer = (_checked(given, n + k, A.dtype) for given in (kernels, output_kernels))
        weights = {"H": zero(H, n, inner.count), "G": zero(G, p, outer.count)}
        for name, shape in (("H", (n, inner.count)), ("G", (p, outer.count))):
            if weights[name].shape != shape:
                raise RekalError(
                    f"{name} has shape {weights[name].shape}, but {shape} would fit its kernels"
                )
        return cls(**blocks, **weights, kernels=inner, output_kernels=outer)

    @classmethod
    def init(
        cls,
        states: int,
        observations: int,
        *,
        key: PRNGKeyArray,
        kernels: int = 20,
        inputs: int = 0,
        radius: float = 1.0,
    ) -> RBFNetwork:
        """A random start for standardised data: a slow linear model, and kernels that do nothing yet.

        Args:
            states: number of states.
            observations: number of observed variables.
            key: randomness of the centres, which are drawn from a normal law, and of `C`.
            kernels: number of kernels of the transition; the observation is linear.
            inputs: number of inputs.
            radius: standard deviation of every kernel.

        Raises:
            RekalError: the radius is not positive.
        """
        if not radius > 0:
            raise RekalError(f"radius must be positive, but is {radius}")
        center_key, weight_key = jax.random.split(key)
        z, dtype = states + inputs, jnp.result_type(float)
        centers = jax.random.normal(center_key, (kernels, z), dtype)
        spreads = jnp.broadcast_to(radius**2 * jnp.eye(z, dtype=dtype), (kernels, z, z))
        return cls.create(
            A=0.9 * np.eye(states),
            C=jax.random.normal(weight_key, (observations, states), dtype) / np.sqrt(states),
            Q=0.1 * np.eye(states),
            R=0.1 * np.eye(observations),
            kernels=Kernels(centers, spreads),
            B=np.zeros((states, inputs)),
        )

    @property
    def n_inputs(self) -> int:
        """Number of input variables."""
        return self.B.shape[-1]

    def transition_mean(
        self,
        x: Float[Array, "particles states"],
        u: Float[Array, " inputs"] | None = None,
        dt: Float[Array, ""] | None = None,
    ) -> Float[Array, "particles states"]:
        """`H rho(x, u) + A x + B u + c`."""
        mean = self.kernels(x, u) @ self.H.T + rows_times(x, self.A) + self.c
        return mean if u is None else mean + self.B @ u

    def observation_mean(
        self, x: Float[Array, "particles states"], u: Float[Array, " inputs"] | None = None
    ) -> Float[Array, "particles obs"]:
        """`G eta(x, u) + C x + D u + d`."""
        mean = self.output_kernels(x, u) @ self.G.T + rows_times(x, self.C) + self.d
        return mean if u is None else mean + self.D @ u


def _checked(kernels: Kernels | None, z: int, dtype: jnp.dtype) -> Kernels:
    if kernels is None:
        return Kernels(jnp.zeros((0, z), dtype), jnp.zeros((0, z, z), dtype))
    centers, spreads = (jnp.asarray(v, dtype) for v in (kernels.centers, kernels.spreads))
    if centers.ndim != 2 or centers.shape[1] != z or spreads.shape != (*centers.shape, z):
        raise RekalError(
            f"kernels over {z} states and inputs need centers of shape (kernels, {z}) and spreads of "
            f"shape (kernels, {z}, {z}), not {centers.shape} and {spreads.shape}"
        )
    check_covariances({"spreads": spreads}, "kernel")
    if not isinstance(spreads, Tracer):
        narrow = np.linalg.eigvalsh(np.asarray(spreads, np.float64))[:, :1] <= 0
        if narrow.any():
            raise RekalError(
                f"spreads has no width in some direction at kernel {int(np.argmax(narrow))}: its "
                "smallest eigenvalue must be above 0"
            )
    return Kernels(centers, spreads)
