"""The methods by which `rekalman.fit` learns: one file each, registered by name.

Nothing here imports the numerical part of rekalman before a method trains: the command line lists the methods
and checks their options at once.
"""

from rekalman.methods.base import Method
from rekalman.methods.naive.base import NaiveMethod
from rekalman.methods.options import Option, option, options_of
from rekalman.methods.registry import get, names, register, unregister
from rekalman.methods.request import TrainingRequest
from rekalman.methods.state_space import StateSpaceMethod
from rekalman.methods.structures.base import StructureMethod

# In the order in which they are listed.
# isort: off
from rekalman.methods.em_rnn import EMRNN
from rekalman.methods.driven_rnn import DrivenRNN
from rekalman.methods.rbf import RBF
from rekalman.methods.linear import Linear
from rekalman.methods.ridge_ar import RidgeAR
from rekalman.methods.networks.rkn import RKN
from rekalman.methods.networks.lstm import LSTM
from rekalman.methods.networks.gru import GRU
from rekalman.methods.networks.elman import Elman
from rekalman.methods.networks.evolino import Evolino
from rekalman.methods.reservoirs.esn import ESN
from rekalman.methods.reservoirs.nvar import NVAR
from rekalman.methods.adaptive import Adaptive
from rekalman.methods.structures.local_level import LocalLevel
from rekalman.methods.structures.local_linear_trend import LocalLinearTrend
from rekalman.methods.structures.seasonal import Seasonal
from rekalman.methods.structures.oscillator import Oscillator
from rekalman.methods.structures.constant_velocity import ConstantVelocity
from rekalman.methods.structures.constant_acceleration import ConstantAcceleration
from rekalman.methods.structures.ar import AR
from rekalman.methods.combination import Combination
from rekalman.methods.naive.naive import Naive
from rekalman.methods.naive.drift import Drift
from rekalman.methods.naive.mean import Mean
from rekalman.methods.naive.seasonal_naive import SeasonalNaive
from rekalman.methods.naive.rls import RLS

# isort: on

__all__ = [
    "AR",
    "EMRNN",
    "ESN",
    "GRU",
    "LSTM",
    "NVAR",
    "RBF",
    "RKN",
    "RLS",
    "Adaptive",
    "Combination",
    "ConstantAcceleration",
    "ConstantVelocity",
    "Drift",
    "DrivenRNN",
    "Elman",
    "Evolino",
    "Linear",
    "LocalLevel",
    "LocalLinearTrend",
    "Mean",
    "Method",
    "Naive",
    "NaiveMethod",
    "Option",
    "Oscillator",
    "RidgeAR",
    "Seasonal",
    "SeasonalNaive",
    "StateSpaceMethod",
    "StructureMethod",
    "TrainingRequest",
    "get",
    "names",
    "option",
    "options_of",
    "register",
    "unregister",
]
