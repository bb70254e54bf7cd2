r"""Special functions: gamma, inverse error function, logit, and products with logarithms.

Values that NumPy cannot compute come from SciPy, which is imported on first use. The derivatives are those of the NIST
Digital Library of Mathematical Functions (DLMF): 5.2.2, 5.15.1, 7.17.1.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operands.protocols import late, ufuncs
from chainrule.core.operation import Array, Kink
from chainrule.kernels.polygamma import polygamma as of_arrays
from chainrule.rules.network.activation import sigmoid

from . import proofs as proofs_of
from .compare import logical_and
from .error_function import erf, erfc
from .exponential import exp, log, log1p
from .selection import where

POSITIVE = {"x": (0.3, 4.0)}


def scipy_special(asked: str) -> Any:
    """Return `scipy.special`, whose ufuncs then take tensors; an ImportError says how to install it."""
    try:
        import scipy.special
    except ModuleNotFoundError as error:
        raise ImportError(f"{asked}: needs SciPy; run: python -m pip install 'chainrule[scipy]'") from error
    let_scipy_take_tensors()
    return scipy.special


def let_scipy_take_tensors() -> None:
    """Make the ufuncs of `scipy.special`, if it is imported, take tensors."""
    special = sys.modules.get("scipy.special")
    if special is not None and special.erf not in ufuncs:
        ufuncs.update({getattr(special, name): function for name, function in OF_SCIPY.items()})


late.append(let_scipy_take_tensors)


def computed(name: str, x: Array, *orders: float) -> Array:
    """Return SciPy's function of `x`, in the dtype of `x` if that is floating; booleans count as float64.

    So they did in SciPy until 1.17, and so they do in NumPy.
    """
    x = np.asarray(x)
    y = getattr(scipy_special(name), name)(*orders, x.astype(np.float64) if x.dtype.kind == "b" else x)
    return np.asarray(y, x.dtype if x.dtype.kind == "f" else None)[()]


def computed_one(name: str, k: int, x: Array) -> Array:
    """Return the k-th of the functions that SciPy computes together, in the dtype of `x` if that is floating."""
    x = np.asarray(x)
    y = getattr(scipy_special(name), name)(x)[k]
    return np.asarray(y, x.dtype if x.dtype.kind == "f" else None)[()]


class Erfinv(Elementwise):
    r"""y = \operatorname{erfinv}(x)"""

    domain = {"x": (-0.9, 0.9)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("erfinv", x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\sqrt{\pi}}{2} \exp(y^2)"""
        return math.sqrt(math.pi) / 2 * exp(y * y)


