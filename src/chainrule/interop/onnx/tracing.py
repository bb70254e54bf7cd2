"""A model as a program whose sizes may depend on the lengths of some input axes.

A capture records plain numbers: a reshape to (3, 20), a slice up to 7. Capturing at several batch sizes shows which of
them depend on the batch. A number that varies is fitted by `coefficient × (product of lengths) + offset`, and the fit
is verified at one more set of lengths.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.compile.capture.capture import Capture
from chainrule.compile.capture.captured import Captured
from chainrule.compile.program.program import Instruction, Value
from chainrule.core.errors import CaptureError
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import captured_in, running
from chainrule.core.traces.tape import EAGER
from chainrule.core.tree import flatten
from chainrule.nn.norms import BatchNorm1d, GroupNorm
from chainrule.nn.recurrent import Recurrent

WHOLE = (BatchNorm1d, GroupNorm, Recurrent)
"""Modules for which ONNX has a single node, while a capture would see many operations."""

Axes = Sequence[Mapping[int, str]]


@dataclass(frozen=True)
class Size:
    """A number that depends on lengths: `coefficient × product of names + offset`."""

    coefficient: int
    names: tuple[str, ...]
    offset: int = 0

    def __repr__(self) -> str:
        product = "*".join([*([str(self.coefficient)] if self.coefficient != 1 else []), *self.names])
        return f"{product}{self.offset:+d}" if self.offset else product


@dataclass(frozen=True)
class Varying:
    """A constant array whose shape depends on lengths, with the elements `first + step × position`."""

    shape: tuple[Any, ...]
    first: Any
    step: Any
    dtype: Any


@dataclass
class CapturedRun:
    """One capture: its program, the boxes' values, and the arrays behind them."""

    capture: Capture
    inputs: list[Value]
    outputs: list[Value]
    examples: list[Any]
    results: list[Any]

    @property
    def instructions(self) -> list[Instruction]:
        """The instructions, in order."""
        return self.capture.program.instructions


