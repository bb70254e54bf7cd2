"""SciPy's names, differentiable: `from chainrule import scipy`, then `scipy.special.gammaln`, `scipy.linalg.expm`.

Parts: `special`, `stats`, `linalg`, `integrate`, `optimize`, `sparse`. They hold what has a derivative here and nothing
else; on plain arrays they give SciPy's values. SciPy itself is imported when it is needed.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule import scipy
>>> float(cr.grad(scipy.stats.norm.logpdf)(1.0))
-1.0
>>> cr.grad(lambda a: scipy.linalg.expm(a).sum())(np.zeros((2, 2)))
array([[2., 2.],
       [2., 2.]])
"""

from chainrule import special

from . import integrate, linalg, optimize, sparse, stats

__all__ = ["integrate", "linalg", "optimize", "sparse", "special", "stats"]
