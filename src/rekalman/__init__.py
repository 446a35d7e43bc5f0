"""rekalman: learns the dynamics under noisy time series and says how sure it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rekalman import methods
    from rekalman.comparison.result import Comparison
    from rekalman.core.beliefs import Particles, Path
    from rekalman.data import Sequences
    from rekalman.data.images import Frames
    from rekalman.data.scales.standardiser import Standardiser
    from rekalman.datasets import EXAMPLES, load_example
    from rekalman.evaluation.backtest import Backtest
    from rekalman.evaluation.diagnostics import Diagnostics
    from rekalman.evaluation.innovations import Nees
    from rekalman.evaluation.posterior import Posterior, Predictions
    from rekalman.filters.choice import Filtering
    from rekalman.filters.extended import ExtendedKalman
    from rekalman.filters.kalman.batch import filter_batch
    from rekalman.filters.kalman.filter import Kalman
    from rekalman.filters.particle import ParticleFilter
    from rekalman.filters.unscented import UnscentedKalman
    from rekalman.fitting.adaptive import AdaptiveForecaster
    from rekalman.fitting.film_fit import film_fit
    from rekalman.fitting.loading import load, load_stream
    from rekalman.fitting.result import Fit
    from rekalman.fitting.stream import Stream
    from rekalman.fitting.verbs import filter, smooth
    from rekalman.forecasting import Forecast
    from rekalman.foundation.errors import RekalError
    from rekalman.identification import Identification, distance, identify, responses
    from rekalman.learners.driven.simulation_error import SimulationError
    from rekalman.learners.em.em import EM
    from rekalman.learners.evolution.evolino import Evolino
    from rekalman.learners.gradient.backprop import Backprop
    from rekalman.learners.gradient.checkpoint_files import load_checkpoint
    from rekalman.learners.likelihood.likelihood import MaximumLikelihood
    from rekalman.learners.likelihood.nuts import NUTS
    from rekalman.models.base import StateSpaceModel
    from rekalman.models.continuous import LinearContinuous
    from rekalman.models.gaussian import GaussianModel
    from rekalman.models.linear import LinearGaussian
    from rekalman.models.nonlinear import NonlinearGaussian
    from rekalman.models.parametric import ParametricModel
    from rekalman.models.rbf import Kernels, RBFNetwork
    from rekalman.models.residuals import angle_residual
    from rekalman.models.stochastic_rnn import StochasticRNN
    from rekalman.models.structures.structural import (
        autoregression,
        constant_acceleration,
        constant_velocity,
        local_level,
        local_linear_trend,
        oscillator,
        seasonal,
    )
    from rekalman.models.structures.structures import Structure
    from rekalman.models.time_varying import LinearTimeVarying
    from rekalman.networks.beliefs import Evidence
    from rekalman.networks.decoders import GaussianHead
    from rekalman.networks.elman import Elman
    from rekalman.networks.encoders import DenseEncoder
    from rekalman.networks.gru import GRU
    from rekalman.networks.lstm import LSTM
    from rekalman.networks.network import Network
    from rekalman.networks.rkn.layer import RKN
    from rekalman.networks.rkn.options import RKNOptions
    from rekalman.networks.serial import load_network, save_network
    from rekalman.networks.vision.conv_encoder import ConvEncoder
    from rekalman.networks.vision.image_decoder import ImageDecoder
    from rekalman.networks.vision.patch_decoder import PatchDecoder
    from rekalman.networks.vision.patch_encoder import PatchEncoder
    from rekalman.numerics.compilation_cache import keep_compiled
    from rekalman.numerics.precision import single_precision
    from rekalman.simulation.linear import simulate_linear
    from rekalman.simulation.models import simulate
    from rekalman.smoothers.simulation import simulation_smoother
    from rekalman.studies import STUDIES
    from rekalman.verbs.compare import compare
    from rekalman.verbs.fit import fit
    from rekalman.verbs.forecast import forecast

__all__ = [
    "EM",
    "EXAMPLES",
    "GRU",
    "LSTM",
    "NUTS",
    "RKN",
    "STUDIES",
    "AdaptiveForecaster",
    "Backprop",
    "Backtest",
    "Comparison",
    "ConvEncoder",
    "DenseEncoder",
    "Diagnostics",
    "Elman",
    "Evidence",
    "Evolino",
    "ExtendedKalman",
    "Filtering",
    "Fit",
    "Forecast",
    "Frames",
    "GaussianHead",
    "GaussianModel",
    "Identification",
    "ImageDecoder",
    "Kalman",
    "Kernels",
    "LinearContinuous",
    "LinearGaussian",
    "LinearTimeVarying",
    "MaximumLikelihood",
    "Nees",
    "Network",
    "NonlinearGaussian",
    "ParametricModel",
    "ParticleFilter",
    "Particles",
    "PatchDecoder",
    "PatchEncoder",
    "Path",
    "Posterior",
    "Predictions",
    "RBFNetwork",
    "RKNOptions",
    "RekalError",
    "Sequences",
    "SimulationError",
    "Standardiser",
    "StateSpaceModel",
    "StochasticRNN",
    "Stream",
    "Structure",
    "UnscentedKalman",
    "angle_residual",
    "autoregression",
    "compare",
    "constant_acceleration",
    "constant_velocity",
    "distance",
    "film_fit",
    "filter",
    "filter_batch",
    "fit",
    "forecast",
    "identify",
    "keep_compiled",
    "load",
    "load_checkpoint",
    "load_example",
    "load_network",
    "load_stream",
    "local_level",
    "local_linear_trend",
    "methods",
    "oscillator",
    "responses",
    "save_network",
    "seasonal",
    "simulate",
    "simulate_linear",
    "simulation_smoother",
    "single_precision",
    "smooth",
]
__version__ = "0.1.0"

_NAMES = {
    "fitting.film_fit": "film_fit",
    "fitting.adaptive": "AdaptiveForecaster",
    "evaluation.backtest": "Backtest",
    "core.beliefs": "Particles Path",
    "numerics.compilation_cache": "keep_compiled",
    "datasets": "EXAMPLES load_example",
    "evaluation.diagnostics": "Diagnostics",
    "foundation.errors": "RekalError",
    "filters.kalman.batch": "filter_batch",
    "filters.choice": "Filtering",
    "filters.extended": "ExtendedKalman",
    "filters.kalman.filter": "Kalman",
    "filters.particle": "ParticleFilter",
    "filters.unscented": "UnscentedKalman",
    "fitting.result": "Fit",
    "verbs.forecast": "forecast",
    "forecasting": "Forecast",
    "identification": "Identification distance identify responses",
    "evaluation.innovations": "Nees",
    "learners.gradient.backprop": "Backprop",
    "learners.em.em": "EM",
    "learners.gradient.checkpoint_files": "load_checkpoint",
    "learners.likelihood.likelihood": "MaximumLikelihood",
    "learners.likelihood.nuts": "NUTS",
    "learners.driven.simulation_error": "SimulationError",
    "learners.evolution.evolino": "Evolino",
    "fitting.loading": "load load_stream",
    "models.base": "StateSpaceModel",
    "models.continuous": "LinearContinuous",
    "models.gaussian": "GaussianModel",
    "models.linear": "LinearGaussian",
    "models.nonlinear": "NonlinearGaussian",
    "models.parametric": "ParametricModel",
    "models.rbf": "Kernels RBFNetwork",
    "models.residuals": "angle_residual",
    "models.stochastic_rnn": "StochasticRNN",
    "models.structures.structural": "autoregression constant_acceleration constant_velocity local_level "
    "local_linear_trend oscillator seasonal",
    "models.structures.structures": "Structure",
    "models.time_varying": "LinearTimeVarying",
    "networks.beliefs": "Evidence",
    "networks.vision.conv_encoder": "ConvEncoder",
    "networks.decoders": "GaussianHead",
    "networks.elman": "Elman",
    "networks.encoders": "DenseEncoder",
    "networks.gru": "GRU",
    "networks.vision.image_decoder": "ImageDecoder",
    "networks.lstm": "LSTM",
    "networks.network": "Network",
    "networks.vision.patch_decoder": "PatchDecoder",
    "networks.vision.patch_encoder": "PatchEncoder",
    "networks.rkn.layer": "RKN",
    "networks.rkn.options": "RKNOptions",
    "networks.serial": "load_network save_network",
    "evaluation.posterior": "Posterior Predictions",
    "numerics.precision": "single_precision",
    "data": "Sequences",
    "data.images": "Frames",
    "data.scales.standardiser": "Standardiser",
    "simulation.models": "simulate",
    "simulation.linear": "simulate_linear",
    "smoothers.simulation": "simulation_smoother",
    "fitting.stream": "Stream",
    "studies": "STUDIES",
    "verbs.fit": "fit",
    "verbs.compare": "compare",
    "comparison.result": "Comparison",
    "fitting.verbs": "filter smooth",
}
_MODULES = {
    name: f"rekalman.{module}" for module, names in _NAMES.items() for name in names.split()
}
"""The module that defines each public name. It is imported when the name is first used (PEP 562)."""


def __getattr__(name: str) -> Any:
    """A public name, or a module of the package, which `import rekalman` has not imported yet."""
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value
    if not name.startswith("_"):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
