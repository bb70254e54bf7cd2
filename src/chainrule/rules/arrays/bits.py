"""Operators of conditions and integers, `&`, `|`, `^`, `~`, `<<` and `>>`: their results are constants."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.traces.capturing import plain
from chainrule.rules.elementary.compare import logical_and, logical_not, logical_or, logical_xor

LOGICAL: dict[Any, Callable[..., Any] | None] = {
    np.bitwise_and: logical_and,
    np.bitwise_or: logical_or,
    np.bitwise_xor: logical_xor,
    np.invert: logical_not,
    np.left_shift: None,
    np.right_shift: None,
    np.bitwise_count: None,
    np.gcd: None,
    np.lcm: None,
}
"""What each function is for conditions."""


def _of_integers(ufunc: Any, logical: Callable[..., Any] | None) -> Callable[..., Any]:
    def apply(*args: Any) -> Any:
        kinds = {(x if hasattr(x, "dtype") else np.asarray(x)).dtype.kind for x in args}
        if logical is not None and kinds == {"b"}:
            return logical(*args)
        if kinds <= set("iub"):
            return plain(ufunc, *args)
        raise TypeError(
            f"np.{ufunc.__name__}: chainrule has no derivative for it; use x.numpy() if none is needed (it works on "
            f"conditions and integers; got {', '.join(map(_described, args))})"
        )

    apply.__name__ = apply.__qualname__ = ufunc.__name__
    apply.__doc__ = f"Return numpy's {ufunc.__name__} of conditions or integers: a constant of every derivative."
    return apply


def _described(x: Any) -> str:
    return str(getattr(x, "dtype", type(x).__name__))


BITWISE = {ufunc: implements(ufunc)(_of_integers(ufunc, logical)) for ufunc, logical in LOGICAL.items()}
"""The functions, by NumPy's."""
