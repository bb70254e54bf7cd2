"""Functions of one array that NumPy takes many passes for, and their adjoints, as one loop each over large arrays.

They are those whose record has an `element`. The size of the array alone decides, never what has run before: equal
calls give equal results.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.kernels.pointwise import apply, code_of
from chainrule.kernels.suitable import LARGE, suitable

from .tensor import Tensor
from .traces.tape import next_level

Rule = Callable[..., Any]


class _Elements:
    """The trace of boxes that hold one number of each array, as a symbol: an operation writes its instructions."""

    def __init__(self) -> None:
        self.level = next_level()

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Tensor:
        """Apply `op` to the symbols."""
        values = [x._value if isinstance(x, Tensor) else x for x in args]
        return Tensor((op.element or op.primal)(*values, **settings), self, None)


def by_loop(primal: Rule, element: Rule) -> Rule:
    """Return `primal` of one array, computed by a loop over `element` if the array is large."""

    @functools.cache
    def code(settings: tuple[tuple[str, Any], ...]) -> Any:
        return code_of(functools.partial(element, **dict(settings)), 1)

    @functools.wraps(primal)
    def applied(x: Any, **settings: Any) -> Any:
        if suitable(LARGE, x):
            return apply(code(tuple(settings.items())), (x,))
        return primal(x, **settings)

    return applied


def adjoint_by_loop(adjoint: Rule) -> Rule:
    """Return `adjoint(y_bar, saved, settings)` of one array, as one loop if the arrays are large."""

    @functools.cache
    def code(which: tuple[int, ...], count: int, settings: tuple[tuple[str, Any], ...]) -> Any:
        def of_symbols(*symbols: Any) -> Any:
            trace = _Elements()
            y_bar, *boxes = (Tensor(x, trace, None) for x in symbols)
            saved: list[Any] = [None] * count
            for k, box in zip(which, boxes, strict=True):
                saved[k] = box
            return adjoint(y_bar, saved, dict(settings))._value

        return code_of(of_symbols, 1 + len(which))

    def applied(y_bar: Any, saved: Any, settings: Mapping[str, Any]) -> Any:
        if suitable(LARGE, y_bar):
            which = tuple(k for k, x in enumerate(saved) if x is not None)
            arrays = [saved[k] for k in which]
            if suitable(LARGE, y_bar, *arrays) and all(x.shape == y_bar.shape for x in arrays):
                return apply(code(which, len(saved), tuple(settings.items())), (y_bar, *arrays))
        return adjoint(y_bar, saved, settings)

    return applied
