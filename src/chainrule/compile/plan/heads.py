"""Attention as tasks on the buffers of a plan, and results of it that lie as the next layer wants them.

Attention makes heads [..., H, N, d], and what follows joins them to rows: it moves an axis and reshapes. A result that
is only read so is laid out that way from the start, and the reshape copies nothing.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.groups import Group
from chainrule.compile.program.program import Instruction, Value
from chainrule.kernels.native.tasks import Task
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.attention.blocks import goes_by_lanes, scale_of
from chainrule.rules.attention.blockwise import BlockwiseAttention

Buffer = Callable[[Value], Any]
BACKWARD = (BlockwiseAttention, "vjp")


def forward_tasks(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return attention as tasks, or None if there is no code for its arrays."""
    q, k, v, mask = (_array(x, buffer) for x in i.args[:4])
    settings = i.settings
    if not goes_by_lanes(q, k, v, mask, settings["dropout"]):
        return None
    from chainrule.kernels.attention.lanes import forward_task, in_rows

    y, *rest = map(buffer, i.outputs)
    lse = rest[0] if rest else np.empty(q.shape[:-1], q.dtype)
    if not all(map(in_rows, (q, k, v, y))) or not lse.flags.c_contiguous or y.dtype != q.dtype:
        return None
    return [forward_task(q, k, v, y, lse, settings["causal"], scale_of(q, settings["scale"]))]


def reverse_tasks(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return attention's backward pass as tasks, or None if there is no code for its arrays."""
    y_bar, (q, k, v, mask, _, y, lse, *_), settings = i.args
    if i.structure is None or tuple(i.structure)[:3] != (0, 1, 2) or len(i.outputs) != 3:
        return None
    y_bar, q, k, v, mask, y, lse = (_array(x, buffer) for x in (y_bar, q, k, v, mask, y, lse))
    if not goes_by_lanes(q, k, v, mask, settings["dropout"]):
        return None
    from chainrule.kernels.attention import lanes

    made = [buffer(x) for x in i.outputs]
    arrays = [y_bar, y, *made]
    if not all(lanes.in_rows(x) and x.dtype == q.dtype for x in (q, k, v, *arrays)) or not lse.flags.c_contiguous:
        return None
    shared = np.broadcast_shapes(k.shape[:-2], v.shape[:-2])
    shapes = [y.shape, y.shape, q.shape, (*shared, *k.shape[-2:]), (*shared, *v.shape[-2:])]
    if [x.shape for x in arrays] != shapes:
        return None
    causal, scale = settings["causal"], scale_of(q, settings["scale"])
    return lanes.reverse_tasks(q, k, v, y, y_bar, lse, made[0], made[1], made[2], causal, scale)


def _array(x: Any, buffer: Buffer) -> Any:
    return buffer(x) if isinstance(x, Value) else np.asarray(x)


def orders_in(nodes: Sequence[Instruction | Group], elsewhere: Collection[Value]) -> dict[Value, tuple[int, ...]]:
    """Return the order in which the axes of some results of attention lie in memory, the outermost first.

    Each is only read with its axes in that order, or by attention itself, which takes any; `elsewhere` are those that
    have a place of their own.
    """
    readers: dict[Value, list[Instruction | Group]] = {}
    for node in nodes:
        for value in dict.fromkeys(_read(node)):
            readers.setdefault(value, []).append(node)
    found = {}
    for node in nodes:
        if isinstance(node, Instruction) and (node.op is BlockwiseAttention or node.rule == BACKWARD):
            for value in node.outputs:
                order = _order(value, readers.get(value, ()))
                if order is not None and value not in elsewhere:
                    found[value] = order
    return found


def _read(node: Instruction | Group) -> Iterable[Value]:
    return (v for i in node.members for v in i.inputs) if isinstance(node, Group) else node.inputs


def _order(value: Value, readers: Iterable[Instruction | Group]) -> tuple[int, ...] | None:
    orders = set()
    for node in readers:
        if isinstance(node, Group):
            return None
        if node.rule != BACKWARD:
            orders.add(node.settings.get("axes") if node.op is Transpose and node.kind == "op" else None)
    (order,) = orders if len(orders) == 1 else (None,)
    order = None if order is None else tuple(axis % value.ndim for axis in order)
    return order if order is not None and order[-1:] == (value.ndim - 1,) else None
