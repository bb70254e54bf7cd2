r"""Softmax and cross-entropy with class indices, along the rows of [R, K].

$L_i = \log \sum_k e^{z_{ik}} - z_{i t_i}$ and $\bar z_{ij} = w_i (\hat y_{ij} - [j = t_i])$, $\hat y$ being the softmax
of z and $w_i$ the weight of a row: 1/R where the loss is the mean. Nothing checks bounds, and a class out of range
would read and write elsewhere: these functions look at all classes first, and return the first row whose
class is not in 0 … K − 1, having written nothing, or −1. Floats are of one dtype, float32 or float64, classes any
integers, every array in C order; nothing checks this.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .gather import in_range
from .native.code import Place
from .native.symbol import LLVM, LONG, Symbol
from .native.tasks import Function, Task, run_once
from .softmax import row_of_exponentials

Array = Any
Write = Callable[..., None]

ERROR = "cross_entropy: a class is out of range"


def losses_and_probabilities(z: Array, classes: Array, losses: Array, y_hat: Array) -> int:
    """Set the losses [R] and `y_hat` to the softmax of z; return the bad row or −1."""
    return run_once(task("losses_and_probabilities", z, classes, losses, y_hat))


def gradient(y_hat: Array, classes: Array, weights: Array, z_bar: Array) -> int:
    """Set `z_bar` to the gradient, given the softmax of z; return the bad row or −1."""
    return run_once(task("gradient", y_hat, classes, weights, z_bar))


def task(name: str, z: Array, *others: Array) -> Task:
    """Return the call of one of these functions."""
    arrays = [z, *others]
    text = _text(name, z.shape[1], tuple(a.dtype for a in arrays))
    return Task(text, arrays, begin=0, end=z.shape[0], error=ERROR)


def task_of(name: str, arrays: Sequence[Array]) -> Task:
    """Return a task on arrays in C order as they lie in a program: of as many axes as the logits, or of one less."""
    columns = arrays[0].shape[-1]
    rows = arrays[0].size // columns
    return task(name, *(a.reshape(rows, columns) if a.ndim == arrays[0].ndim else a.reshape(-1) for a in arrays))


def checked(classes: Array, count: int) -> Task | None:
    """Return the task that fails at a class that is not in 0 … count − 1, or None for classes there is no code for."""
    if classes.dtype.kind not in "iu" or not classes.flags.c_contiguous:
        return None
    task = in_range(classes, count)
    task.error = ERROR
    return task


def counted(target: Array, ignored: int, count: int, classes: Array, counts: Array, share: Array) -> Task | None:
    """Return the task that sets the classes of rows that are not ignored, 0 for others, which they are, and how many.

    It fails at a class that is not in 0 … count − 1; None for arrays there is no code for.
    """
    given = (target, classes, counts, share)
    if any(not a.flags.c_contiguous or not a.size or a.dtype not in LLVM for a in given):
        return None
    if target.dtype.kind not in "iu" or share.dtype.kind != "f":
        return None
    text = _counted(*(a.dtype for a in given))
    return Task(text, given, [ignored, count], 0, target.size, error=ERROR)


@functools.cache
def _counted(*dtypes: Any) -> str:
    function = Function(dtypes, 2)
    (target, classes, counts, share), (ignored, count) = function.places, function.numbers
    code, total = function.code, function.code.variable(LONG, 0)
    with code.loop(function.begin, function.end) as i:
        c = target[i].astype(LONG)
        is_used = c != ignored
        code.leave_if(is_used & ((c < 0) | (c >= count)), i)
        classes[i] = code.chosen(is_used, target[i], code.constant(0, target.dtype))
        counts[i] = is_used
        total.set(total.get() + is_used.astype(LONG))
    share[0] = total.get().astype(share.dtype)
    return function.text()


def nonzero(number: Array) -> Task | None:
    """Return the task that fails where a number is 0, or None for one there is no code for."""
    if number.size != 1 or not number.flags.c_contiguous or number.dtype not in LLVM or number.dtype.kind != "f":
        return None
    return Task(_nonzero(number.dtype), [number])


@functools.cache
def _nonzero(dtype: Any) -> str:
    function = Function([dtype])
    (number,) = function.places
    function.code.leave_if(number[0] == 0, function.code.constant(0, LONG))
    return function.text()


@functools.cache
def _text(name: str, count: int, dtypes: tuple[Any, ...]) -> str:
    """Return a function for so many classes."""
    function = Function(dtypes)
    code, (z, classes, *others) = function.code, function.places
    with code.loop(function.begin, function.end) as i:
        c = classes[i].astype(LONG)
        code.leave_if((c < 0) | (c >= count), i)
    with code.loop(function.begin, function.end) as i:
        WRITERS[name](z, i, count, classes[i].astype(LONG), *others)
    return function.text()


def _losses_and_gradient(
    z: Place, i: Symbol, count: int, c: Symbol, weights: Place, losses: Place, z_bar: Place
) -> None:
    code, start = z.code, i * count
    top, total = row_of_exponentials(z, start, count, z_bar)
    losses[i] = code.intrinsic("log", total) - (z[start + c] - top)
    factor = weights[i] / total
    with code.loop(0, count) as j:
        z_bar[start + j] = z_bar[start + j] * factor
    z_bar[start + c] = z_bar[start + c] - weights[i]


def _losses_and_probabilities(z: Place, i: Symbol, count: int, c: Symbol, losses: Place, y_hat: Place) -> None:
    code, start = z.code, i * count
    top, total = row_of_exponentials(z, start, count, y_hat)
    losses[i] = code.intrinsic("log", total) - (z[start + c] - top)
    inverse = 1 / total
    with code.loop(0, count) as j:
        y_hat[start + j] = y_hat[start + j] * inverse


def _gradient(y_hat: Place, i: Symbol, count: int, c: Symbol, weights: Place, z_bar: Place) -> None:
    code, start = y_hat.code, i * count
    with code.loop(0, count) as j:
        z_bar[start + j] = y_hat[start + j] * weights[i]
    z_bar[start + c] = z_bar[start + c] - weights[i]


WRITERS: dict[str, Write] = {
    "losses_and_gradient": _losses_and_gradient,
    "losses_and_probabilities": _losses_and_probabilities,
    "gradient": _gradient,
}
"""What each does with row i of K numbers, whose class is c."""
