"""Which results are computed right where they are later joined with others, so that nothing is left to copy."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.assembled import assembled, is_basic
from chainrule.compile.program.groups import Group, reduction_of
from chainrule.compile.program.matrices import transposed_by
from chainrule.compile.program.program import Instruction, Value, may_be_view
from chainrule.kernels.native.copies import axes_of
from chainrule.rules.arrays.join import Concatenate
from chainrule.rules.linalg.matmul import Matmul

from .loops import aliases

Place = tuple[Value, Any]
"""What a value is a part of, and the basic index of its elements there."""


def places_in(
    nodes: Sequence[Instruction | Group], elsewhere: Collection[Value], outputs: Collection[Value]
) -> dict[Value, Place]:
    """Return the place of each result that is joined with others, and is not wanted elsewhere.

    A part whose rows lie apart in the whole, as columns do, must be made and read by what can walk through such rows.
    """
    return _Places(nodes, elsewhere, outputs).found


def parts_of(joint: Instruction) -> list[tuple[Value, Any]]:
    """Return the parts that an instruction joins, each with its index in the whole; nothing where it joins none.

    Parts of several dtypes count as none: some would have to be converted, not only put in their place.
    """
    if joint.kind != "op" or not joint.args or not all(isinstance(x, Value) and x.ndim for x in joint.args):
        return []
    if any(x.dtype != joint.outputs[0].dtype for x in joint.args):
        return []
    if joint.function is assembled:
        indices = [i if isinstance(i, tuple) else (i,) for i in joint.settings["indices"]]
        covered = sum(x.size for x in joint.args) == joint.outputs[0].size
        return list(zip(joint.args, indices, strict=True)) if covered and all(map(is_basic, indices)) else []
    return list(_one_behind_the_other(joint)) if joint.op is Concatenate else []


def _one_behind_the_other(joint: Instruction) -> Iterator[tuple[Value, Any]]:
    axis, begin = joint.settings.get("axis", 0) % joint.outputs[0].ndim, 0
    for part in joint.args:
        end = begin + part.shape[axis]
        yield part, (*[slice(None)] * axis, slice(begin, end))
        begin = end


class _Places:
    """Finds the places, one joint after the other."""

    def __init__(
        self, nodes: Sequence[Instruction | Group], elsewhere: Collection[Value], outputs: Collection[Value]
    ) -> None:
        self.elsewhere, self.outputs = elsewhere, outputs
        self.node_of = {i: node for node in nodes for i in _members(node)}
        self.users: dict[Value, list[Instruction]] = {}
        for i in self.node_of:
            for value in i.inputs:
                self.users.setdefault(value, []).append(i)
        self.found: dict[Value, Place] = {}
        for joint in self.node_of:
            if (parts := parts_of(joint)) and joint.outputs[0] not in elsewhere:
                self._joint(joint, parts)

    def _joint(self, joint: Instruction, parts: Sequence[tuple[Value, Any]]) -> None:
        whole = joint.outputs[0]
        room = np.empty(whole.shape, whole.dtype)
        for part, index in parts:
            fits = part.kind == "result" and part.dtype == whole.dtype and joint.args.count(part) == 1
            if not fits or part in self.elsewhere or part in self.found or not _is_computed(part.maker):
                continue
            view = room[index]
            if view.shape == part.shape and (view.flags.c_contiguous or self._may_lie_apart(part, view)):
                self.found[part] = (whole, index)

    def _may_lie_apart(self, part: Value, view: Any) -> bool:
        """Whether a value may be in a view whose rows lie apart."""
        axes = axes_of(view)
        if len(axes) != 2 or axes[1][1] != 1 or part in self.outputs or part.maker is None:
            return False
        node = self.node_of[part.maker]
        inner = [(x, index) for x, (whole, index) in self.found.items() if whole is part]
        if inner:
            is_made = all(self._may_lie_apart(x, view[index]) for x, index in inner)
        elif isinstance(node, Group):
            is_made = node.columns in (None, axes[1][0]) and part.size == node.size and not reduction_of(part.maker)
            is_made = is_made and part not in aliases(node).values() and part not in aliases(node)
        else:
            is_made = bool(parts_of(node)) or (node.op is Matmul and part.ndim == 2)
        return is_made and all(self._can_read(user, part) for user in self.users.get(part, ()))

    def _can_read(self, user: Instruction, part: Value) -> bool:
        node = self.node_of[user]
        if isinstance(node, Group):
            return node.size == part.size and part not in aliases(node).values()
        if parts_of(user):
            return True
        return part.ndim == 2 and (user.op is Matmul or self._is_factor(user))

    def _is_factor(self, user: Instruction) -> bool:
        """Whether an instruction is a transpose that only products read."""
        out = user.outputs[0] if user.outputs else None
        if transposed_by(user) is None or out in self.outputs:
            return False
        return all(isinstance(i, Instruction) and i.op is Matmul for i in self.users.get(out, ()))  # type: ignore[arg-type]


def _members(node: Instruction | Group) -> Sequence[Instruction]:
    return node.members if isinstance(node, Group) else [node]


def _is_computed(i: Instruction | None) -> bool:
    """Whether an instruction writes its result to memory: it is no view of what it reads, and nothing changes it."""
    return i is not None and i.kind in ("op", "call") and not may_be_view(i)
