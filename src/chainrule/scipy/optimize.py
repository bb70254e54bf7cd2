"""`minimize` and `root` of SciPy, with exact derivatives, and differentiable in their results.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import optimize
>>> rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
>>> optimize.minimize(rosenbrock, np.array([-1.2, 1.0]), method="trust-ncg").x.round(4)
array([1., 1.])
>>> nearest = lambda a: optimize.minimize(lambda x, a: ((x - a) ** 2 + x**4).sum(), np.zeros(1), (a,)).x[0]
>>> float(cr.grad(nearest)(3.0).round(6))  # 1 / (1 + 6 x²) at x = 1
0.142857
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import grad, value_and_grad
from chainrule.core.transforms.implicit import custom_root, fixed_point, implicit
from chainrule.core.transforms.jacobians import hvp, jacobian
from chainrule.core.tree import map_leaves

__all__ = ["fixed_point", "minimize", "root"]

TAKES_PRODUCTS = frozenset({"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"})
"""SciPy's methods that use products with the Hessian."""
WITHOUT_GRADIENT = frozenset({"nelder-mead", "powell", "cobyla", "cobyqa"})


def _scipy(asked: str) -> Any:
    try:
        import scipy.optimize
    except ModuleNotFoundError as error:
        raise ImportError(f"{asked}: needs SciPy; run: python -m pip install 'chainrule[scipy]'") from error
    return scipy.optimize


def _plain(tree: Any) -> Any:
    return map_leaves(lambda x: value_of(x) if hasattr(x, "_trace") else x, tree)


def minimize(
    fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), method: str | None = None, **settings: Any
) -> Any:
    """Return `scipy.optimize.minimize(fun, x0, args, method, …)` with the gradient of `fun` and, for methods that use
    it, products with its Hessian.

    `fun(x, *args)` is a scalar function of a vector `x`, written in NumPy. If `args` carry derivatives, so does `x` of
    the result: it is differentiated as the root of the gradient (see `chainrule.custom_root`), which holds for a
    minimum inside of all bounds and constraints.
    """
    plain = _plain(args)
    kind = (method or "").lower()
    if kind not in WITHOUT_GRADIENT:
        settings.setdefault("jac", True)
    if kind in TAKES_PRODUCTS and "hess" not in settings:
        settings.setdefault("hessp", lambda x, p, *_: hvp(lambda x: fun(x, *plain), (x,), (p,)))
    with_gradient = value_and_grad(lambda x: fun(x, *plain))

    def called(x: Any, *_: Any) -> Any:
        if settings.get("jac") is not True:
            return float(value_of(fun(x, *plain)))
        value, gradient = with_gradient(x)
        return float(value), np.asarray(gradient)

    found = _scipy("minimize").minimize(called, np.asarray(value_of(x0), float), method=method, **settings)
    found.x = implicit(grad(fun), found.x, args)
    return found


def root(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), method: str = "hybr", **settings: Any) -> Any:
    """Return the root of `fun(x, *args)` that `scipy.optimize.root` finds from `x0`, differentiable by `args`.

    The Jacobian is exact. Raises ValueError if SciPy reports no success.
    """

    def solver(f: Callable[..., Any], x: Any) -> Any:
        slope = jacobian(f)
        settings.setdefault("jac", lambda x: np.asarray(slope(x)))
        start = np.asarray(x, float)
        found = _scipy("root").root(lambda x: np.asarray(value_of(f(x))), start, method=method, **settings)
        if not found.success:
            raise ValueError(f"root: {found.message}")
        return found.x

    return custom_root(fun, solver)(x0, *args)


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
