"""`torch.signal.windows`: windows that are symmetric by default.

>>> import chainrule.torch as torch
>>> torch.signal.windows.hann(5)
tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
"""

from ..spectral import SHAPES, symmetric

globals().update({name: symmetric(name) for name in SHAPES})
__all__ = sorted(SHAPES)
