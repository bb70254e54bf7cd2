"""Systems of equations, inverses and Cholesky factors as tasks on the buffers of a plan.

A system whose matrix is a Cholesky factor, or its transpose, is solved by substitution.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value
from chainrule.kernels.native import lapack
from chainrule.kernels.native.copies import copied, is_movable
from chainrule.kernels.native.tasks import Function, Task
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.linalg.decompositions import Cholesky
from chainrule.rules.linalg.inverses import Inv, Solve

Buffer = Callable[[Value], Any]
MOST = 64
"""Up to how many matrices of a batch there are tasks for: each has its own."""


def _each(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the matrices of stacks that are broadcast with each other."""
    shape = np.broadcast_shapes(*(x.shape[:-2] for x in arrays))
    full = [np.broadcast_to(x, (*shape, *x.shape[-2:])) for x in arrays]
    return (tuple(x[at] for x in full) for at in np.ndindex(shape))


def _are_known(name: str, out: Any, *arrays: Any) -> bool:
    """Whether there is code for matrices of one float type, and not too many of them."""
    are_alike = out.dtype in (np.float32, np.float64) and all(x.dtype == out.dtype and x.ndim >= 2 for x in arrays)
    few = are_alike and math.prod(out.shape[:-2]) <= MOST
    return few and is_movable(out, *arrays) and bool(lapack.place_of(name, out.dtype))


def _again(i: Instruction, given: list[Any], out: Any) -> None:
    """Compute a result by NumPy, which says what is wrong with a matrix."""
    out[...] = i.function(*given, **i.settings)


def _rescued(task: Task, i: Instruction, buffer: Buffer) -> Task:
    task.rescue = functools.partial(_again, i, [buffer(x) for x in i.args], buffer(i.outputs[0]))
    return task


def _solved(i: Instruction, buffer: Buffer) -> list[Task] | None:
    if not all(isinstance(x, Value) for x in i.args):
        return None
    a, b, out = (*map(buffer, i.args), buffer(i.outputs[0]))
    if (factor := _factor(i.args[0])) is not None and (made := _by_factor(*factor, buffer, b, out)) is not None:
        return made
    if not out.flags.c_contiguous or not _are_known("solve", out, a, b):
        return None
    made = []
    for one, right, to in _each(a, b, out):
        by_columns, x = np.empty(one.shape, a.dtype), np.empty(to.T.shape, a.dtype)
        made += [copied(one.T, by_columns), copied(right.T, x)]
        made += [_rescued(lapack.solve(by_columns, x), i, buffer), copied(x.T, _writable(out, to))]
    return made


def _writable(out: Any, part: Any) -> Any:
    """Return a part of an array in C order, which was reached through a broadcast view, as one to be written to."""
    offset = part.__array_interface__["data"][0] - out.__array_interface__["data"][0]
    begin = offset // out.itemsize
    return out.reshape(-1)[begin : begin + part.size].reshape(part.shape)


def _factor(x: Value) -> tuple[Value, bool] | None:
    """Return the Cholesky factor that a value is, or is the transpose of, and whether it is that."""
    turned = False
    while _is_transpose(x):
        x, turned = x.maker.args[0], not turned  # type: ignore[union-attr]
    is_factor = x.maker is not None and x.maker.kind == "op" and x.maker.op is Cholesky
    return (x, turned) if is_factor else None


def _is_transpose(x: Value) -> bool:
    """Whether a value is another one with its last two axes exchanged, and no others."""
    maker, n = x.maker, x.ndim
    if maker is None or maker.kind != "op" or maker.op is not Transpose or not isinstance(maker.args[0], Value):
        return False
    axes = maker.settings.get("axes")
    moved = tuple(range(n))[::-1] if axes is None else tuple(k % n for k in axes)
    return moved == (*range(n - 2), n - 1, n - 2)


def _by_factor(factor: Value, is_turned: bool, buffer: Buffer, b: Any, out: Any) -> list[Task] | None:
    a = buffer(factor)
    if not (a.flags.c_contiguous and out.flags.c_contiguous and _are_known("triangular", out, a, b)):
        return None
    made = []
    for one, right, to in _each(a, b, out):
        x = _writable(out, to)
        made += [copied(right, x), lapack.triangular(one, is_turned, x)]
    return made


def _inverse(i: Instruction, buffer: Buffer) -> list[Task] | None:
    if not isinstance(i.args[0], Value):
        return None
    a, out = buffer(i.args[0]), buffer(i.outputs[0])
    if not out.flags.c_contiguous or not _are_known("solve", out, a):
        return None
    made, eye = [], np.eye(a.shape[-1], dtype=a.dtype)
    for one, to in _each(a, out):
        by_columns, x = np.empty(one.shape, a.dtype), np.empty(one.shape, a.dtype)
        made += [copied(one.T, by_columns), copied(eye, x), _rescued(lapack.solve(by_columns, x), i, buffer)]
        made.append(copied(x.T, _writable(out, to)))
    return made


def _factored(i: Instruction, buffer: Buffer) -> list[Task] | None:
    if not isinstance(i.args[0], Value):
        return None
    a, out = buffer(i.args[0]), buffer(i.outputs[0])
    if not (a.flags.c_contiguous and out.flags.c_contiguous and _are_known("factor", out, a)):
        return None
    made = []
    for one, to in _each(a, out):
        y, n = _writable(out, to), len(one)
        made += [
            Task(_symmetric(a.dtype), [one, y], [n], 0, n),
            _rescued(lapack.factor(y), i, buffer),
            Task(_cleared(a.dtype), [y], [n], 0, n),
        ]
    return made


@functools.cache
def _symmetric(dtype: Any) -> str:
    function = Function([dtype, dtype], 1)
    (a, y), (n,), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as i, code.loop(0, n) as j:
        y[i * n + j] = (a[i * n + j] + a[j * n + i]) * code.constant(0.5, dtype)
    return function.text()


@functools.cache
def _cleared(dtype: Any) -> str:
    function = Function([dtype], 1)
    (y,), (n,), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as i, code.loop(i + 1, n) as j:
        y[i * n + j] = code.constant(0, dtype)
    return function.text()


TASKS: Mapping[Any, Callable[[Instruction, Buffer], list[Task] | None]] = {
    Solve: _solved,
    Inv: _inverse,
    Cholesky: _factored,
}
"""By record, as in `natives`."""
