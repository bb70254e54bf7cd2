"""Operations that keep much for their backward pass, replaced by those that compute it again where that is faster."""

from functools import cache
from typing import Any

import numpy as np

from chainrule.core.operation import Operation

from .program import Instruction, Program, Value, example


def recompute(program: Program) -> None:
    """Run what a record names instead of itself, with its backward pass, if nothing else reads what it keeps."""
    users = program.users()
    new: dict[Instruction, Instruction] = {}
    for i in program.instructions:
        found = _named(i)
        if found is None:
            continue
        y, *kept = i.outputs
        pulls = [user for value in kept for user in users.get(value, [])]
        if any(v in program.outputs for v in kept) or not all(_pulls(user, i) for user in pulls):
            continue
        op, args, settings = found
        forward, lower = _forward(program, i, (op, args, settings))
        new[i] = forward
        for user in pulls:
            known = dict(zip(op.arguments, args, strict=True)) | {"y": y, **dict(zip(op.keeps, lower, strict=True))}
            saved = tuple(known[name] for name in op.residuals)
            new[user] = Instruction(
                f"{op.__name__}.vjp", "call", pull_of(op), (user.args[0], saved, settings), {}, user.outputs,
                user.structure, source=user.source,
            )  # fmt: skip
    for made in new.values():
        for value in made.outputs:
            value.maker = made
    program.instructions = [new.get(i, i) for i in program.instructions]


def _named(i: Instruction) -> Any:
    """Return the operation that a record names instead of itself, with arguments and settings, or None."""
    named = i.op.recomputing if i.kind == "op" and i.op is not None else None
    return None if named is None else named(i.args, tuple(map(example, i.args)), i.settings)


def _pulls(user: Instruction, i: Instruction) -> bool:
    """Whether an instruction is the backward pass of another, with the values of that call."""
    if user.rule != (i.op, "vjp"):
        return False
    _, saved, settings = user.args
    known = dict(zip(i.op.arguments, i.args, strict=True))
    known |= dict(zip(("y", *i.op.keeps), i.outputs, strict=True))
    return settings == i.settings and all(x is known[n] for n, x in zip(i.op.residuals, saved, strict=False))


def _forward(program: Program, i: Instruction, found: Any) -> tuple[Instruction, list[Value]]:
    """Return the other operation's instruction, with the same result, and what it keeps where anything is kept."""
    op, args, settings = found
    if len(i.outputs) == 1:
        made = Instruction(op.name, "op", op.primal, args, settings, i.outputs, op=op, source=i.source)
        return made, []
    with np.errstate(all="ignore"):
        _, *arrays = op.primal_keeping(*map(example, args), **settings)
    kept = [program.value("result", array) for array in arrays]
    outputs = [i.outputs[0], *kept]
    structure = tuple(range(len(outputs)))
    made = Instruction(
        op.name, "op", op.primal_keeping, args, settings, outputs, structure, op=op, source=i.source
    )  # fmt: skip
    return made, kept


@cache
def pull_of(op: type[Operation]) -> Any:
    """Return an operation's backward pass as a function of what a node has: its cotangent, values and settings."""
    made = op.call(op.vjp, "y_bar, saved, settings")  # type: ignore[attr-defined]
    made.rule = (op, "vjp")  # type: ignore[attr-defined]
    return made
