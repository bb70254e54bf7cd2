"""How one instruction runs in a plan: as a call bound to its buffers.

`step_of` treats specially what NumPy can write into a buffer; everything else is called as it is, and its result is
copied into place.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value, may_be_view
from chainrule.compile.program.purity import reads_only_functions
from chainrule.core.errors import CaptureError
from chainrule.core.facts import Moves
from chainrule.core.traces.capturing import replaced
from chainrule.kernels.native.tasks import LONG_WORK, run_all
from chainrule.kernels.outputs import offering
from chainrule.rules.arrays.join import Split
from chainrule.rules.arrays.reduce import Max, Mean, Min, Sum
from chainrule.rules.linalg.decompositions import Cholesky
from chainrule.rules.linalg.einsum import Einsum
from chainrule.rules.linalg.inverses import Inv, Solve
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose

from .natives import tasks_of

Run = Callable[[], Any]
Buffer = Callable[[Value], Any]


def views_of(i: Instruction, buffer: Buffer) -> list[Any] | None:
    """Return the results of an instruction where they are views of what it reads, or None."""
    if not may_be_view(i) or any(True for _ in _values(i.settings)):
        return None
    source = buffer(i.inputs[0])
    made = i.function(source, **i.settings)
    views = list(made) if i.op is Split else [made]
    if len(views) != len(i.outputs) or not all(isinstance(v, np.ndarray) for v in views):
        return None
    return views if all(np.may_share_memory(v, source) for v in views) else None


def _values(tree: Any) -> Any:
    found: list[Value] = []
    replaced(tree, lambda x: found.append(x) if isinstance(x, Value) else None)
    return found


def step_of(i: Instruction, buffer: Buffer) -> Run:
    """Return the call that carries out an instruction; the buffers of its outputs exist."""
    args, settings = replaced((i.args, i.settings), lambda x: buffer(x) if isinstance(x, Value) else x)
    outs = [buffer(v) for v in i.outputs]
    made = _special(i, args, settings, outs) if i.kind == "op" else None
    if (made is None or i.op in (Matmul, Sum)) and (tasks := tasks_of(i, buffer)) is not None:
        made = run_all(tasks, operations(i) or LONG_WORK)
    return made if made is not None else _generic(i, args, settings, outs)


def _special(i: Instruction, args: tuple[Any, ...], settings: dict[str, Any], outs: list[Any]) -> Run | None:
    if i.op is None:
        return None
    if i.op.is_pointwise and not settings and all(x is not None for x in args):
        ufunc = ufunc_of(i.op)
        if ufunc is not None:
            return partial(ufunc, *args, out=outs[0])
    if i.op is Matmul:
        a, b = args
        return _matmul(a, b, outs[0])
    if i.op is Sum and args[0].dtype == outs[0].dtype and args[0].dtype != np.float16:
        return partial(np.add.reduce, args[0], settings["axis"], None, outs[0], settings["keepdims"])
    if i.op.moves is Moves.SAME and i.op.is_pointwise:
        return partial(np.copyto, outs[0], args[0], "unsafe")
    return None


class _Asking:
    """What an operation is called with to learn which universal function it is: it remembers what it met."""

    dtype = np.dtype(np.float64)
    met: tuple[Any, ...] = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> "_Asking":
        made = _Asking()
        made.met = (ufunc, method, inputs, settings)
        return made


@lru_cache(4096)
def ufunc_of(op: Any) -> Any:
    """Return the universal function of NumPy that an operation's `primal` calls and does nothing else, or None.

    >>> from chainrule.core.operation import REGISTRY
    >>> ufunc_of(REGISTRY["exp"]), ufunc_of(REGISTRY["gelu"])
    (<ufunc 'exp'>, None)
    """
    if not reads_only_functions(op.primal):
        return None
    arguments = tuple(_Asking() for _ in op.arguments)
    try:
        made = op.primal(*arguments)
    except Exception:  # whatever its code raises when given them
        return None
    return made.met[0] if isinstance(made, _Asking) and made.met[1:] == ("__call__", arguments, {}) else None


def _matmul(a: Any, b: Any, out: Any) -> Run | None:
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        return None
    if a.ndim == b.ndim == 2 and out.flags.c_contiguous:
        return partial(np.dot, a, b, out)
    if b.ndim == 2 and a.size and out.size and a.flags.c_contiguous and out.flags.c_contiguous:
        return partial(np.dot, a.reshape(-1, a.shape[-1]), b, out.reshape(-1, out.shape[-1]))
    return partial(np.matmul, a, b, out)


def _generic(i: Instruction, args: Any, settings: dict[str, Any], outs: list[Any]) -> Run:
    function, structure = i.function, i.structure
    if not outs:
        return partial(function, *args, **settings)
    if structure is None:
        out = outs[0]

        call = partial(function, *args, **settings)
        offered = (out,) if out.flags.c_contiguous else ()

        def run() -> None:
            _store(i.name, out, offering(offered, call))

        return run

    call_several = partial(function, *args, **settings)
    offers = tuple(out for out in outs if out.flags.c_contiguous)

    def run_several() -> None:
        _copy(i.name, offering(offers, call_several), structure, outs)

    return run_several


def _copy(name: str, result: Any, structure: Any, outs: list[Any]) -> None:
    if isinstance(structure, tuple | list):
        for item, place in zip(result, structure, strict=True):
            _copy(name, item, place, outs)
    elif isinstance(structure, dict):
        for key, place in structure.items():
            _copy(name, result[key], place, outs)
    elif structure is not None:
        _store(name, outs[structure], result)


def _store(name: str, out: Any, result: Any) -> None:
    if np.shape(result) != out.shape:
        raise CaptureError(
            f"compile: {name} made an array of shape {list(np.shape(result))} that was {list(out.shape)} when the "
            f"function was captured: a shape must not depend on values; use np.where(mask, x, 0), or keep that part "
            f"outside of the compiled function"
        )
    made = getattr(result, "dtype", out.dtype)
    if made != out.dtype and not np.can_cast(made, out.dtype):  # a mask, where it was a mask times something, may be
        raise CaptureError(
            f"compile: {name} made an array of {made} that was {out.dtype} when the function was captured: a "
            f"dtype must not depend on values; give it one with .astype, or keep that part outside of the compiled "
            f"function"
        )
    if getattr(result, "base", None) is None or not _is_there(out, result):
        out[...] = result


def _is_there(out: Any, result: Any) -> bool:
    """Whether a result has been written where it belongs."""
    same = result.__array_interface__["data"] == out.__array_interface__["data"]
    return bool(same and result.strides == out.strides and result.dtype == out.dtype)


def operations(i: Instruction) -> int:
    """Return how many floating-point operations an instruction takes, as far as its shapes tell; 0 where unknown."""
    if not i.outputs:
        return 0
    out = i.outputs[0]
    if i.op is Matmul:
        return 2 * out.size * i.inputs[0].shape[-1]
    if i.op is Einsum:
        letters = i.settings["subscripts"].split("->")[0].split(",")
        lengths = {
            letter: n
            for x, some in zip(i.args, letters, strict=True)
            for letter, n in zip(some, np.shape(x), strict=True)
        }
        return 2 * int(math.prod(lengths.values()))
    if i.op in (Solve, Inv):
        a = i.inputs[0]
        return 2 * a.size * a.shape[-1] + 2 * a.shape[-1] * out.size
    if i.op is Cholesky:
        return out.size * out.shape[-1]
    if i.op in (Convolution, ConvolutionTranspose):  # each element of what lies on the positions, times its kernel
        kernels = i.inputs[1]
        return 2 * (out if i.op is Convolution else i.inputs[0]).size * (kernels.size // kernels.shape[0])
    if i.op is ConvolutionKernel:
        return 2 * i.inputs[1].size * (out.size // out.shape[0])
    if i.op in (Sum, Mean, Max, Min):
        return i.inputs[0].size
    return out.size if i.op is not None and i.op.kind in ("elementwise", "bilinear", "linear") else 0
