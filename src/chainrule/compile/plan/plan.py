"""`Plan`: a program with memory: what a replay runs."""

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.compile.program.groups import Group, grouped
from chainrule.compile.program.passes import simplify
from chainrule.compile.program.program import Instruction, Program, Value
from chainrule.core.random import default_generator
from chainrule.present.page import fragment, preformatted
from chainrule.present.shown import Shown
from chainrule.rules.arrays.shape import Reshape

from . import by_numpy
from .builder import Builder
from .line import PlanStep
from .memory import Pool
from .report import PlanLine, profile_table, program_table
from .single import Together, acting, runs_of
from .steps import Run
from .verified import check_written

LARGE = 2**19
"""Floating-point operations of a line up to which BLAS uses one thread anyway."""


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
        Builder(self, nodes).build()
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
            is_one_call = len(parts) > 1 or (tasks and (step.is_effect or len(own) == 1))
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
        """Whether a line may be worth several cores: a large product, convolution or loop."""
        return any(step.flops > LARGE for step in self.steps)

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
        return Shown(profile_table(self._lines(), medians))


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
