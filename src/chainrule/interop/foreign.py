"""A function of another library as an operation of chainrule.

The library differentiates it; its derivatives are functions of that library again, and so operations again, which
gives derivatives of every order in both modes.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.custom import Custom
from chainrule.core.tensor import Tensor

Function = Callable[..., Any]


class Library(ABC):
    """What an operation asks of a library. Functions are the library's own: of its arrays."""

    @abstractmethod
    def run(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> list[Any]:
        """Return the outputs, plain arrays, for plain arrays."""

    @abstractmethod
    def record(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> tuple[list[Any], Function]:
        """Return the outputs and a pullback: from plain cotangents to the list of those of the floating arguments."""

    @abstractmethod
    def pulled(self, f: Function, count: int) -> Function:
        """Return the function `(*bars, *args)` of `count` cotangents that gives those of the floating arguments."""

    @abstractmethod
    def pushed(self, f: Function, count: int) -> Function:
        """Return the function `(*args, *dots)` of `count` arguments that gives the tangents of the outputs."""


def operation(library: Library, f: Function, several: bool) -> Custom:
    """Return a custom operation that calls `f` and has both rules."""

    def primal(*args: Any, **settings: Any) -> Any:
        return _packed(library.run(f, args, settings))

    def _packed(outputs: list[Any]) -> Any:
        if several:
            return tuple(outputs)
        if len(outputs) != 1:
            raise TypeError(f"expected one array as the result, got {len(outputs)}; pass several=True")
        return outputs[0]

    def forward(*args: Any, **settings: Any) -> tuple[Any, Any]:
        if any(isinstance(x, Tensor) for x in args):  # another transform is at work: its derivative needs operations
            return made(*args, **settings), (args, None)
        outputs, pullback = library.record(f, args, settings)
        return _packed(outputs), (args, pullback)

    def backward(residuals: Any, y_bar: Any, **settings: Any) -> Any:
        args, pullback = residuals
        bars = tuple(y_bar) if isinstance(y_bar, tuple | list) else (y_bar,)
        if pullback is None or any(isinstance(bar, Tensor) for bar in bars):
            return pull(len(bars))(*bars, *args, **settings)
        return pullback(bars)

    def forward_mode(primals: tuple[Any, ...], tangents: tuple[Any, ...], **settings: Any) -> Any:
        return push(len(primals))(*primals, *(dot for dot in tangents if dot is not None), **settings)

    @functools.cache
    def pull(count: int) -> Custom:
        return operation(library, library.pulled(f, count), several=True)

    @functools.cache
    def push(count: int) -> Custom:
        return operation(library, library.pushed(f, count), several)

    _describe(primal, f)
    made = Custom(primal, several)
    made.def_vjp(forward, backward)
    made.def_jvp(forward_mode)
    return made


def _describe(primal: Any, f: Any) -> None:
    """Give the function of arrays the name and the signature of the library's."""
    primal.__name__ = getattr(f, "__name__", type(f).__name__)
    primal.__doc__ = getattr(f, "__doc__", None)
    try:
        inspect.signature(f)
    except (TypeError, ValueError):  # a builtin does not tell
        return
    primal.__wrapped__ = f


def is_array(x: Any) -> bool:
    """Whether an argument becomes an array of the library; anything else is passed on as it is."""
    return isinstance(x, float | np.ndarray | np.generic)
