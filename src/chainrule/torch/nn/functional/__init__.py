"""`torch.nn.functional`: functions without state."""

from ...indexing import one_hot
from ...products import pdist
from ...shapes import channel_shuffle, pixel_shuffle, pixel_unshuffle
from .activations import *
from .layers import *
from .losses import *
from .resizing import *

__all__ = [name for name in dir() if not name.startswith("_")]
