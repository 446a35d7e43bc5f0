"""Computations of every kind on small fixed data, whose numbers `golden.json` pins.

A case gives a flat table of names and arrays; what a result is told by, `golden_numbers.py` says. Seeds are
fixed, runs short: their figures mean nothing beyond being those of today.

Most agree to a millionth of the largest number of an array. Where a maximum is flat the last digits of the
parameters are up to rounding and the compiler, and with them all that depends on parameters alone, while its
likelihood and forecasts are well determined. Such names have a tolerance of their own, with the reason.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import golden_data as data
import jax
import jax.numpy as jnp
import numpy as np
from golden_numbers import (
    CASES,
    SINGLE,
    case,
    flattened,
    of_algorithm,
    of_fit,
    of_forecast,
    of_history,
    of_path,
    of_posterior,
    of_study,
)
from small_networks import small_frames, small_network, small_run

import rekalman
from rekalman.learners.batch import as_batch
from rekalman.learners.online.tracked import TRAINING
from rekalman.learners.start.order import choose_order
from rekalman.smoothers.backward import smooth_backward

__all__ = ["CASES"]

Table = dict[str, Any]

# Linear models of known numbers


def linear(**more: Any) -> rekalman.LinearGaussian:
    return rekalman.LinearGaussian.create(*data.MODEL, **{**data.BLOCKS, **data.START, **more})


def tanh_network() -> rekalman.StochasticRNN:
    """The same blocks behind bounded units."""
    blocks = dict(zip("ACQR", data.MODEL, strict=True)) | data.BLOCKS | data.START
    with jax.enable_x64(True):
        arrays = {name: jnp.asarray(block) for name, block in blocks.items()}
        return rekalman.StochasticRNN.create(**arrays)


def linear_case(model: Any, form: str = "auto") -> Table:
    """Filter and smoother of one driven series with gaps, and of the same without."""
    dtype = model.Q.dtype
    y, mask, u = (jnp.asarray(part) for part in data.driven_series())
    y, u = y.astype(dtype), u.astype(dtype)
    numbers: Table = {}
    for name, seen in (("gaps", mask), ("complete", None)):
        path, smoothed = rekalman.Kalman(model, form).smooth(y, seen, u)
        numbers |= of_path(path, f"{name} ")
        numbers |= {f"{name} smoothed mean": smoothed.mean, f"{name} smoothed cov": smoothed.cov}
    return numbers


@case(quick=True, double=True)
def kalman_covariance() -> Table:
    return linear_case(linear(), "covariance")


@case(quick=True, double=True)
def kalman_square_root() -> Table:
    return linear_case(linear(), "square-root")


@case(double=True)
def kalman_parallel() -> Table:
    return linear_case(linear(), "parallel")


@case(quick=True, double=True)
def kalman_diffuse() -> Table:
    return linear_case(linear(m=None, P=None, initial="diffuse", flat=(0, 2)))


@case(double=True)
def kalman_stationary() -> Table:
    return linear_case(linear(m=None, P=None, initial="stationary"))


@case(double=True)
def kalman_precise() -> Table:
    """Observations almost without noise, which always take square roots."""
    model = rekalman.LinearGaussian.create(
        data.A, data.C, data.Q, np.diag([1e-12, 0.3]), **data.BLOCKS, **data.START
    )
    return linear_case(model)


@case(double=True)
def kalman_time_varying() -> Table:
    C = data.C * (1 + 0.1 * np.sin(np.arange(30)))[:, None, None]
    model = rekalman.LinearTimeVarying.create(
        data.A, C, data.Q, data.R, varying=("C",), **data.BLOCKS, **data.START
    )
    return linear_case(model)


@case(rtol=SINGLE)
def kalman_single_precision() -> Table:
    with rekalman.single_precision():
        return linear_case(linear())


@case(quick=True)
def kalman_verbs() -> Table:
    """`rekalman.filter`, `smooth` and `forecast` of three ragged series with inputs."""
    return of_algorithm(rekalman.Kalman(linear()), data.ragged(), data.DRIVE)


@case()
def kalman_continuous() -> Table:
    """A point at irregular times, from a given start and from a flat one."""
    blocks = (
        np.array([[0.0, 1.0], [0.0, -0.1]]),
        np.eye(2)[:1],
        np.diag([0.0, 0.3]),
        0.25 * data.ONE,
    )
    given = rekalman.LinearContinuous.create(*blocks, m=np.zeros(2), P=np.diag([4.0, 1.0]))
    flat = rekalman.Kalman(rekalman.LinearContinuous.create(*blocks, initial="diffuse"))
    points = data.irregular()
    ahead = rekalman.forecast(flat, points, (1, 3), dt=0.5)
    return {
        **of_algorithm(rekalman.Kalman(given), points),
        **of_posterior(rekalman.smooth(flat, points), "flat smoothed"),
        **of_forecast(ahead, "flat forecast"),
    }


@case(double=True)
def kalman_batch() -> Table:
    """Ragged series in one call: with own gaps, with none, from a flat start, in continuous time."""
    series = data.ragged()
    values, mask = jnp.asarray(series.values), jnp.asarray(series.mask)
    assert series.inputs is not None
    inputs, lengths = jnp.asarray(series.inputs), jnp.asarray(series.lengths)
    kalman = rekalman.Kalman(linear())
    own = rekalman.filter_batch(kalman, values, mask, inputs, lengths)
    shared = rekalman.filter_batch(kalman, jnp.where(mask, values, 0.0), None, inputs)
    real = np.arange(values.shape[1]) < np.asarray(lengths)[:, None]
    of_own = {name: np.asarray(value) for name, value in of_path(own, "own ").items()}
    within = {
        name: value[real] if value.shape[:2] == real.shape else value
        for name, value in of_own.items()
    }
    return {**within, **of_path(shared, "shared ")}


@case(double=True)
def kalman_recursion() -> Table:
    """The four verbs, one step after the other."""
    y, mask, u = (jnp.asarray(part) for part in data.driven_series(8))
    kalman = rekalman.Kalman(linear(m=None, P=None, initial="diffuse", flat=(0,)))
    belief, numbers = kalman.init(), {}
    for t in range(8):
        belief = kalman.predict(belief, u[t]) if t else belief
        predicted = kalman.observe(belief, u[t])
        belief, density = kalman.update(belief, y[t], mask[t], u[t])
        numbers |= {
            f"{t} predicted": predicted.mean,
            f"{t} mean": belief.mean,
            f"{t} density": density,
        }
        if t > 2:  # by then the start is determined
            numbers |= {f"{t} predicted cov": predicted.cov, f"{t} cov": belief.cov}
    return numbers


@case(double=True)
def simulation() -> Table:
    """Draws of linear models and of a network, and of paths given the data."""
    y, mask, u = (jnp.asarray(part) for part in data.driven_series())
    key, model = jax.random.key(3), linear()
    network = tanh_network()
    numbers: Table = {}
    for name, each in (("linear", model), ("network", network)):
        x, seen = rekalman.simulate(each, 20, key, 2, u[:20], burn_in=5)
        numbers |= {f"{name} states": x, f"{name} observations": seen}
        numbers[f"{name} noise-free"] = rekalman.simulate(each, 20, key, 1, u[:20], noise=False)[1]
    numbers["drawn together"] = rekalman.simulate_linear(model, 20, key, 3, u[:20])[1]
    numbers["given the data"] = rekalman.simulation_smoother(model, y, mask, u, key, 4)
    return numbers


@case(double=True)
def description_of_linear_models() -> Table:
    """Identification, responses and the distance of two models."""
    one, other = linear(), linear(c=np.zeros(3), B=np.array([[0.4], [0.1], [0.2]]))
    numbers = flattened(rekalman.identify(one, interval=0.5).to_dict(), "identified")
    numbers |= {f"distance {k}": v for k, v in rekalman.distance(one, other)._asdict().items()}
    response = rekalman.responses(one, 12)
    return {**numbers, "step": response.step, "impulse": response.impulse, "gain": response.gain}


# Nonlinear filters


@case()
def extended_kalman() -> Table:
    series, model = data.bent(), data.curved()
    twice = rekalman.Filtering("extended", iterations=3).of(model)
    numbers = of_algorithm(rekalman.ExtendedKalman(model), series)
    return {**numbers, **of_posterior(rekalman.filter(twice, series), "iterated")}


@case(quick=True)
def unscented_kalman() -> Table:
    return of_algorithm(rekalman.UnscentedKalman(data.curved()), data.bent())


@case()
def particles_guided() -> Table:
    """The smoother looks at every pair of particles."""
    return of_algorithm(rekalman.ParticleFilter(data.curved(), 60), data.bent())


@case()
def particles_bootstrap() -> Table:
    network = tanh_network()
    algorithm = rekalman.ParticleFilter(network, 80, "bootstrap", 0.7)
    return of_algorithm(algorithm, data.ragged(), data.DRIVE)


@case(double=True)
def particles_backward() -> Table:
    """Trajectories drawn backwards, by the exact and by the Metropolis step."""
    model, (y, mask) = (
        data.curved(),
        (jnp.asarray(p[0]) for p in (data.bent().values, data.bent().mask)),
    )
    algorithm = rekalman.ParticleFilter(model, 50)
    path = eqx.filter_jit(rekalman.ParticleFilter.run)(
        algorithm, y, mask, None, None, jax.random.key(0)
    )
    valid, numbers = jnp.ones(len(y), bool), {"evidence": path.log_evidence}
    for method in ("exact", "mcmc"):
        draw = eqx.filter_jit(lambda path: smooth_backward(
            model, path, None, None, valid, 20, jax.random.key(1), method  # noqa: B023
        ))  # fmt: skip
        numbers[f"{method} mean"] = draw(path).mean(1)
    return numbers


# Structures


@case(quick=True)
def local_level() -> Table:
    fit = rekalman.fit(data.levels(), "local-level", progress=False)
    drawn = fit.simulate(12, 2, seed=1).values
    return {**of_fit(fit, data.levels(), stream=True), "drawn": drawn}


# Hardly any noise is left beside the level: data moved by 1e-13 move its variance by 4e-7.
@case(loose={"parameter noise variance": 1e-5, "identified observation_std": 1e-5})
def local_level_with_inputs_and_backtest() -> Table:
    series = data.tank(100)
    structure = rekalman.local_level().with_inputs(("pump",))
    fit = rekalman.fit(series, structure, backtest=0.2, progress=False)
    return of_fit(fit, series, data.PUMP, stream=True)


@case()
def local_linear_trend() -> Table:
    return of_fit(
        rekalman.fit(data.growing(), "local-linear-trend", progress=False), data.growing()
    )


@case()
def seasonal() -> Table:
    return of_fit(rekalman.fit(data.season(), "seasonal", period=4, progress=False), data.season())


@case()
def autoregression() -> Table:
    return of_fit(
        rekalman.fit(data.correlated(), "ar", states=2, progress=False), data.correlated()
    )


# Its variance is a flat direction: data moved by 1e-13 move it by 6e-6.
@case(loose={"parameter oscillator variance": 1e-4, "identified process_std": 1e-4})
def oscillator() -> Table:
    return of_fit(rekalman.fit(data.wave(), "oscillator", progress=False), data.wave())


@case()
def constant_velocity() -> Table:
    return of_fit(rekalman.fit(data.track(), "constant-velocity", progress=False), data.track())


@case()
def constant_velocity_at_irregular_times() -> Table:
    fit = rekalman.fit(data.irregular(), "constant-velocity", progress=False)
    return of_fit(fit, data.irregular(), stream=True)


@case()
def sum_of_structures() -> Table:
    structure = rekalman.local_level() + rekalman.seasonal(4) + rekalman.autoregression(1)
    learner = rekalman.MaximumLikelihood(iterations=60)
    return of_fit(rekalman.fit(data.season(), structure, learner, progress=False), data.season())


@case()
def levels_of_a_panel() -> Table:
    """Two series on scales of their own, and a third that was not trained on."""
    series = data.panel()
    fit = rekalman.fit(series, "local-level", progress=False)
    assert hasattr(fit.standardiser, "names")
    numbers = of_fit(fit, series, stream=True)
    numbers |= flattened(fit.identify(series="large").to_dict(), "identified large")
    other = rekalman.Sequences.from_arrays(
        [30 + 3 * np.asarray(series.values)[0, :40]], series_names=("new",)
    )
    numbers |= of_forecast(fit.with_series(other).forecast(other, 3), "new")
    return {**numbers, "scales": fit.standardiser.scale, "locations": fit.standardiser.location}


@case()
def logarithm() -> Table:
    fit = rekalman.fit(data.growing(), "local-level", transform="log", progress=False)
    return of_fit(fit, data.growing(), stream=True)


@case()
def likeliest_power() -> Table:
    fit = rekalman.fit(data.growing(), "local-level", transform="auto", progress=False)
    assert fit.standardiser.transform is not None
    ahead = of_forecast(fit.forecast(data.growing(), 4))
    return {**ahead, "power": fit.standardiser.transform.power, **of_history(fit.history)}


@case()
def nuts() -> Table:
    with jax.enable_x64(True):
        series = data.levels()
        y = np.where(series.mask, series.values, np.nan)[0]
        learner = rekalman.NUTS(draws=20, warmup=20, chains=1)
        numbers = learner.run(
            rekalman.local_level().start(y), as_batch(series), key=jax.random.key(0)
        )
    return {
        "values": numbers.values,
        "log likelihood": numbers.log_likelihood,
        **numbers.quantile(0.5),
    }


# Linear models that are learned


@case()
def linear_by_em() -> Table:
    learner = rekalman.EM(smoother="gaussian", iterations=25, average=1)
    fit = rekalman.fit(data.tanks(), "linear", learner, states=2, progress=False)
    numbers = of_fit(fit, data.tanks(), data.PUMP, stream=True)
    return {**numbers, "free run": fit.free_run(data.tanks())}


# The coordinates of the state are free and the search ends on a plateau: data moved by 1e-13 move what
# depends on parameters alone by a third, all that is recorded by a hundredth at most.
@case(rtol=2e-2, leave_out=("smoothed mean", "identified", "diagnostics"))
def linear_by_maximum_likelihood() -> Table:
    learner = rekalman.MaximumLikelihood(iterations=60)
    fit = rekalman.fit(data.tanks(), "linear", learner, states=1, progress=False)
    return of_fit(fit, data.tanks(), data.PUMP)


@case()
def own_linear_model() -> Table:
    """A start of one's own, some of which stays."""
    start = rekalman.LinearGaussian.create(
        0.5 * data.ONE, data.ONE, data.ONE, data.ONE, m=np.full(1, 20.0)
    )
    learner = rekalman.MaximumLikelihood(freeze=("C", "d", "m", "P"))
    return of_fit(rekalman.fit(data.levels(), start, learner, progress=False), data.levels())


