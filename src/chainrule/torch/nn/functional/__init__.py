"""`torch.nn.functional`: functions without state."""

from ...diagonals import channel_shuffle as channel_shuffle
from ...diagonals import pixel_shuffle as pixel_shuffle
from ...diagonals import pixel_unshuffle as pixel_unshuffle
from ...indexing import one_hot as one_hot
from ...missing import lacking as _lacking
from ...products import pdist as pdist
from .activations import *
from .heads import *
from .layers import *
from .losses import *
from .resizing import *

__all__ = [name for name in dir() if not name.startswith("_")]

__getattr__ = _lacking(__name__)
