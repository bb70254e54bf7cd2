"""`torch.nn`: modules with PyTorch's names, parameters and layouts."""

from chainrule.base.aliases import submodules

from ..missing import lacking as _lacking
from . import attention, common_types, functional, init, layers, modules, parallel, utils
from .attention import *
from .containers import *
from .layers import *
from .lazy import *
from .module import Module
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell
from .simple import *

__all__ = [name for name in dir() if not name.startswith("_") and name != "submodules"]
_ConvNd, _BatchNorm = layers._Conv, layers._BatchNorm
submodules(f"{__name__}.modules", modules.FILES, vars())

__getattr__ = _lacking(__name__)
