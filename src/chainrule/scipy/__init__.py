"""SciPy's names, differentiable: `from chainrule import scipy`, then `scipy.special.gammaln`, `scipy.linalg.expm`.

Parts: `special`, `stats`, `linalg`, `integrate`, `interpolate`, `ndimage`, `optimize`, `signal`, `fft`, `sparse`. They
hold what has a derivative here and nothing else; on plain arrays they give SciPy's values.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule import scipy
>>> float(cr.grad(scipy.stats.norm.logpdf)(1.0))
-1.0
>>> cr.grad(lambda a: scipy.linalg.expm(a).sum())(np.zeros((2, 2)))
array([[2., 2.],
       [2., 2.]])
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from . import fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse, special, stats

__all__ = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "special",
    "stats",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
