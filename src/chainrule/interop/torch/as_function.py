"""`as_torch_function`: a chainrule function that PyTorch can differentiate.

One `torch.autograd.Function` runs programs: functions of arrays that return arrays. Its backward pass runs another
program, the pullback, in the same way, so it can be differentiated as well, as often as one likes; so can its forward
mode.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.transforms.derivatives import jvp, no_grad, vjp
from chainrule.core.tree import flatten, paths, unflatten
from chainrule.nn import Module

from .arrays import Torch, array_of, copied_to_torch

Program = Callable[..., list[Any]]
"""A function from arrays to arrays, in chainrule operations."""


def as_torch_function(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f`, a function of arrays written with NumPy or chainrule, as a function of PyTorch tensors.

    Tensors in the arguments (also in tuples, lists and dicts) reach `f` as read-only arrays in the same memory, and its
    results are new tensors; keyword arguments are passed through. PyTorch differentiates it by chainrule's rules:
    `backward()`, second and higher derivatives (`create_graph=True`), forward mode and `torch.func`, whose `vmap` runs
    row by row. `torch.compile` leaves it uncompiled between compiled parts. Anything `f` refers to besides its
    arguments is constant.

    Raises TypeError for a module whose parameters would be constants, and at the call for complex and bfloat16 tensors;
    ValueError for tensors that are not in the CPU's memory.

    >>> import torch, numpy as np
    >>> f = as_torch_function(lambda x: np.sin(x) * x)
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> f(x).sum().backward()
    >>> x.grad
    tensor([0.0000, 1.3818])
    """
    needed("torch", "as_torch_function")
    if not callable(f):
        raise TypeError(f"as_torch_function: expected a function, got {type(f).__name__}")
    if isinstance(f, Module) and any(p.requires_grad for p in f.parameters()):
        raise TypeError(
            f"as_torch_function: the parameters of {type(f).__name__} would be constants; use to_torch(model), which "
            "makes them PyTorch's, or freeze them with model.requires_grad_(False)"
        )

    @functools.wraps(f)
    def called(*args: Any, **settings: Any) -> Any:
        return _caller()(functools.partial(f, **settings), args)

    return called


def _caller() -> Callable[..., Any]:
    """Return `_called`, in a form opaque to torch.compile if compiled code may be involved."""
    # That form loads the compiler, which takes a second: only once torch.compile has done so.
    if "torch._dynamo" not in sys.modules:
        return _called
    if not _uncompiled:
        _uncompiled.append(needed("torch", "as_torch_function").compiler.disable(_called))
    return _uncompiled[0]


_uncompiled: list[Callable[..., Any]] = []


def _called(f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call `f` with tensors in the place of arrays, anywhere in its arguments."""
    torch = needed("torch", "as_torch_function")
    leaves, structure = flatten(list(args))
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    names = paths(list(args)) if places else []
    for k in places:
        if leaves[k].is_complex():
            raise TypeError(f"as_torch_function: argument {names[k]}: got {leaves[k].dtype}, expected real numbers")
    found: list[Any] = []

    def program(*arrays: Any) -> list[Any]:
        filled = list(leaves)
        for k, array in zip(places, arrays, strict=True):
            filled[k] = array
        outputs, form = flatten(f(*unflatten(structure, filled)))
        found[:] = [form]
        return [_checked(torch, y) for y in outputs]

    outputs = apply(program, [leaves[k] for k in places])
    return unflatten(found[0], outputs)


def _checked(torch: Any, y: Any) -> Any:
    if isinstance(y, torch.Tensor) or not isinstance(y, Tensor | np.ndarray | np.generic | float | int):
        raise TypeError(f"as_torch_function: the function must return arrays, got {type(y).__name__}")
    return y if hasattr(y, "shape") else np.asarray(y)


class Call:
    """One call of a program: what `forward` has to do, and what it leaves for `backward`.

    `recording` is whether a gradient may be asked for; `ready` runs the program at the very arguments of this call, if
    an earlier call has left that.
    """

    def __init__(self, program: Program, recording: bool, ready: Callable[..., list[Any]] | None = None) -> None:
        self.program, self.recording, self.ready = program, recording, ready
        self.pullback: Callable[..., Any] | None = None

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the outputs; keep the pullback if it may be needed."""
        with no_grad():  # parameters that the function refers to are constants
            floating = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"]
            if self.recording and floating:
                outputs, self.pullback = vjp(_of(self.program, arrays, floating), *(arrays[k] for k in floating))
                return list(outputs)
            return self.program(*arrays) if self.ready is None else self.ready(*arrays)


def _of(program: Program, arrays: Sequence[Any], places: Sequence[int]) -> Program:
    """Return a program as a function of some of its arguments."""

    def fewer(*some: Any) -> list[Any]:
        filled = list(arrays)
        for k, x in zip(places, some, strict=True):
            filled[k] = x
        return program(*filled)

    return fewer


def pulled(program: Program, count: int) -> Program:
    """Return the program of cotangents: from `count` arguments and the outputs' ones to the floating arguments'."""

    def pull(*arrays: Any) -> list[Any]:
        xs, bars = arrays[:count], arrays[count:]
        floating = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]
        _, pullback = vjp(_of(program, xs, floating), *(xs[k] for k in floating))
        return list(pullback(list(bars)))

    return pull


