"""Running a body once per step: a plan whose inputs are slices that move on, and whose carry returns to its start."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compile.capture.capture import Capture
from chainrule.compile.capture.captured import Captured
from chainrule.compile.plan.plan import Plan
from chainrule.compile.program.program import Value
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in, running
from chainrule.core.traces.tape import ARRAYS
from chainrule.core.transforms.mapped import mapping


def run(runner: Any, loop: Any, args: Sequence[Any]) -> tuple["Runner", tuple[Any, ...]]:
    """Run a loop on plain arrays; return what runs it, which is made at the first call, and its results."""
    args = [np.asarray(x) for x in args]
    if runner is None:
        runner = Runner(loop, args)
    return runner, runner.run(args)


class Runner:
    """The plan of one step, and the places of its inputs and results."""

    def __init__(self, loop: Any, args: Sequence[Any]) -> None:
        self.loop = loop
        carry, xs, read = loop.parts(args)
        capture = Capture()
        values, boxes = [], []
        first = -1 if loop.reverse else 0
        for array in (*carry, *(x[first] for x in xs), *read):
            value = capture.program.value("input", np.array(array))
            values.append(value)
            boxes.append(Tensor(Captured(value.array, capture, value), ARRAYS, None))
        outputs = _captured(capture, loop.body, boxes)
        program = capture.program
        program.inputs, program.outputs = values, [y for y in outputs if isinstance(y, Value)]
        self.plan = Plan(program, lambda state: state.array)
        buffers = self.plan.buffers
        inputs = [buffers[v] for v in values]
        self.carry, self.entries, self.read = loop.parts(inputs)
        found = [self._array(y) for y in outputs]
        self.found, self.ys = found[: loop.carried], found[loop.carried :]
        # Where a result lies in the memory of an input, as in (b, a) of (a, b), all must be read before any is written.
        crossing = any(np.may_share_memory(y, x) for y in self.found for x in self.carry)
        self.between = [np.empty_like(x) for x in self.carry] if crossing else None
        program.forget_examples()

    def _array(self, y: Any) -> Any:
        if not isinstance(y, Value):
            return y
        value = self.plan.program.now(y)
        return self.plan.buffers.get(value, value.array)

    def run(self, args: Sequence[Any]) -> tuple[Any, ...]:
        """Run all steps."""
        carry, xs, read = self.loop.parts(args)
        try:
            return self._run(carry, xs, read)
        except (ValueError, IndexError, TypeError):
            # A value breaks an assumption of the plan: the operations do the right thing, or raise the right error.
            return self._one_by_one(carry, xs, read)

    def _results(self) -> tuple[list[Any], list[Any]]:
        n = self.loop.length
        kept = self.carry if self.loop.keeps_carries else ()
        return [np.empty((n, *y.shape), y.dtype) for y in self.ys], [np.empty((n, *c.shape), c.dtype) for c in kept]

    def _run(self, carry: Sequence[Any], xs: Sequence[Any], read: Sequence[Any]) -> tuple[Any, ...]:
        ys, kept = self._results()
        for buffer, x in zip((*self.carry, *self.read), (*carry, *read), strict=True):
            buffer[...] = x
        between = self.found if self.between is None else self.between
        before = [*zip(self.entries, xs, strict=True)]
        after = [*zip(ys, self.ys, strict=True)]
        states = [*zip(kept, self.carry, strict=False)]
        onward = [*zip(self.carry, between, strict=True)]
        aside = [] if self.between is None else [*zip(self.between, self.found, strict=True)]
        calls, copy = self.plan.calls, np.copyto
        with self.plan.one_pool():
            for t in range(self.loop.length)[:: -1 if self.loop.reverse else 1]:
                for buffer, x in before:
                    buffer[...] = x[t]
                for stack, buffer in states:
                    stack[t] = buffer
                for call in calls:
                    call()
                for stack, y in after:
                    stack[t] = y
                for place, y in aside:
                    copy(place, y)
                for buffer, y in onward:
                    copy(buffer, y)
        return (*(np.array(x) for x in self.carry), *ys, *kept)

    def _one_by_one(self, carry: Sequence[Any], xs: Sequence[Any], read: Sequence[Any]) -> tuple[Any, ...]:
        ys, kept = self._results()
        now = tuple(carry)
        capture, running.capture = running.capture, None
        try:
            for t in range(self.loop.length)[:: -1 if self.loop.reverse else 1]:
                for stack, c in zip(kept, now, strict=False):
                    stack[t] = c
                found = self.loop.body(*now, *(x[t] for x in xs), *read)
                now = found[: len(carry)]
                for stack, y in zip(ys, found[len(carry) :], strict=True):
                    stack[t] = y
        finally:
            running.capture = capture
        return (*(np.array(x) for x in now), *ys, *kept)


def _captured(capture: Capture, body: Any, boxes: Sequence[Tensor]) -> list[Any]:
    """Call a body on boxes of a capture; return its results as values, or as arrays where they are constants."""
    before, running.capture = running.capture, capture
    try:
        with mapping():
            found = body(*boxes)
            return [_value(y) for y in found]
    finally:
        running.capture = before


def _value(y: Any) -> Any:
    box = captured_in(y)
    return np.asarray(y._value if isinstance(y, Tensor) else y) if box is None else box._link
