r"""The classical orthogonal polynomials, of integer degree n.

The values are SciPy's. The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 18.9.15,
18.9.19, 18.9.21, 18.9.23, 18.9.25 and 18.9.27. Each lowers the degree by one and raises the parameters.
"""

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array, Case

from .special_functions import OF_SCIPY, computed, number_of, order_of

INSIDE = {"x": (-0.9, 0.9)}


def _value(name: str, x: Array, n: int, *parameters: float) -> Array:
    """Return SciPy's polynomial; of degree −1, which derivatives of constants ask for, it is zero."""
    x = np.asarray(x)
    if n < 0:
        return np.zeros(x.shape, x.dtype if x.dtype.kind == "f" else np.float64)[()]
    return computed(name, x, n, *parameters)


class EvalJacobi(Elementwise):
    r"""y = \operatorname{jacobi}(n, \alpha, \beta, x)

    Jacobi's polynomial.
    """

    domain = INSIDE
    cases = (Case(((3,),), {"n": 3, "alpha": 0.5, "beta": 1.5}),)

    @staticmethod
    def primal(x: Array, *, n: int = 2, alpha: float = 0.0, beta: float = 0.0) -> Array:
        return _value("eval_jacobi", x, n, alpha, beta)

    @staticmethod
    def partial(x: Array, *, n: int, alpha: float, beta: float) -> Array:
        r"""\frac{\partial y}{\partial x} =
        \frac{n + \alpha + \beta + 1}{2} \operatorname{jacobi}(n - 1, \alpha + 1, \beta + 1, x)
        """
        return (n + alpha + beta + 1) / 2 * EvalJacobi.apply(x, n=n - 1, alpha=alpha + 1, beta=beta + 1)


class EvalGegenbauer(Elementwise):
    r"""y = \operatorname{gegenbauer}(n, \alpha, x)

    Gegenbauer's polynomial; with α = 1 Chebyshev's of the second kind, with α = 1/2 Legendre's.
    """

    domain = INSIDE

    @staticmethod
    def primal(x: Array, *, n: int = 2, alpha: float = 0.5) -> Array:
        return _value("eval_gegenbauer", x, n, alpha)

    @staticmethod
    def partial(x: Array, *, n: int, alpha: float) -> Array:
        r"""\frac{\partial y}{\partial x} = 2 \alpha \operatorname{gegenbauer}(n - 1, \alpha + 1, x)"""
        return 2 * alpha * EvalGegenbauer.apply(x, n=n - 1, alpha=alpha + 1)


class EvalChebyt(Elementwise):
    r"""y = \operatorname{chebyt}(n, x)

    Chebyshev's polynomial of the first kind.
    """

    domain = INSIDE

    @staticmethod
    def primal(x: Array, *, n: int = 2) -> Array:
        return _value("eval_chebyt", x, n)

    @staticmethod
    def partial(x: Array, *, n: int) -> Array:
        r"""\frac{\partial y}{\partial x} = n \operatorname{gegenbauer}(n - 1, 1, x)"""
        return n * EvalGegenbauer.apply(x, n=n - 1, alpha=1.0)


class EvalHermite(Elementwise):
    r"""y = \operatorname{hermite}(n, x)

    Hermite's polynomial, as in physics.
    """

    @staticmethod
    def primal(x: Array, *, n: int = 2) -> Array:
        return _value("eval_hermite", x, n)

    @staticmethod
    def partial(x: Array, *, n: int) -> Array:
        r"""\frac{\partial y}{\partial x} = 2 n \operatorname{hermite}(n - 1, x)"""
        return 2 * n * EvalHermite.apply(x, n=n - 1)


class EvalHermitenorm(Elementwise):
    r"""y = \operatorname{hermitenorm}(n, x)

    Hermite's polynomial, as in statistics.
    """

    @staticmethod
    def primal(x: Array, *, n: int = 2) -> Array:
        return _value("eval_hermitenorm", x, n)

    @staticmethod
    def partial(x: Array, *, n: int) -> Array:
        r"""\frac{\partial y}{\partial x} = n \operatorname{hermitenorm}(n - 1, x)"""
        return n * EvalHermitenorm.apply(x, n=n - 1)


