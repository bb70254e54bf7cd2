"""How the functions convert and check their arguments."""

from typing import Any

import numpy as np

from chainrule.core.traces.capturing import as_array
from chainrule.rules.arrays.windows import Windows

from ..inputs import in_dtype_of

Ints = tuple[int, ...]


def arrayed(x: Any) -> Any:
    """Return a list or number as an array; arrays and tensors unchanged."""
    return as_array(x)


def compared(name: str, input: Any, **others: Any) -> list[Any]:
    """Return all arguments as arrays or tensors in the dtype of the first, which a loss computes in."""
    input = arrayed(input)
    if input.dtype.kind != "f":
        input = in_dtype_of(np.empty(0), input, f"{name}: input")
    return [input, *(in_dtype_of(input, other, f"{name}: {key}") for key, other in others.items())]


def ints(name: str, key: str, value: Any, axes: int, least: int) -> Ints:
    """Return one integer per axis; an error starting with `name` if their number is wrong or one is too small."""
    each = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if len(each) == 1:
        each *= axes
    if len(each) != axes or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in each):
        raise TypeError(f"{name}: {key}: expected an integer or {axes} of them, got {value!r}")
    if min(each) < least:
        raise ValueError(f"{name}: {key}: expected {least} or more, got {value!r}")
    return tuple(int(n) for n in each)


def batched(name: str, input: Any, axes: int) -> tuple[Any, bool]:
    """Return `[B, C, …]` with this many more axes, and whether a missing batch axis was added."""
    input = arrayed(input)
    if input.ndim not in (axes + 1, axes + 2):
        places = ", ".join("DHW"[3 - axes :]) if axes > 1 else "L"
        raise ValueError(f"{name}: expected [B, C, {places}] or [C, {places}], got {list(input.shape)}")
    return (input, False) if input.ndim == axes + 2 else (input[None], True)


def check_reach(name: str, windows: Windows, size: Ints) -> None:
    """Raise a ValueError starting with `name` unless the windows fit into an input of this size."""
    try:
        windows.count(size)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
