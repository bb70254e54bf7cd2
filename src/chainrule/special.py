"""SciPy's special functions, differentiable to any order.

Where SciPy is imported, its own ufuncs take tensors too: `scipy.special.gammaln(x)` is then `special.gammaln(x)`. All
but `erf`, `erfc`, `expit`, `logit`, `xlogy`, `xlog1py` and what is made of these need SciPy for their values.

The functions have SciPy's arguments. Orders (`v` of `jv`, …) are one number, those of `polygamma`, `yn` and the
polynomials a whole one. The parameters of the hypergeometric functions and `x` of `zeta` are constants: they are
refused by name if they have a gradient, as is a second derivative with respect to a shape of the incomplete gamma and
beta functions.

>>> import chainrule as cr
>>> from chainrule import special
>>> float(cr.grad(special.xlogy, argnums=1)(2.0, 4.0))
0.5
"""

import contextlib
from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking
from chainrule.rules.elementary.airy import airy
from chainrule.rules.elementary.bessel import (
    i0,
    i0e,
    i1,
    i1e,
    iv,
    ive,
    j0,
    j1,
    jv,
    k0,
    k0e,
    k1,
    k1e,
    kn,
    kv,
    kve,
    spherical_jn,
    y0,
    y1,
    yn,
    yv,
)
from chainrule.rules.elementary.elliptic import ellipe, ellipeinc, ellipk, ellipkinc, ellipkm1
from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.faddeeva import gammasgn, sph_harm_y, voigt_profile, wofz
from chainrule.rules.elementary.gamma_family import (
    beta,
    betainc,
    betaln,
    gamma,
    gammainc,
    gammaincc,
    multigammaln,
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
from chainrule.rules.elementary.inverse_family import (
    betaincinv,
    gammainccinv,
    gammaincinv,
    wrightomega,
)
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
    owens_t,
    rel_entr,
    softmax,
    spence,
)
from chainrule.rules.elementary.orthogonal import (
    eval_chebyt,
    eval_chebyu,
    eval_gegenbauer,
    eval_genlaguerre,
    eval_hermite,
    eval_hermitenorm,
    eval_jacobi,
    eval_laguerre,
    eval_legendre,
)
from chainrule.rules.elementary.power_transforms import (
    boxcox,
    boxcox1p,
    cosm1,
    exprel,
    huber,
    inv_boxcox,
    inv_boxcox1p,
    log_expit,
    pseudo_huber,
)
from chainrule.rules.elementary.special_functions import (
    digamma,
    erfinv,
    expit,
    gammaln,
    logit,
    polygamma,
    scipy_special,
    xlog1py,
    xlogy,
)

jn, psi = jv, digamma

__all__ = [
    "airy",
    "beta",
    "betainc",
    "betaincinv",
    "betaln",
    "binom",
    "boxcox",
    "boxcox1p",
    "comb",
    "cosm1",
    "dawsn",
    "digamma",
    "ellipe",
    "ellipeinc",
    "ellipk",
    "ellipkinc",
    "ellipkm1",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfi",
    "erfinv",
    "eval_chebyt",
    "eval_chebyu",
    "eval_gegenbauer",
    "eval_genlaguerre",
    "eval_hermite",
    "eval_hermitenorm",
    "eval_jacobi",
    "eval_laguerre",
    "eval_legendre",
    "exp1",
    "expi",
    "expit",
    "expn",
    "exprel",
    "factorial",
    "fresnel",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "gammasgn",
    "huber",
    "hyp0f1",
    "hyp1f1",
    "hyp2f1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "inv_boxcox",
    "inv_boxcox1p",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kl_div",
    "kn",
    "kv",
    "kve",
    "lambertw",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "owens_t",
    "poch",
    "polygamma",
    "pseudo_huber",
    "psi",
    "rel_entr",
    "rgamma",
    "sici",
    "softmax",
    "spence",
    "sph_harm_y",
    "spherical_jn",
    "voigt_profile",
    "wofz",
    "wrightomega",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "yv",
    "zeta",
]

with contextlib.suppress(ImportError):
    scipy_special("chainrule.special")

del contextlib, scipy_special

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
