"""Derivatives of functions: `torch.autograd.functional`."""

from collections.abc import Callable
from typing import Any

from ..face import Tensor
from ..missing import lacking as _lacking
from .gradients import grad
from .modes import enable_grad


def _inputs(inputs: Any, create_graph: bool) -> tuple[Any, ...]:
    xs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    return xs if create_graph else tuple(x.detach().clone().requires_grad_() for x in xs)


def _rows(y: Any, xs: tuple[Any, ...], create_graph: bool) -> list[Any]:
    """Return the Jacobian of one output with respect to each input."""
    from_elements = []
    for element in y.reshape(-1):
        if not element.requires_grad:
            from_elements.append(tuple(x.detach() * 0 for x in xs))
            continue
        from_elements.append(
            grad(element, xs, retain_graph=True, create_graph=create_graph, allow_unused=True, materialize_grads=True)
        )
    parts = zip(*from_elements, strict=True)
    return [_stacked(rows).reshape(*y.shape, *x.shape) for rows, x in zip(parts, xs, strict=True)]


def _stacked(rows: Any) -> Any:
    first, *rest = [row.unsqueeze(0) for row in rows]
    return first.joined(rest)


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False, **_: Any) -> Any:
    """Return the Jacobian of a function: for each output and each input, one of shape `[*output, *input]`.

    >>> import chainrule.torch as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    with enable_grad():
        xs = _inputs(inputs, create_graph)
        found = func(*xs)
        ys = (found,) if isinstance(found, Tensor) else tuple(found)
        rows: list[Any] = [_rows(y, xs, create_graph) for y in ys]
    table = [row[0] if isinstance(inputs, Tensor) else tuple(row) for row in rows]
    return table[0] if isinstance(found, Tensor) else tuple(table)


def hessian(func: Callable[..., Any], inputs: Any, create_graph: bool = False, **_: Any) -> Any:
    """Return the Hessian of a function with one output."""

    def gradient(*xs: Any) -> Any:
        return grad(func(*xs), xs, create_graph=True, materialize_grads=True)

    with enable_grad():
        xs = _inputs(inputs, create_graph)
        rows = [_rows(g, xs, create_graph) for g in gradient(*xs)]
    return rows[0][0] if isinstance(inputs, Tensor) else tuple(tuple(row) for row in rows)


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, **_: Any) -> Any:
    """Return the output of a function, and the product of `v` with its Jacobian."""
    with enable_grad():
        xs = _inputs(inputs, create_graph)
        y = func(*xs)
        found = grad(y, xs, v, create_graph=create_graph, materialize_grads=True)
    return y.detach() if not create_graph else y, found[0] if isinstance(inputs, Tensor) else found


def hvp(func: Callable[..., Any], inputs: Any, v: Any, **_: Any) -> Any:
    """Return the output of a function, and the product of its Hessian with `v`."""
    with enable_grad():
        xs = _inputs(inputs, False)
        y = func(*xs)
        first = grad(y, xs, create_graph=True, materialize_grads=True)
        found = grad(first, xs, v if not isinstance(v, Tensor) else [v], materialize_grads=True)
    return y.detach(), found[0] if isinstance(inputs, Tensor) else found


def vhp(func: Callable[..., Any], inputs: Any, v: Any, **_: Any) -> Any:
    """Return the output of a function with one output, and the product of `v` with its Hessian, which is symmetric."""
    return hvp(func, inputs, v)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, **_: Any) -> Any:
    """Return the output of a function, and the product of its Jacobian with `v`.

    It is the gradient of the product with a cotangent u, `uᵀ J`, with respect to u, in the direction of `v`.

    >>> import chainrule.torch as torch
    >>> torch.autograd.functional.jvp(lambda x: x * x, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        xs = _inputs(inputs, create_graph)
        y = func(*xs)
        if v is None:
            if sum(x.numel() for x in xs) != 1:
                raise RuntimeError("jvp: the vector v can only be None if the input to the function has one element")
            v = tuple(x.detach() * 0 + 1 for x in xs)
        directions = (v,) if isinstance(v, Tensor) else tuple(v)
        ys = (y,) if isinstance(y, Tensor) else tuple(y)
        us = tuple((one.detach() * 0).requires_grad_() for one in ys)
        bars = grad(ys, xs, us, create_graph=True, allow_unused=True, materialize_grads=True)
        found = grad(bars, us, directions, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    values = tuple(one if create_graph else one.detach() for one in ys)
    return (values[0], found[0]) if isinstance(y, Tensor) else (values, found)


__getattr__ = _lacking(__name__)
