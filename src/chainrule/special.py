"""SciPy's special functions, differentiable to any order.

Where SciPy is imported, its own ufuncs take tensors too: `scipy.special.gammaln(x)` is then `special.gammaln(x)`. All
but `erf`, `erfc`, `expit`, `logit`, `xlogy`, `xlog1py` and what is made of these need SciPy for their values.

The functions have SciPy's arguments. Orders (`n` of `jv`, `polygamma`, …) are whole numbers. The shapes of the
incomplete gamma and beta functions, the parameters of the hypergeometric functions, and `x` of `zeta` are constants:
they are refused by name if they have a gradient.

>>> import chainrule as cr
>>> from chainrule import special
>>> float(cr.grad(special.xlogy, argnums=1)(2.0, 4.0))
0.5
"""

import contextlib

from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.gamma_family import (
    beta,
    betainc,
    betaln,
    gamma,
    gammainc,
    gammaincc,
    j0,
    j1,
    jv,
    k0,
    k1,
    kn,
    multigammaln,
    y0,
    y1,
    yn,
    zeta,
)
from chainrule.rules.elementary.hypergeometric import (
    binom,
    comb,
    factorial,
    hyp0f1,
    hyp1f1,
    hyp2f1,
    loggamma,
    poch,
    rgamma,
)
from chainrule.rules.elementary.integral_family import dawsn, erfcx, erfi, fresnel, sici
from chainrule.rules.elementary.normal_family import (
    entr,
    erfcinv,
    exp1,
    expi,
    expn,
    kl_div,
    lambertw,
    log_ndtr,
    log_softmax,
    logsumexp,
    ndtr,
    ndtri,
    rel_entr,
    softmax,
    spence,
)
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

jn, psi = jv, digamma

__all__ = [
    "beta",
    "betainc",
    "betaln",
    "binom",
    "comb",
    "dawsn",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfi",
    "erfinv",
    "exp1",
    "expi",
    "expit",
    "expn",
    "factorial",
    "fresnel",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "hyp0f1",
    "hyp1f1",
    "hyp2f1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k1",
    "kl_div",
    "kn",
    "lambertw",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "poch",
    "polygamma",
    "psi",
    "rel_entr",
    "rgamma",
    "sici",
    "softmax",
    "spence",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "zeta",
]

with contextlib.suppress(ImportError):
    scipy_special("chainrule.special")

del contextlib, scipy_special
