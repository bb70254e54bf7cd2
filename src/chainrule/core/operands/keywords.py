"""PyTorch's keywords, with what to write here: the end of the error of a function that does not have them."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

WORDS = {
    "dim": "PyTorch's dim is called axis here",
    "keepdim": "PyTorch's keepdim is called keepdims here",
    "unbiased": "for PyTorch's unbiased=True write ddof=1, for False ddof=0",
    "descending": "for the descending order write np.flip(np.sort(x, axis), axis)",
    "stable": "for a stable order write kind='stable'",
    "start_dim": "flatten gives one axis here; write x.reshape(...)",
    "end_dim": "flatten gives one axis here; write x.reshape(...)",
    "dims": "PyTorch's dims are called axis here",
    "out": "use the returned value",
}
"""The equivalents of PyTorch's keywords, of methods."""
HINTS = {
    **WORDS,
    "inplace": "leave it out: the input is never overwritten; use the returned value",
    "dtype": "leave it out and convert with .astype",
    "device": "leave it out: chainrule computes on the CPU",
    "pin_memory": "leave it out: chainrule computes on the CPU",
    "layout": "leave it out: tensors are dense",
    "learning_rate": "it is called lr here",
    "argnum": "it is called argnums here",
    "memory_format": "leave it out: NumPy keeps the order of the axes",
}
"""Those of functions and layers as well."""


def hint(keys: Any) -> str:
    """Return the end of an error for unexpected keywords: what to write for those of PyTorch, or nothing.

    >>> hint(["inplace"])
    '; leave it out: the input is never overwritten; use the returned value'
    """
    return "".join(f"; {HINTS[key]}" for key in keys if key in HINTS)


def _unexpected(function: Callable[..., Any], settings: dict[str, Any]) -> list[str]:
    """Return the keywords of a call that a function does not have."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    return [key for key in settings if key not in parameters]


def explained(function: F, name: str | None = None) -> F:
    """Return a function, or a layer's `__init__`, whose TypeError for one of PyTorch's keywords says what to write.

    `name` is the name under which its module has it, if that is not its own.

    >>> explained(lambda x, axis=-1: x, "softmax")(1.0, dim=0)
    Traceback (most recent call last):
    TypeError: softmax: got the unexpected argument 'dim'; PyTorch's dim is called axis here
    """

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        try:
            return function(*args, **settings)
        except TypeError:
            keys = _unexpected(function, settings) if settings else []
            found = hint(keys)
            if not found:
                raise
            what = call.__qualname__.removesuffix(".__init__")
            some = "arguments" if len(keys) > 1 else "argument"
            raise TypeError(f"{what}: got the unexpected {some} {', '.join(map(repr, keys))}{found}") from None

    if name is not None:
        call.__name__ = call.__qualname__ = name
    return cast(F, call)


def explained_of_one(function: F, name: str) -> F:
    """Return `explained(function, name)` for a function of one argument `x`: a call of it costs hardly more."""
    told = explained(function, name)

    @functools.wraps(told)
    def call(x: Any, **settings: Any) -> Any:
        return told(x, **settings) if settings else function(x)

    return cast(F, call)