def pushed(program: Program, count: int) -> Program:
    """Return the program of tangents: from `count` arguments and the floating ones' to the outputs'."""

    def push(*arrays: Any) -> list[Any]:
        xs, dots = arrays[:count], arrays[count:]
        floating = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]
        _, tangents = jvp(_of(program, xs, floating), [xs[k] for k in floating], list(dots))
        return list(tangents)

    return push


def apply(program: Program, tensors: Sequence[Torch], ready: Callable[..., list[Any]] | None = None) -> tuple[Any, ...]:
    """Run a program on tensors, in PyTorch's graph."""
    torch = needed("torch", "as_torch_function")
    recording = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    outputs: tuple[Any, ...] = _function().apply(Call(program, recording, ready), *tensors)
    return outputs


@functools.cache
def _function() -> Any:
    torch = needed("torch", "as_torch_function")

    class ChainruleFunction(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """A chainrule program in PyTorch's graph."""

        @staticmethod
        def forward(call: Call, *tensors: Torch) -> tuple[Torch, ...]:
            arrays = [array_of(f"as_torch_function: tensor {k}", t) for k, t in enumerate(tensors)]
            # Copies: an output may be an array that the tape, or the user's function, still holds.
            return tuple(copied_to_torch("as_torch_function: result", value_of(y)) for y in call.run(arrays))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Torch, ...]) -> None:
            ctx.call, *tensors = inputs
            # Saved by PyTorch although the tape has them: it notices changes before the backward pass.
            ctx.save_for_backward(*tensors)
            ctx.save_for_forward(*tensors)
            ctx.whole = [not y.is_floating_point() for y in output]
            ctx.mark_non_differentiable(*(y for y in output if not y.is_floating_point()))

        @staticmethod
        def backward(ctx: Any, *bars: Torch) -> tuple[Torch | None, ...]:
            tensors, call = ctx.saved_tensors, ctx.call
            count = len(tensors)
            if not any(t.is_floating_point() for t in tensors):
                return (None,) * (1 + count)
            ready = None
            if call.pullback is not None:
                pullback = call.pullback

                def ready(*arrays: Any) -> list[Any]:
                    return list(pullback(list(arrays[count:])))

            found = iter(apply(pulled(call.program, count), [*tensors, *bars], ready))
            return None, *(next(found) if t.is_floating_point() else None for t in tensors)

        @staticmethod
        def jvp(ctx: Any, _: None, *dots: Torch | None) -> tuple[Torch | None, ...]:
            tensors = ctx.saved_tensors
            moving = [
                torch.zeros_like(t) if dot is None else dot
                for t, dot in zip(tensors, dots, strict=True)
                if t.is_floating_point()
            ]
            tangents = apply(pushed(ctx.call.program, len(tensors)), [*tensors, *moving])
            return tuple(None if whole else t for whole, t in zip(ctx.whole, tangents, strict=True))

        @staticmethod
        def vmap(info: Any, in_dims: tuple[Any, ...], call: Call, *tensors: Torch) -> tuple[Any, Any]:
            if not info.batch_size:
                raise ValueError("as_torch_function: vmap: expected at least one row, got a batch of none")
            rows = []
            for k in range(info.batch_size):
                row = [t if dim is None else t.select(dim, k) for t, dim in zip(tensors, in_dims[1:], strict=True)]
                rows.append(apply(call.program, row, call.ready))
            outputs = tuple(torch.stack(parts) for parts in zip(*rows, strict=True))
            return outputs, (0,) * len(outputs)

    return ChainruleFunction
