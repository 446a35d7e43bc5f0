r"""The unscented Kalman filter (Julier and Uhlmann 1997, 2004): a Gaussian is moved by its sigma points.

With `P = S S'`, `s^2 = alpha^2 (n + kappa)`, the points are `m` and `m +- s S_j`; their images under `g` are
compared with that of the centre, `d_j^+- = r(g(m +- s S_j), g(m))`. In odd and even parts,

    o_j = (d_j^+ - d_j^-) / (2 s),   e_j = (d_j^+ + d_j^-) / 2,

the usual weighted mean and covariances (Wan and van der Merwe 2000) are

    mean       g(m) + delta,   delta = sum_j e_j / s^2,
    covariance O O' + (E E' - (alpha^2 - beta) delta delta' s^2) / s^2,   cross  S O',

for the weights of the outer points are `1 / (2 s^2)`, and those of the centre leave `beta - alpha^2` times
`delta delta'`. `O` stands where the tangent filter has `A S`; `E` is the curvature. Two things follow:

* with `c = (alpha^2 - beta) / s^2` the second term is `E (I - c 1 1') E' / s^2`, and as `1 1'` has the single
  eigenvalue `n`, its root is `E (I - q 1 1') / s` with `(1 - q n)^2 = 1 - c n`. The square-root form is thus
  a QR factor like any other, and needs no downdate for a negative weight of the centre;
* the covariance is never indefinite exactly if `1 - c n >= 0`, that is `alpha^2 kappa + n beta >= 0`.

An update works in the coordinates `x = m + S z`, where the rows `O_y` and `E_y` of the observation act on
independent unit normals: the linear update of `forms.py` applies as it is.

Defaults: alpha 1, beta 0, kappa `max(0, 3 - n)`. The points then match the fourth moments of a Gaussian up to
three states, and are those of the cubature filter (Arasaratnam and Haykin 2009) beyond. A small alpha takes
the points close to the centre, where curvature is a difference of nearly equal numbers: not in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rekalman.core.beliefs import GaussianBelief
from rekalman.core.gaussian import Gaussian
from rekalman.core.serial import storable
from rekalman.filters.kalman.forms import CovarianceForm, RootForm
from rekalman.filters.nonlinear import NonlinearFilter, Observed, ruled_out
from rekalman.foundation.errors import RekalError
from rekalman.models.gaussian import LOG_2PI
from rekalman.models.products import rows_times
from rekalman.models.residuals import Residual
from rekalman.models.roots import semidefinite_root, triangular
from rekalman.numerics.precision import in_own_precision
from rekalman.smoothers.rts import Backward, backward_covariance, backward_roots


class Image(NamedTuple):
    """A Gaussian after a function: its mean, and the odd and even parts of a root of its covariance."""

    mean: Float[Array, " out"]
    odd: Float[Array, "out n"]
    even: Float[Array, "out n"]


@storable
class UnscentedKalman(NonlinearFilter):
    r"""The unscented Kalman filter, with its Rauch-Tung-Striebel smoother (Särkkä 2008).

    A Gaussian $\mathcal{N}(m, S S^\top)$ of $n$ states is carried through a function by the $2n + 1$ sigma
    points $m$ and $m \pm s S_j$, where $S_j$ is a column of $S$ and $s^2 = \alpha^2 (n + \kappa)$.

    Attributes:
        model: a model with additive Gaussian noise.
        form: "auto", "covariance" or "square-root" (see `NonlinearFilter`).
        alpha: how far the sigma points lie from the mean.
        beta: weight of the curvature's square in the covariance; 2 is often given for a small alpha.
        kappa: a second scale of the points; None stands for `max(0, 3 - states)`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import rekalman
        >>> one = np.eye(1)
        >>> model = rekalman.NonlinearGaussian.create(
        ...     lambda x, u, dt: x + 0.1 * jnp.sin(x), lambda x, u: x**2, one, one, m=np.ones(1), P=one
        ... )
        >>> data = rekalman.Sequences.from_arrays(np.array([1.2, 1.9, 3.1, 4.2]))
        >>> round(float(rekalman.filter(rekalman.UnscentedKalman(model), data).log_likelihood), 2)
        -8.65
    """

    short_name: ClassVar[str] = "unscented"
    long_name: ClassVar[str] = "the unscented Kalman filter"

    alpha: float = eqx.field(static=True, default=1.0)
    beta: float = eqx.field(static=True, default=0.0)
    kappa: float | None = eqx.field(static=True, default=None)

    @property
    def settings(self) -> tuple[tuple[str, int | str], ...]:
        """What a report says of the filter."""
        return (("filter", "unscented Kalman"),)

    def __check_init__(self) -> None:
        n, kappa = self.model.states, self._kappa
        if not self.alpha > 0:
            raise RekalError(f"alpha must be positive, but is {self.alpha}")
        if not n + kappa > 0:
            raise RekalError(f"kappa must be above {-n} with {n} states, but is {kappa}")
        if self.alpha**2 * kappa + n * self.beta < 0:
            raise RekalError(
                f"with {n} states, alpha {self.alpha}, beta {self.beta} and kappa {kappa} covariances "
                f"can become indefinite: alpha^2 kappa + {n} beta must not be negative"
            )

    @property
    def _kappa(self) -> float:
        return max(0.0, 3.0 - self.model.states) if self.kappa is None else self.kappa

    def image(
        self,
        function: Callable[[Array], Array],
        residual: Residual,
        mean: Float[Array, " n"],
        root: Float[Array, "n n"],
    ) -> Image:
        """Move a Gaussian through a function of rows of points (see the module text).

        Args:
            function: images of points, one a row.
            residual: how two images are subtracted.
            mean: mean of the Gaussian.
            root: a square root of its covariance.
        """
        n = mean.size
        square = self.alpha**2 * (n + self._kappa)
        scale = float(np.sqrt(square))
        points = jnp.concatenate([mean[None], mean + scale * root.T, mean - scale * root.T])
        images = function(points)
        gaps = jax.vmap(lambda a: residual(a, images[0]))(images[1:])
        odd, even = (gaps[:n] - gaps[n:]) / (2 * scale), 0.5 * (gaps[:n] + gaps[n:])
        delta = even.sum(0)
        q = (1 - np.sqrt(max(0.0, 1 - n * (self.alpha**2 - self.beta) / square))) / n
        return Image(images[0] + delta / square, odd.T, (even - q * delta).T / scale)

    def moved(
        self,
        belief: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> GaussianBelief:
        """One step through time by sigma points."""
        mean, odd, even = self._ahead(belief, u, dt)
        if belief.root:
            carry = triangular(jnp.concatenate([odd, even, noise], 1))
        else:
            carry = rows_times(odd, odd) + rows_times(even, even) + noise
            carry = 0.5 * (carry + carry.T)
        return self._belief(mean, carry, belief.step + 1)

    @in_own_precision
    def condition(
        self, belief: GaussianBelief, evidence: Observed
    ) -> tuple[GaussianBelief, Float[Array, ""], Float[Array, " obs"]]:
        """One encoded observation enters; also its log predictive density and white innovation."""
        m, S = belief.mean, self._root(belief)
        form = RootForm if belief.root else CovarianceForm
        y, shape, noise, seen, u = evidence
        image = self._seen(m, S, u)
        rows = rows_times(jnp.concatenate([image.odd, image.even], 1).T, shape).T
        e = rows_times(self.observation_residual(y, image.mean)[None], shape)[0]
        n = m.size
        new = form.update(jnp.eye(2 * n, dtype=m.dtype), rows, noise)
        mean = m + rows_times(rows_times(e[None], new.gain[:n]), S)[0]
        if belief.root:
            carry = triangular(S @ new.carry[:n])
        else:
            carry = rows_times(rows_times(new.carry[:n, :n], S).T, S)
            carry = 0.5 * (carry + carry.T)
        white = rows_times(e[None], new.whitener)[0]
        gain = -0.5 * ((white**2).sum() + new.log_f + LOG_2PI * (seen - new.void))
        left = e - rows_times(rows_times(e[None], new.gain), rows)[0]
        size = rows_times((jnp.abs(y) + jnp.abs(image.mean))[None], jnp.abs(shape))[0]
        gain = jnp.where(ruled_out(noise, left, size), -jnp.inf, gain)
        return self._belief(mean, carry, belief.step), gain, white

    @in_own_precision
    def observe(self, belief: GaussianBelief, u: Float[Array, " input"] | None = None) -> Gaussian:
        """The distribution of `y`, observation noise included."""
        mean, odd, even = self._seen(belief.mean, self._root(belief), u)
        cov = odd @ odd.T + even @ even.T + self.model.R
        return Gaussian(mean, 0.5 * (cov + cov.T))

    def backward(
        self,
        belief: GaussianBelief,
        prior: GaussianBelief,
        noise: Float[Array, "states states"],
        u: Float[Array, " input"] | None,
        dt: Float[Array, ""] | None,
    ) -> Backward:
        """Smoother gain from the cross covariance of the sigma points and their images."""
        _, odd, even = self._ahead(belief, u, dt)
        S = self._root(belief)
        if belief.root:
            return backward_roots(S, odd, jnp.concatenate([even, noise], 1))
        return backward_covariance(belief.carry, rows_times(S, odd), prior.carry)

    def _root(self, belief: GaussianBelief) -> Float[Array, "n n"]:
        return belief.carry if belief.root else semidefinite_root(belief.carry)

    def _ahead(self, belief: GaussianBelief, u: Array | None, dt: Array | None) -> Image:
        function = lambda x: self.model.transition_mean(x, u, dt)  # noqa: E731
        residual = self.state_residual
        return self.image(function, residual, belief.mean, self._root(belief))

    def _seen(self, mean: Array, root: Array, u: Array | None) -> Image:
        function = lambda x: self.model.observation_mean(x, u)  # noqa: E731
        return self.image(function, self.observation_residual, mean, root)
