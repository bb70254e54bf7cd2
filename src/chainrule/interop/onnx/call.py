"""`Call`: one node of an ONNX graph, as the functions that run operators see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

Reader = Callable[..., Any]

READERS: dict[str, Reader] = {}
"""The function for each operator: `(call, *inputs)` returns one array, or a list of them."""
ATTRIBUTES: dict[str, frozenset[str]] = {}
"""The attributes that each of them supports."""
LARGEST = 2**31
"""The most elements in an array whose shape comes from a file."""


def reads(*names: str, attributes: str = "") -> Callable[[Reader], Reader]:
    """Register a function that runs the operators of these names, with the attributes that it supports."""

    def register(reader: Reader) -> Reader:
        for name in names:
            READERS[name] = reader
            ATTRIBUTES[name] = frozenset(attributes.split())
        return reader

    return register


@dataclass
class Call:
    """A node: its operator, its attributes as Python values, the names of its inputs and outputs, its version."""

    kind: str
    name: str
    opset: int
    attributes: Mapping[str, Any]
    inputs: Sequence[str]
    outputs: Sequence[str]
    module: Any = None
    """The running module, or None."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def ints(self, name: str, given: Any = None) -> list[int] | None:
        """Return integers from an attribute or, since a later opset, an input; None if neither is given."""
        if given is None:
            found = self.attributes.get(name)
            return None if found is None else [int(n) for n in np.atleast_1d(found)]
        return self.known(name, given)

    def known(self, name: str, given: Any) -> list[int]:
        """Return the integers of an input that determines shapes."""
        array = np.asarray(given)
        if array.dtype.kind not in "iu":
            self.refuse(f"{name}: expected integers, got {array.dtype}")
        return [int(n) for n in array.reshape(-1)]

    def bounded(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return a shape given in the file; a ValueError if it is negative or enormous."""
        size = 1
        for n in shape:
            size *= int(n)
        if any(n < 0 for n in shape) or size > LARGEST:
            self.refuse(f"a result of shape {list(shape)}, expected lengths from 0 and at most {LARGEST} elements")
        return tuple(int(n) for n in shape)

    @property
    def where(self) -> str:
        """The operator and the node's name."""
        return f"{self.kind} ({self.name})" if self.name else f"{self.kind} (of {', '.join(self.outputs)})"

    def refuse(self, what: str) -> NoReturn:
        """Raise a ValueError that names the node."""
        raise ValueError(f"load: {self.where}: {what}")
