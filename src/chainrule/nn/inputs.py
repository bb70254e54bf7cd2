"""How modules and their functions convert and check their arguments."""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from chainrule.core.operands.keywords import hint
from chainrule.core.traces.capturing import as_array
from chainrule.core.traces.tape import check_real

F = TypeVar("F", bound=Callable[..., Any])

_NUMPYS_NAMES = {"dim": "axis", "start_dim": "start_axis", "end_dim": "end_axis"}


def in_dtype_of(like: Any, x: Any, what: str) -> Any:
    """Return `x` as an array or tensor in the dtype of `like`: the data never decide what dtype a model computes in.

    Where `like` is None, in a layer without parameters, the dtype stays.

    Raises TypeError for anything but real numbers.
    """
    x = as_array(x)
    if like is None or x.dtype == like.dtype:
        return x
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{what}: expected real numbers, got dtype {x.dtype}")
    return x.astype(like.dtype)


def check_last_axes(what: str, x: Any, wanted: Sequence[int]) -> None:
    """Raise a ValueError unless the shape of `x` ends with `wanted`."""
    wanted = list(wanted)
    if list(x.shape[-len(wanted) :]) != wanted:
        raise ValueError(f"{what}: expected [..., {str(wanted)[1:]}, got {list(x.shape)}")


def floating(what: str, dtype: Any) -> Any:
    """Return a dtype for parameters; raise a TypeError that begins with `what` if the dtype has no gradients."""
    found = np.dtype(dtype)
    check_real(f"{what}: dtype", found)
    return found


def positive_size(what: str, value: Any) -> int:
    """Return a size as an int; raise a TypeError or ValueError that begins with `what` if it is not a valid size."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what}: expected an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{what}: expected at least 1, got {value}")
    return int(value)


def numpys_names(what: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with PyTorch's `dim` renamed to NumPy's `axis`."""
    renamed: dict[str, Any] = {}
    for key, value in settings.items():
        name = _NUMPYS_NAMES.get(key, key)
        if name in renamed:
            raise TypeError(f"{what}: got both {name!r} and its other name; pass one of them")
        renamed[name] = value
    return renamed


def accepts_dim(function: F) -> F:
    """Let a function with an `axis` accept PyTorch's `dim` as well."""

    @functools.wraps(function)
    def accepting(*args: Any, **settings: Any) -> Any:
        return function(*args, **numpys_names(function.__name__, settings))

    accepting.__module__ = sys._getframe(1).f_globals["__name__"]  # where pickle finds it
    return cast(F, accepting)


def settings_of(what: str, function: Callable[..., Any], inputs: int, args: Any, settings: Any) -> dict[str, Any]:
    """Return the arguments of a call after the first `inputs`, keyed by their names in `function`."""
    parameters = list(inspect.signature(function).parameters.values())[inputs:]
    try:
        return dict(inspect.Signature(parameters).bind(*args, **numpys_names(what, settings)).arguments)
    except TypeError as error:
        names = [p.name for p in parameters]
        keys = [key for key in settings if key not in names and key not in _NUMPYS_NAMES]
        if len(args) > len(parameters) and isinstance(args[-1], bool):
            keys.append("inplace")
        known = ", ".join(names) or "none"
        raise TypeError(f"{what}: {error} (its settings are {known}){hint(keys)}") from None
