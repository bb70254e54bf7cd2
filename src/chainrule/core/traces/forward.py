"""Forward mode: each value carries its tangent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, outer

from .modes import latest
from .tape import check_differentiable


class Forward:
    """Forward mode's trace. A box's link is its tangent, or None if that is zero."""

    __slots__ = ("level",)

    def __init__(self, level: int) -> None:
        self.level = level

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to the contents of this trace's boxes, and its derivative to their tangents."""
        values: list[Any] = []
        dots: list[Any] = []
        for x in args:
            if isinstance(x, Tensor) and x._trace is self:
                values.append(x._value)
                dots.append(x._link)
            else:
                values.append(outer(x))
                dots.append(None)
        tracked = tuple(dot is not None for dot in dots)
        moving = True in tracked and op.kind != "constant" and self.level >= latest.get().level
        if moving and op.composite is not None and "jvp" not in op.rules:
            return op.composite(*args, **settings)
        y = op.apply(*values, **settings)
        if not moving:
            return tuple(Tensor(part, self, None) for part in y) if op.several else Tensor(y, self, None)
        outputs = y if op.several else (y,)
        for part in outputs:
            check_differentiable(op.name, part.dtype)
        op.saver(tracked)  # a missing rule gives the same error as in reverse mode
        links = self.tangents(op, outputs, tuple(values), tuple(dots), settings)
        if not op.several:
            return Tensor(y, self, links[0])
        return tuple(Tensor(part, self, link) for part, link in zip(outputs, links, strict=True))

    def tangents(
        self, op: Any, outputs: Sequence[Any], args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Return the link of each output."""
        return pushed(op, outputs, args, dots, settings)


def pushed(
    op: Any, outputs: Sequence[Any], args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]
) -> Sequence[Any]:
    """Return the tangent of each output of an operation; a tangent of None is zero."""
    y_dot = op.push(outputs if op.several else outputs[0], args, dots, settings)
    parts = zip(outputs, y_dot if op.several else (y_dot,), strict=True)
    return [match(dot, y.shape, y.dtype) for y, dot in parts]


def match(y_dot: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Give a tangent the shape and dtype of its primal; that of a real one is the real part."""
    if not hasattr(y_dot, "shape"):
        y_dot = np.asarray(y_dot)
    if y_dot.dtype.kind == "c" != dtype.kind:
        y_dot = y_dot.real
    if y_dot.shape != shape:
        y_dot = y_dot + np.zeros(shape, dtype)
    return y_dot if y_dot.dtype == dtype else y_dot.astype(dtype)