class Gammaln(Elementwise):
    r"""y = \operatorname{gammaln}(x)

    The logarithm of the absolute value of the gamma function.
    """

    domain = POSITIVE

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("gammaln", x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \operatorname{polygamma}(0, x)"""
        return Polygamma.apply(x, n=0)


class Polygamma(Elementwise):
    r"""y = \operatorname{polygamma}(n, x)

    The derivative of order n + 1 of `gammaln`; n = 0 is the digamma function.
    """

    domain = POSITIVE

    @staticmethod
    def primal(x: Array, *, n: int = 0) -> Array:
        if not n:
            return computed("digamma", x)
        scipy_special("polygamma")
        x = np.asarray(x)
        return np.asarray(of_arrays(n, x), x.dtype if x.dtype.kind == "f" else None)[()]

    @staticmethod
    def partial(x: Array, *, n: int) -> Array:
        r"""\frac{\partial y}{\partial x} = \operatorname{polygamma}(n + 1, x)"""
        return Polygamma.apply(x, n=n + 1)


class Logit(Elementwise):
    r"""y = \log(\frac{x}{1 - x})"""

    proofs = {"x": proofs_of.LOGIT}
    domain = {"x": (0.05, 0.95)}

    @staticmethod
    def primal(x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return Logit.element(np.asarray(x))[()]

    @staticmethod
    def element(x: Array) -> Array:
        # Around 1/2 the quotient rounds to 1; 2x - 1 is exact there, so this series in it is used.
        near = np.abs(x - 0.5) < 0.25
        return np.where(near, 2 * np.arctanh(np.where(near, 2 * x - 1, 0)), np.log(x / (1 - x)))

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{x (1 - x)}"""
        return 1 / (x * (1 - x))


ABSENT = "nothing of what has no weight, as in PyTorch for the first argument"


class Xlogy(Elementwise):
    r"""y = a \log(b)

    Zero where a is zero, whatever b is, as long as that is a number.
    """

    domain = {"b": (0.2, 3.0)}
    kinks = (Kink((0.0, 0.0), (0.0, 0.0), ABSENT),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return Xlogy.element(a, b)[()]

    @staticmethod
    def element(a: Array, b: Array) -> Array:
        absent = np.equal(a, 0) & ~np.isnan(b)
        return np.where(absent, 0, a * np.log(np.where(absent, 1, b)))

    @staticmethod
    def partial_a(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \log(b)"""
        absent = logical_and(a == 0, b <= 0)
        return where(absent, 0, log(where(absent, 1, b)))

    @staticmethod
    def partial_b(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \frac{a}{b}"""
        absent = logical_and(a == 0, b == 0)
        return where(absent, 0, a / where(absent, 1, b))


class Xlog1py(Elementwise):
    r"""y = a \log(1 + b)

    Zero where a is zero, whatever b is, as long as that is a number.
    """

    domain = {"b": (-0.5, 3.0)}
    kinks = (Kink((0.0, -1.0), (0.0, 0.0), ABSENT),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return Xlog1py.element(a, b)[()]

    @staticmethod
    def element(a: Array, b: Array) -> Array:
        absent = np.equal(a, 0) & ~np.isnan(b)
        return np.where(absent, 0, a * np.log1p(np.where(absent, 0, b)))

    @staticmethod
    def partial_a(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \log(1 + b)"""
        absent = logical_and(a == 0, b <= -1)
        return where(absent, 0, log1p(where(absent, 0, b)))

    @staticmethod
    def partial_b(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \frac{a}{1 + b}"""
        absent = logical_and(a == 0, b == -1)
        return where(absent, 0, a / where(absent, 1, 1 + b))


erfinv = Erfinv.apply
gammaln = Gammaln.apply
expit = sigmoid
logit = Logit.apply
xlogy = Xlogy.apply
xlog1py = Xlog1py.apply


def digamma(x: Array) -> Array:
    """Return the derivative of `gammaln`.

    >>> print(f"{digamma(1.0):.12f}")  # minus Euler's constant
    -0.577215664902
    """
    return Polygamma.apply(x, n=0)


def polygamma(n: int, x: Array) -> Array:
    """Return the `n`-th derivative of `digamma`, for an integer `n` ≥ 0 and positive `x`.

    >>> print(f"{polygamma(1, 1.0):.12f}")  # π² / 6
    1.644934066848
    """
    return Polygamma.apply(x, n=order_of("polygamma", n))


def order_of(name: str, n: Any) -> int:
    """Return an order as an int; raise a ValueError unless it is one whole number, 0 or more."""
    if not (np.ndim(n) == 0 and float(n).is_integer() and n >= 0):
        raise ValueError(f"{name}: got n={n!r}, expected one whole number, 0 or more")
    return int(n)


def number_of(name: str, argument: str, value: Any) -> float:
    """Return one number, as an int if it is whole, else as a float; raise a ValueError unless it is one and finite."""
    if np.ndim(value) or not np.isfinite(value):
        raise ValueError(f"{name}: got {argument}={value!r}, expected one finite number; call it once for each")
    return int(value) if float(value).is_integer() else float(value)


OF_SCIPY: dict[str, Callable[..., Any]] = {
    **{"erf": erf, "erfc": erfc, "erfinv": erfinv, "gammaln": gammaln, "digamma": digamma, "psi": digamma},
    **{"expit": expit, "logit": logit, "xlogy": xlogy, "xlog1py": xlog1py},
}
"""SciPy's ufuncs and their replacements. Its `polygamma` is not a ufunc, so NumPy does not dispatch it."""
