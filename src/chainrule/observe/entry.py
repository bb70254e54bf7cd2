"""`Entry`: one value of an observed run, and how it was computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from chainrule.base.provenance import Source, locate
from chainrule.core.facts import Facts
from chainrule.core.traces.node import Node


@dataclass(eq=False)
class Entry:
    """One value of a run: a leaf (`op` is None), or the result of an operation.

    `inputs` are entries, or plain values for constants. `node` is None if the value carries no gradient. `arrived`
    holds the contributions of all uses, as (user, position, cotangent); `gradient` is their sum. `pull_back` fills in
    both.
    """

    op: Any
    inputs: tuple[Any, ...]
    settings: Mapping[str, Any]
    value: Any
    node: Node | None
    module: str = ""
    name: str = ""
    saved: Mapping[str, Any] = field(default_factory=dict)
    arrived: list[tuple["Entry", int, Any]] = field(default_factory=list)
    gradient: Any = None
    is_parameter: bool = False
    where: tuple[CodeType, int] | None = None

    def takes(self, other: "Entry") -> bool:
        """Whether an entry is among its inputs, compared by identity: arrays among them compare elementwise."""
        return any(x is other for x in self.inputs)

    def is_part_of(self, whole: "Entry") -> bool:
        """Whether it is one of the results of an operation with several results."""
        return "part" in self.settings and self.inputs[0] is whole

    @property
    def tracked(self) -> bool:
        """Whether a gradient flows to it."""
        return self.node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made it."""
        return self.op is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value."""
        return () if isinstance(self.value, tuple) else np.shape(self.value)

    @property
    def ndim(self) -> int:
        """The number of its value's axes."""
        return np.ndim(self.value)

    @property
    def source(self) -> Source | None:
        """The user's line that made it; None for a leaf."""
        if self.where is not None:
            return locate(*self.where)
        return None if self.node is None else self.node.source


class Detached(Facts):
    """The pseudo-operation for `x.detach()`."""

    name = "detach"
    kind = "constant"
    arguments = ("x",)


def value_in(x: Any) -> Any:
    """Return the value of an input: of an entry, or the plain value itself."""
    return x.value if isinstance(x, Entry) else x


def array_of(x: Any) -> Any:
    """Return the value of an input as an array."""
    return np.asarray(value_in(x))


def leading_to(loss: Entry) -> set[Entry]:
    """Return an entry and every entry that it was computed from."""
    found, stack = {loss}, [loss]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Entry) and x not in found:
                found.add(x)
                stack.append(x)
    return found
