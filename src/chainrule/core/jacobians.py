"""Whole Jacobians and Hessians, put together from passes of the two modes."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from .protocols import functions
from .tensor import Tensor
from .transforms import Argnums, Function, grad, jvp, vjp
from .tree import flatten, unflatten
from .values import leaving, select


def _basis(like: Any) -> Iterator[Any]:
    """Yield the unit arrays of a shape, last axis fastest."""
    for k in range(int(np.prod(np.shape(like)))):
        unit = np.zeros(np.shape(like), like.dtype if hasattr(like, "dtype") else np.float64)
        unit.flat[k] = 1
        yield unit


def _stack(rows: Sequence[Any], shape: tuple[int, ...], axis: int) -> Any:
    """Join derivatives along a new axis of all directions, and give that axis its shape."""
    stacked = functions[np.stack](rows, axis=axis) if any(isinstance(r, Tensor) for r in rows) else np.stack(rows, axis)
    axis %= stacked.ndim
    return stacked.reshape(stacked.shape[:axis] + shape + stacked.shape[axis + 1 :])


def _on(f: Function, args: tuple[Any, ...], numbers: Sequence[int]) -> Function:
    """Return `f` as a function of the chosen arguments alone."""

    def restricted(*chosen: Any) -> Any:
        full = list(args)
        for k, value in zip(numbers, chosen, strict=True):
            full[k] = value
        return f(*full)

    return restricted


def _empty(y: Any, x: Any, like: Any) -> Any:
    """Return the derivative of `y` by `x` where one of them has no elements, with the dtype of `like`."""
    return leaving(np.zeros(np.shape(y) + np.shape(x), getattr(like, "dtype", np.float64)), x)


def jacrev(f: Function, argnums: Argnums = 0) -> Function:
    """Return the Jacobian by reverse mode: one backward pass for each element of the output.

    For an output of shape S and an argument of shape T it has shape S + T. Pytrees give a tree of the output's
    structure whose leaves have the argument's structure.

    >>> import chainrule as cr
    >>> cr.jacrev(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers = select("jacrev", args, argnums)
        y, pullback = vjp(_on(functools.partial(f, **kwargs), args, numbers), *(args[k] for k in numbers))
        outputs, structure = flatten(y)
        blocks = []
        for i, output in enumerate(outputs):
            bars = [np.zeros(np.shape(o), getattr(o, "dtype", np.float64)) for o in outputs]
            rows = []
            for unit in _basis(output):
                bars[i] = unit
                rows.append(flatten(pullback(unflatten(structure, bars)))[0])
            leaves, inner = flatten(tuple(args[k] for k in numbers))
            parts = [
                _stack([row[j] for row in rows], np.shape(output), 0) if rows else _empty(output, x, x)
                for j, x in enumerate(leaves)
            ]
            block = unflatten(inner, parts)
            blocks.append(block[0] if isinstance(argnums, int) else block)
        return unflatten(structure, blocks)

    return jacobian_of


def jacfwd(f: Function, argnums: Argnums = 0) -> Function:
    """Return the Jacobian by forward mode: one pass for each element of the argument. Shapes are as in `jacrev`.

    >>> import chainrule as cr
    >>> cr.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        numbers = select("jacfwd", args, argnums)
        on_chosen = _on(functools.partial(f, **kwargs), args, numbers)
        primals = tuple(args[k] for k in numbers)
        leaves, inner = flatten(primals)
        zeros = [np.zeros(np.shape(x), getattr(x, "dtype", np.float64)) for x in leaves]

        def push(dots: Sequence[Any]) -> Any:
            return jvp(on_chosen, primals, unflatten(inner, dots))[1]

        columns = [
            [flatten(push([*zeros[:j], unit, *zeros[j + 1 :]])) for unit in _basis(x)] for j, x in enumerate(leaves)
        ]
        outputs, structure = next((passes[0] for passes in columns if passes), None) or flatten(push(zeros))
        blocks = []
        for i, y in enumerate(outputs):
            parts = [
                _stack([y_dot[i] for y_dot, _ in passes], np.shape(x), -1) if passes else _empty(y, x, y)
                for passes, x in zip(columns, leaves, strict=True)
            ]
            block = unflatten(inner, parts)
            blocks.append(block[0] if isinstance(argnums, int) else block)
        return unflatten(structure, blocks)

    return jacobian_of


def jacobian(f: Function, argnums: Argnums = 0, mode: Literal["auto", "forward", "reverse"] = "auto") -> Function:
    """Return the Jacobian by the mode that needs fewer passes, or by the one named.

    `"auto"` evaluates `f` once to learn the size of its output: forward mode where the input is smaller, reverse mode
    otherwise.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"jacobian: mode must be 'auto', 'forward' or 'reverse', got {mode!r}")
    by = {"forward": jacfwd(f, argnums), "reverse": jacrev(f, argnums)}

    @functools.wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        if mode != "auto":
            return by[mode](*args, **kwargs)
        inputs = flatten([args[k] for k in select("jacobian", args, argnums)])[0]
        outputs = flatten(f(*args, **kwargs))[0]
        smaller = sum(map(np.size, inputs)) < sum(map(np.size, outputs))
        return by["forward" if smaller else "reverse"](*args, **kwargs)

    return jacobian_of


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the second derivatives of a scalar function: forward mode over reverse mode.

    For an argument of shape T it has shape T + T.

    >>> import chainrule as cr
    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 2.0]))
    array([[4., 6.],
           [6., 0.]])
    """
    return jacfwd(jacrev(f, argnums), argnums)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    r"""Return the Hessian of a scalar function times a vector, $H \dot x$: one forward pass over one gradient.

    The result has the structure of `primals`, or of the only primal where there is one.

    >>> import chainrule as cr
    >>> cr.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    argnums: Argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]
