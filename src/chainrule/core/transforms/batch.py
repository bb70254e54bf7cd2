"""Batches of directions, with which Jacobians are computed.

The rows of a Jacobian are pullbacks of unit cotangents, its columns are push-forwards of unit tangents. All of them run
the same rules on the same saved values, so a `Batch` lets one pass carry many directions: a box holds a stack of them
along a leading axis that the box's shape does not show, and rules work on the box as on a single direction.

The record's `stacked` says how an operation handles stacks: the same operation, with its arguments and settings changed
to skip the leading axis, or the stack of results itself (`Done`). Elementwise operations need no such rule. Where there
is none, or it does not cover the case, the operation is applied row by row: slower, but always right.

`vmap` (in `mapped.py`) builds on the same boxes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import boxes_in, replaced, running

Call: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]
"""The arguments and settings of an operation."""

Values: TypeAlias = tuple[Any, ...]
Mine: TypeAlias = tuple[bool, ...]
Settings: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """The stack of an operation's results, from a rule that needs more than one call for it."""

    value: Any


StackRule: TypeAlias = Callable[[Values, Mine, Settings], Call | Done | None]
"""From values, which of them are stacks, and settings, to the call on whole stacks; None if there is none."""


class Batched(Tensor):
    """A stack of values that looks like one of them."""

    __slots__ = ()
    is_variable = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one value."""
        return self._value.shape[1:]  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes of one value."""
        return self._value.ndim - 1  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements of one value."""
        return int(np.prod(self.shape))

    @property
    def requires_grad(self) -> bool:
        """True: these are never constants, and code that wants a plain array must say so."""
        return True

    def __len__(self) -> int:
        return self.shape[0]

    def detach(self) -> "Batched":
        """Return the values as a constant of the outer traces."""
        value = self._value
        return type(self)(value.detach() if isinstance(value, Tensor) else value, self._trace, None)


class Batch:
    """The trace of boxes that hold `size` values each."""

    __slots__ = ("level", "size")

    def __init__(self, level: int, size: int) -> None:
        self.level = level
        self.size = size

    def box(self, stack: Any) -> Batched:
        """Box a stack of values."""
        return Batched(stack, self, None)

    def holds(self, x: Any) -> bool:
        """Whether a value is a box of this batch."""
        return isinstance(x, Tensor) and x._trace is self

    def stack(self, x: Any) -> Any:
        """Return the stack in a box, or a stack of equal rows for any other value."""
        return x._value if self.holds(x) else np.stack([x] * self.size)

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to whole stacks if possible, and otherwise row by row."""
        found = self.together(op, args, settings)
        return self.each(lambda *row: op.apply(*row, **settings), args) if found is None else found

    def together(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to whole stacks; None if it has no rule for this call."""
        mine = tuple(map(self.holds, args))
        values = tuple(x._value if own else x for x, own in zip(args, mine, strict=True))
        rule: StackRule | None = op.stacked or (along_last_axes if op.is_pointwise else None)
        call = rule and rule(values, mine, settings)
        if call is None:
            return None
        y = call.value if isinstance(call, Done) else op.apply(*call[0], **call[1])
        return tuple(map(self.box, y)) if op.several else self.box(y)

    def each(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call `f` with each row of the boxes among its arguments, which may be nested, and box the results."""
        found = [f(*self.row(args, k)) for k in range(self.size)]
        if not isinstance(found[0], tuple | list):
            return self.box(np.stack(found))
        return tuple(None if part[0] is None else self.box(np.stack(part)) for part in zip(*found, strict=True))

    def row(self, args: Any, k: int) -> Any:
        """Return nested arguments with row `k` of each box of this batch in its place."""
        return replaced(tuple(args), lambda x: x._value[k] if self.holds(x) else x)


def along_last_axes(values: Values, mine: Mine, settings: Settings) -> Call:
    """Give all values the same number of axes, for operations that broadcast on the left: the leading one stays
    first.
    """
    ndim = max(np.ndim(x) - own for x, own in zip(values, mine, strict=True))
    return [lifted(x, ndim) if own else x for x, own in zip(values, mine, strict=True)], settings


def on_last_axes(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    """Leave everything as it is, for operations of one array that only count axes from the end."""
    return values, settings


def along_axes(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    """Move the `axis` of an operation of one array past the leading axis; None stands for all axes of a value."""
    ndim, axis = values[0].ndim - 1, settings["axis"]
    if not ndim and axis is not None:  # of numbers NumPy takes the axes 0 and -1, too
        return values, {**settings, "axis": ()}
    axes = past_leading(tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim), ndim)
    return values, {**settings, "axis": axes[0] if isinstance(axis, int) else axes}


def first_alone(values: Values, mine: Mine, settings: Settings) -> Call | None:
    """Leave everything as it is if only the first argument is a stack, in front of whose axes there may be others."""
    return (values, settings) if mine[0] and not any(mine[1:]) else None


def all_in_stacks(values: Values, mine: Mine, settings: Settings) -> Call:
    """Make a stack of every argument, for operations whose axes in front count the samples."""
    return everywhere(values, mine), settings


def along_axis(values: Values, mine: Mine, settings: Settings) -> Call | None:  # noqa: ARG001
    """Do the same for an operation that takes one axis, or all of them as one."""
    stack, axis = values[0], settings["axis"]
    if axis is not None and stack.ndim > 1:
        return values, {**settings, "axis": past_leading(normalize_axis_tuple(axis, stack.ndim - 1), stack.ndim - 1)[0]}
    return [stack.reshape((stack.shape[0], int(np.prod(stack.shape[1:]))))], {**settings, "axis": 1}


def past_leading(axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return axes of a value as axes of a stack of such values."""
    return tuple(axis % ndim + 1 for axis in axes)


def everywhere(values: Values, mine: Mine) -> list[Any]:
    """Return all values as stacks: those that are none are repeated, without a copy."""
    size = next(x.shape[0] for x, own in zip(values, mine, strict=True) if own)
    return [x if own else np.broadcast_to(x, (size, *np.shape(x))) for x, own in zip(values, mine, strict=True)]


def lifted(stack: Any, ndim: int) -> Any:
    """Return a stack whose values have `ndim` axes, by adding axes of length 1 in front."""
    missing = ndim + 1 - stack.ndim
    return stack.reshape((stack.shape[0], *(1,) * missing, *stack.shape[1:])) if missing > 0 else stack


def by_rows(linear: Callable[..., Any], parts: Any, *rest: Any) -> Any:
    """Call `linear(parts, *rest)`, a rule for plain arrays; if anything in these is batched, once for each row.

    `parts` may be a tuple. In a capture the rule becomes one instruction, and gets plain arrays at each replay, unless
    an outer derivative traces the parts: then the capture sees each of its operations.
    """
    if (type(parts) is np.ndarray or type(parts) is np.float64) and running.capture is None and not running.maps:
        return linear(parts, *rest)
    if running.capture is not None and not _is_followed(parts) and any(True for _ in boxes_in((parts, rest))):
        return running.capture.call(linear, (parts, *rest))
    looked_at = (parts, rest) if running.maps else (parts,)
    batch = max((x._trace for x in batches_in(looked_at)), key=lambda trace: trace.level, default=None)
    if batch is None:
        return linear(parts, *rest)
    return batch.each(lambda *row: by_rows(linear, *row), (parts, *rest))


def batches_in(tree: Any) -> Iterator[Batched]:
    """Yield the batched boxes in nested tuples, lists and dicts."""
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from batches_in(item)
    elif isinstance(tree, dict):
        yield from batches_in(tuple(tree.values()))
    elif isinstance(tree, Batched):
        yield tree


def _is_followed(parts: Any) -> bool:
    """Whether a derivative of another transform flows through one of the parts."""
    several = parts if isinstance(parts, tuple) else (parts,)
    return any(isinstance(x, Tensor) and not isinstance(x, Batched) and x.requires_grad for x in several)
