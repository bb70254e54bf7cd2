"""Sums of slices that were scattered into zeros, as one array that they are written into.

The gradient of what is read slice by slice, such as a product for all steps of a recurrence, is such a sum: written as
it is, each term is as large as the whole.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.rules.arrays.index import BASIC, Scatter
from chainrule.rules.elementary.arithmetic import Add

from .program import Instruction, Program, Value, applied


def assembled(*parts: Any, shape: tuple[int, ...], indices: Sequence[Any]) -> Any:
    """Return zeros of a shape with each part written at its index; no two overlap.

    >>> assembled(np.ones(1), 2 * np.ones(2), shape=(4,), indices=[(slice(0, 1),), (slice(2, 4),)])
    array([1., 0., 2., 2.])
    """
    y = np.zeros(shape, parts[0].dtype)
    for part, index in zip(parts, indices, strict=True):
        y[index] = part
    return y


def is_basic(index: Any) -> bool:
    """Whether NumPy returns a view for an index, given that it picks no single element."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, BASIC) and not isinstance(part, bool) for part in parts)


def join_scatters(program: Program) -> None:
    """Write the slices of a sum of scattered slices into one array, where they do not overlap."""
    is_inner = read_once(program)
    inside: set[Instruction] = set()
    new: dict[Instruction, list[Instruction]] = {}
    for i in reversed(program.instructions):
        if i in inside or not is_sum(i):
            continue
        sums, terms = terms_of(i, is_inner)
        scattered = [t.maker for t in terms if t.maker is not None and _is_scatter(t.maker) and is_inner(t)]
        same = _alike(scattered)
        apart = _apart([several[0] for several in same.values()])
        if len(apart) < 2:
            continue
        groups = [same[_place(s)] for s in apart]
        inside.update(sums, *groups)
        done = {s.outputs[0] for several in groups for s in several}
        new[i] = _written(program, i, groups, [t for t in terms if t not in done])
    if not new:
        return
    program.instructions = [j for i in program.instructions if i in new or i not in inside for j in new.get(i, (i,))]


def read_once(program: Program) -> Callable[[Value], bool]:
    """Return whether a value is no result of the program and has one reader, which reads it once: not as x + x does."""
    users, outputs = program.users(), set(program.outputs)

    def is_inner(value: Value) -> bool:
        readers = users.get(value, ())
        return len(readers) == 1 and value not in outputs and sum(x is value for x in readers[0].args) == 1

    return is_inner


def is_sum(i: Instruction) -> bool:
    """Whether an instruction adds two arrays of one shape and dtype."""
    out = i.outputs[0] if i.outputs else None
    return (
        i.kind == "op"
        and i.op is Add
        and out is not None
        and all(isinstance(x, Value) and x.shape == out.shape and x.dtype == out.dtype for x in i.args)
    )


def _is_scatter(i: Instruction) -> bool:
    settings = i.settings
    if i.kind != "op" or i.op is not Scatter or not settings.get("unique") or not isinstance(i.args[0], Value):
        return False
    return is_basic(settings["index"])


def terms_of(i: Instruction, is_inner: Any) -> tuple[list[Instruction], list[Value]]:
    """Return the sums that a sum consists of, itself among them, and their terms."""
    sums, terms, waiting = [], [], [i]
    while waiting:
        one = waiting.pop()
        sums.append(one)
        for x in one.args:
            if x.maker is not None and is_sum(x.maker) and is_inner(x):
                waiting.append(x.maker)
            else:
                terms.append(x)
    return sums, terms


def _place(i: Instruction) -> str:
    """Return where an instruction scatters to, as something that can be compared."""
    return repr(i.settings["index"])


def _alike(scattered: list[Instruction]) -> dict[str, list[Instruction]]:
    """Return those that write to the same elements, by where."""
    found: dict[str, list[Instruction]] = {}
    for i in scattered:
        found.setdefault(_place(i), []).append(i)
    return found


def _apart(scattered: list[Instruction]) -> list[Instruction]:
    """Return those that write to different elements, in the order of the program."""
    if len(scattered) < 2:
        return []
    taken = np.zeros(scattered[0].outputs[0].shape, bool)
    found = []
    for i in scattered:
        index = i.settings["index"]
        if not taken[index].any():
            taken[index] = True
            found.append(i)
    return found


def _written(
    program: Program, last: Instruction, groups: list[list[Instruction]], others: list[Value]
) -> list[Instruction]:
    """Return the instructions that take the place of a sum; the last of them makes what the sum made.

    What is scattered to the same elements is added up before.
    """
    out, made = last.outputs[0], []

    def added(a: Value, b: Value) -> Value:
        made.append(applied(program, Add, (a, b), {}))
        made[-1].source = last.source
        return made[-1].outputs[0]

    parts = tuple(functools.reduce(added, [i.args[0] for i in several]) for several in groups)
    settings = {"shape": out.shape, "indices": tuple(several[0].settings["index"] for several in groups)}
    total = program.value("result", np.zeros(out.shape, out.dtype))
    first = Instruction("assembled", "op", assembled, parts, settings, [total], source=last.source)
    total.maker = first
    made.append(first)
    functools.reduce(added, [total, *others])
    made[-1].outputs = [out]
    out.maker = made[-1]
    return made
