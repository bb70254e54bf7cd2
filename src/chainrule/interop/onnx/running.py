"""Running the nodes of a graph, or of a branch inside a node."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .call import READERS, Call


@dataclass
class Branch:
    """A graph inside a node. It sees the values of the graph around it, under their names."""

    calls: Sequence[Call]
    outputs: Sequence[str]
    constants: dict[str, Any] = field(default_factory=dict)

    @property
    def outside(self) -> list[str]:
        """The names of the values that it takes from around it."""
        made, found = set(self.constants), dict[str, None]()
        for call in self.calls:
            found.update(dict.fromkeys(name for name in call.inputs if name and name not in made))
            made.update(call.outputs)
        found.update(dict.fromkeys(name for name in self.outputs if name not in made))
        return list(found)


def branches(call: Call) -> list[Branch]:
    """Return the graphs inside a node."""
    return [value for value in call.attributes.values() if isinstance(value, Branch)]


def all_calls(calls: Sequence[Call]) -> Iterator[Call]:
    """Yield nodes, and those of the graphs inside them."""
    for call in calls:
        yield call
        for branch in branches(call):
            yield from all_calls(branch.calls)


def run(branch: Branch, values: dict[str, Any], module: Any) -> list[Any]:
    """Return the outputs of a branch; `values` are those around it, which it leaves as they are."""
    own = {**values, **branch.constants}
    for call in branch.calls:
        own.update(made_by(call, own, module))
    return [own[name] for name in branch.outputs]


def made_by(call: Call, values: dict[str, Any], module: Any) -> dict[str, Any]:
    """Return the outputs of a node, by name."""
    made = _carried_out(replace(call, module=module), [values[name] if name else None for name in call.inputs])
    outputs = made if isinstance(made, list | tuple) else [made]
    return {name: value for name, value in zip(call.outputs, outputs, strict=False) if name}


def _carried_out(call: Call, given: list[Any]) -> Any:
    """Return a node's outputs; a ValueError that names the node if its arrays do not fit."""
    try:
        return READERS[call.kind](call, *given)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError, OverflowError) as error:
        if str(error).startswith("load: "):
            raise
        shapes = ", ".join("none" if x is None else str(list(np.shape(x))) for x in given)
        raise ValueError(f"load: {call.where}: inputs of shapes {shapes}: {error}") from error
