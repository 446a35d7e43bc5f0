"""The methods by which `rekal.fit` learns: one file each, registered by name.

Nothing here imports the numerical part of rekal before a method trains: the command line lists the methods
and checks their options at once.
"""

from rekal.methods.base import Method
from rekal.methods.options import Option, option, options_of
from rekal.methods.registry import get, names, register, unregister
from rekal.methods.request import TrainingRequest
from rekal.methods.state_space import StateSpaceMethod
from rekal.methods.structures.base import StructureMethod

# In the order in which they are listed.
# isort: off
from rekal.methods.em_rnn import EMRNN
from rekal.methods.driven_rnn import DrivenRNN
from rekal.methods.rbf import RBF
from rekal.methods.linear import Linear
from rekal.methods.rkn import RKN
from rekal.methods.lstm import LSTM
from rekal.methods.gru import GRU
from rekal.methods.elman import Elman
from rekal.methods.structures.local_level import LocalLevel
from rekal.methods.structures.local_linear_trend import LocalLinearTrend
from rekal.methods.structures.seasonal import Seasonal
from rekal.methods.structures.oscillator import Oscillator
from rekal.methods.structures.constant_velocity import ConstantVelocity
from rekal.methods.structures.constant_acceleration import ConstantAcceleration
from rekal.methods.structures.ar import AR

# isort: on

__all__ = [
    "AR",
    "EMRNN",
    "GRU",
    "LSTM",
    "RBF",
    "RKN",
    "ConstantAcceleration",
    "ConstantVelocity",
    "DrivenRNN",
    "Elman",
    "Linear",
    "LocalLevel",
    "LocalLinearTrend",
    "Method",
    "Option",
    "Oscillator",
    "Seasonal",
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
