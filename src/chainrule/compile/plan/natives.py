"""Instructions that are tasks of machine code, apart from loops: products, cross-entropy, norms, softmax and moves."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value, values_in
from chainrule.kernels import channels, cross_entropy, gather, normalization, norms, running, softmax, sums
from chainrule.kernels.native import extremes
from chainrule.kernels.native.copies import copied, is_movable
from chainrule.kernels.native.products import fits, lies_as_factor, product, products, stacks_fit
from chainrule.kernels.native.tasks import Task
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.rules.arrays.cumulative import Cumprod, Cumsum
from chainrule.rules.arrays.index import GetItem, Scatter
from chainrule.rules.arrays.reduce import Argmax, Argmin, Max, Mean, Min, Sum, axes_of, shared
from chainrule.rules.attention.blockwise import BlockwiseAttention
from chainrule.rules.linalg.einsum import Einsum, as_matrices
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.linalg.vector_norms import Norm
from chainrule.rules.network.batch_norm import BatchNorm, channel_moments
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy
from chainrule.rules.network.norm import LayerNorm, RMSNorm
from chainrule.rules.network.softmax import LogSoftmax, LogSumExp, Softmax

from . import heads, solving, windows
from .moves import MOVES, moved

Buffer = Callable[[Value], Any]
Maker = Callable[[Instruction, Buffer], Task | list[Task] | None]


def tasks_of(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return an instruction as tasks on its buffers, or None without a compiler, or code for it or such buffers."""
    if not HAS_COMPILER:
        return None
    made = _made(i, buffer)
    return made if made is not None or _key(i) in TAKES_VIEWS else _of_copies(i, buffer)