class WholeModule:
    """The call of one module as one instruction; `arguments` gives the writer the names of its parts."""

    def __init__(self, module: nn.Module, forward: Callable[..., Any], has_state: bool) -> None:
        self.module, self.forward, self.has_state = module, forward, has_state
        self.name = type(module).__name__

    def __call__(self, *arrays: Any) -> Any:
        """Run the module on plain arrays, outside the capture; its parameters are arguments only for the record."""
        capture, running.capture = running.capture, None
        try:
            found = self.forward(*self.given(arrays))
        finally:
            running.capture = capture
        return _opened(found)

    def given(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments of the call itself."""
        if not self.has_state:
            return (arrays[0],)
        states = arrays[1 : 1 + self.module.states]
        return (arrays[0], states[0] if self.module.states == 1 else tuple(states))

    def parts(self) -> dict[str, Any]:
        """Return parameters and buffers by name."""
        return {**self.module._parameters, **self.module._buffers}


def _opened(tree: Any) -> Any:
    return tuple(map(_opened, tree)) if isinstance(tree, tuple) else value_of(tree)


@contextmanager
def _whole_modules(model: Any) -> Iterator[None]:
    """Capture each module of `WHOLE` as one instruction inside the block."""
    found = [m for m in model.modules() if isinstance(m, WHOLE)] if isinstance(model, nn.Module) else []
    for module in found:
        module.__dict__["forward"] = _as_one(module)
    try:
        yield
    finally:
        for module in found:
            del module.__dict__["forward"]


def _as_one(module: Any) -> Callable[..., Any]:
    usual = module.forward

    def forward(x: Any, state: Any = None) -> Any:
        if isinstance(module, Recurrent):
            x = x if isinstance(x, Tensor) else np.asarray(x)
            states = [] if state is None else [state] if module.states == 1 else list(state)
        else:
            states = []
        like = next((p for p in (*module._parameters.values(), *module._buffers.values()) if p is not None), None)
        x, *states = (a if like is None or a.dtype == like.dtype else a.astype(like.dtype) for a in (x, *states))
        call = WholeModule(module, usual, bool(states))
        parts = [getattr(module, name) for name, part in call.parts().items() if part is not None]
        found = running.capture.call(call, (x, *states, *parts))
        return _boxed(found)

    return forward


def _boxed(tree: Any) -> Any:
    return tuple(map(_boxed, tree)) if isinstance(tree, tuple) else Tensor(tree, EAGER, None)


def traced(model: Callable[..., Any], examples: Sequence[Any], settings: Mapping[str, Any]) -> CapturedRun:
    """Capture one call of a model."""
    capture = Capture()
    inputs = [capture.program.value("input", x) for x in examples]
    boxes = [Tensor(Captured(value.array, capture, value), EAGER, None) for value in inputs]
    try:
        with _whole_modules(model), capture.watching():
            result = model(*boxes, **settings)
    except CaptureError as error:
        raise CaptureError(f"export: {str(error).removeprefix('compile: ')}") from error
    finally:
        capture.restore_grads()
    found = [captured_in(leaf) for leaf in flatten(result)[0]]
    if not found or any(box is None for box in found):
        raise ValueError("export: expected a model that returns arrays computed from its inputs, got another result")
    called = [state.module for state in capture.modules.values()]
    training = [type(m).__name__ for m in called if m.training and m is not model]
    if training and not isinstance(model, nn.Module):
        raise ValueError(f"export: {training[0]} is in training mode; call eval() on the model first")
    return CapturedRun(capture, inputs, [box._link for box in found], list(examples), [box.held for box in found])


class Traces:
    """Captures of one model at several lengths, merged into one program.

    `shapes` gives each value its shape with symbolic sizes, `merged` an instruction's argument tree.
    """

    def __init__(
        self, model: Callable[..., Any], examples: Sequence[Any], axes: Axes, settings: Mapping[str, Any]
    ) -> None:
        self.axes = axes
        self.names = list(dict.fromkeys(name for given in axes for name in given.values()))
        base = {name: max(2, self._length(examples, name)) for name in self.names}
        self.lengths = [base, *({**base, name: base[name] + 1} for name in self.names)]
        if self.names:
            self.lengths.append({name: n + 3 + k for k, (name, n) in enumerate(base.items())})
        self.all = [self._traced(model, examples, at, settings) for at in self.lengths]
        self.first = self.all[0]
        self._check_alike()
        self.shapes: dict[int, tuple[Any, ...]] = {}
        self.varying: dict[int, Varying] = {}
        for parts in zip(*(self._values(trace) for trace in self.all), strict=True):
            self.shapes[parts[0].number] = self._shape(parts)

    def _traced(
        self,
        model: Callable[..., Any],
        examples: Sequence[Any],
        lengths: Mapping[str, int],
        settings: Mapping[str, Any],
    ) -> CapturedRun:
        given = self._resized(examples, lengths)
        try:
            return traced(model, given, settings)
        except (ValueError, TypeError, IndexError) as error:
            if str(error).startswith("export: ") or all(
                a.shape == b.shape for a, b in zip(given, examples, strict=True)
            ):
                raise
            told = ", ".join(f"{name} {n}" for name, n in lengths.items())
            raise ValueError(f"export: the model fails where lengths are {told}: {error}; {_FIX}") from error

    def _length(self, examples: Sequence[Any], name: str) -> int:
        found = {
            x.shape[axis] for x, given in zip(examples, self.axes, strict=True) for axis in given if given[axis] == name
        }
        if len(found) > 1:
            raise ValueError(
                f"export: axes named {name!r} have lengths {', '.join(map(str, sorted(found)))}, expected one; give "
                "different names to axes that differ, or examples that agree"
            )
        return int(found.pop())

    def _resized(self, examples: Sequence[Any], lengths: Mapping[str, int]) -> list[Any]:
        made = []
        for x, given in zip(examples, self.axes, strict=True):
            for axis, name in given.items():
                x = np.take(x, np.arange(lengths[name]) % max(1, x.shape[axis]), axis)
            made.append(x)
        return made

    def _check_alike(self) -> None:
        first = self.first.instructions
        for trace, lengths in zip(self.all[1:], self.lengths[1:], strict=True):
            here = trace.instructions
            moved = [name for name, n in lengths.items() if n != self.lengths[0][name]]
            pairs = zip(first, here, strict=False)
            other = next(((a, b) for a, b in pairs if not _alike(a, b)), None)
            if other is not None or len(first) != len(here):
                seen = f"{other[0].name} ({other[0].source}) or {other[1].name}" if other else "more operations"
                raise ValueError(
                    f"export: the operations differ with the length of {', '.join(moved)}: {seen}; leave that axis out "
                    "of dynamic=, which fixes its length"
                )

    def _values(self, trace: CapturedRun) -> Iterator[Value]:
        yield from trace.inputs
        for i in trace.instructions:
            yield from i.inputs
            yield from i.outputs

    def _shape(self, parts: Sequence[Value]) -> tuple[Any, ...]:
        if len({p.ndim for p in parts}) > 1:
            raise ValueError(f"export: an array has {parts[0].ndim} or {parts[1].ndim} axes, as lengths differ")
        return tuple(self.number(sizes, "a shape") for sizes in zip(*(p.shape for p in parts), strict=True))

    def number(self, found: Sequence[Any], where: str) -> Any:
        """Return one number as a function of the lengths: itself, or a `Size`."""
        if all(f is found[0] or f == found[0] for f in found):
            return found[0]
        if not all(isinstance(f, int | np.integer) for f in found):
            raise ValueError(f"export: {where} is {found[0]} or {found[-1]}, as lengths differ; {_FIX}")
        base, moved = self.lengths[0], [n for k, n in enumerate(self.names) if found[k + 1] != found[0]]
        slope = 0
        for name in moved:
            others = math.prod(base[other] for other in moved if other != name)
            slope = (int(found[self.names.index(name) + 1]) - int(found[0])) // others
        size = Size(slope, tuple(moved), int(found[0]) - slope * math.prod(base[name] for name in moved))
        for lengths, value in zip(self.lengths, found, strict=True):
            if size.coefficient * math.prod(lengths[name] for name in size.names) + size.offset != value:
                raise ValueError(f"export: {where} follows no product of lengths: {', '.join(map(str, found))}; {_FIX}")
        return size

    def merged(self, trees: Sequence[Any], where: str) -> Any:
        """Return the arguments of an instruction, with a `Size` for each number that varies."""
        one = trees[0]
        if isinstance(one, Value):
            if one.kind == "constant":
                self._check_constant(trees, where)
            return one
        if isinstance(one, tuple | list):
            if any(len(t) != len(one) for t in trees):
                raise ValueError(f"export: {where} has another number of settings as lengths differ; {_FIX}")
            return tuple(self.merged(parts, where) for parts in zip(*trees, strict=True))
        if isinstance(one, slice):
            ends = ((t.start for t in trees), (t.stop for t in trees), (t.step for t in trees))
            return slice(*(self.number(list(end), where) for end in ends))
        if isinstance(one, int | float | np.generic) and not isinstance(one, bool):
            return self.number(trees, where)
        return one

    def _check_constant(self, values: Sequence[Value], where: str) -> None:
        """Find how a constant array depends on the lengths: not at all, as one repeated number, or as a range."""
        arrays = [value.array for value in values]
        shape = self.shapes[values[0].number]
        if not any(isinstance(n, Size) for n in shape):
            if not all(np.array_equal(a, arrays[0], equal_nan=a.dtype.kind == "f") for a in arrays):
                raise ValueError(f"export: {where}: a constant array differs with lengths; {_FIX}")
            return
        first = arrays[0].reshape(-1)[0]
        if all((a == first).all() for a in arrays):
            self.varying[values[0].number] = Varying(shape, first, 0, arrays[0].dtype)
            return
        step = arrays[0].reshape(-1)[1] - first
        is_range = sum(n != 1 for n in shape) == 1 and arrays[0].dtype.kind in "iu"
        if not is_range or not all((a.reshape(-1) == first + step * np.arange(a.size)).all() for a in arrays):
            raise ValueError(f"export: {where}: a constant array, neither of one number nor a range, differs; {_FIX}")
        self.varying[values[0].number] = Varying(shape, first, step, arrays[0].dtype)

    def instructions(self) -> Iterator[tuple[Instruction, Any, Any]]:
        """Yield each instruction that the outputs need, with its arguments and settings in symbolic sizes."""
        every = list(zip(*(trace.instructions for trace in self.all), strict=True))
        needed = {value.number for value in self.first.outputs}
        kept = []
        for same in reversed(every):
            one = same[0]
            if any(v.number in needed for v in one.outputs) or one.kind == "effect":
                needed |= {v.number for v in one.inputs}
                kept.append(same)
        for same in reversed(kept):
            where = f"{same[0].name} ({same[0].source})"
            yield (
                same[0],
                self.merged([i.args for i in same], where),
                {key: self.merged([i.settings[key] for i in same], where) for key in same[0].settings},
            )


_FIX = "leave the axis out of dynamic=, which fixes its length"


def _alike(a: Instruction, b: Instruction) -> bool:
    return (
        a.name == b.name
        and len(a.outputs) == len(b.outputs)
        and [v.number for v in a.inputs] == [v.number for v in b.inputs]
    )
