"""Simplifications of a program, one function each: remove, share, split and fuse instructions.

Each modifies a program; what it computes stays the same up to rounding.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.core.facts import Moves
from chainrule.core.operation import Operation
from chainrule.kernels import cross_entropy
from chainrule.rules.arrays.reduce import Shares, shared
from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.elementary.arithmetic import Add, Multiply
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy
from chainrule.rules.network.linear import LinearMap

from .assembled import join_scatters
from .attentions import write_as_attention
from .elements import can_follow
from .joined import join_products
from .matrices import convert_factors, write_as_products
from .moments import split_moments
from .narrowed import narrow_products
from .normalizations import split_batch_norm
from .program import Instruction, Program, Value, applied, values_in
from .recomputing import recompute
from .scatters import split_index_add
from .spreading import spread_operands
from .transposes import copy_transposes


def simplify(program: Program) -> None:
    """Apply all of them."""
    split_linear(program)
    split_batch_norm(program)
    split_moments(program)
    follow_calls(program)
    split_index_add(program)
    convert_factors(program)
    write_as_products(program)
    drop_casts(program)
    share_common(program)
    drop_unused(program)
    if narrow_products(program):
        share_common(program)
        drop_unused(program)
    if write_as_attention(program):
        drop_unused(program)
    recompute(program)
    join_primal_and_adjoint(program)
    join_adjoints(program)
    join_scatters(program)
    if join_products(program):
        share_common(program)
        drop_unused(program)
    copy_transposes(program)
    join_shares(program)
    spread_operands(program)
    check_first(program)


def follow_calls(program: Program) -> None:
    """Let what a rule asks of each element of an array, such as whether it is 0, be an operation on elements."""
    for i in program.instructions:
        if i.kind == "call" and i.rule is None and len(i.outputs) == 1 and not i.is_fixed and _acts_on_elements(i):
            i.kind = "op"


def _acts_on_elements(i: Instruction) -> bool:
    if not isinstance(i.args, tuple) or not any(isinstance(x, Value) for x in i.args):
        return False
    if not all(isinstance(x, Value | float | int | bool | np.generic) for x in i.args):
        return False
    return can_follow(i.function, i.args, i.settings)


def check_first(program: Program) -> None:
    """Check labels and indices among the arguments before any side effect.

    If one is not what the plan was made for, the function itself is called, which must find everything unchanged.
    """
    before: list[Instruction] = []
    ready = {v for v in program.inputs if v.after is None}
    acts = False
    for i in program.instructions:
        if i.kind == "call" and i.inputs and all(v in ready or v.kind == "constant" for v in i.inputs):
            before.append(i)
            ready.update(i.outputs)
        elif acts and _reads_classes(i) and isinstance(i.args[1], Value) and i.args[1] in ready:
            check = CheckRange(i.args[0].shape[-1])
            before.append(Instruction("check_classes", "call", check, (i.args[1],), {}, [], source=i.source))
        acts = acts or i.is_fixed
    moved = set(before)
    program.instructions = [*before, *(i for i in program.instructions if i not in moved)]


class CheckRange:
    """Raises an IndexError where a class is out of range."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, classes: Any) -> None:
        """Check classes."""
        if classes.size and not 0 <= classes.min() <= classes.max() < self.count:
            raise IndexError(cross_entropy.ERROR)

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        made = cross_entropy.checked(arrays[0], self.count)
        return None if made is None else [made]


def _reads_classes(i: Instruction) -> bool:
    """Whether an instruction reads classes as its second argument."""
    op = i.op if i.kind == "op" else None
    return op is SparseSoftmaxCrossEntropy or i.function is SparseSoftmaxCrossEntropy.primal_and_adjoint


def join_adjoints(program: Program) -> None:
    """Compute the gradients for all arguments of an operation in one pass, if its record says how."""
    groups: dict[Any, list[Instruction]] = {}
    for i in program.instructions:
        if i.rule is not None and i.rule[0].all_adjoints is not None:
            groups.setdefault((i.rule[0], frozen(i.args)), []).append(i)
    joined: dict[Instruction, Instruction] = {}
    dropped: set[Instruction] = set()
    for (record, _), group in groups.items():
        by_rule = {i.rule[1]: i for i in group if i.rule is not None}
        rules = [record.rule_of(argument).__name__ for argument in record.differentiable]
        if sorted(by_rule) != sorted(rules) or len(by_rule) != len(group):
            continue
        first = group[0]
        outputs = [by_rule[name].outputs[0] for name in rules]
        name = f"{record.name}_gradients"
        made = Instruction(name, "call", _of_saved(record), first.args, {}, outputs, tuple(range(len(outputs))))
        made.source = first.source
        for value in outputs:
            value.maker = made
        joined[first] = made
        dropped.update(group[1:])
    program.instructions = [joined.get(i, i) for i in program.instructions if i not in dropped]


@cache
def _of_saved(record: type[Operation]) -> Any:
    """Return a record's `all_adjoints` as a function of what a node has: its cotangent, values and settings."""
    rule = record.all_adjoints
    assert rule is not None
    made = record.call(rule, "y_bar, saved, settings")
    made.rule = (record, rule.__name__)  # type: ignore[attr-defined]
    return made


def join_primal_and_adjoint(program: Program) -> None:
    """Compute a loss and its gradient in one pass, if its record says how and the loss's weights are constants."""
    users = program.users()
    new: list[Instruction] = []
    skipped: set[Instruction] = set()
    for i in program.instructions:
        if i in skipped:
            continue
        joined = _joined(i, users, program)
        if joined is not None:
            skipped.update(users[i.outputs[1]])
            new.append(joined)
        else:
            new.append(i)
    program.instructions = new


