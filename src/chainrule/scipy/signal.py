"""Convolution and correlation of arrays with SciPy's names, differentiable, for real and complex numbers.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import signal
>>> x = np.array([1.0, 2.0, 3.0])
>>> cr.grad(lambda k: signal.fftconvolve(x, k, mode="valid").sum())(np.ones(2)).round(12)
array([5., 3.])
"""

from chainrule.rules.fft.signal import convolve, correlate, fftconvolve, oaconvolve

__all__ = ["convolve", "correlate", "fftconvolve", "oaconvolve"]
