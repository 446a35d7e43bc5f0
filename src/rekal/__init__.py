"""rekal: learns the dynamics under noisy time series and says how sure it is."""

from rekal.adaptive import AdaptiveForecaster, fit_adaptive
from rekal.beliefs import Particles, Path
from rekal.datasets import EXAMPLES, load_example
from rekal.diagnostics import Diagnostics
from rekal.errors import RekalError
from rekal.filters.batch import filter_batch
from rekal.filters.choice import Filtering
from rekal.filters.extended import ExtendedKalman
from rekal.filters.kalman import Kalman
from rekal.filters.particle import ParticleFilter
from rekal.filters.unscented import UnscentedKalman
from rekal.fit import Fit
from rekal.fit_network import NetworkFit
from rekal.forecast import Forecast
from rekal.frame_stream import FrameStream
from rekal.identify import Identification, distance, identify, responses
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
from rekal.simulate import simulate
from rekal.simulate_linear import simulate_linear
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
    "NetworkFit",
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
    "identify",
    "load",
    "load_checkpoint",
    "load_example",
    "load_network",
    "load_stream",
    "local_level",
    "local_linear_trend",
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
