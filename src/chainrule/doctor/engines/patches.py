"""Patches to a pass that try a remedy inside a model without touching its code."""

from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

SMALL = 1e-6


def pole_of(op: Any) -> tuple[int, bool] | None:
    """Return which argument of an operation must avoid a pole, and whether it may lie on both sides of it.

    >>> from chainrule.core.operation import REGISTRY
    >>> pole_of(REGISTRY["divide"]), pole_of(REGISTRY["log"]), pole_of(REGISTRY["exp"])
    ((1, True), (0, False), None)
    """
    for name, (low, high) in op.poles.items():
        return op.arguments.index(name), low == high
    return None


def guarded(op: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of an operation with a pole at zero, with the critical one kept away from it."""
    found = pole_of(op)
    assert found is not None
    k, both_sides = found
    x = args[k]
    if both_sides:
        value = np.asarray(value_of(x))
        shift = np.where(np.abs(value) < SMALL, np.where(value < 0, -SMALL, SMALL) - value, 0.0).astype(value.dtype)
        x = x + shift
    else:
        x = np.maximum(x, np.asarray(SMALL, x.dtype)) if hasattr(x, "dtype") else max(x, SMALL)
    return (*args[:k], x, *args[k + 1 :])
