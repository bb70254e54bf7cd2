"""Probability distributions with SciPy's names and arguments, differentiable; see `chainrule.scipy.stats`.

>>> import chainrule as cr
>>> from chainrule import stats
>>> float(cr.grad(stats.norm.logpdf)(1.0))
-1.0
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking
from chainrule.scipy.stats import *  # noqa: F403 - the same names, which are listed there
from chainrule.scipy.stats import __all__ as __all__

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
