"""rekal: learns the dynamics under noisy time series and says how sure it is."""

from rekal.errors import RekalError
from rekal.sequences import Sequences

# The public namespace grows here, one import for each public name.

__all__ = ["RekalError", "Sequences"]
__version__ = "0.1.0"
