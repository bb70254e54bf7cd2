"""In-place writes: a tensor gets a new value, and so does every tensor that shares its memory.

Whatever NumPy allows to be written is allowed here, with three exceptions, each an error: a leaf that requires a
gradient, outside `no_grad`; a tensor with a gradient, inside it; and a constant that shares the memory of a tensor with
a gradient.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import GradientError
from .memory.alias import Owner, View, alias_of, become, connect, outliving, refresh, written
from .memory.changes import changes
from .memory.written import Written
from .tensor import Tensor, copied, value_of
from .traces.capturing import captured_in, running
from .traces.modes import modes
from .traces.node import Leaf
from .traces.tape import EAGER


def viewed(op: Any, x: Any, settings: Mapping[str, Any], frozen: str | None = None) -> Any:
    """Return `op` of `x` with all its settings, as a view of `x` if NumPy's result is one (see `connect`)."""
    y = op.apply(x, **settings)
    if isinstance(y, Tensor) and y.is_variable and isinstance(x, Tensor):
        connect(y, x, op, settings, frozen)
    return y


class Target:
    """The target of a write that has been found permissible.

    `leaf` is the leaf whose memory is written to, if the write is to a leaf, inside `no_grad`.
    """

    __slots__ = ("leaf", "origins", "root", "x")
    origins: Sequence[tuple[Any, View | None]]
    """The constants that share the memory of the root without being its views, with its place in each."""

    def __init__(self, x: Tensor, what: str) -> None:
        alias = alias_of(x)
        root = x
        if type(alias) is View:
            if alias.frozen is not None:
                raise ValueError(f"{what}: assignment destination is read-only: {alias.frozen}")
            root = alias.root
            alias = alias_of(root)
        origin = alias.origin if type(alias) is Owner else None
        self.x, self.root, self.leaf, self.origins = x, root, None, ()
        source = root if origin is None or isinstance(root._link, Leaf) else origin
        if isinstance(source._link, Leaf) and source._trace is EAGER and not _stands_for_argument(source):
            if modes.floor <= EAGER.level:
                raise GradientError(
                    f"{what}: {_named(x, source)} that requires a gradient, so it must not change; write to a copy, "
                    f"y = x.copy(), or y = x.at[index].set(value), or change its values inside cr.no_grad() or "
                    f"through x.data"
                )
            self.leaf = source
        elif origin is not None:
            self.origins = tuple(_origins(alias))
            if not any(one._link is not None for one, _ in self.origins):
                if running.capture is not None:
                    running.capture.writes(self.origins[-1][0])
                return
            raise GradientError(
                f"{what}: x is a constant that shares the memory of a tensor with a gradient (it was made by "
                f"x.detach(), by stop_gradient, or as a view inside cr.no_grad()), whose values would change without "
                f"its gradient; write to x.copy(), or to the tensor itself"
            )
        elif root.requires_grad and root._trace.level < modes.floor:
            raise GradientError(
                f"{what}: inside cr.no_grad() this would cut x off from its gradient; write it outside, or into "
                f"x.detach().copy()"
            )
        elif running.capture is not None:
            running.capture.writes(root)

    def write_values(self, write: Callable[[Any], None]) -> None:
        """Call `write` with the part of the leaf's memory that belongs to the target."""
        assert self.leaf is not None
        self.leaf._looked_at()
        write(Written.over(np.asarray(value_of(self.x)), self.leaf.mark_changed))

    def become(self, new: Tensor, fit: Callable[[Any, Any], Any]) -> None:
        """Set the target to the value `new`; `fit(new, old)` returns `new` in the memory layout of `old`."""
        x, root = self.x, self.root
        if root._trace is EAGER and root._link is None:
            changes.replaced += 1  # a compiled function may rely on this constant
        if root is not x:
            new = fit(written(root, alias_of(x), new), root)
        if self.origins and new._link is not None:
            raise GradientError(
                "x is a constant that shares the memory of another one (it was made by x.detach()), so a value with a "
                "gradient cannot be written into it; write to x.copy()"
            )
        for origin, place in self.origins:
            new, root = new if place is None else fit(written(origin, place, new), origin), origin
        become(root, new)
        if alias_of(root) is not None:
            refresh(root)


def _origins(alias: Owner) -> Iterator[tuple[Any, View | None]]:
    """Yield what shares the memory of an owner without its gradient, outwards."""
    above: Any = alias
    while type(above) is Owner and (origin := above.origin) is not None:
        yield origin, above.place
        above = alias_of(origin)


def _stands_for_argument(x: Tensor) -> bool:
    """Whether a leaf represents an argument of a function being captured, inside which arguments are copies."""
    box = captured_in(x) if running.capture is not None else None
    return box is not None and box._link.kind == "input"


def _named(x: Tensor, source: Tensor) -> str:
    leaf = f"the leaf {source.name}" if source.name else "a leaf"
    return f"x is {leaf}" if x is source else f"x is a view of {leaf}"


def ended(level: int, outputs: Sequence[Any] = ()) -> list[Any]:
    """Remove the values of an ended trace from the boxes that they were written to; return its outputs.

    `x[0] = t`, inside a function, may have written a value of its trace into a box from outside, where it becomes a
    value of the outer traces. The outputs do not change.
    """
    noted = outliving.pop(level, None)
    if noted is None:
        return list(outputs)
    outputs = [copied(y) for y in outputs]
    for reference, before in noted:
        box = reference()
        if box is not None and box._trace.level == level:
            inner = box._value
            if isinstance(inner, Tensor) and inner._trace.level >= -1:  # what a capture knows is as an array
                if inner.is_mapped:
                    box.__class__ = type(inner)
                box._value, box._link, box._trace = inner._value, inner._link, inner._trace
            else:
                box._link, box._trace = None, before
    return outputs