# The observation noise goes to zero along a plateau: data moved by 1e-13 move it by its own size.
@case(
    rtol=1e-2,
    leave_out=(
        "identified observation_std",
        "identified process_std",
        "smoothed mean",
        "log evidence",
        "diagnostics columns 1 mean",
    ),
)
def own_continuous_model() -> Table:
    start = rekalman.LinearContinuous.create(
        -0.3 * data.ONE, data.ONE, data.ONE, data.ONE, P=9 * data.ONE
    )
    learner = rekalman.MaximumLikelihood(iterations=60)
    return of_fit(rekalman.fit(data.irregular(), start, learner, progress=False), data.irregular())


@case(double=True)
def number_of_states() -> Table:
    numbers = choose_order(as_batch(data.correlated()), (1, 2), iterations=20)
    return numbers.to_frame().astype(float).to_dict("list")


# Models of one's own functions


# The fixed point is zero: what is left of it is rounding.
@case(leave_out=("identified fixed_points 1 state", "identified fixed_points 1 output"))
def own_functions_unscented() -> Table:
    start = data.van_der_pol(0.5, 1.0, 0.1, 0.2)
    return of_fit(rekalman.fit(data.swings(), start, progress=False), data.swings(), stream=True)


@case()
def own_functions_extended() -> Table:
    start = data.van_der_pol(0.5, 1.0, 0.1, 0.2)
    fit = rekalman.fit(data.swings(), start, filtering="extended", progress=False)
    return {**of_history(fit.history), **of_forecast(fit.forecast(data.swings(), 3))}


