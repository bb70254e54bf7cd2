"""Special functions with SciPy's names and arguments, differentiable; see `chainrule.special`.

>>> import chainrule as cr
>>> import chainrule.scipy.special as special
>>> float(cr.grad(special.xlogy, argnums=1)(2.0, 4.0))
0.5
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking
from chainrule.special import *  # noqa: F403 - the same names, which are listed there
from chainrule.special import __all__ as __all__

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
