"""Forward mode: each value carries its tangent along."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .tape import check_real, modes
from .tensor import Tensor


class Forward:
    """Forward mode's trace. A box's link is its tangent, or None where that is zero."""

    __slots__ = ("level",)

    def __init__(self, level: int) -> None:
        self.level = level

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to what is inside this trace's boxes, and its derivative to their tangents."""
        mine = tuple(isinstance(x, Tensor) and x._trace is self for x in args)
        dots = tuple(x._link if own else None for x, own in zip(args, mine, strict=True))
        values = tuple(x._value if own else x for x, own in zip(args, mine, strict=True))
        moving = any(dot is not None for dot in dots) and op.kind != "constant" and self.level >= modes.floor
        if moving and op.composite is not None and "jvp" not in op.rules:
            return op.composite(*args, **settings)
        y = op.apply(*values, **settings)
        if not moving:
            return tuple(Tensor(part, self, None) for part in y) if op.several else Tensor(y, self, None)
        # A rule that is missing says so as reverse mode does.
        op.saver(tuple(dot is not None for dot in dots))
        y_dot = op.push(y, values, dots, settings)
        if op.several:
            return tuple(self._box(op, part, dot) for part, dot in zip(y, y_dot, strict=True))
        return self._box(op, y, y_dot)

    def _box(self, op: Any, y: Any, y_dot: Any) -> Tensor:
        check_real(op.name, y.dtype)
        return Tensor(y, self, match(y_dot, y.shape, y.dtype))


def match(y_dot: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Give a tangent the shape and dtype of what it belongs to."""
    if not hasattr(y_dot, "shape"):
        y_dot = np.asarray(y_dot)
    if y_dot.shape != shape:
        y_dot = y_dot + np.zeros(shape, dtype)
    return y_dot if y_dot.dtype == dtype else y_dot.astype(dtype)
