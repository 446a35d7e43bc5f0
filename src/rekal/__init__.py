"""rekal: learns the dynamics under noisy time series and says how sure it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rekal import methods
    from rekal.adaptive import AdaptiveForecaster, fit_adaptive
    from rekal.backtest import Backtest
    from rekal.beliefs import Particles, Path
    from rekal.compilation_cache import keep_compiled
    from rekal.datasets import EXAMPLES, load_example
    from rekal.diagnostics import Diagnostics
    from rekal.errors import RekalError
    from rekal.filters.batch import filter_batch
    from rekal.filters.choice import Filtering
    from rekal.filters.extended import ExtendedKalman
    from rekal.filters.kalman import Kalman
    from rekal.filters.particle import ParticleFilter
    from rekal.filters.unscented import UnscentedKalman
    from rekal.fit_result import Fit
    from rekal.forecast_verb import forecast
    from rekal.forecasting import Forecast
    from rekal.frame_stream import FrameStream
    from rekal.identification import Identification, distance, identify, responses
    from rekal.innovations import Nees
    from rekal.learning.backprop import Backprop
    from rekal.learning.em import EM
    from rekal.learning.kept import load_checkpoint
    from rekal.learning.likelihood import MaximumLikelihood
    from rekal.learning.nuts import NUTS
    from rekal.learning.simulation_error import SimulationError
    from rekal.loading import load, load_stream
    from rekal.models.base import StateSpaceModel
    from rekal.models.continuous import LinearContinuous
    from rekal.models.gaussian import GaussianModel
    from rekal.models.linear import LinearGaussian
    from rekal.models.nonlinear import NonlinearGaussian
    from rekal.models.parametric import ParametricModel
    from rekal.models.rbf import Kernels, RBFNetwork
    from rekal.models.residuals import angle_residual
    from rekal.models.stochastic_rnn import StochasticRNN
    from rekal.models.structural import (
        autoregression,
        constant_acceleration,
        constant_velocity,
        local_level,
        local_linear_trend,
        oscillator,
        seasonal,
    )
    from rekal.models.structures import Structure
    from rekal.models.time_varying import LinearTimeVarying
    from rekal.networks.beliefs import Evidence
    from rekal.networks.conv_encoder import ConvEncoder
    from rekal.networks.decoders import GaussianHead
    from rekal.networks.elman import Elman
    from rekal.networks.encoders import DenseEncoder
    from rekal.networks.gru import GRU
    from rekal.networks.image_decoder import ImageDecoder
    from rekal.networks.lstm import LSTM
    from rekal.networks.network import Network
    from rekal.networks.patch_decoder import PatchDecoder
    from rekal.networks.patch_encoder import PatchEncoder
    from rekal.networks.rkn import RKN
    from rekal.networks.rkn_options import RKNOptions
    from rekal.networks.serial import load_network, save_network
    from rekal.posterior import Posterior, Predictions
    from rekal.precision import single_precision
    from rekal.sequences import Sequences
    from rekal.sequences.images import Frames
    from rekal.sequences.standardiser import Standardiser
    from rekal.simulation import simulate
    from rekal.simulation_linear import simulate_linear
    from rekal.smoothers.simulation import simulation_smoother
    from rekal.stream import Stream
    from rekal.studies import STUDIES
    from rekal.train import fit
    from rekal.verbs import filter, smooth

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
    "adaptive": "AdaptiveForecaster fit_adaptive",
    "backtest": "Backtest",
    "beliefs": "Particles Path",
    "compilation_cache": "keep_compiled",
    "datasets": "EXAMPLES load_example",
    "diagnostics": "Diagnostics",
    "errors": "RekalError",
    "filters.batch": "filter_batch",
    "filters.choice": "Filtering",
    "filters.extended": "ExtendedKalman",
    "filters.kalman": "Kalman",
    "filters.particle": "ParticleFilter",
    "filters.unscented": "UnscentedKalman",
    "fit_result": "Fit",
    "forecast_verb": "forecast",
    "forecasting": "Forecast",
    "frame_stream": "FrameStream",
    "identification": "Identification distance identify responses",
    "innovations": "Nees",
    "learning.backprop": "Backprop",
    "learning.em": "EM",
    "learning.kept": "load_checkpoint",
    "learning.likelihood": "MaximumLikelihood",
    "learning.nuts": "NUTS",
    "learning.simulation_error": "SimulationError",
    "loading": "load load_stream",
    "models.base": "StateSpaceModel",
    "models.continuous": "LinearContinuous",
    "models.gaussian": "GaussianModel",
    "models.linear": "LinearGaussian",
    "models.nonlinear": "NonlinearGaussian",
    "models.parametric": "ParametricModel",
    "models.rbf": "Kernels RBFNetwork",
    "models.residuals": "angle_residual",
    "models.stochastic_rnn": "StochasticRNN",
    "models.structural": "autoregression constant_acceleration constant_velocity local_level "
    "local_linear_trend oscillator seasonal",
    "models.structures": "Structure",
    "models.time_varying": "LinearTimeVarying",
    "networks.beliefs": "Evidence",
    "networks.conv_encoder": "ConvEncoder",
    "networks.decoders": "GaussianHead",
    "networks.elman": "Elman",
    "networks.encoders": "DenseEncoder",
    "networks.gru": "GRU",
    "networks.image_decoder": "ImageDecoder",
    "networks.lstm": "LSTM",
    "networks.network": "Network",
    "networks.patch_decoder": "PatchDecoder",
    "networks.patch_encoder": "PatchEncoder",
    "networks.rkn": "RKN",
    "networks.rkn_options": "RKNOptions",
    "networks.serial": "load_network save_network",
    "posterior": "Posterior Predictions",
    "precision": "single_precision",
    "sequences": "Sequences",
    "sequences.images": "Frames",
    "sequences.standardiser": "Standardiser",
    "simulation": "simulate",
    "simulation_linear": "simulate_linear",
    "smoothers.simulation": "simulation_smoother",
    "stream": "Stream",
    "studies": "STUDIES",
    "train": "fit",
    "verbs": "filter smooth",
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