@case()
def function_of_parameters() -> Table:
    def build(p: Any) -> rekalman.LinearGaussian:
        one = jnp.eye(1)
        return rekalman.LinearGaussian.create(
            one, one, p["level"] * one, p["noise"] * one, initial="diffuse"
        )

    model = rekalman.ParametricModel.create(
        build, start={"noise": 2.0, "level": 0.1}, bounds={"noise": (0, None), "level": (0, None)}
    )
    return of_fit(rekalman.fit(data.levels(), model, progress=False), data.levels())


# Networks as models: EM in single precision, whose rounding is that of the compiled functions it is made of


@case(rtol=SINGLE)
def em_rnn_with_particles() -> Table:
    learner = rekalman.EM(particles=30, iterations=5, average=2)
    options = {"states": 2, "restarts": 2, "trial_iterations": 3, "progress": False}
    fit = rekalman.fit(data.wave(), "em-rnn", learner, **options)
    return {**of_fit(fit, data.wave(), stream=True), "drawn": fit.simulate(10, seed=1).values}


@case(rtol=SINGLE)
def em_rnn_with_gaussian_smoother() -> Table:
    learner = rekalman.EM(smoother="gaussian", iterations=6, average=1)
    options = {"states": 2, "restarts": 2, "trial_iterations": 3, "progress": False}
    fit = rekalman.fit(data.breath(80), "em-rnn", learner, filtering="unscented", **options)
    return of_fit(fit, data.breath(80))


