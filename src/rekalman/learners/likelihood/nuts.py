r"""The posterior of named parameters by the No-U-Turn sampler (Hoffman and Gelman 2014).

States are integrated out exactly: the sampler sees only the parameters, through the exact likelihood and
its closed-form gradient. Priors are normal on the parameters without bounds. Those of a parametric model are
given with it (`priors`); without, one bound has `N(start, 3^2)`, two have `N(0, 1.5^2)`, close to a uniform
law between them, and an unbounded parameter is refused, for nothing says on what scale it lives. Those of a
structure are weak and scaled by the data; `s` is the standard deviation of the steps of the data:

* a log variance: `N(2 log s - 2, 3^2)`, 95 % of it over five orders of magnitude; of a moving point the
  same, centred where the search for its noise begins;
* `atanh` of a partial autocorrelation: `N(0, 1)`;
* the logit of a damping factor: `N(2, 1.5^2)`, most of it between 0.3 and 0.99;
* the logit of twice a frequency: `N(start, 1.5^2)`;
* the coefficient of an input: `N(0, (10 standard deviations of the data for each of the input)^2)`;
* a mean: `N(mean of the data, (10 standard deviations of the data)^2)`.

NumPyro samples (`pip install rekalman[bayes]`); the chains start from scattered points around the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rekalman.data import Sequences
from rekalman.filters.kalman.forms import Form
from rekalman.foundation.errors import RekalError
from rekalman.learners.batch import Batch, as_batch
from rekalman.learners.likelihood.likelihood import check_fit, in_double
from rekalman.learners.likelihood.named_parameters import NamedParameters, named_parameters
from rekalman.learners.likelihood.parameters import natural_values
from rekalman.learners.likelihood.total import Group, form_of, groups_of, total_log_likelihood
from rekalman.learners.protocol import Callback, Iterations, Progress, TrainResult
from rekalman.models.parametrised import Parametrised
from rekalman.models.structures.components import TINY, raised
from rekalman.models.structures.structures import Structure
from rekalman.numerics.precision import modelling_dtype

STATISTICS = {
    "lp": "potential_energy",
    "energy": "energy",
    "acceptance_rate": "accept_prob",
    "n_steps": "num_steps",
    "diverging": "diverging",
}
"""What ArviZ calls what NumPyro tells of a transition."""


class Draws(TrainResult):
    """Draws from the posterior of named parameters.

    Attributes:
        model: the linear model at the posterior mean of the free parameters.
        history: the log-likelihood of every draw, one chain after the other, in nats.
        structure: the structure or parametric model at the posterior mean of the free parameters.
        names: names of the parameters.
        vectors: the free parameters without bounds `(chains, draws, parameters)`.
        values: the parameters in natural units, same shape.
        divergences: number of transitions that diverged; more than a few: do not trust the draws.
        statistics: of each transition `(chains, draws)`, under the names of ArviZ: "lp" (log posterior
            density of the scaled parameters, but for a constant), "energy", "acceptance_rate", "n_steps" and
            "diverging".
        parameters: how a structure is built of a vector.
    """

    structure: Parametrised
    names: tuple[str, ...] = eqx.field(static=True)
    vectors: Float[np.ndarray, "chains draws parameters"]
    values: Float[np.ndarray, "chains draws parameters"]
    divergences: int = eqx.field(static=True)
    statistics: dict[str, np.ndarray]
    parameters: NamedParameters

    @property
    def log_likelihood(self) -> Float[np.ndarray, "chains draws"]:
        """Of each draw, in nats."""
        return self.history.log_likelihood.reshape(self.vectors.shape[:2])

    @property
    def mean(self) -> dict[str, float]:
        """Posterior mean of each parameter."""
        return dict(zip(self.names, self.values.mean((0, 1)).tolist(), strict=True))

    def quantile(self, q: float) -> dict[str, float]:
        """Posterior quantile of each parameter."""
        return dict(zip(self.names, np.quantile(self.values, q, (0, 1)).tolist(), strict=True))

    @property
    def r_hat(self) -> dict[str, float]:
        """Rank-normalised split R-hat (Vehtari et al. 2021); near 1 where the chains agree."""
        from arviz import rhat

        return self._diagnosed(rhat)

    @property
    def ess(self) -> dict[str, float]:
        """Effective number of draws, in the bulk."""
        from arviz import ess

        return self._diagnosed(ess)

    def to_inference_data(self, data: Sequences | None = None, *, seed: int = 0) -> Any:
        """The draws as ArviZ takes them: an `InferenceData`, from ArviZ 1.0 on a `DataTree`.

        Groups are `posterior`, a variable for each parameter in natural units, and `sample_stats`
        (`statistics`). Where the data are given, also those of every step that has a predictive density: with
        a diffuse start the first ones have none.

        * `observed_data`: a variable for each column, NaN where missing.
        * `log_likelihood`: of each step given those before, in nats; of one column under its name, of several
          together as `joint`. `arviz.loo` of these leaves out the density of a step, while later steps still
          know its value.
        * `posterior_predictive`: a draw of each entry one step ahead, given those before.

        Args:
            data: the series that were learned from.
            seed: of the draws one step ahead.

        Raises:
            RekalError: the data have other columns or inputs than the model.
        """
        from rekalman.learners.likelihood.inference_data import inference_data

        return inference_data(self, data, seed)

    def summary(self) -> str:
        """The posterior as a table."""
        low, middle, high = (self.quantile(q) for q in (0.025, 0.5, 0.975))
        width = max(len(name) for name in self.names)
        lines = [
            f"{self.values.shape[0]} chains of {self.values.shape[1]} draws, "
            f"{self.divergences} divergences",
            f"{'':{width}}  {'mean':>11} {'median':>11} {'95 % interval':>23} {'r-hat':>6} {'ess':>6}",
        ]
        r_hat, ess, mean = self.r_hat, self.ess, self.mean
        for name in self.names:
            lines.append(
                f"{name:{width}}  {mean[name]:>11.5g} {middle[name]:>11.5g} {low[name]:>11.5g} "
                f"{high[name]:>11.5g} {r_hat[name]:>6.3f} {ess[name]:>6.0f}"
            )
        return "\n".join(lines)

    def _diagnosed(self, diagnose: Callable[[np.ndarray], Any]) -> dict[str, float]:
        return {name: float(diagnose(self.values[..., i])) for i, name in enumerate(self.names)}


class NUTS(eqx.Module):
    """The No-U-Turn sampler on the parameters of a structure or a parametric model.

    Attributes:
        draws: kept draws of each chain.
        warmup: draws of each chain that adapt the sampler and are not kept.
        chains: number of chains, run one after the other.
        freeze: names of parameters that keep their value.
        target: acceptance probability that the step size aims at.

    Examples:
        >>> import jax
        >>> import rekalman
        >>> sampler = rekalman.NUTS(draws=500, warmup=300, chains=2)
        >>> sampler.draws * sampler.chains
        1000
        >>> nile = rekalman.load_example("nile")
        >>> start = rekalman.local_level().start(nile.values[0])
        >>> draws = sampler.run(start, nile, key=jax.random.key(0))  # doctest: +SKIP
    """

    draws: int = eqx.field(static=True, default=1000)
    warmup: int = eqx.field(static=True, default=500)
    chains: int = eqx.field(static=True, default=4)
    freeze: tuple[str, ...] = eqx.field(static=True, default=())
    target: float = eqx.field(static=True, default=0.9)

    def __check_init__(self) -> None:
        for name in ("draws", "warmup", "chains"):
            if getattr(self, name) < 1:
                raise RekalError(f"{name} must be at least 1, but is {getattr(self, name)}")
        if not 0 < self.target < 1:
            raise RekalError(f"target must lie between 0 and 1, but is {self.target}")

    def run(
        self,
        start: Parametrised,
        data: Sequences | Batch,
        *,
        key: PRNGKeyArray | None = None,
        callback: Callback | None = None,
    ) -> Draws:
        """Draw from the posterior of the parameters.

        Args:
            start: where the chains start: a structure (`structure.start(y)`), or a parametric model that is
                linear.
            data: the series.
            key: the randomness.
            callback: called once, when all draws are made: one compiled function makes them.

        Raises:
            RekalError: there is no key, NumPyro or ArviZ is not installed, shapes do not fit, the model is
                not linear, or an unbounded parameter has no prior.
        """
        try:
            import arviz  # noqa: F401  # pyright: ignore[reportUnusedImport]
            from numpyro.infer import MCMC
            from numpyro.infer import NUTS as Kernel
        except ImportError as missing:
            raise RekalError(
                "NUTS needs NumPyro and ArviZ: install them with pip install 'rekalman[bayes]'"
            ) from missing
        if key is None:
            raise RekalError("NUTS draws: give run a key")
        outside, began = modelling_dtype(), time.perf_counter()
        with jax.enable_x64(True):
            structure = in_double(start)
            parameters = named_parameters(structure, self.freeze)
            first = parameters.build(parameters.vector)
            batch = in_double(as_batch(data, first))
            weak = structure.priors is None
            priors = weak_priors(parameters, batch) if weak else own_priors(parameters)
            if not first.linear:
                raise RekalError(
                    "NUTS samples by an exact likelihood, which only a linear model has: use "
                    "MaximumLikelihood"
                )
            check_fit(first, batch)
            groups, form = groups_of(batch), form_of(first)
            center, width = (jnp.asarray(leaf) for leaf in priors)

            def potential(scaled: Float[jax.Array, " parameters"]) -> jax.Array:
                likelihood = _log_likelihood(parameters, scaled, center, width, groups, form)
                value = likelihood - 0.5 * (scaled**2).sum()
                return jnp.where(jnp.isfinite(value), -value, 1e10)

            kernel = Kernel(potential_fn=potential, target_accept_prob=self.target)
            sampler = MCMC(
                kernel, num_warmup=self.warmup, num_samples=self.draws, num_chains=self.chains,
                chain_method="sequential", progress_bar=False,
            )  # fmt: skip
            scatter_key, run_key = jax.random.split(key)
            middle = (parameters.vector - center) / width
            scatter = 0.1 * jax.random.normal(scatter_key, (self.chains, middle.size), middle.dtype)
            begin = middle + scatter
            sampler.run(
                run_key,
                init_params=begin[0] if self.chains == 1 else begin,
                extra_fields=tuple(STATISTICS.values()),
            )
            vectors = center + width * sampler.get_samples(group_by_chain=True)
            flat = vectors.reshape(-1, middle.size)
            values = natural_values(parameters, flat).reshape(vectors.shape)
            scaled = (flat - center) / width
            log_likelihood = _log_likelihoods(parameters, scaled, center, width, groups, form)
            fields = sampler.get_extra_fields(group_by_chain=True)
            statistics = {name: np.asarray(fields[field]) for name, field in STATISTICS.items()}
            statistics["lp"] = -statistics["lp"]  # NumPyro holds the potential energy
            likelihoods = np.asarray(log_likelihood)
            entries = int(np.asarray(batch.mask).sum())
            course = (likelihoods, "iterations", time.perf_counter() - began, entries)
            if callback is not None:
                callback(Progress(self.draws, self.draws, float(likelihoods.mean())))
            outcome = Draws(
                model=parameters.build(flat.mean(0)),
                history=Iterations.by_likelihood(*course),
                structure=parameters.structure(flat.mean(0)),
                names=parameters.names,
                vectors=np.asarray(vectors),
                values=np.asarray(values),
                divergences=int(statistics["diverging"].sum()),
                statistics=statistics,
                parameters=parameters,
            )
            both = (outcome.model, outcome.structure)
            cast_to = jax.tree.map(lambda leaf: jnp.asarray(leaf, outside), both)
            return eqx.tree_at(lambda d: (d.model, d.structure), outcome, cast_to)


def _log_likelihood(
    parameters: NamedParameters,
    scaled: Float[jax.Array, " parameters"],
    center: Float[jax.Array, " parameters"],
    width: Float[jax.Array, " parameters"],
    groups: tuple[Group, ...],
    form: Form | None,
) -> jax.Array:
    """The log-likelihood at a vector that is counted from the centre of the priors, in their widths."""
    model = parameters.build(center + width * scaled)
    return total_log_likelihood(model, groups, form=form)


@eqx.filter_jit
def _log_likelihoods(
    parameters: NamedParameters,
    scaled: Float[jax.Array, "draws parameters"],
    center: Float[jax.Array, " parameters"],
    width: Float[jax.Array, " parameters"],
    groups: tuple[Group, ...],
    form: Form | None,
) -> Float[jax.Array, " draws"]:
    """The log-likelihood of every draw, one after the other."""
    return jax.lax.map(
        lambda each: _log_likelihood(parameters, each, center, width, groups, form), scaled
    )


def own_priors(
    parameters: NamedParameters,
) -> tuple[Float[np.ndarray, " parameters"], Float[np.ndarray, " parameters"]]:
    """Centres and standard deviations of the priors of a parametric model (see the module text).

    Raises:
        RekalError: an unbounded parameter has no prior.
    """
    rows, priors = [], parameters.base.priors or ()
    start = np.asarray(parameters.vector, float)
    for i, name in enumerate(parameters.names):
        given, ends = priors[parameters.chosen[i]], parameters.bounds[i].ends
        if given is None and not ends:
            raise RekalError(
                f"{name!r} has no bounds and no prior, which NUTS needs: give ParametricModel.create "
                f"priors={{{name!r}: (centre, standard deviation)}}, or freeze it"
            )
        rows.append(given or ((start[i], 3.0) if ends == 1 else (0.0, 1.5)))
    center, width = np.array(rows, float).T
    return center, width


def weak_priors(
    parameters: NamedParameters, batch: Batch
) -> tuple[Float[np.ndarray, " parameters"], Float[np.ndarray, " parameters"]]:
    """Centres and standard deviations of the normal priors of the free parameters (see the module text)."""
    y, mask = np.asarray(batch.values, float), np.asarray(batch.mask)
    both = mask[:, 1:] & mask[:, :-1]
    steps = np.diff(y, axis=1)[both]
    log_step = np.log(raised(float(np.var(steps)) if steps.size else 0.0, y[mask]))
    mean, spread = float(y[mask].mean()), float(np.sqrt(raised(float(np.var(y[mask])), y[mask])))
    valid = np.asarray(batch.valid)
    u = None if batch.inputs is None else np.asarray(batch.inputs, float)[valid]
    names = cast(Structure, parameters.base).inputs
    reach = {} if u is None else dict(zip(names, u.std(0).tolist(), strict=True))
    centers, widths = [], []
    for name, start in zip(parameters.names, np.asarray(parameters.vector, float), strict=True):
        if name.startswith("mean"):
            center, width = mean, 10 * spread
        elif name.startswith("coefficient"):
            center, width = 0.0, 10 * spread / max(reach.get(name.split(" of ", 1)[1], 0.0), TINY)
        elif name.startswith("phi"):
            center, width = 0.0, 1.0
        elif name.startswith("damping"):
            center, width = 2.0, 1.5
        elif name.startswith("period"):
            center, width = float(start), 1.5
        elif name.startswith(("velocity", "acceleration")):
            center, width = float(start), 3.0
        else:
            center, width = log_step - 2.0, 3.0
        centers.append(center)
        widths.append(width)
    return np.array(centers), np.array(widths)
