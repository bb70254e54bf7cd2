"""Which results are computed right where they are later joined with others, so that nothing is left to copy."""

from collections.abc import Collection, Sequence

from chainrule.compile.program.groups import Group
from chainrule.compile.program.program import Instruction, Value, may_be_view
from chainrule.rules.arrays.join import Concatenate

Place = tuple[Value, int, int]
"""What a value is a part of, and its rows there."""


def places_in(nodes: Sequence[Instruction | Group], elsewhere: Collection[Value]) -> dict[Value, Place]:
    """Return the place of each result that is joined with others along the first axis, and is not wanted elsewhere."""
    makers = {v: i for node in nodes for i in _members(node) for v in i.outputs}
    found: dict[Value, Place] = {}
    for joint in (i for node in nodes for i in _members(node) if _is_joint(i)):
        whole, begin = joint.outputs[0], 0
        if whole in elsewhere or whole in found:
            continue
        for part in joint.args:
            end = begin + part.shape[0]
            fits = part.kind == "result" and part.dtype == whole.dtype and joint.args.count(part) == 1
            if fits and part not in elsewhere and part not in found and _is_computed(makers.get(part)):
                found[part] = (whole, begin, end)
            begin = end
    joints = {whole for whole, _, _ in found.values()}
    return {part: place for part, place in found.items() if part not in joints}


def _is_joint(i: Instruction) -> bool:
    """Whether an instruction joins values along their first axis."""
    if i.kind != "op" or i.op is not Concatenate or i.settings.get("axis", 0) != 0:
        return False
    return all(isinstance(x, Value) and x.ndim for x in i.args)


def _members(node: Instruction | Group) -> Sequence[Instruction]:
    return node.members if isinstance(node, Group) else [node]


def _is_computed(i: Instruction | None) -> bool:
    """Whether an instruction writes its result to memory: it is no view of what it reads, and nothing changes it."""
    return i is not None and i.kind in ("op", "call") and not may_be_view(i)
