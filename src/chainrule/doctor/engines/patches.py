"""What a pass can do otherwise, to try a remedy inside a model without touching its code."""

from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

STEPS = frozenset({"sign", "round", "floor", "ceil", "trunc", "heaviside"})
"""Operations without a derivative that the gradient can be let pass."""
GUARDS = {"log": 0, "log2": 0, "log10": 0, "sqrt": 0, "power": 0, "divide": 1, "reciprocal": 0}
"""The argument that must not be zero or negative."""
SMALL = 1e-6


def guarded(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments with the one that matters kept away from zero."""
    k = GUARDS[name]
    x = args[k]
    if name in ("divide", "reciprocal"):
        value = np.asarray(value_of(x))
        shift = np.where(np.abs(value) < SMALL, np.where(value < 0, -SMALL, SMALL) - value, 0.0).astype(value.dtype)
        x = x + shift
    else:
        x = np.maximum(x, np.asarray(SMALL, x.dtype)) if hasattr(x, "dtype") else max(x, SMALL)
    return (*args[:k], x, *args[k + 1 :])
