"""SciPy's special functions, differentiable to any order.

Where SciPy is imported, its own ufuncs take tensors too: `scipy.special.gammaln(x)` is then `special.gammaln(x)`. All
but `erf`, `erfc`, `expit`, `logit`, `xlogy` and `xlog1py` need SciPy for their values.

>>> import chainrule as cr
>>> from chainrule import special
>>> float(cr.grad(special.xlogy, argnums=1)(2.0, 4.0))
0.5
"""

import contextlib

from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.special_functions import (
    digamma,
    erfinv,
    expit,
    gammaln,
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    logit,
    polygamma,
    scipy_special,
    xlog1py,
    xlogy,
)

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "expit",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "logit",
    "polygamma",
    "xlog1py",
    "xlogy",
]

with contextlib.suppress(ImportError):
    scipy_special("chainrule.special")

del contextlib, scipy_special