class EvalGenlaguerre(Elementwise):
    r"""y = \operatorname{laguerre}(n, \alpha, x)

    Laguerre's polynomial.
    """

    @staticmethod
    def primal(x: Array, *, n: int = 2, alpha: float = 0.0) -> Array:
        return _value("eval_genlaguerre", x, n, alpha)

    @staticmethod
    def partial(x: Array, *, n: int, alpha: float) -> Array:
        r"""\frac{\partial y}{\partial x} = -\operatorname{laguerre}(n - 1, \alpha + 1, x)"""
        return -EvalGenlaguerre.apply(x, n=n - 1, alpha=alpha + 1)


def eval_jacobi(n: int, alpha: float, beta: float, x: Array) -> Array:
    """Return Jacobi's polynomial of degree `n` at `x`; `alpha` and `beta` are numbers.

    >>> float(eval_jacobi(1, 0.0, 0.0, 0.5))
    0.5
    """
    alpha, beta = number_of("eval_jacobi", "alpha", alpha), number_of("eval_jacobi", "beta", beta)
    return EvalJacobi.apply(x, n=order_of("eval_jacobi", n), alpha=alpha, beta=beta)


def eval_gegenbauer(n: int, alpha: float, x: Array) -> Array:
    """Return Gegenbauer's polynomial of degree `n` at `x`; `alpha` is a number.

    >>> float(eval_gegenbauer(1, 1.5, 2.0))
    6.0
    """
    return EvalGegenbauer.apply(x, n=order_of("eval_gegenbauer", n), alpha=number_of("eval_gegenbauer", "alpha", alpha))


def eval_legendre(n: int, x: Array) -> Array:
    """Return Legendre's polynomial of degree `n` at `x`.

    >>> float(eval_legendre(2, 0.0))
    -0.5
    """
    return EvalGegenbauer.apply(x, n=order_of("eval_legendre", n), alpha=0.5)


def eval_chebyt(n: int, x: Array) -> Array:
    """Return Chebyshev's polynomial of the first kind, of degree `n`, at `x`.

    >>> float(eval_chebyt(3, 1.0))
    1.0
    """
    return EvalChebyt.apply(x, n=order_of("eval_chebyt", n))


def eval_chebyu(n: int, x: Array) -> Array:
    """Return Chebyshev's polynomial of the second kind, of degree `n`, at `x`.

    >>> float(eval_chebyu(3, 1.0))
    4.0
    """
    return EvalGegenbauer.apply(x, n=order_of("eval_chebyu", n), alpha=1.0)


def eval_hermite(n: int, x: Array) -> Array:
    """Return the physicists' Hermite polynomial of degree `n` at `x`.

    >>> float(eval_hermite(2, 1.0))
    2.0
    """
    return EvalHermite.apply(x, n=order_of("eval_hermite", n))


def eval_hermitenorm(n: int, x: Array) -> Array:
    """Return the statisticians' Hermite polynomial of degree `n` at `x`.

    >>> float(eval_hermitenorm(2, 3.0))
    8.0
    """
    return EvalHermitenorm.apply(x, n=order_of("eval_hermitenorm", n))


def eval_genlaguerre(n: int, alpha: float, x: Array) -> Array:
    """Return the generalised Laguerre polynomial of degree `n` at `x`; `alpha` is a number.

    >>> float(eval_genlaguerre(1, 2.0, 1.0))
    2.0
    """
    return EvalGenlaguerre.apply(
        x, n=order_of("eval_genlaguerre", n), alpha=number_of("eval_genlaguerre", "alpha", alpha)
    )


def eval_laguerre(n: int, x: Array) -> Array:
    """Return Laguerre's polynomial of degree `n` at `x`.

    >>> float(eval_laguerre(1, 0.25))
    0.75
    """
    return EvalGenlaguerre.apply(x, n=order_of("eval_laguerre", n), alpha=0.0)


OF_SCIPY.update(
    eval_jacobi=eval_jacobi, eval_gegenbauer=eval_gegenbauer, eval_legendre=eval_legendre,
    eval_chebyt=eval_chebyt, eval_chebyu=eval_chebyu, eval_hermite=eval_hermite,
    eval_hermitenorm=eval_hermitenorm, eval_genlaguerre=eval_genlaguerre, eval_laguerre=eval_laguerre,
)  # fmt: skip
