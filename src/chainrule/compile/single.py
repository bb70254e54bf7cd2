"""A run of small steps as one call.

In a small network a call from Python costs more than the work that it does. Where a run of steps consists of loops,
matrix products and cross-entropy alone, and is small, it becomes a list of tasks that machine code goes through.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.kernels import cross_entropy
from chainrule.kernels.native.products import fits, product
from chainrule.kernels.native.tasks import Task, run_all

from .emit import work_of
from .program import Instruction, Value, values_in
from .steps import Run

MOST = 2**22
"""Floating-point operations: above, the calls from Python do not matter, and some steps are worth several cores."""

CROSS_ENTROPY = {
    "sparse_softmax_cross_entropy": "losses_and_probabilities",
    "SparseSoftmaxCrossEntropy.adjoint_z": "gradient",
    "cross_entropy_and_gradient": "losses_and_gradient",
}
"""The operations that have a task in `chainrule.kernels.cross_entropy`, and its name."""

Buffer = Callable[[Value], Any]


def single(steps: Sequence[Any], buffer: Buffer) -> Run | None:
    """Return one call for all of these steps, or None where one of them cannot be in it."""
    tasks: list[Task] = []
    for step in steps:
        task = _loop(step.loop, buffer) if step.loop is not None else _instruction(step.node, buffer)
        if task is None:
            return None
        tasks.append(task)
    return run_all(tasks, sum(step.flops if step.loop is None else work_of(step.loop) for step in steps))


def _loop(loop: Any, buffer: Buffer) -> Task | None:
    arrays = {value: buffer(value) for value in (*loop.loaded, *loop.stored)}
    if not all(a.flags.c_contiguous for a in arrays.values()):
        return None
    task: Task = loop.task({value: a.reshape(-1) for value, a in arrays.items()})
    return task


def _instruction(i: Instruction, buffer: Buffer) -> Task | None:
    if i.name == "matmul" and i.kind == "op":
        a, b = map(buffer, i.args)
        return _matmul(a, b, buffer(i.outputs[0]))
    if i.name in CROSS_ENTROPY:
        return _cross_entropy(i, buffer)
    return None


def _matmul(a: Any, b: Any, out: Any) -> Task | None:
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    return product(a, b, out) if fits(a, b, out) else None


def _cross_entropy(i: Instruction, buffer: Buffer) -> Task | None:
    arrays = [buffer(x) for x in (*values_in(i.args), *i.outputs)]
    if not all(a.flags.c_contiguous for a in arrays) or len({a.dtype for a in arrays if a.dtype.kind == "f"}) != 1:
        return None
    if i.name == "SparseSoftmaxCrossEntropy.adjoint_z":
        weights, t, y_hat, z_bar = arrays
        arrays = [y_hat, t, weights, z_bar]
    return cross_entropy.task_of(CROSS_ENTROPY[i.name], arrays)
