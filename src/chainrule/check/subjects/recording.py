"""A run of a function, operation by operation, with everything that went in and came out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces import tape
from chainrule.core.tree import flatten

from .subject import Recorded


class Recording:
    """A trace that keeps the plain inputs and the output of each operation, constant ones included.

    A box's link is True where it depends on the arguments, None behind an operation that cuts the gradient.
    """

    def __init__(self) -> None:
        self.level = tape.next_level()
        self.operations: list[Recorded] = []

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Run an operation on plain arrays and note it."""
        tracked = tuple(isinstance(x, Tensor) and x._trace is self and bool(x._link) for x in args)
        inputs = tuple(value_of(x) for x in args)
        y = op.apply(*inputs, **settings)
        outputs = y if op.several else (y,)
        if any(tracked):
            first = value_of(outputs[0])
            floating = getattr(first, "dtype", None) in (tape.FLOAT64, tape.FLOAT32, tape.FLOAT16)
            source = tape.record(op, first, (), (), {}, 3).source if floating else None
            self.operations.append(Recorded(op, inputs, tracked, settings, y, source))
        link = True if any(tracked) and op.kind != "constant" else None
        boxes = tuple(Tensor(value_of(part), self, link) for part in outputs)
        return boxes if op.several else boxes[0]


def record(run: Callable[..., Any], leaves: Sequence[Any]) -> list[Recorded]:
    """Return the operations of one run, in their order."""
    recording = Recording()
    flatten(run(*(Tensor(leaf, recording, True) for leaf in leaves)))
    return recording.operations