def _joined(i: Instruction, all_users: dict[Value, list[Instruction]], program: Program) -> Instruction | None:
    both = i.op.primal_and_adjoint if i.kind == "op" and i.op is not None else None
    if both is None or len(i.outputs) != 2 or i.outputs[1] in program.outputs:
        return None
    users = all_users.get(i.outputs[1], [])
    if len(users) != 1 or users[0].rule is None or users[0].rule[0] is not i.op:
        return None
    x, (y_bar, *saved) = i.args[0], values_in(users[0].args)
    plain = y_bar.kind == "constant" and y_bar.dtype == x.dtype
    if not plain or x.ndim < 2 or x.dtype not in (np.float32, np.float64):
        return None
    if any(v is not i.outputs[1] and v not in i.args for v in saved):  # of another call
        return None
    full = program.value("constant", np.ascontiguousarray(y_bar.array))

    outputs = [i.outputs[0], users[0].outputs[0]]
    made = Instruction(f"{i.name}_and_gradient", "op", both, (*i.args, full), {}, outputs, (0, 1))
    made.source = i.source
    for value in outputs:
        value.maker = made
    return made


def join_shares(program: Program) -> None:
    """Compute the shares of an extreme together with the product that they are for."""
    users = program.users()
    dropped: set[Instruction] = set()
    for i in program.instructions:
        if not isinstance(i.function, Shares) or len(i.outputs) != 1 or i.outputs[0] in program.outputs:
            continue
        (x, y), part = i.args, i.outputs[0]
        user = users.get(part, [])
        if len(user) != 1 or user[0].kind != "op" or user[0].op is not Multiply or user[0].outputs[0].shape != x.shape:
            continue
        others = [v for v in user[0].args if v is not part]
        if (
            len(others) != 1
            or not isinstance(others[0], Value)
            or others[0].size != y.size
            or others[0].dtype != x.dtype
        ):
            continue
        made = user[0]
        made.name, made.function, made.op = "shares", shared, None
        made.args, made.settings = (others[0], x, y), {"axis": i.function.axis}
        made.inputs = list(dict.fromkeys(values_in(made.args)))
        dropped.add(i)
    program.instructions = [i for i in program.instructions if i not in dropped]


def split_linear(program: Program) -> None:
    """Split each linear map into a product and a sum: the sum then fuses with the activation that follows."""
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    for i in program.instructions:
        if i.op is not LinearMap or i.outputs[0].ndim < 2:
            instructions.append(i)
            continue
        x, w, b = i.args
        steps = []
        if i.outputs[0].ndim > 2:
            steps.append(applied(program, Reshape, (x,), {"shape": (math.prod(x.shape[:-1]), x.shape[-1])}))
            x = steps[-1].outputs[0]
        steps.append(applied(program, Matmul, (x, w), {}))
        if i.outputs[0].ndim > 2:
            steps.append(applied(program, Reshape, (steps[-1].outputs[0],), {"shape": i.outputs[0].shape}))
        steps.append(applied(program, Add, (steps[-1].outputs[0], b), {}))
        for step in steps:
            step.source = i.source
        new[i.outputs[0]] = steps[-1].outputs[0]
        instructions += steps
    program.instructions = instructions
    program.substitute(new)


def drop_casts(program: Program) -> None:
    """Remove conversions to the dtype a value already has, and reshapes to its own shape."""
    new = {}
    for i in program.instructions:
        if i.kind == "op" and len(i.inputs) == 1 and i.op is not None and i.op.moves is Moves.SAME:
            old, out = i.inputs[0], i.outputs[0]
            if old.shape == out.shape and old.dtype == out.dtype and old.kind != "state":
                new[out] = old
    program.substitute(new)
    program.instructions = [i for i in program.instructions if not (i.outputs and i.outputs[0] in new)]


def share_common(program: Program) -> None:
    """Compute common subexpressions once."""
    seen: dict[Any, Instruction] = {}
    new: dict[Value, Value] = {}
    kept = []
    for i in program.instructions:
        i.substitute(new)
        key = _key(i)
        if key is not None and key in seen:
            new.update(zip(i.outputs, seen[key].outputs, strict=True))
            continue
        if key is not None:
            seen[key] = i
        kept.append(i)
    program.instructions = kept
    program.substitute(new)


def _key(i: Instruction) -> Any:
    """Return a key that identifies a call; None if it must not be shared."""
    if i.kind != "op":
        return None
    try:
        key = (i.function, frozen(i.args), frozen(i.settings))
        hash(key)
    except TypeError:
        return None
    return key


def frozen(tree: Any) -> Any:
    """Return arguments or settings as something that can be hashed, if their parts can."""
    if isinstance(tree, tuple | list):
        return tuple(map(frozen, tree))
    if isinstance(tree, dict):
        return tuple((k, frozen(v)) for k, v in sorted(tree.items()))
    if isinstance(tree, Value):
        return ("value", tree.number)
    # By its text: 0.0 and -0.0 compare equal but differ.
    return (type(tree), repr(tree) if isinstance(tree, float | np.floating) else tree)


def drop_unused(program: Program) -> None:
    """Remove unused instructions; effects and draws stay."""
    needed = set(program.outputs)
    kept = []
    for i in reversed(program.instructions):
        if i.is_fixed or any(value in needed for value in i.outputs):
            kept.append(i)
            needed.update(i.inputs)
    program.instructions = kept[::-1]
