"""rekal: learns the dynamics under noisy time series and says how sure it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rekal import methods
    from rekal.core.beliefs import Particles, Path
    from rekal.data import Sequences
    from rekal.data.images import Frames
    from rekal.data.scales.standardiser import Standardiser
    from rekal.datasets import EXAMPLES, load_example
    from rekal.evaluation.backtest import Backtest
    from rekal.evaluation.diagnostics import Diagnostics
    from rekal.evaluation.innovations import Nees
    from rekal.evaluation.posterior import Posterior, Predictions
    from rekal.filters.choice import Filtering
    from rekal.filters.extended import ExtendedKalman
    from rekal.filters.kalman.batch import filter_batch
    from rekal.filters.kalman.filter import Kalman
    from rekal.filters.particle import ParticleFilter
    from rekal.filters.unscented import UnscentedKalman
    from rekal.fitting.adaptive import AdaptiveForecaster, fit_adaptive
    from rekal.fitting.frame_stream import FrameStream
    from rekal.fitting.loading import load, load_stream
    from rekal.fitting.result import Fit
    from rekal.fitting.stream import Stream
    from rekal.fitting.verbs import filter, smooth
    from rekal.forecasting import Forecast
    from rekal.foundation.errors import RekalError
    from rekal.identification import Identification, distance, identify, responses
    from rekal.learners.driven.simulation_error import SimulationError
    from rekal.learners.em.em import EM
    from rekal.learners.gradient.backprop import Backprop
    from rekal.learners.gradient.kept import load_checkpoint
    from rekal.learners.likelihood.likelihood import MaximumLikelihood
    from rekal.learners.likelihood.nuts import NUTS
    from rekal.models.base import StateSpaceModel
    from rekal.models.continuous import LinearContinuous
    from rekal.models.gaussian import GaussianModel
    from rekal.models.linear import LinearGaussian
    from rekal.models.nonlinear import NonlinearGaussian
    from rekal.models.parametric import ParametricModel
    from rekal.models.rbf import Kernels, RBFNetwork
    from rekal.models.residuals import angle_residual
    from rekal.models.stochastic_rnn import StochasticRNN
    from rekal.models.structures.structural import (
        autoregression,
        constant_acceleration,
        constant_velocity,
        local_level,
        local_linear_trend,
        oscillator,
        seasonal,
    )
    from rekal.models.structures.structures import Structure
    from rekal.models.time_varying import LinearTimeVarying
    from rekal.networks.beliefs import Evidence
    from rekal.networks.decoders import GaussianHead
    from rekal.networks.elman import Elman
    from rekal.networks.encoders import DenseEncoder
    from rekal.networks.gru import GRU
    from rekal.networks.lstm import LSTM
    from rekal.networks.network import Network
    from rekal.networks.rkn.layer import RKN
    from rekal.networks.rkn.options import RKNOptions
    from rekal.networks.serial import load_network, save_network
    from rekal.networks.vision.conv_encoder import ConvEncoder
    from rekal.networks.vision.image_decoder import ImageDecoder
    from rekal.networks.vision.patch_decoder import PatchDecoder
    from rekal.networks.vision.patch_encoder import PatchEncoder
    from rekal.numerics.compilation_cache import keep_compiled
    from rekal.numerics.precision import single_precision
    from rekal.simulation.linear import simulate_linear
    from rekal.simulation.models import simulate
    from rekal.smoothers.simulation import simulation_smoother
    from rekal.studies import STUDIES
    from rekal.verbs.fit import fit
    from rekal.verbs.forecast import forecast

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
    "ConvEncoder",
    "DenseEncoder",
    "Diagnostics",
    "Elman",
    "Evidence",
    "ExtendedKalman",
    "Filtering",
    "Fit",
    "Forecast",
    "FrameStream",
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
    "constant_acceleration",
    "constant_velocity",
    "distance",
    "filter",
    "filter_batch",
    "fit",
    "fit_adaptive",
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
    "fitting.adaptive": "AdaptiveForecaster fit_adaptive",
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
    "fitting.frame_stream": "FrameStream",
    "identification": "Identification distance identify responses",
    "evaluation.innovations": "Nees",
    "learners.gradient.backprop": "Backprop",
    "learners.em.em": "EM",
    "learners.gradient.kept": "load_checkpoint",
    "learners.likelihood.likelihood": "MaximumLikelihood",
    "learners.likelihood.nuts": "NUTS",
    "learners.driven.simulation_error": "SimulationError",
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
    "fitting.verbs": "filter smooth",
}
_MODULES = {name: f"rekal.{module}" for module, names in _NAMES.items() for name in names.split()}
"""The module that defines each public name. It is imported when the name is first used (PEP 562)."""


def __getattr__(name: str) -> Any:
    """A public name, or a module of the package, which `import rekal` has not imported yet."""
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
