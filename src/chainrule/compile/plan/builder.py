"""`Builder`: where each value of a plan lies in memory, and the call of each line."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.groups import Group, is_renaming, reduction_of
from chainrule.compile.program.program import Instruction, Value

from . import by_numpy
from .heads import orders_in
from .line import PlanStep
from .loops import Loop, aliases, loop_of
from .placed import parts_of, places_in
from .steps import Run, step_of, views_of


class Builder:
    """Gives every value a buffer and every node its call, in the order in which they run."""

    def __init__(self, plan: Any, nodes: list[Instruction | Group]) -> None:
        self.plan, self.nodes = plan, nodes
        self.buffers, self.pool = plan.buffers, plan.pool
        self.base: dict[Value, Value] = {}
        """For a view, the value whose buffer it is in."""
        self.last = self._last_uses()
        self.places = places_in(nodes, plan.homes, plan.program.outputs)
        for part, (whole, _) in self.places.items():  # those of a part before the part itself
            self.last[whole] = max(self.last.get(whole, -1), self.last.get(part, -1))
        self.joints = {whole for whole, _ in self.places.values()}
        self.given = _given(plan.program.outputs)
        self.orders = orders_in(nodes, {*plan.homes, *self.places, *self.joints, *plan.program.outputs})

    def _last_uses(self) -> dict[Value, int]:
        last: dict[Value, int] = {}
        for k, node in enumerate(self.nodes):
            for value in _reads(node):
                last[value] = k
        for value in self.plan.program.outputs:
            last[value] = len(self.nodes)
        return last

    def build(self) -> None:
        """Make the lines of the plan."""
        for value in self.plan.program.inputs:
            self.buffers[value] = self.pool.take(value.shape, value.dtype, apart=True)
        for k, node in enumerate(self.nodes):
            step = self._loop(k, node) if isinstance(node, Group) else self._single(k, node)
            self.plan.steps.append(step)
            self._give_back(k, [*step.inputs, *step.outputs])

    def _buffer(self, value: Value) -> Any:
        if value not in self.buffers:
            self.buffers[value] = self.plan.current(value) if value.kind == "state" else value.array
        return self.buffers[value]

    def _allocate(self, value: Value) -> None:
        if value in self.places:
            whole, index = self.places[value]
            if whole not in self.buffers:
                self._allocate(whole)
            self.buffers[value], self.base[value] = self.buffers[whole][index], self.base.get(whole, whole)
            return
        home = self.plan.homes.get(value)
        if (order := self.orders.get(value)) is not None:
            made = self.pool.take(tuple(value.shape[axis] for axis in order), value.dtype)
            self.buffers[value] = made.transpose(np.argsort(order))
            return
        made = home if home is not None else self.pool.take(value.shape, value.dtype, apart=value in self.given)
        self.buffers[value] = made

    def _single(self, k: int, i: Instruction) -> PlanStep:
        views = views_of(i, self._buffer)
        if views is not None:
            source = i.inputs[0]
            root = self.base.get(source, source)
            for out, view in zip(i.outputs, views, strict=True):
                self.buffers[out], self.base[out] = view, root
                self.last[root] = max(self.last.get(root, -1), self.last.get(out, -1))
            return PlanStep(i, None, i.outputs)
        if i.outputs and i.outputs[0] in self.joints:
            return self._joint(i)
        copies = self._changed_in_place(k, i) if i.kind == "change" else []
        for value in i.outputs:
            if value not in self.buffers:
                self._allocate(value)
        run = step_of(i, self._buffer) if i.kind != "change" else _changing(i, self._buffer, copies)
        return PlanStep(i, run, i.outputs, copies=copies)

    def _joint(self, i: Instruction) -> PlanStep:
        """Copy what is not in its place in a joint yet."""
        (whole,) = i.outputs
        copies = [
            (self._buffer(x), self.buffers[whole][index])
            for x, index in parts_of(i)
            if x not in self.places or self.places[x][0] is not whole
        ]
        run = _copying(copies) if copies else None
        return PlanStep(i, run, i.outputs, copies=copies, joins=True)

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
        # What has failed is done again, from what was read.
        reusable = (
            []
            if loop.can_fail()
            else [v for v in loop.loaded if self._ends_here(v, k) and roots[self.base.get(v, v)] == 1]
        )
        for value in loop.stored:
            again = next((v for v in reusable if self._can_take(value, v, group)), None)
            has_its_own = value in self.plan.homes or value in self.places or value in self.given
            if again is not None and not has_its_own:
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


def _given(outputs: Iterable[Value]) -> set[Value]:
    """Return the outputs, and what they are with another shape: they lie in memory of their own."""
    found: set[Value] = set()
    for value in outputs:
        while value not in found and value.kind == "result":
            found.add(value)
            if value.maker is None or not is_renaming(value.maker):
                break
            value = value.maker.inputs[0]
    return found


def _copying(copies: Sequence[tuple[Any, Any]]) -> Run:
    """Return the call that copies arrays to others."""

    def run() -> None:
        for source, target in copies:
            np.copyto(target, source)

    return run


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
