"""PyTorch habits: what its users write that has another name or another meaning here.

A method that NumPy has means what it means in NumPy. If PyTorch code fails, the error says what to write; if it runs
but means something else, there is a `PyTorchMeaningWarning`, only on tensors made for `backward()`: a NumPy function
under `chainrule.grad` or `chainrule.compile` keeps NumPy's meaning.
"""

import functools
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from chainrule.core.operands.keywords import WORDS
from chainrule.core.operands.meanings import caller, spreads, unpacks_two, warn
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import running
from chainrule.core.traces.tape import EAGER

from . import names as habits_names


def _numbered(values: Sequence[Any]) -> bool:
    """Whether these are integers."""
    return all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in values)


def _eager(x: Tensor) -> FrameType | None:
    """Return the user's frame that called a method of a tensor made for `backward()`, else None."""
    return caller(3) if x._trace is EAGER and running.capture is None else None


def _told(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method whose errors explain PyTorch's keywords, and that the third argument is not `keepdim`."""

    @functools.wraps(method)
    def told(self: Tensor, *args: Any, **settings: Any) -> Any:
        try:
            return method(self, *args, **settings)
        except TypeError as error:
            hints = [WORDS[key] for key in settings if key in WORDS]
            if not hints and any(isinstance(x, bool | np.bool_) for x in args):
                hints = ["PyTorch's keepdim and unbiased are written here as keepdims=True and ddof=1"]
            if not hints:
                raise
            raise TypeError(f"{name}: got {', '.join(map(repr, settings)) or args}; {'; '.join(hints)}") from error

    return told


def _values_only(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `max` or `min`, which give values here and (values, indices) in PyTorch."""
    method = _told(name, method)
    instead = f"x.arg{name}(axis)"

    @functools.wraps(method)
    def values(self: Tensor, *args: Any, **settings: Any) -> Any:
        y = method(self, *args, **settings)
        if not settings and args and (frame := _eager(self)) and unpacks_two(frame):
            meaning = f"{name}: values only are returned here, where PyTorch gives (values, indices)"
            step = f"write values, indices = x.{name}(axis=axis), {instead}"
            if y.ndim == 0 or len(y) != 2:
                raise ValueError(f"{meaning}; {step}")
            warn(f"{meaning}: two rows went to the two names; {step}")
        return y

    return values


def _deviation(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `std` or `var`, which divide by n here and by n - 1 in PyTorch."""
    method = _told(name, method)

    @functools.wraps(method)
    def deviation(self: Tensor, *args: Any, **settings: Any) -> Any:
        y = method(self, *args, **settings)
        if len(args) < 4 and not {"ddof", "correction"} & settings.keys() and _eager(self):
            warn(
                f"{name}: NumPy divides by n, as here, and PyTorch by n - 1; write x.{name}(ddof=0) for NumPy's and "
                f"x.{name}(ddof=1) for PyTorch's"
            )
        return y

    return deviation


def _transpose(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def transpose(self: Tensor, *axes: Any) -> Any:
        if len(axes) == 2 and _numbered(axes):
            exchange = f"x.swapaxes({axes[0]}, {axes[1]})"
            if self.ndim != 2:
                raise ValueError(
                    f"transpose: got the axes {axes} for shape {self.shape}, expected the order of all axes; to "
                    f"exchange two, as in PyTorch, write {exchange}"
                )
            if axes[0] % 2 == 0 and axes[1] % 2 == 1 and (frame := _eager(self)) and not spreads(frame):
                warn(
                    f"transpose: {axes} is the order of the axes, as in NumPy, and leaves them as they are; PyTorch "
                    f"exchanges the two: write {exchange}, or x.T"
                )
        return method(self, *axes)

    return transpose


def _repeat(method: Callable[..., Any]) -> Callable[..., Any]:
    method = _told("repeat", method)

    @functools.wraps(method)
    def repeat(self: Tensor, repeats: Any, *args: Any, **settings: Any) -> Any:
        given = repeats if isinstance(repeats, tuple | list) else (repeats, *args)
        tiled = f"np.tile(x, {tuple(given)})"
        if len(args) > 1:
            raise TypeError(f"repeat: got {given}, expected repeats and an axis; for PyTorch's repeat write {tiled}")
        try:
            y = method(self, repeats, *args, **settings)
        except ValueError as error:
            raise type(error)(f"{error}; for PyTorch's repeat write {tiled}") from None
        written = not settings and _numbered(given) and any(n != 1 for n in given) and len(given) >= self.ndim > 0
        if written and repeats is not given and (frame := _eager(self)) and not spreads(frame):
            axis = args[0] if args else 0
            warn(
                f"repeat: each element is repeated, as in NumPy, where PyTorch repeats the whole; write "
                f"x.repeat({repeats}, axis={axis}) for NumPy's and {tiled} for PyTorch's"
            )
        return y

    return repeat


def _flatten(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def flatten(self: Tensor, *args: Any, **settings: Any) -> Any:
        if (args and _numbered(args)) or {"start_dim", "end_dim"} & settings.keys():
            raise TypeError(
                "flatten: gives one axis here, as in NumPy; for PyTorch's start_dim and end_dim write x.reshape(...), "
                "such as x.reshape(len(x), -1)"
            )
        return method(self, *args, **settings)

    return flatten


class Size(int):
    """The number of elements: an int that, if called as in PyTorch, says what to write."""

    def __call__(self, *axis: Any) -> Any:
        """Raise the TypeError that names the shape."""
        step = f"x.shape[{axis[0]}]" if axis else "x.shape"
        raise TypeError(f"size: the number of elements here, and no method; for PyTorch's x.size() write {step}")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """Call a function of NumPy's with a plain int: any other class of integers turns float32 into float64."""
        return getattr(ufunc, method)(*(int(x) if type(x) is Size else x for x in inputs), **settings)


def _size(self: Tensor) -> Size:
    """The number of elements."""
    return Size(self._value.size)


def _in_place(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return `sort`, which sorts in place as in NumPy, and returns a pair in PyTorch."""
    method = _told("sort", method)

    @functools.wraps(method)
    def sort(self: Tensor, *args: Any, **settings: Any) -> Any:
        if (frame := _eager(self)) and unpacks_two(frame):
            raise ValueError(
                "sort: x.sort() sorts in place and returns None, as in NumPy, where PyTorch gives (values, indices); "
                "write values, indices = np.sort(x, axis), x.argsort(axis)"
            )
        return method(self, *args, **settings)

    return sort


def _missing(self: Tensor, name: str) -> Any:
    """Raise the AttributeError for a missing name, with the replacement for one of PyTorch's or NumPy's."""
    if name[:1] == "_":  # a slot that is empty, or a protocol that is not there: nobody reads this error
        raise AttributeError(name)
    hint = habits_names.hint(name)
    raise AttributeError(f"'Tensor' object has no attribute {name!r}{hint}", name=name, obj=self)


TOLD = (
    *("sum", "mean", "prod", "cumsum", "cumprod", "argmax", "argmin", "argsort", "any", "all", "ptp", "squeeze"),
    *("take", "diagonal", "trace", "clip", "round"),
)
"""Methods that give the same values in PyTorch, if they run."""
WITH_MEANINGS: dict[str, Callable[..., Any]] = {
    **{name: functools.partial(_told, name) for name in TOLD},
    **{name: functools.partial(_values_only, name) for name in ("max", "min")},
    "sort": _in_place,
    **{name: functools.partial(_deviation, name) for name in ("std", "var")},
    "transpose": _transpose,
    "repeat": _repeat,
    "flatten": _flatten,
}


def _attach() -> None:
    for name, made in WITH_MEANINGS.items():
        setattr(Tensor, name, made(getattr(Tensor, name)))
    for name, value in {"size": property(_size), "__getattr__": _missing}.items():
        setattr(Tensor, name, value)


_attach()
