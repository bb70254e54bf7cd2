"""Compiled functions that are differentiated from outside: `compiled(x).backward()`.

If results have a gradient, the backward pass is captured after the forward pass, with the cotangents as extra inputs.
Both are one plan, split where the cotangents arrive. On the eager tape a call is one node.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.provenance import users_frame
from chainrule.core.errors import GradientError
from chainrule.core.facts import Facts
from chainrule.core.memory.changes import tick
from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Leaf, Node
from chainrule.core.traces.reverse import gradients
from chainrule.core.traces.tape import EAGER

from .capture.capture import Capture
from .capture.captured import Captured
from .program.program import Instruction, Value


class Pullback(Facts):
    """The captured backward pass of a function: its inputs, its outputs, and where they go."""

    kind = "general"
    composite = None
    adjoints: tuple[Any, ...] = ()
    arguments: tuple[str, ...] = ()
    residuals: tuple[str, ...] = ()
    several = True

    def __init__(
        self, name: str, capture: Capture, outputs: Sequence[Tensor], inputs: Sequence[Leaf], before: Sequence[Tensor]
    ) -> None:
        self.name = name
        self.cotangents: list[Value] = []
        self.barrier = _barrier(capture, before)
        seeds = []
        for y in outputs:
            value = capture.program.value("input", np.ones(y.shape, y.dtype))
            value.after = self.barrier
            self.cotangents.append(value)
            seeds.append((y._link, Captured(value.array, capture, value)))
        found = gradients(seeds, free=True)
        self.leaves = list(found)
        self.gradients = [_value_of(capture, x_bar) for x_bar in found.values()]
        self.inputs = list(inputs)
        """The leaves that stand for arguments; at a call the argument's own node takes their place."""
        self.replay: Any = None

    def node(self, arguments: Sequence[Node], shapes: list[Any], dtypes: list[Any], token: int) -> Node:
        """Return the tape node of one call."""
        given = dict(zip(self.inputs, arguments, strict=True))
        parents = tuple(given.get(leaf, leaf) for leaf in self.leaves)
        frame = users_frame()
        return Node(self, parents, (token,), {}, tuple(shapes), tuple(dtypes), tick(), frame.f_code, frame.f_lasti)

    def pull(self, y_bar: Any, saved: tuple[Any, ...], settings: Any) -> tuple[Any, ...]:  # noqa: ARG002
        """Run the second half of the plan."""
        if any(isinstance(part, Tensor) for part in y_bar):
            raise GradientError(
                f"{self.name}: a compiled function has first derivatives only; take higher ones of the function itself"
            )
        return self.replay.run_backward(y_bar, saved[0])  # type: ignore[no-any-return]


def _barrier(capture: Capture, before: Sequence[Tensor]) -> Instruction:
    """Mark where the cotangents arrive: by then everything the call itself returns has been computed."""
    references = tuple(capture._reference(y) for y in before)
    made = Instruction("results", "effect", lambda *_: None, references, {}, [], writes=())
    capture.program.add(made)
    return made


def _value_of(capture: Capture, x_bar: Any) -> Value:
    reference = capture._reference(x_bar)
    return reference if isinstance(reference, Value) else capture.program.value("constant", np.asarray(reference))


def pending(outputs: Sequence[Any]) -> list[Tensor]:
    """Return the results that have a gradient and whose tape no backward pass has freed."""
    return [
        y
        for y in outputs
        if isinstance(y, Tensor)
        and y._trace is EAGER
        and isinstance(y._link, Node)
        and not isinstance(y._link, Leaf)
        and not _is_freed(y._link)
    ]


def _is_freed(node: Node) -> bool:
    """Whether a backward pass has already gone through a node or its ancestors: another one would raise an error."""
    waiting, seen = [node], {id(node)}
    while waiting:
        one = waiting.pop()
        if one.saved is None:
            return True
        for parent in one.parents:
            if parent is not None and id(parent) not in seen:
                seen.add(id(parent))
                waiting.append(parent)
    return False
