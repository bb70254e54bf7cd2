r"""Implicit differentiation: the derivative of a solution, whatever found it.

If $R(x, \theta) = 0$, then $\dot x = -(\partial R / \partial x)^{-1} (\partial R / \partial \theta)\,\dot\theta$ (the
implicit function theorem). One step of Newton's method from the solution, written in operations, does not move it and
has this derivative; two steps have the right derivatives up to the third order, in every mode.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.tree import flatten, map_leaves

from .jacobians import jacobian

Function = Callable[..., Any]


def custom_root(residual: Function, solver: Function, steps: int = 2) -> Function:
    """Return `solve(x0, *args)`: the root of `residual(x, *args)`, differentiable with respect to `args`.

    `solver(f, x0)` gets the residual as a function of `x` alone, of plain arrays, and returns the root; it may be any
    code, and nothing is differentiated through it. `x` is an array of any shape, and the residual has that shape. The
    derivative costs a Jacobian of the residual and the solution of a system of as many equations as `x` has elements.
    `steps`, the number of Newton steps that carry it, is 2 for derivatives up to the third order; 1 gives the first.

    The result does not depend on `x0`, as far as derivatives are concerned. Raises ValueError if the solver's result is
    no root, to a relative accuracy of 1e-3.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> def newton(f, x):
    ...     for _ in range(20):
    ...         x = x - f(x) / cr.grad(f)(x)
    ...     return x
    >>> root = cr.custom_root(lambda x, a: x * x - a, newton)
    >>> float(root(1.0, 4.0)), float(cr.grad(root, argnums=1)(1.0, 4.0)), float(cr.grad(cr.grad(root, 1), 1)(1.0, 4.0))
    (2.0, 0.25, -0.03125)
    """
    if not callable(residual) or not callable(solver):
        raise TypeError("custom_root: expected two functions, residual(x, *args) and solver(f, x0)")

    @functools.wraps(residual)
    def solve(x0: Any, *args: Any) -> Any:
        plain = map_leaves(_plain, args)
        x = solver(lambda x: residual(x, *plain), _plain(x0))
        x = np.asarray(value_of(x))[()]
        _check_root(residual, x, plain)
        return implicit(residual, x, args, steps)

    return solve


def implicit(residual: Function, x: Any, args: tuple[Any, ...], steps: int = 2) -> Any:
    """Return the root `x` of `residual(x, *args)` with its dependence on the arguments."""
    found = np.asarray(x)
    for _ in range(steps if _is_traced(residual(x, *args)) else 0):
        x = _step(residual, x, args, found.shape)
    return x


def _step(residual: Function, x: Any, args: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Return `x` after one step of Newton's method."""
    n = int(np.prod(shape))
    slope = jacobian(lambda x: residual(x, *args), mode="forward")(x).reshape((n, n))
    move = np.linalg.solve(slope, residual(x, *args).reshape((n, 1)))
    return x - (move.reshape(shape) if shape else move[0, 0])


def _plain(x: Any) -> Any:
    return value_of(x) if isinstance(x, Tensor) else x


def _is_traced(y: Any) -> bool:
    return any(isinstance(leaf, Tensor) and (leaf._trace.level != 0 or leaf.requires_grad) for leaf in flatten(y)[0])


def _check_root(residual: Function, x: Any, args: tuple[Any, ...]) -> None:
    """Raise unless the residual at `x` is small, relative to what it is a little further away."""
    y = residual(x, *args)
    if isinstance(y, Tensor) and y.requires_grad:
        raise GradientError(
            "custom_root: the residual uses a tensor with a gradient that is not among its arguments, where the "
            "derivative would be lost; pass it as one of *args"
        )
    y = np.asarray(value_of(y))
    if y.shape != np.shape(x):
        raise ValueError(f"custom_root: the residual has shape {y.shape}, expected {np.shape(x)}, that of x")
    shift = 1e-3 * np.maximum(np.abs(x), 1.0)
    near = np.asarray(value_of(residual(x + shift, *args)))
    if not np.linalg.norm(y) <= 1e-1 * np.linalg.norm(near - y) + 1e-12:
        raise ValueError(
            f"custom_root: the solver returned no root: the residual has norm {np.linalg.norm(y):.3g} there, and a "
            f"change of x by 0.1 % changes it by {np.linalg.norm(near - y):.3g}; give it more steps or another start"
        )


def fixed_point(f: Function, x0: Any, *args: Any, tolerance: float = 1e-10, max_steps: int = 1000) -> Any:
    """Return the x with `f(x, *args) = x` that iterating `f` from `x0` leads to, differentiable with respect to `args`.

    The derivative does not go through the iteration: it is that of the root of x − f(x, *args) (see `custom_root`).
    Raises ValueError if the iteration has not converged to `tolerance`, relative to x, after `max_steps`.

    >>> import chainrule as cr
    >>> root = lambda a: cr.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)
    >>> round(float(root(2.0)), 6), round(float(cr.grad(root)(2.0)), 6)
    (1.414214, 0.353553)
    """

    def iterate(_: Function, x: Any) -> Any:
        plain = map_leaves(_plain, args)
        size: Any = np.inf
        for _step_number in range(max_steps):
            new = np.asarray(value_of(f(x, *plain)))[()]
            size, x = np.linalg.norm(new - x), new
            if size <= tolerance * max(1.0, float(np.linalg.norm(x))):
                return x
        raise ValueError(
            f"fixed_point: no convergence after {max_steps} steps: the last changed x by {size:.3g}; start closer, "
            f"allow more steps, or find the root of x - f(x) with chainrule.custom_root"
        )

    return custom_root(lambda x, *args: x - f(x, *args), iterate)(x0, *args)
