"""`Plan`: a program with memory: what a replay runs."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.compile.program.groups import Group, grouped, reduction_of
from chainrule.compile.program.passes import simplify
from chainrule.compile.program.program import Instruction, Program, Value
from chainrule.core.random import default_generator
from chainrule.present.page import fragment, preformatted
from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose

from . import by_numpy
from .loops import Loop, aliases, describe, loop_of
from .memory import Pool
from .report import PlanLine, profile_table, program_table
from .single import Together, acting, runs_of
from .steps import Run, operations, step_of, view_of
from .verified import check_written

CONVOLUTIONS = (Convolution, ConvolutionTranspose, ConvolutionKernel)
"""Instructions that have threads of their own."""
LARGE = 2**19
"""Floating-point operations of a line up to which BLAS uses one thread anyway."""


@dataclass(eq=False)
class PlanStep:
    """One line of a plan."""

    node: Instruction | Group
    run: Run | None
    """None for a view, which costs nothing."""
    outputs: list[Value]
    loop: Loop | None = None
    copies: Sequence[tuple[Any, Any]] = ()
    """What a change in place copies first, and where to."""

    @property
    def is_effect(self) -> bool:
        """Whether it has side effects."""
        return isinstance(self.node, Instruction) and self.node.kind == "effect"

    @property
    def name(self) -> str:
        """What the line is called."""
        return describe(self.node) if isinstance(self.node, Group) else self.node.name

    @property
    def op(self) -> Any:
        """The single operation that it runs, or None."""
        return self.node.op if isinstance(self.node, Instruction) else None

    @property
    def flops(self) -> int:
        """Floating-point operations, as far as they are known."""
        if isinstance(self.node, Group):
            return sum(self.node.size for _ in self.node.members)
        return operations(self.node)

    @property
    def source(self) -> str:
        """The user's line."""
        return self.node.members[0].source if isinstance(self.node, Group) else self.node.source

    @property
    def inputs(self) -> list[Value]:
        """What it reads."""
        if self.loop is not None:
            return self.loop.loaded
        assert isinstance(self.node, Instruction)
        return self.node.inputs


@dataclass(eq=False)
class Plan:
    """A captured program, rewritten, with a buffer for each value: `print(plan)` shows it, `run` replays it."""

    program: Program
    current: Callable[[Value], Any]
    """The current array of each state: tensors may have been given another one since the capture."""
    barrier: Instruction | None = None
    """Where `run` stops and `run_rest` begins; at the end where it is None."""
    steps: list[PlanStep] = field(default_factory=list)
    buffers: dict[Value, Any] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)
    final_grads: set[Any] = field(default_factory=set)
    """The leaves that have a gradient at the end."""
    has_acted: bool = False
    """Whether the running replay has already had side effects."""

    def __post_init__(self) -> None:
        simplify(self.program)
        self.homes = _homes(self.program)
        nodes = grouped(self.program)
        _Builder(self, nodes).build()
        place = next((k for k, s in enumerate(self.steps) if s.node is self.barrier), len(self.steps))
        check_written(self.program, self.buffers, self.steps[:place], self.steps[place + 1 :], self.barrier)
        self.calls, self.rest = self._calls(self.steps[:place]), self._calls(self.steps[place + 1 :])

    def _calls(self, steps: Sequence[PlanStep]) -> list[Run]:
        """Return the calls of a replay: those of the steps, with what machine code can do in a row as one."""
        own = [step for step in steps if step.run]
        if by_numpy.is_wanted():
            return [self._call(step) for step in own]
        calls: list[Run] = []
        for parts in runs_of(own, self.buffers.__getitem__):
            step, tasks = parts[0]
            is_one_call = len(parts) > 1 or (tasks and step.is_effect)
            calls.append(Together(self, parts).run if is_one_call else self._call(step))
        return calls

    def _call(self, step: PlanStep) -> Run:
        assert step.run is not None
        return acting(self, step.run) if step.is_effect else step.run

    def run_rest(self) -> None:
        """Run the part after the cut."""
        with self.one_pool():
            for call in self.rest:
                call()

    def run(self) -> None:
        """Run all lines, on what is in the buffers of the inputs."""
        self.has_acted = False
        if not self.is_large:  # written out for speed
            for call in self.calls:
                call()
            return
        with self.one_pool():
            for call in self.calls:
                call()

    def one_pool(self) -> AbstractContextManager[None]:
        """Limit BLAS to one thread if there is work for several: the cores then belong to the plan's threads.

        After a product OpenBLAS's own threads look for the next one for 26 ms without sleeping.
        """
        if not self.is_large:
            return nullcontext()
        from chainrule.kernels.openblas import one_thread

        return one_thread()

    @functools.cached_property
    def is_large(self) -> bool:
        """Whether a line may be worth several cores: a large product or loop, or one not known to be small."""
        return any(step.flops > LARGE or step.op in CONVOLUTIONS for step in self.steps)

    # What it looks like

    def __str__(self) -> str:
        return program_table(self._lines(), self.pool.total)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment("en", preformatted(str(self)))

    def _lines(self) -> list[PlanLine]:
        return [
            PlanLine(
                step.name,
                [f"{v!r} {v.dtype}{list(v.shape)}" for v in step.outputs],
                [repr(v) for v in step.inputs],
                step.flops,
                sum(v.nbytes for v in (*step.inputs, *step.outputs)),
                step.source,
                step.run is None,
                len(step.node.members) if isinstance(step.node, Group) else 1,
            )
            for step in self.steps
        ]

    def profile(self, repeats: int = 20) -> str:
        """Return the table of the program with the median time of each line, over some replays of the last call.

        What the replays change (parameters, running averages) is restored afterwards; an effect that cannot be undone
        is not run, and is marked so.
        """
        times: list[list[float]] = [[] for _ in self.steps]
        undo = [_snapshot(step) for step in self.steps]
        lasting = [*(v for v in self.buffers if v.kind == "state"), *self.program.outputs, *self.homes]
        written = [(self.buffers[v], self.buffers[v].copy()) for v in lasting if v in self.buffers]
        draws = [s.node for s in self.steps if isinstance(s.node, Instruction) and s.node.kind == "draw"]
        generators = [draw.generator or default_generator() for draw in draws]
        states = [(generator.bit_generator, generator.bit_generator.state) for generator in generators]
        with self.one_pool():
            for _ in range(repeats):
                for step, seconds, back in zip(self.steps, times, undo, strict=True):
                    if step.run is not None and (not step.is_effect or back is not None):
                        began = time.perf_counter()
                        step.run()
                        seconds.append(time.perf_counter() - began)
        for back in undo:
            if back is not None:
                back()
        for array, before in written:
            if array.flags.writeable:
                array[...] = before
        for bits, state in reversed(states):
            bits.state = state
        medians = [float(np.median(seconds)) if seconds else None for seconds in times]
        return profile_table(self._lines(), medians)


