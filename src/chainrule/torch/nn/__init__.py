"""`torch.nn`: modules with PyTorch's names, parameters and layouts."""

from . import functional, init, utils
from .attention import *
from .containers import *
from .layers import *
from .module import Module
from .parameter import Buffer, Parameter, UninitializedParameter
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell
from .simple import *

__all__ = [name for name in dir() if not name.startswith("_")]