# The states of the members lie where no observation tells them from each other.
@case(rtol=SINGLE, leave_out=("smoothed mean",))
def driven_rnn() -> Table:
    learner = rekalman.SimulationError(iterations=15)
    options = {"states": 1, "units": 2, "restarts": 2, "progress": False}
    fit = rekalman.fit(data.tank(), "driven-rnn", learner, **options)
    return {**of_fit(fit, data.tank(), data.PUMP), "free run": fit.free_run(data.tank(), 5)}


@case(rtol=SINGLE)
def radial_basis_functions() -> Table:
    learner = rekalman.EM(smoother="gaussian", iterations=8, average=1)
    options = {"states": 1, "kernels": 4, "trial_iterations": 4, "progress": False}
    fit = rekalman.fit(data.parabola(), "rbf", learner, **options)
    return of_fit(fit, data.parabola())


# Recurrent networks


def recurrent(kind: str, series: rekalman.Sequences, future: Any = None, **options: Any) -> Table:
    learner = rekalman.Backprop(epochs=3, batch=8, mask_probability=0.2)
    fit = rekalman.fit(series, kind, learner, states=2, progress=False, **options)
    drawn = fit.simulate(8, seed=1, inputs=None if future is None else np.resize(future, (8, 1)))
    return {**of_fit(fit, series, future, stream=True), "drawn": drawn.values}


