"""Probability distributions with SciPy's names and arguments, differentiable; see `chainrule.scipy.stats`.

>>> import chainrule as cr
>>> from chainrule import stats
>>> float(cr.grad(stats.norm.logpdf)(1.0))
-1.0
"""

from chainrule.scipy.stats import *  # noqa: F403 - the same names, which are listed there
from chainrule.scipy.stats import __all__ as __all__
