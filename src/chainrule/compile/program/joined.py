"""Sums of products over the steps of a loop, as one product: what the gradient of a weight that each step uses is.

Σ AₖᵀBₖ is a single product: of all rows of the Aₖ and all rows of the Bₖ. Step by step, each product has few rows, so
it runs at half the speed, and a result as large as the weight has to be added up. A plan computes the rows one behind
the other where it can, so joining them costs nothing (`plan.placed`).
"""

from collections.abc import Callable, Sequence

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
Rows = tuple[Value, ...]


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
        found = {t: rows for t in terms if is_inner(t) and (rows := _rows_of(program, t)) is not None}
        begin = min((place[t.maker] for t in found if t.maker is not None), default=0)
        if len(found) < MANY or any(begin < k < place[i] for k in acts):  # what is read late must not have changed
            continue
        order = sorted(found, key=_order(found, users, place))
        inside.update(sums, (t.maker for t in found if t.maker is not None))
        new[i] = _instead(program, i, [found[t] for t in order], [t for t in terms if t not in found])
    program.instructions = [j for i in program.instructions if i in new or i not in inside for j in new.get(i, (i,))]
    return bool(new)


def _rows_of(program: Program, term: Value) -> Rows | None:
    """Return A and B where a term is AᵀB of few rows, B alone where it is the sum of the rows of B, or None."""
    i = term.maker
    if i is None or i.kind != "op" or term.dtype not in (np.float32, np.float64):
        return None
    if any(not isinstance(x, Value) or x.ndim != 2 or x.kind == "state" or x.dtype != term.dtype for x in i.args):
        return None
    rows: Rows | None = None
    if i.op is Matmul and term.size < LARGE:
        return None
    if i.op is Matmul:
        left = _transposed(program, i.args[0])
        rows = None if left is None else (left, i.args[1])
    elif i.op is Sum and i.settings["axis"] in (0, (0,)) and not i.settings["keepdims"]:
        rows = i.args
    return rows if rows is not None and 0 < rows[0].shape[0] < SHORT and _root(rows[-1]).kind == "result" else None


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
    roots = [_root(rows[-1]) for rows in found.values()]
    for user in users.get(roots[0], ()):
        if user.op is Concatenate and user.settings.get("axis", 0) == 0 and set(user.args) == set(roots):
            places = {x: k for k, x in enumerate(user.args)}
            return lambda term: places[_root(found[term][-1])]
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

    several = [joined(column) for column in zip(*rows, strict=True)]
    if len(several) == 2:
        total = run(Matmul, [run(Transpose, several[:1], axes=None), several[1]])
    else:
        total = run(Sum, several, axis=0, keepdims=False)
    for term in others:
        total = run(Add, [total, term])
    made[-1].outputs = list(last.outputs)
    last.outputs[0].maker = made[-1]
    return made