@case(rtol=SINGLE)
def rkn() -> Table:
    return recurrent("rkn", data.tanks(), data.PUMP)


@case(rtol=SINGLE)
def rkn_at_irregular_times() -> Table:
    return recurrent("rkn", data.irregular(60))


@case(rtol=SINGLE)
def lstm() -> Table:
    return recurrent("lstm", data.tanks(), data.PUMP, units=4)


@case(rtol=SINGLE)
def gru() -> Table:
    return recurrent("gru", data.levels(), units=4)


@case(rtol=SINGLE)
def elman() -> Table:
    return recurrent("elman", data.growing(), units=4, transform="log")


def film(network: rekalman.Network, frames: rekalman.Frames, learner: rekalman.Backprop) -> Table:
    """Losses of a short training, and what the trained network tells of the first film."""
    trained = learner.run(network, frames)
    fit = rekalman.fit(frames, network, learner, progress=False)
    np.testing.assert_array_equal(-trained.train, fit.history.trained)
    output, stream, means = fit.filter(frames), fit.stream(), []
    for frame, seen in zip(frames.values[0], frames.mask[0], strict=True):
        stream.update(frame if seen else None)
        means.append(np.asarray(stream.estimate().mean)[0, 0])
    return {
        "train": trained.train,
        "validation": trained.validation,
        "mean": output.mean,
        "var": output.var,
        "stream": np.array(means),
        "forecast": np.asarray(stream.forecast(3).mean)[0],
    }


@case(rtol=SINGLE)
def film_elman() -> Table:
    return film(small_network(), small_frames(), small_run())


@case(rtol=SINGLE)
def film_rkn() -> Table:
    """An encoder of convolutions and an RKN."""
    keys = jax.random.split(jax.random.key(1), 3)
    encoder = rekalman.ConvEncoder((8, 8, 1), 3, (2, 3, 5), key=keys[0])
    layer = rekalman.RKN.create(3, bases=2, key=keys[1])
    head = rekalman.GaussianHead(*layer.sizes, 1, (4,), key=keys[2])
    small = small_frames(8)
    larger = np.pad(np.asarray(small.values), ((0, 0), (0, 0), (2, 3), (2, 3), (0, 0)), "edge")
    frames = rekalman.Frames.from_arrays(larger, small.targets, mask=small.mask)
    # Small steps of Adam: large ones enlarge the rounding of a processor.
    learner = rekalman.Backprop(epochs=2, batch=4, rate=1e-3)
    return film(rekalman.Network(encoder, layer, head, "posterior"), frames, learner)


# The rest


@case(rtol=SINGLE)
def adaptive_forecasts() -> Table:
    breath = data.breath()
    # Few iterations of EM: many enlarge the rounding of a processor.
    em = dataclasses.replace(TRAINING, iterations=3, average=1)
    forecaster = rekalman.AdaptiveForecaster((1, 4), 90, em=em)
    run = forecaster.run(np.asarray(breath.values)[0], np.asarray(breath.mask)[0])
    return {
        "mean": run.mean[90:],
        "quantile": run.quantile(0.9)[120:],
        **{f"member {n} {share}": each[90:] for (n, share), each in run.members.items()},
    }


@case(rtol=SINGLE)
def study_em_rnn_synthetic() -> Table:
    return of_study("em-rnn-synthetic")


@case(needs_data=True)
def study_kalman_floors() -> Table:
    return of_study("kalman-floors")
