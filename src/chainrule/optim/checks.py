"""Checks of settings and parameters, with their error messages."""

import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import EAGER


@dataclass(frozen=True)
class Range:
    """The values that a number may take, in words and as a test."""

    words: str
    holds: Callable[[float], bool]


FINITE = Range("a finite number", math.isfinite)
NOT_NEGATIVE = Range("a finite number, 0 or more", lambda x: 0 <= x < math.inf)
POSITIVE = Range("a finite number greater than 0", lambda x: 0 < x < math.inf)
BELOW_ONE = Range("a number from 0 to 1, but less than 1", lambda x: 0 <= x < 1)
UP_TO_ONE = Range("a number from 0 to 1", lambda x: 0 <= x <= 1)


def number(what: str, value: Any, allowed: Range) -> float:
    """Return a number as a Python float; raise a TypeError or ValueError that begins with `what` if it is not
    allowed.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: expected {allowed.words}, got {type(value).__name__}")
    if not allowed.holds(float(value)):
        raise ValueError(f"{what}: expected {allowed.words}, got {value}")
    return float(value)


def count(what: str, value: Any, least: int = 1) -> int:
    """Return an integer that is at least `least`, as a Python int."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what}: expected an integer, got {type(value).__name__}")
    if int(value) < least:
        raise ValueError(f"{what}: expected an integer of at least {least}, got {value}")
    return int(value)


def choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{what}: expected one of {', '.join(map(repr, choices))}, got {value!r}")


def named(what: str, params: Any) -> dict[str, Tensor]:
    """Return parameters by name, in order: from `model.parameters()`, `model.named_parameters()` or one tensor.

    A parameter without a name is named by its position. Raises TypeError for anything but leaves, and ValueError for a
    duplicate; messages begin with `what`.
    """
    if isinstance(params, Tensor):
        params = [params]
    is_module = hasattr(params, "parameters")
    if is_module or not isinstance(params, Iterable) or isinstance(params, str | bytes):
        hint = "; pass model.parameters()" if is_module else ""
        raise TypeError(f"{what}: expected parameters, got {type(params).__name__}{hint}")
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for position, item in enumerate(params):
        name, parameter = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        name = str(name or getattr(parameter, "name", None) or f"parameter {position}")
        _check_leaf(f"{what}: {name}", parameter)
        if id(parameter) in seen:
            raise ValueError(f"{what}: {name} was passed twice; pass each parameter once")
        seen.add(id(parameter))
        found[name if name not in found else f"{name} (position {position})"] = parameter
    return found


def _check_leaf(what: str, parameter: Any) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(f"{what}: expected a parameter or a tensor, got {type(parameter).__name__}")
    if parameter._trace is not EAGER or not parameter.is_leaf:
        raise TypeError(
            f"{what}: expected a leaf (a Parameter, or a tensor made with requires_grad=True), got the result of an "
            f"operation or a value inside a transform"
        )
    if parameter.dtype.kind == "c":  # its gradient's conjugate points uphill, and each part has its own scale
        raise TypeError(
            f"{what}: got dtype {parameter.dtype}, expected real numbers; keep the real and the imaginary part as two "
            f"parameters, a and b, and compute with a + 1j * b"
        )