def _of_copies(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return the tasks on copies in C order of what lies in another one, a transposed image for example."""
    if _key(i) not in (*TASKS, GetItem, Scatter) or all(_lies(buffer(v)) for v in i.inputs):
        return None
    copies: dict[Value, tuple[Any, Any]] = {}

    def in_order(v: Value) -> Any:
        array = buffer(v)
        if v not in i.inputs or _lies(array):
            return array
        return copies.setdefault(v, (array, np.empty(array.shape, array.dtype)))[1]

    made = _made(i, in_order)
    if made is None or not all(is_movable(*pair) for pair in copies.values()):
        return None
    return [*(copied(*pair) for pair in copies.values()), *made]


def _lies(x: Any) -> bool:
    return not isinstance(x, np.ndarray) or x.flags.c_contiguous


def _made(i: Instruction, buffer: Buffer) -> list[Task] | None:
    key = _key(i)
    if key in (GetItem, Scatter) and (rows := _rows(i, buffer)) is not None:
        return rows
    if key in MOVES:
        return moved(i, buffer)
    if i.kind == "call" and (offered := getattr(i.function, "tasks_into", None)) is not None:
        return _into(i, offered, buffer)
    maker = TASKS.get(key)
    made = None if maker is None else maker(i, buffer)
    return [made] if isinstance(made, Task) else made


def _key(i: Instruction) -> Any:
    """Return what an instruction does: a record's operation, one of its rules, or a function of a pass; else None."""
    if i.kind == "op":
        return i.function if i.op is None else i.op
    return i.rule


def _rows(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return what is taken by numbers along the first axes, or added there."""
    index = i.settings["index"]
    if not isinstance(index, tuple) or not all(isinstance(x, Value) for x in i.args):
        return None
    if i.op is GetItem and not i.outputs[0].shape and all(isinstance(k, int) for k in index):
        element = buffer(i.args[0])[*index, ...]
        return [copied(element, buffer(i.outputs[0]))] if is_movable(element) else None
    while len(index) > 1 and isinstance(index[-1], slice) and index[-1] == slice(None):
        index = index[:-1]
    index = [buffer(k) if isinstance(k, Value) else k for k in index]
    if not any(isinstance(k, np.ndarray) for k in index) or not all(isinstance(k, np.ndarray | int) for k in index):
        return None
    index = [np.asarray(k) for k in index]
    x, out = buffer(i.args[0]), buffer(i.outputs[0])
    if i.op is GetItem:
        return [gather.taken(x, index, out)] if gather.fits(x, index, out) else None
    return gather.added(x, index, out) if gather.fits(out, index, x) and x.dtype.kind == "f" else None


def _into(i: Instruction, offered: Callable[..., list[Task] | None], buffer: Buffer) -> list[Task] | None:
    """Return the tasks that a function offers for its arguments and results."""
    if not all(isinstance(x, Value) for x in i.args):
        return None
    return offered([buffer(x) for x in i.args], [buffer(x) for x in i.outputs])


def _matmul(i: Instruction, buffer: Buffer) -> list[Task] | None:
    a, b, out = (*map(buffer, i.args), buffer(i.outputs[0]))
    if not a.size or not out.size:
        return None
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous and out.flags.c_contiguous:
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    if a.ndim < 2 or b.ndim < 2:
        return None
    return _multiplied([(a, a.shape), (b, b.shape)], out)


def _einsum(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return a contraction as a product, with copies of what does not lie as matrices do."""
    a, b, out = (*map(buffer, i.args), buffer(i.outputs[0]))
    found = as_matrices(a, b, out, i.settings["subscripts"])
    if found is None:
        return None
    *factors, (y, shape) = found
    if (matrix := _seen(y, shape)) is not None and (made := _multiplied(factors, matrix)) is not None:
        return made
    result = np.empty(y.shape, y.dtype)
    made = _multiplied(factors, result.reshape(shape)) if is_movable(y) else None
    return None if made is None else [*made, copied(result, y)]


def _multiplied(factors: Sequence[tuple[Any, Any]], out: Any) -> list[Task] | None:
    """Return the product of two arrays in these shapes, and before it copies of those that do not lie as factors do."""
    before: list[Task] = []
    matrices: list[Any] = []
    for x, shape in factors:
        matrix = _seen(x, shape)
        if matrix is None or not lies_as_factor(matrix):
            if not is_movable(x):
                return None
            kept = np.empty(x.shape, x.dtype)
            before.append(copied(x, kept))
            matrix = kept.reshape(shape)
        matrices.append(matrix)
    a, b = matrices
    made = _product(a, b, out)
    return None if made is None else [*before, made]


def _seen(x: Any, shape: tuple[int, ...]) -> Any:
    """Return the array in another shape, or None if that would be a copy."""
    found = x.reshape(shape)
    return found if np.may_share_memory(found, x) else None


def _product(a: Any, b: Any, out: Any) -> Task | None:
    if fits(a, b, out):
        return product(a, b, out)
    for given in ((a, b, out), (b.swapaxes(-1, -2), a.swapaxes(-1, -2), out.swapaxes(-1, -2))):
        if stacks_fit(*given):
            return products(*given)
    return None


def _cross_entropy(name: str, order: tuple[int, ...]) -> Callable[[Instruction, Buffer], Task | None]:
    """Return what makes a task on inputs and outputs in an order: the logits, or what is like them, first."""

    def made(i: Instruction, buffer: Buffer) -> Task | None:
        arrays = [buffer(x) for x in (*values_in(i.args), *i.outputs)]
        if len(arrays) != len(order):  # nothing needs the residuals of the gradient
            return None
        arrays = [arrays[k] for k in order]
        z = arrays[0]
        if not _are_plain(arrays, z.dtype) or any(a.shape not in (z.shape, z.shape[:-1]) for a in arrays):
            return None
        return cross_entropy.task_of(name, arrays)

    return made


def _are_plain(arrays: list[Any], dtype: Any) -> bool:
    """Whether arrays are in C order, the floats among them of one type that there is code for, and none is empty."""
    return dtype in (np.float32, np.float64) and all(
        a.flags.c_contiguous and a.size and a.dtype.kind in "fiu" and (a.dtype.kind != "f" or a.dtype == dtype)
        for a in arrays
    )


def _by_rows(kernel: Any, shapes: str, residuals: tuple[str, ...] = ()) -> Callable[..., list[Task] | None]:
    """Return what makes tasks of a function of rows.

    `shapes` has a letter for each array, inputs first: "m" for [R, n], "r" for a number for each row, "c" for each
    column. Where `residuals` are given, the inputs are a cotangent and these, of which the function's are taken. A
    number stands for as many of it as there are columns.
    """

    def made(i: Instruction, buffer: Buffer, inputs: Any = None) -> list[Task] | None:
        inputs = inputs or (_named(i, residuals, kernel.parameters) if residuals else i.args)
        are_known = all(
            isinstance(x, Value) or (type(x) is float and s == "c") for x, s in zip(inputs, shapes, strict=False)
        )
        if len(inputs) + len(i.outputs) > len(shapes) or not are_known:
            return None
        x = buffer(inputs[0])
        given = [buffer(v) if isinstance(v, Value) else np.full(x.shape[-1:], v, x.dtype) for v in inputs]
        arrays = [*given, *map(buffer, i.outputs)]
        if len(arrays) < len(shapes):  # what only a gradient reads goes into arrays of nobody's
            if i.kind != "op" or x.ndim == 0:
                return None
            unread = {"m": x.shape, "r": x.shape[:-1], "c": x.shape[-1:]}
            arrays += [np.empty(unread[letter], x.dtype) for letter in shapes[len(arrays) :]]
        if x.ndim == 0 or i.settings.get("axis", -1) not in (-1, x.ndim - 1):
            return None
        if not _are_plain(arrays, x.dtype) or any(a.dtype.kind != "f" for a in arrays):
            return None
        n, lines = x.shape[-1], x.shape[:-1]
        expected = {"m": x.shape, "r": lines, "c": (n,)}
        if any(a.shape != expected[letter] for a, letter in zip(arrays, shapes, strict=True)):
            return None
        flat = {"m": (-1, n), "r": -1, "c": -1}
        arrays = [a.reshape(flat[letter]) for a, letter in zip(arrays, shapes, strict=True)]
        if "eps" in i.settings:
            arrays.insert(len(inputs), float(i.settings["eps"]))
        tasks: list[Task] = kernel.tasks(arrays)
        return tasks

    return made


def _along(kernel: Any, keeps: bool) -> Maker:
    """Return what makes tasks of a function of rows along any axes, in front of which others may lie.

    `keeps` says whether the result has these axes.
    """

    def made(i: Instruction, buffer: Buffer) -> list[Task] | None:
        x, out = buffer(i.args[0]) if isinstance(i.args[0], Value) else None, buffer(i.outputs[0])
        if x is None or not x.ndim or not _are_plain([x, out], x.dtype) or out.dtype != x.dtype:
            return None
        axes = axes_of(x.shape, i.settings["axis"])
        last = tuple(range(x.ndim - len(axes), x.ndim))
        shape, is_last = (-1, _window(x, axes)), axes == last
        rows, before, behind, into = x, [], [], out
        if not is_last:
            view = np.moveaxis(x, axes, last)
            rows = np.empty(view.shape, x.dtype)
            before = [copied(view, rows)]
            if keeps:
                into = np.empty(view.shape, x.dtype)
                behind = [copied(into, np.moveaxis(out, axes, last))]
        return [*before, *kernel.tasks([rows.reshape(shape), into.reshape(shape if keeps else -1)]), *behind]

    return made


def _layer_norm(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return layer normalisation, also of rows without a scale and a shift, as batch normalisation has them."""
    x, *parameters = i.args
    if _is_one(parameters[0]) and isinstance(parameters[1], float) and parameters[1] == 0:
        return _standardized(i, buffer, [x])
    return _scaled(i, buffer)


def _of_layer_norm(i: Instruction, buffer: Buffer) -> list[Task] | None:
    if _is_one(_saved(i, LayerNorm.residuals).get("gamma")):
        return _of_standardized(i, buffer)
    return _of_scaled(i, buffer)


def _is_one(x: Any) -> bool:
    return isinstance(x, float) and x == 1


def _named(i: Instruction, residuals: tuple[str, ...], parameters: list[str]) -> list[Any]:
    named = _saved(i, residuals)
    return [named[p] for p in parameters if p in named]


def _saved(i: Instruction, residuals: tuple[str, ...]) -> dict[str, Any]:
    """Return what a rule was called with, by name; behind it may lie what watches a user's arrays."""
    y_bar, saved, *_ = i.args
    return {"y_bar": y_bar, **dict(zip(residuals, saved, strict=False))}


_standardized = _by_rows(normalization.standardize_twice, "mmmr")
_of_standardized = _by_rows(normalization.standardize_adjoint_x, "mmrm", LayerNorm.residuals)
_scaled = _by_rows(normalization.layer_norm, "mccmmr")
_of_scaled = _by_rows(normalization.layer_norm_adjoint_x, "mcmrm", LayerNorm.residuals)


def _channel_moments(i: Instruction, buffer: Buffer) -> Task | None:
    arrays = [buffer(x) for x in (*i.args, *i.outputs)]
    return channels.moments_task(*arrays) if _are_plain(arrays, arrays[0].dtype) else None


def _of_batch_norm(*parts: str) -> Maker:
    """Return what makes a task of some of batch normalisation's gradients."""

    def made(i: Instruction, buffer: Buffer) -> Task | None:
        given = {name: buffer(x) for name, x in _saved(i, BatchNorm.residuals).items() if isinstance(x, Value)}
        found = dict(zip(parts, map(buffer, i.outputs), strict=True))
        y_bar = given["y_bar"]
        arrays = [*given.values(), *found.values()]
        if y_bar.ndim < 3 or not _are_plain(arrays, y_bar.dtype) or any(a.dtype != y_bar.dtype for a in arrays):
            return None
        task: Task = channels.gradients_task(given, found)
        return task

    return made


def _extreme(i: Instruction, buffer: Buffer) -> Task | None:
    x, out = buffer(i.args[0]), buffer(i.outputs[0])
    axes = axes_of(x.shape, i.settings["axis"])
    if not extremes.fits(x, axes) or not _are_plain([x, out], x.dtype) or out.size * _window(x, axes) != x.size:
        return None
    return extremes.extremes(x, axes, out, i.op is Max)


def _place(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return where the extreme of each row is, along one axis or in the whole array."""
    x, out, axis = buffer(i.args[0]), buffer(i.outputs[0]), i.settings["axis"]
    rows = x.reshape(1, -1) if axis is None else np.moveaxis(x, axis, -1)
    if not _are_plain([x, out], x.dtype) or out.dtype != np.int64 or not x.ndim:
        return None
    before = []
    if axis is not None and axis % x.ndim != x.ndim - 1:
        lying = np.empty(rows.shape, x.dtype)
        before, rows = [copied(rows, lying)], lying
    return [*before, extremes.places(rows.reshape(out.size, -1), out.reshape(-1), i.op is Argmax)]


def _sum(i: Instruction, buffer: Buffer) -> list[Task] | None:
    x, out = buffer(i.args[0]), buffer(i.outputs[0])
    return sums.tasks_of_blocks(x, out, axes_of(x.shape, i.settings["axis"]), i.op is Mean)


def _shared(i: Instruction, buffer: Buffer) -> Task | None:
    y_bar, x, y, x_bar = (buffer(v) for v in (*i.args, *i.outputs))
    axes = axes_of(x.shape, i.settings["axis"])
    if not extremes.fits(x, axes) or not _are_plain([x, y, y_bar, x_bar], x.dtype) or y.dtype != x.dtype:
        return None
    return extremes.shares(x, axes, y, y_bar, x_bar)


def _norm(i: Instruction, buffer: Buffer) -> list[Task] | None:
    x, out = buffer(i.args[0]), buffer(i.outputs[0])
    axes = axes_of(x.shape, i.settings["axis"])
    if not _are_plain([x, out], x.dtype) or tuple(sorted(axes)) != tuple(range(x.ndim - len(axes), x.ndim)):
        return None
    tasks: list[Task] = norms.norm.tasks([x.reshape(out.size, -1), out.reshape(-1)])
    return tasks


def _running(name: str) -> Maker:
    def made(i: Instruction, buffer: Buffer) -> Task | None:
        x, out = buffer(i.args[0]), buffer(i.outputs[0])
        return running.running(name, x, out) if running.fits(x, out) else None

    return made


def _window(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[k] for k in axes)


TASKS: Mapping[Any, Maker] = {
    Matmul: _matmul,
    Einsum: _einsum,
    SparseSoftmaxCrossEntropy: _cross_entropy("losses_and_probabilities", (0, 1, 2, 3)),
    (SparseSoftmaxCrossEntropy, "adjoint_z"): _cross_entropy("gradient", (2, 1, 0, 3)),
    SparseSoftmaxCrossEntropy.primal_and_adjoint: _cross_entropy("losses_and_gradient", (0, 1, 2, 3, 4)),
    LayerNorm: _layer_norm,
    (LayerNorm, "adjoint_x"): _of_layer_norm,
    (LayerNorm, "adjoint_gamma"): _by_rows(normalization.adjoint_gamma, "mmc", LayerNorm.residuals),
    (LayerNorm, "adjoint_beta"): _by_rows(normalization.adjoint_beta, "mc", LayerNorm.residuals),
    (LayerNorm, "all_adjoints"): _by_rows(normalization.layer_norm_backward, "mcmrmcc", LayerNorm.residuals),
    channel_moments: _channel_moments,
    (BatchNorm, "all_adjoints"): _of_batch_norm("x_bar", "gamma_bar", "beta_bar"),
    (BatchNorm, "adjoint_x"): _of_batch_norm("x_bar"),
    (BatchNorm, "adjoint_gamma"): _of_batch_norm("gamma_bar"),
    (BatchNorm, "adjoint_beta"): _of_batch_norm("beta_bar"),
    RMSNorm: _by_rows(normalization.rms_norm, "mcmmr"),
    (RMSNorm, "adjoint_x"): _by_rows(normalization.rms_norm_adjoint_x, "mcmrm", RMSNorm.residuals),
    (RMSNorm, "adjoint_gamma"): _by_rows(normalization.adjoint_gamma, "mmc", RMSNorm.residuals),
    Softmax: _along(softmax.softmax, keeps=True),
    LogSoftmax: _along(softmax.log_softmax, keeps=True),
    LogSumExp: _along(softmax.logsumexp, keeps=False),
    Sum: _sum,
    Mean: _sum,
    Max: _extreme,
    Min: _extreme,
    Argmax: _place,
    Argmin: _place,
    shared: _shared,
    Norm: _norm,
    Cumsum: _running("add"),
    Cumprod: _running("multiply"),
    BlockwiseAttention: heads.forward_tasks,
    heads.BACKWARD: heads.reverse_tasks,
    **windows.TASKS,
    **solving.TASKS,
}
"""By what the instruction does: a record, a rule of one, or a function."""
TAKES_VIEWS = (Matmul, Einsum, Cumsum, Cumprod, BlockwiseAttention, heads.BACKWARD, *solving.TASKS)
"""What reads arrays in any order by itself, or is as fast in NumPy."""