def _snapshot(step: PlanStep) -> Callable[[], None] | None:
    """Return a function that undoes an effect, if it can be undone: if it names what it writes, or says how."""
    if not step.is_effect:
        return None
    assert isinstance(step.node, Instruction)
    function, writes = step.node.function, step.node.writes
    if hasattr(function, "snapshot"):
        return function.snapshot()  # type: ignore[no-any-return]
    if not writes:  # what it changes is unknown, and cannot be restored
        return None
    before = [(array, array.copy()) for array in writes]

    def back() -> None:
        for array, values in before:
            array[...] = values

    return back


def _homes(program: Program) -> dict[Value, Any]:
    """Return where effects want their inputs to be computed."""
    found: dict[Value, Any] = {}
    taken: set[int] = set()
    for i in program.instructions:
        if i.kind == "effect" and hasattr(i.function, "homes"):
            for value, home in zip(i.args, i.function.homes(), strict=True):
                if home is None or not isinstance(value, Value) or id(home) in taken:
                    continue
                base = _renamed_from(value)
                if base.kind == "result" and base not in found and base.dtype == home.dtype:
                    found[base] = home.reshape(base.shape)
                    taken.add(id(home))
    return found


def _renamed_from(value: Value) -> Value:
    while (maker := value.maker) is not None:
        if maker.kind == "op" and maker.op is Reshape:
            value = maker.inputs[0]
        elif maker.kind == "change" and value in maker.outputs[: len(maker.args)]:
            value = maker.args[maker.outputs.index(value)]
        else:
            break
    return value


