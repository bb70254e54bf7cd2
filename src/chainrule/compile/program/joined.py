"""Sums of products over the steps of a loop, as one product: what the gradient of a weight that each step uses is.

Σ AₖᵀBₖ is a single product: of all rows of the Aₖ and all rows of the Bₖ. Step by step, each product has few rows, so
it runs at half the speed, and a result as large as the weight has to be added up. A plan computes the rows one behind
the other where it can, so joining them costs nothing (`plan.placed`). Where each product is transposed, as that of a
weight which the step reads transposed, the single one is so instead.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.rules.arrays.join import Concatenate
from chainrule.rules.arrays.reduce import Sum
from chainrule.rules.arrays.shape import Reshape, Transpose
from chainrule.rules.elementary.arithmetic import Add
from chainrule.rules.linalg.matmul import Matmul

from .assembled import is_sum, read_once, terms_of
from .matrices import transposed_by
from .program import Instruction, Program, Value, applied

MANY = 4
"""The fewest terms that are worth joining."""
SHORT = 128
"""Up to so many rows a product gains by having more."""
LARGE = 2**14
"""From so many elements of its result on: a smaller one stays in the nearest cache from step to step."""
LARGE_TURNED = 2**9
"""The same of products that are added up transposed, for which the cache does not help."""


@dataclass(frozen=True)
class Rows:
    """What is multiplied or added up: A and B where a term is AᵀB, or (AᵀB)ᵀ if it is `turned`; B alone for a sum."""

    parts: tuple[Value, ...]
    turned: bool
    inside: tuple[Instruction, ...]
    """The instructions that make the term."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What all terms that are joined have in common."""
        return self.turned, *(x.shape[1:] for x in self.parts)


def join_products(program: Program) -> bool:
    """Join the products, or the sums of rows, that a sum has as terms; return whether there were any."""
    users, is_inner = program.users(), read_once(program)
    place = {i: k for k, i in enumerate(program.instructions)}
    acts = [k for k, i in enumerate(program.instructions) if i.kind in ("effect", "change")]
    inside: set[Instruction] = set()
    new: dict[Instruction, list[Instruction]] = {}
    for i in reversed(program.instructions):
        if i in inside or not is_sum(i):
            continue
        sums, terms = terms_of(i, is_inner)
        found = {t: rows for t in terms if is_inner(t) and (rows := _rows_of(program, t, is_inner)) is not None}
        kinds = Counter(rows.kind for rows in found.values())
        found = {t: rows for t, rows in found.items() if rows.kind == kinds.most_common(1)[0][0]}
        begin = min((place[j] for rows in found.values() for j in rows.inside), default=0)
        if len(found) < MANY or any(begin < k < place[i] for k in acts):  # what is read late must not have changed
            continue
        order = sorted(found, key=_order(found, users, place))
        inside.update(sums, (j for rows in found.values() for j in rows.inside))
        new[i] = _instead(program, i, [found[t] for t in order], [t for t in terms if t not in found])
    program.instructions = [j for i in program.instructions if i in new or i not in inside for j in new.get(i, (i,))]
    return bool(new)


def _rows_of(program: Program, term: Value, is_inner: Callable[[Value], bool]) -> Rows | None:
    """Return what a term is the product or the sum of, if it has few rows, or None."""
    i = term.maker
    inside: tuple[Instruction, ...] = () if i is None else (i,)
    source = None if i is None else transposed_by(i)
    turned = source is not None and is_inner(source) and source.maker is not None and source.maker.op is Matmul
    if turned and source is not None and source.maker is not None:
        i = source.maker
        inside += (i,)
    if i is None or i.kind != "op" or term.dtype not in (np.float32, np.float64):
        return None
    if any(not isinstance(x, Value) or x.ndim != 2 or x.kind == "state" or x.dtype != term.dtype for x in i.args):
        return None
    parts: tuple[Value, ...] | None = None
    if i.op is Matmul and term.size < (LARGE_TURNED if turned else LARGE):
        return None
    if i.op is Matmul:
        left = _transposed(program, i.args[0])
        parts = None if left is None else (left, i.args[1])
    elif i.op is Sum and i.settings["axis"] in (0, (0,)) and not i.settings["keepdims"]:
        parts = i.args
    if parts is None or not 0 < parts[0].shape[0] < SHORT or _root(parts[-1]).kind != "result":
        return None
    return Rows(parts, turned, inside)


def _transposed(program: Program, x: Value) -> Value | None:
    """Return what an array is the transpose of, where that needs no copy at each replay."""
    if x.kind == "constant":
        return program.value("constant", np.ascontiguousarray(x.array.T))
    source = None if x.maker is None else transposed_by(x.maker)
    return None if source is None or _root(source).kind == "state" else source


def _root(x: Value) -> Value:
    """Return the array that a reshape is of."""
    while x.maker is not None and x.maker.kind == "op" and x.maker.op is Reshape:
        x = x.maker.args[0]
    return x


def _order(
    found: dict[Value, Rows], users: dict[Value, list[Instruction]], place: dict[Instruction, int]
) -> Callable[[Value], int]:
    """Return the key to sort terms by: the order in which their rows are joined already, or that of the program."""
    roots = [_root(rows.parts[-1]) for rows in found.values()]
    for user in users.get(roots[0], ()):
        if user.op is Concatenate and user.settings.get("axis", 0) == 0 and set(user.args) == set(roots):
            places = {x: k for k, x in enumerate(user.args)}
            return lambda term: places[_root(found[term].parts[-1])]
    return lambda term: place[term.maker] if term.maker is not None else 0


def _instead(program: Program, last: Instruction, rows: Sequence[Rows], others: Sequence[Value]) -> list[Instruction]:
    """Return the instructions that take the place of a sum; the last of them makes what the sum made."""
    made: list[Instruction] = []

    def run(op: type, args: Sequence[Value], **settings: object) -> Value:
        made.append(applied(program, op, tuple(args), settings))
        made[-1].source = last.source
        return made[-1].outputs[0]

    def joined(parts: Sequence[Value]) -> Value:
        roots = [_root(x) for x in parts]
        if len({(x.ndim, x.shape[1:]) for x in roots}) > 1 or roots[0].ndim < 2:
            roots = list(parts)
        whole = run(Concatenate, roots, axis=0)
        shape = (whole.size // parts[0].shape[1], parts[0].shape[1])
        return whole if whole.shape == shape else run(Reshape, [whole], shape=shape)

    several = [joined(column) for column in zip(*(each.parts for each in rows), strict=True)]
    if len(several) == 2:
        several = several[::-1] if rows[0].turned else several
        total = run(Matmul, [run(Transpose, several[:1], axes=None), several[1]])
    else:
        total = run(Sum, several, axis=0, keepdims=False)
    for term in others:
        total = run(Add, [total, term])
    made[-1].outputs = list(last.outputs)
    last.outputs[0].maker = made[-1]
    return made
