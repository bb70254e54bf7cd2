"""`torch.func`: transforms of functions of tensors, which nest."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.errors import VmapError
from chainrule.core.transforms import derivatives, jacobians
from chainrule.core.transforms.linearize import linearize as engine_linearize
from chainrule.core.transforms.vmap import VmapWarning
from chainrule.core.transforms.vmap import vmap as engine_vmap
from chainrule.core.tree import flatten, unflatten

from . import shapes
from .autograd.modes import enable_grad
from .face import Tensor, unwrapped, wrapped
from .missing import lacking as _lacking

Function = Callable[..., Any]


def _recording(f: Function) -> Function:
    def run(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            return f(*args, **kwargs)

    return run


def grad(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return the gradient of a scalar function, as a function.

    >>> import chainrule.torch as torch
    >>> torch.func.grad(torch.func.grad(lambda x: x**3))(torch.tensor(2.0))
    tensor(12.)
    """
    return _recording(derivatives.grad(func, argnums, has_aux))


def grad_and_value(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """Return a function that returns the gradient and the value."""
    both = derivatives.value_and_grad(func, argnums, has_aux)

    def run(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            value, gradient = both(*args, **kwargs)
        return gradient, value

    return run


def linearize(func: Function, *primals: Any) -> Any:
    """Return the value of a function and its derivative there, a linear function of tangents.

    >>> import chainrule.torch as torch
    >>> value, derivative = torch.func.linearize(torch.sin, torch.tensor(0.0))
    >>> derivative(torch.tensor(2.0))
    tensor(2.)
    """
    with enable_grad():
        value, derivative = engine_linearize(func, *_plain_tensors(primals))
    return value, lambda *tangents: derivative(*_plain_tensors(tangents))


def _plain_tensors(tree: Any) -> Any:
    """Return parameters as the tensors that they are: to a tree they would be another kind of node than tangents."""
    return wrapped(unwrapped(tree))


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Return the value of a function and its pullback."""
    with enable_grad():
        value, pullback = derivatives.vjp(func, *primals)
    extra = value[1] if has_aux else None

    def run(*cotangents: Any, retain_graph: bool = True, create_graph: bool = False) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        return pullback((given, _zeros_like(extra)) if has_aux else given)

    return (value[0], run, extra) if has_aux else (value, run)


def _zeros_like(tree: Any) -> Any:
    leaves, structure = flatten(tree)
    return unflatten(structure, [np.zeros(np.shape(x), getattr(x, "dtype", np.float64)) for x in leaves])


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """Return the value of a function and its derivative along tangents; with `has_aux` also what else it returns."""
    with enable_grad():
        value, derivative = derivatives.jvp(func, _plain_tensors(primals), _plain_tensors(tangents))
    return (value[0], derivative[0], value[1]) if has_aux else (value, derivative)


def _jacobian(transform: Any, func: Function, argnums: Any, has_aux: bool) -> Function:
    if not has_aux:
        return _recording(transform(func, argnums))
    of_value = _recording(transform(lambda *args, **kwargs: func(*args, **kwargs)[0], argnums))
    return lambda *args, **kwargs: (of_value(*args, **kwargs), func(*args, **kwargs)[1])


def jacrev(
    func: Function,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:
    """Return the Jacobian of a function, by reverse mode; with `has_aux` also what else the function returns."""
    return _jacobian(jacobians.jacrev, func, argnums, has_aux)


def jacfwd(func: Function, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Function:
    """Return the Jacobian of a function, by forward mode; with `has_aux` also what else the function returns."""
    return _jacobian(jacobians.jacfwd, func, argnums, has_aux)


def hessian(func: Function, argnums: Any = 0) -> Function:
    """Return the Hessian of a scalar function."""
    return _recording(jacobians.hessian(func, argnums))


def vmap(
    func: Function, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", chunk_size: Any = None
) -> Function:
    """Return a function of one sample as a function of many, computed at once by `chainrule.vmap`.

    Code that looks at values, such as an index of a maximum, is called for each sample instead, with a `VmapWarning`.

    >>> import chainrule.torch as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    at_once = engine_vmap(
        func,
        tuple(in_dims) if isinstance(in_dims, list) else in_dims,
        tuple(out_dims) if isinstance(out_dims, list) else out_dims,
        randomness=randomness,  # type: ignore[arg-type]
    )

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            with enable_grad():
                return at_once(*args, **kwargs)
        except VmapError as error:
            warnings.warn(f"vmap: one sample after the other: {error}", VmapWarning, stacklevel=2)
        return each(*args, **kwargs)

    def each(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple | list) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap: in_dims has {len(dims)} entries for {len(args)} arguments")
        sizes = {n for x, d in zip(args, dims, strict=True) for n in _lengths(x, d)}
        if len(sizes) != 1:
            raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got {sizes}")
        rows = [func(*(_slice(x, d, k) for x, d in zip(args, dims, strict=True)), **kwargs) for k in range(sizes.pop())]
        return _stacked(rows, out_dims)

    return run


def _lengths(x: Any, d: Any) -> list[int]:
    if d is None:
        return []
    if isinstance(x, Tensor):
        return [x.shape[d]]
    if isinstance(x, Mapping):
        return [n for key, value in x.items() for n in _lengths(value, d[key] if isinstance(d, Mapping) else d)]
    if isinstance(x, tuple | list):
        each = d if isinstance(d, tuple | list) else [d] * len(x)
        return [n for value, one in zip(x, each, strict=True) for n in _lengths(value, one)]
    return []


def _slice(x: Any, d: Any, k: int) -> Any:
    if d is None:
        return x
    if isinstance(x, Tensor):
        return x.select(d, k)
    if isinstance(x, Mapping):
        return {key: _slice(value, d[key] if isinstance(d, Mapping) else d, k) for key, value in x.items()}
    if isinstance(x, tuple | list):
        each = d if isinstance(d, tuple | list) else [d] * len(x)
        return type(x)(_slice(value, one, k) for value, one in zip(x, each, strict=True))
    return x


def _stacked(rows: list[Any], out: Any) -> Any:
    first = rows[0]
    if isinstance(first, tuple | list):
        each = out if isinstance(out, tuple | list) else [out] * len(first)
        return type(first)(
            _stacked(list(column), one) for column, one in zip(zip(*rows, strict=True), each, strict=True)
        )
    if isinstance(first, Mapping):
        return {key: _stacked([row[key] for row in rows], out) for key in first}
    return shapes.stack(rows, out)


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, **_: Any
) -> Any:
    """Return what a module returns with other parameters and buffers, given by name."""
    given: dict[str, Any] = {}
    dicts = parameter_and_buffer_dicts
    for one in dicts if isinstance(dicts, tuple | list) else (dicts,):
        given |= one
    targets = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if unknown := set(given) - set(targets):
        raise RuntimeError(f"functional_call: the module has no {sorted(unknown)}")
    before = {name: targets[name]._x for name in given}
    for name, value in given.items():
        targets[name]._x = value._x
    try:
        return module(*(args if isinstance(args, tuple | list) else () if args is None else (args,)), **(kwargs or {}))
    finally:
        for name, x in before.items():
            targets[name]._x = x


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules of the same kind, stacked by name."""
    listed = list(models)
    parameters = {
        k: shapes.stack([dict(m.named_parameters())[k].detach() for m in listed]).requires_grad_()
        for k, _ in listed[0].named_parameters()
    }
    buffers = {k: shapes.stack([dict(m.named_buffers())[k] for m in listed]) for k, _ in listed[0].named_buffers()}
    return parameters, buffers


__getattr__ = _lacking(__name__)