class _Builder:
    """Gives every value a buffer and every node its call, in the order in which they run."""

    def __init__(self, plan: Plan, nodes: list[Instruction | Group]) -> None:
        self.plan, self.nodes = plan, nodes
        self.buffers, self.pool = plan.buffers, plan.pool
        self.base: dict[Value, Value] = {}
        """For a view, the value whose buffer it is in."""
        self.last = self._last_uses()

    def _last_uses(self) -> dict[Value, int]:
        last: dict[Value, int] = {}
        for k, node in enumerate(self.nodes):
            for value in _reads(node):
                last[value] = k
        for value in self.plan.program.outputs:
            last[value] = len(self.nodes)
        return last

    def build(self) -> None:
        for value in self.plan.program.inputs:
            self.buffers[value] = self.pool.take(value.shape, value.dtype)
        for k, node in enumerate(self.nodes):
            step = self._loop(k, node) if isinstance(node, Group) else self._single(k, node)
            self.plan.steps.append(step)
            self._give_back(k, [*step.inputs, *step.outputs])

    def _buffer(self, value: Value) -> Any:
        if value not in self.buffers:
            self.buffers[value] = self.plan.current(value) if value.kind == "state" else value.array
        return self.buffers[value]

    def _allocate(self, value: Value) -> None:
        home = self.plan.homes.get(value)
        self.buffers[value] = home if home is not None else self.pool.take(value.shape, value.dtype)

    def _single(self, k: int, i: Instruction) -> PlanStep:
        view = view_of(i, self._buffer)
        if view is not None:
            out, source = i.outputs[0], i.inputs[0]
            self.buffers[out] = view
            root = self.base[out] = self.base.get(source, source)
            self.last[root] = max(self.last.get(root, -1), self.last.get(out, -1))
            return PlanStep(i, None, [out])
        copies = self._changed_in_place(k, i) if i.kind == "change" else []
        for value in i.outputs:
            if value not in self.buffers:
                self._allocate(value)
        run = step_of(i, self._buffer) if i.kind != "change" else _changing(i, self._buffer, copies)
        return PlanStep(i, run, i.outputs, copies=copies)

    def _changed_in_place(self, k: int, i: Instruction) -> list[tuple[Any, Any]]:
        """Let the outputs of a change be in the buffers of its inputs, or in copies where those are read later."""
        copies: list[tuple[Any, Any]] = []
        for source, out in zip(i.args, i.outputs, strict=False):
            buffer = self._buffer(source)
            root = self.base.get(source, source)
            if root.kind == "result" and self.last.get(root, -1) <= k and buffer.flags.writeable:
                self.buffers[out], self.base[out] = buffer, root
                self.last[root] = max(self.last[root], self.last.get(out, -1))
            else:
                self._allocate(out)
                copies.append((buffer, self.buffers[out]))
        return copies

    def _loop(self, k: int, group: Group) -> PlanStep:
        outside = {v for v in group.made if self.last.get(v, -1) > k}
        loop = loop_of(group, outside)
        for out, source in aliases(group).items():
            if out in outside:
                self.last[source] = max(self.last.get(source, k), self.last[out])
        roots = Counter(self.base.get(v, v) for v in loop.loaded)
        # A value read both directly and broadcast must not change while the loop runs.
        reusable = [v for v in loop.loaded if self._ends_here(v, k) and roots[self.base.get(v, v)] == 1]
        for value in loop.stored:
            again = next((v for v in reusable if self._can_take(value, v, group)), None)
            if again is not None and value not in self.plan.homes:
                reusable.remove(again)
                self.buffers[value] = self.buffers[again].reshape(value.shape)
                self.base[value] = self.base.get(again, again)
                root = self.base[value]
                self.last[root] = max(self.last[root], self.last[value])
            else:
                self._allocate(value)
        for out, source in aliases(group).items():
            if out in outside:
                self.buffers[out] = self.buffers[source].reshape(out.shape)
                root = self.base[out] = self.base.get(source, source)
                self.last[root] = max(self.last.get(root, -1), self.last[out])
        return PlanStep(group, self._loop_call(loop), [*loop.stored], loop)

    def _ends_here(self, value: Value, k: int) -> bool:
        root = self.base.get(value, value)
        return root.kind == "result" and self.last.get(root, -1) <= k and self.buffers[value].flags.c_contiguous

    def _can_take(self, new: Value, old: Value, group: Group) -> bool:
        whole = self.buffers[old].size == self.buffers[self.base.get(old, old)].size
        is_sum = new.maker is not None and reduction_of(new.maker) is not None  # it is added to while the other is read
        return not is_sum and old.dtype == new.dtype and old.size == new.size == group.size and whole

    def _loop_call(self, loop: Loop) -> Run:
        if by_numpy.is_wanted():
            return by_numpy.numpy_call(loop, self._buffer)
        from .emit import loop_call

        return loop_call(loop, self._buffer)

    def _give_back(self, k: int, values: Iterable[Value]) -> None:
        for value in dict.fromkeys(self.base.get(v, v) for v in values):
            if value.kind == "result" and self.last.get(value, -1) <= k and value not in self.plan.homes:
                self.pool.give_back(self.buffers[value])
                self.last[value] = len(self.nodes) + 1  # once


def _changing(i: Instruction, buffer: Callable[[Value], Any], copies: Sequence[tuple[Any, Any]]) -> Run:
    """Return the call that changes the buffers of an instruction's outputs in place."""
    function, arrays = i.function, [buffer(v) for v in i.outputs[: len(i.args)]]
    result = buffer(i.outputs[-1]) if i.structure is not None else None

    def run() -> None:
        for source, target in copies:
            np.copyto(target, source)
        returned = function(*arrays)
        if result is not None:
            result[...] = returned

    return run


def _reads(node: Instruction | Group) -> Iterable[Value]:
    if isinstance(node, Group):
        made = node.made
        return [v for i in node.members for v in i.inputs if v not in made]
    return node.inputs
