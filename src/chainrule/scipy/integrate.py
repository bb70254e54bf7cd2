r"""Integrals of samples, and ordinary differential equations, with SciPy's names.

The derivatives of a solution are found by the adjoint method: the cotangent λ of the state obeys
$\dot\lambda = -(\partial f / \partial y)^\top \lambda$, backwards in time, and needs no record of the solver's steps
(L. S. Pontryagin et al., "The Mathematical Theory of Optimal Processes", 1962; R. T. Q. Chen et al., "Neural ordinary
differential equations", 2018). It is the derivative of the exact solution, to the tolerances.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import integrate
>>> decay = lambda y, t, rate: -rate * y
>>> end = lambda rate: integrate.odeint(decay, np.array([2.0]), np.array([0.0, 1.0]), (rate,))[-1, 0]
>>> round(float(cr.grad(end)(0.5)), 6)  # -2 exp(-0.5)
-1.213061
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.custom import Custom
from chainrule.core.errors import GradientError
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import mapped_in, running
from chainrule.core.transforms.derivatives import vjp
from chainrule.core.tree import flatten, unflatten
from chainrule.rules.arrays.calculus import trapezoid
from chainrule.rules.arrays.reduce import arrayed

__all__ = ["cumulative_trapezoid", "odeint", "simpson", "solve_ivp", "trapezoid"]

Function = Callable[..., Any]


def simpson(y: Array, x: Array | None = None, dx: float = 1.0, axis: int = -1) -> Array:
    """Return the integral of samples along `axis` by Simpson's rule, for an odd number of them, 3 or more.

    Their places are `x`, or `dx` apart. Raises ValueError for an even number, for which SciPy treats the last interval
    in its own way: use `trapezoid`, or one sample more.

    >>> float(simpson(np.array([0.0, 1.0, 4.0])))
    2.6666666666666665
    """
    y = np.moveaxis(arrayed(y), axis, -1)
    n = y.shape[-1]
    if n < 3 or n % 2 == 0:
        raise ValueError(f"simpson: got {n} samples, expected an odd number of at least 3; or use trapezoid")
    first, middle, last = y[..., :-2:2], y[..., 1::2], y[..., 2::2]
    if x is None:
        return ((first + 4 * middle + last) * (dx / 3)).sum(axis=-1)
    h = np.diff(arrayed(x))
    a, b = h[..., 0::2], h[..., 1::2]
    whole = a + b
    terms = first * (2 - b / a) + middle * whole**2 / (a * b) + last * (2 - a / b)
    return (whole / 6 * terms).sum(axis=-1)


def cumulative_trapezoid(
    y: Array, x: Array | None = None, dx: float = 1.0, axis: int = -1, initial: float | None = None
) -> Array:
    """Return the running integral of samples along `axis` by the trapezoidal rule, one shorter than `y`.

    The samples' places are `x`, or `dx` apart; with `initial=0` a zero stands in front.

    >>> cumulative_trapezoid(np.array([1.0, 2.0, 3.0]))
    array([1.5, 4. ])
    """
    y = np.moveaxis(arrayed(y), axis, -1)
    if initial not in (None, 0):
        raise ValueError(f"cumulative_trapezoid: got initial={initial!r}, expected None or 0, as in SciPy")
    steps: Any = dx
    if x is not None:
        x = arrayed(x)
        steps = np.diff(x) if x.ndim == 1 else np.diff(np.moveaxis(x, axis, -1))
    total = np.cumsum((y[..., 1:] + y[..., :-1]) * (steps / 2), axis=-1)
    if initial is not None:
        total = np.concatenate([np.zeros((*total.shape[:-1], 1), total.dtype), total], axis=-1)
    return np.moveaxis(total, -1, axis)


class Solution(NamedTuple):
    """The times of a solution, and the states at them, `[*state, times]` as in SciPy."""

    t: Array
    y: Array


def odeint(
    func: Function,
    y0: Array,
    t: Array,
    args: tuple[Any, ...] = (),
    method: str = "RK45",
    rtol: float = 1e-8,
    atol: float = 1e-10,
) -> Array:
    """Return the solution of ẏ = `func(y, t, *args)` from `y0` at `t[0]`, at all times `t`: `[len(t), *y0.shape]`.

    It is differentiable, in reverse mode and once, with respect to `y0`, `t` and all floating leaves of `args`, which
    may be trees and modules (whose gradients `backward()` leaves in their parameters). `method`, `rtol` and `atol` are
    those of `scipy.integrate.solve_ivp`. The times may rise or fall.

    Raises GradientError if `func` uses a tensor with a gradient that is not among `args`, and ValueError for times that
    are not monotonic or if the solver fails.
    """
    return _solved("odeint", lambda t, y, *args: func(y, t, *args), y0, t, args, (method, rtol, atol))


def solve_ivp(
    fun: Function,
    t_span: Sequence[float],
    y0: Array,
    method: str = "RK45",
    t_eval: Array | None = None,
    args: tuple[Any, ...] = (),
    rtol: float = 1e-8,
    atol: float = 1e-10,
) -> Solution:
    """Return the solution of ẏ = `fun(t, y, *args)` from `y0`, at the times `t_eval`, by default the ends of `t_span`.

    The derivatives are those of `odeint`. Unlike SciPy's it returns no times of the solver's own choice.
    """
    first, last = t_span
    times = np.stack([first, last]) if t_eval is None else arrayed(t_eval)
    start = times[:1] if t_eval is None else np.concatenate([np.reshape(first, (1,)), times])
    start = times if t_eval is None else start
    y = _solved("solve_ivp", fun, y0, start, args, (method, rtol, atol))
    return Solution(times, np.moveaxis(y if t_eval is None else y[1:], 0, -1))


def _solved(
    name: str, fun: Function, y0: Array, t: Array, args: tuple[Any, ...], how: tuple[str, float, float]
) -> Array:
    y0, t = (x if x.dtype.kind == "f" else x.astype(np.float64) for x in map(arrayed, (y0, t)))
    if t.ndim != 1 or t.shape[0] < 1:
        raise ValueError(f"{name}: got times of shape {t.shape}, expected a vector")
    leaves, structure = flatten(args)
    problem = _Problem(name, fun, structure, how)
    operation = Custom(problem.forward)
    operation.name = name
    operation.def_vjp(problem.keeping, problem.backward)
    return operation(y0, t, *leaves)


class _Problem:
    """An initial value problem: the function, and the structure of its arguments."""

    def __init__(self, name: str, fun: Function, structure: Any, how: tuple[str, float, float]) -> None:
        self.name, self.fun, self.structure = name, fun, structure
        self.method, self.rtol, self.atol = how

    def forward(self, y0: Array, t: Array, *leaves: Any) -> Array:
        """Return the states at all times."""
        steps = np.diff(t)
        if len(t) > 1 and not ((steps >= 0).all() or (steps <= 0).all()):
            raise ValueError(f"{self.name}: the times must rise or fall throughout")
        args, shape = unflatten(self.structure, leaves), np.shape(y0)

        def rate(time: float, y: Array) -> Array:
            found = self.fun(time, y.reshape(shape), *args)
            if running.maps and (trace := mapped_in(found)) is not None:
                trace.refuse(f"{self.name}: the function uses a mapped value that is not among args; pass it in args")
            if isinstance(found, Tensor) and found.requires_grad:
                raise GradientError(
                    f"{self.name}: the function uses a tensor with a gradient that is not among args, where the "
                    f"derivative would be lost; pass it in args"
                )
            found = np.asarray(value_of(found))
            if found.shape != shape:
                raise ValueError(
                    f"{self.name}: the function returned shape {found.shape}, expected {shape}, the state's"
                )
            return found.ravel()

        states = [np.asarray(y0, float).ravel()]
        for first, last in itertools.pairwise(t):
            states.append(self._integrated(rate, first, last, states[-1]))
        return np.stack(states).reshape((len(t), *shape)).astype(y0.dtype)

    def _integrated(self, rate: Function, first: float, last: float, y: Array) -> Array:
        """Return the state at `last` from that at `first`."""
        if first == last:
            return y
        try:
            from scipy.integrate import solve_ivp as solve
        except ModuleNotFoundError as error:
            raise ImportError(f"{self.name}: needs SciPy; run: python -m pip install 'chainrule[scipy]'") from error
        found = solve(rate, (first, last), y, method=self.method, rtol=self.rtol, atol=self.atol)
        if not found.success:
            raise ValueError(f"{self.name}: between the times {first} and {last}: {found.message}")
        return found.y[:, -1]

    def keeping(self, y0: Array, t: Array, *leaves: Any) -> tuple[Array, Any]:
        """Return the states, and what the backward pass needs."""
        y = self._row_by_row(self._first, (y0, t, *leaves))
        return y, (y, t, leaves)

    def _row_by_row(self, rule: Function, *values: Any) -> Any:
        """Return `rule(*values)`; for the rows of a `vmap` outside of the derivative, one after the other."""
        boxes = [x for x in flatten(values)[0] if isinstance(x, Tensor)]
        if not any(x.is_mapped for x in boxes) or not all(x.is_mapped for x in boxes):
            return rule(*values)
        if running.capture is not None:
            raise GradientError(
                f"{self.name}: derivatives inside vmap cannot be compiled; take the derivative of the vmap instead"
            )
        trace = max((x._trace for x in boxes), key=lambda trace: trace.level)
        return trace.each(partial(self._row_by_row, rule), values)

    def _first(self, values: Sequence[Any]) -> Array:
        self._check_first(values)
        return self.forward(*values)

    def _check_first(self, values: Any) -> None:
        if any(isinstance(x, Tensor) for x in flatten(values)[0]):
            raise GradientError(
                f"{self.name}: only first derivatives in reverse mode; there is no rule for higher ones"
            )

    def backward(self, residuals: Any, y_bar: Array) -> tuple[Any, ...]:
        """Return the cotangents of the start, the times and all floating leaves, by integrating backwards."""
        found: tuple[Any, ...] = self._row_by_row(self._backward, y_bar, residuals)
        return found

    def _backward(self, y_bar: Array, residuals: Any) -> tuple[Any, ...]:
        self._check_first((residuals, y_bar))
        states, t, leaves = residuals
        moving = [k for k, x in enumerate(leaves) if np.asarray(x).dtype.kind == "f"]
        shape, size = states.shape[1:], int(np.prod(states.shape[1:]))
        given = [np.asarray(leaves[k]) for k in moving]
        ends = np.cumsum([0, size, size, *(x.size for x in given)])

        def pulled(time: float, y: Array, bar: Array) -> Any:
            def of(y: Any, *values: Any) -> Any:
                own = list(leaves)
                for k, value in zip(moving, values, strict=True):
                    own[k] = value
                return self.fun(time, y, *unflatten(self.structure, own))

            value, pullback = vjp(of, y.reshape(shape), *given)
            return np.asarray(value), pullback(bar.reshape(shape))

        def rate(time: float, all_: Array) -> Array:
            value, bars = pulled(time, all_[:size], all_[size : 2 * size])
            return np.concatenate([value.ravel(), *(-np.ravel(bar) for bar in bars)])

        bar, grads, t_bar = np.zeros(size), np.zeros(ends[-1] - 2 * size), np.zeros(len(t))
        for i in range(len(t) - 1, 0, -1):
            here = y_bar[i].ravel()
            t_bar[i] = here @ np.ravel(self.fun(t[i], states[i], *unflatten(self.structure, leaves)))
            start = np.concatenate([states[i].ravel(), bar + here, grads])
            end = self._integrated(rate, t[i], t[i - 1], start)
            bar, grads = end[size : 2 * size], end[2 * size :]
        t_bar[0] = -(bar @ np.ravel(self.fun(t[0], states[0], *unflatten(self.structure, leaves))))
        parts = np.split(grads, ends[3:-1] - 2 * size) if given else []
        own = [part.reshape(x.shape) for part, x in zip(parts, given, strict=True)]
        return ((bar + y_bar[0].ravel()).reshape(shape), t_bar, *own)


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
