"""NumPy's protocols: `np.exp(x)` of a tensor calls chainrule's `exp`.

Two tables map NumPy functions to the operations that implement them. The rules fill them with `implements`.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from inspect import Parameter, signature
from typing import Any, TypeVar

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.tensor import Tensor

from .foreign import asker, numbers, without_rule
from .plain import is_written_into_array, refuse_array_write

ufuncs: dict[Any, Callable[..., Any]] = {}
"""NumPy's universal functions, and `(ufunc, "reduce")` and the like for their methods."""
functions: dict[Any, Callable[..., Any]] = {}
"""All other NumPy functions."""


writers: dict[str, Callable[..., Any]] = {}
"""The functions that write: `into(out, name, result, condition)` for `out=`, and `at(ufunc, x, indices, *values)`;
`chosen(condition, inputs)` is what a function with `where=` sees."""

methods: dict[str, Callable[..., Any]] = {}
"""The methods of universal functions, for those that have no rule of their own: `reduce(ufunc, x, …)` and the like."""

late: list[Callable[[], None]] = []
"""Called before giving up on a universal function: they add the functions of libraries imported since."""

F = TypeVar("F", bound=Callable[..., Any])


def implements(*names: Any) -> Callable[[F], F]:
    """Make a function the implementation of NumPy functions, or of ufunc methods such as `(np.add, "reduce")`."""

    def register(function: F) -> F:
        for name in names:
            (ufuncs if isinstance(name, tuple | np.ufunc) else functions)[name] = function
        return function

    return register


def _array_ufunc(_self: Tensor, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
    if method == "__call__" and not settings and ufunc in ufuncs:
        return ufuncs[ufunc](*inputs)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if method == "at":
        return writers["at"](ufunc, *inputs)
    key = ufunc if method == "__call__" else (ufunc, method)
    if key not in ufuncs:
        for fill in late:
            fill()
    operation = ufuncs.get(key)
    if operation is None and method in methods and ufunc.nin == 2 and ufunc in ufuncs:
        operation = partial(methods[method], ufunc)
    if operation is None:
        raise TypeError(without_rule(ufunc, method, ufuncs))
    out = settings.pop("out", None)
    if method != "__call__":
        y = operation(*inputs, **settings)
        return y if out is None else writers["into"](out, f"np.{name}", y)
    condition = True if out is None else settings.pop("where", True)
    if settings.get("dtype") is not None:
        inputs = tuple(_cast(x, settings["dtype"]) for x in inputs)
    settings.pop("dtype", None)
    _check_settings(name, settings)
    if condition is not True:
        inputs = writers["chosen"](condition, inputs)
    y = operation(*inputs, **settings)
    return y if out is None else writers["into"](out, f"np.{name}", y, condition)


def _cast(x: Any, dtype: Any) -> Any:
    """Return an input in the dtype in which a universal function is to be computed."""
    return x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype)


def _check_settings(name: str, settings: Mapping[str, Any]) -> None:
    harmless = {"casting": "same_kind", "order": "K", "subok": True, "where": True}
    for key in ("where", "casting", "order", "subok", "signature"):
        value = settings.get(key, harmless.get(key))
        if value is not harmless.get(key) and not (isinstance(value, str) and value == harmless.get(key)):
            raise TypeError(f"np.{name}: {key}= is not supported on tensors; leave it out")


@cache
def _renamed(function: Any, implementation: Callable[..., Any]) -> Mapping[str, str]:
    """Return our name of each parameter that NumPy calls by another one."""
    try:
        theirs, ours = (signature(f).parameters.values() for f in (function, implementation))
    except ValueError:
        return {}
    pairs = zip((p for p in theirs if p.kind in _NAMED), (p for p in ours if p.kind in _NAMED), strict=False)
    known = {p.name for p in ours}
    return {a.name: b.name for a, b in pairs if a.name != b.name and a.name not in known}


_NAMED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def with_our_names(function: Any, implementation: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of a NumPy function under the names that its implementation has for them."""
    names = _renamed(function, implementation)
    if names.keys().isdisjoint(settings):
        return settings
    return {names.get(name, name): value for name, value in settings.items()}


def _array_function(_self: Tensor, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
    implementation = functions.get(function)
    if implementation is None:
        raise TypeError(f"np.{function.__name__}: chainrule has no derivative for it; use x.numpy() if none is needed")
    if kwargs:
        kwargs = with_our_names(function, implementation, kwargs)
    if kwargs.get("out") is not None:
        out = kwargs["out"]
        result = implementation(*args, **{key: value for key, value in kwargs.items() if key != "out"})
        return writers["into"](out, f"np.{function.__name__}", result)
    return implementation(*args, **kwargs)


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    if self.requires_grad:
        if is_written_into_array():
            refuse_array_write()
        raise GradientError(
            "a tensor that requires a gradient was passed to code that asked for a plain NumPy array, so its gradient "
            "would be lost; use chainrule.numpy's function of that name, or x.detach() if no gradient is wanted"
            + asker()
        )
    return np.array(self.numpy(), dtype=dtype, copy=copy)


Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]
Tensor.__array__ = _array  # type: ignore[attr-defined]

functions[np.shape] = lambda a: numbers(a).shape
functions[np.ndim] = lambda a: numbers(a).ndim
functions[np.size] = lambda a, axis=None: numbers(a).size if axis is None else numbers(a).shape[axis]
