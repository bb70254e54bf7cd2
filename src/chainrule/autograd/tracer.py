"""autograd.tracer: `primitive`, `isbox`, `getval`, and `trace`, with which a function's graph can be read.

A trace calls a node class of the user's for each operation: `Node(value, fun, args, kwargs, argnums, parents)`.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.operands.foreign import PLAIN
from chainrule.core.tensor import Tensor
from chainrule.core.traces.running import entered, left
from chainrule.core.traces.tape import next_level
from chainrule.core.tree import flatten, unflatten

from .boxes import Box, getval, isbox
from .primitives import notrace_primitive, primitive

__all__ = [
    "Box",
    "Node",
    "getval",
    "isbox",
    "new_box",
    "notrace_primitive",
    "primitive",
    "register_notrace",
    "trace",
    "trace_stack",
]

_unnoticed: dict[type, set[str]] = {}


class Node:
    """The base class of nodes. A subclass defines both methods."""

    __slots__ = ()

    def __init__(self, *_: Any) -> None:
        """Make the node of an operation; `parents` are the nodes of the arguments `parent_argnums`."""
        raise TypeError(f"{type(self).__name__} does not define __init__; a subclass of Node has to")

    def initialize_root(self, *_: Any, **__: Any) -> None:
        """Make the node of the argument."""
        raise TypeError(f"{type(self).__name__} does not define initialize_root; a subclass of Node has to")

    @classmethod
    def new_root(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the node of the argument."""
        root = cls.__new__(cls)
        root.initialize_root(*args, **kwargs)
        return root


class _Applied:
    """An operation as a function that a node can keep, print and call again."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.__name__ = str(op.name)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.op.apply(*args, **settings)


def _item(values: Any, k: int) -> Any:
    return values[k]


class _Graph:
    """The trace: each box's link is its node."""

    __slots__ = ("level", "make")

    def __init__(self, make: type = Node) -> None:
        self.level = next_level()
        self.make = make

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply an operation to the contents of the boxes, and make its node."""
        values, argnums, parents = [], [], []
        for k, x in enumerate(args):
            if isinstance(x, Tensor) and x._trace is self:
                if x._link is not None:
                    argnums.append(k)
                    parents.append(x._link)
                x = x._value
            values.append(x)
        is_plain = op.composite is None and PLAIN.issuperset(map(type, values))
        y = (op.primal if is_plain else op.apply)(*values, **settings)
        if not argnums or op.kind == "constant" or op.name in _unnoticed.get(self.make, ()):
            return tuple(Tensor(part, self, None) for part in y) if op.several else Tensor(y, self, None)
        node = self.make(y, _Applied(op), tuple(values), dict(settings), tuple(argnums), tuple(parents))
        if not op.several:
            return Tensor(y, self, node)
        return tuple(Tensor(x, self, self.make(x, _item, (y, k), {}, (0,), (node,))) for k, x in enumerate(y))


def trace(start_node: Any, fun: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Run `fun(x)` with `start_node` as the node of x; return the value and its node, None if it depends on nothing.

    The arrays in a container have nodes of their own, whose parent is the start.
    """
    graph = _Graph(type(start_node))
    leaves, structure = flatten(x)
    if isinstance(x, list | tuple | dict):
        nodes = [graph.make(leaf, _leaf, (x, k), {}, (0,), (start_node,)) for k, leaf in enumerate(leaves)]
    else:
        nodes = [start_node]
    end = fun(unflatten(structure, [Tensor(_array(v), graph, node) for v, node in zip(leaves, nodes, strict=True)]))
    if isinstance(end, Tensor) and end._trace is graph and end._link is not None:
        return end._value, end._link
    warnings.warn("Output seems independent of input.", stacklevel=2)
    return getval(end), None


class _Traces:
    """autograd's `trace_stack`: `with trace_stack.new_trace() as t` opens a trace for boxes made by `new_box`."""

    @staticmethod
    @contextmanager
    def new_trace() -> Iterator[_Graph]:
        depth = entered()
        try:
            yield _Graph()
        finally:
            left(depth)


trace_stack = _Traces()


class _Boxed(tuple[Any, ...]):
    """A tuple of boxes that knows its trace, as autograd's box of a tuple does."""

    _trace: _Graph


def new_box(value: Any, graph: _Graph, node: Any) -> Any:
    """Return a value whose arrays are traced, with `node` as the node of each; later ones are of its class."""
    graph.make = type(node)
    leaves, structure = flatten(value)
    made = unflatten(structure, [Tensor(_array(leaf), graph, node) for leaf in leaves])
    if type(made) is tuple:
        made = _Boxed(made)
        made._trace = graph
    return made


def _leaf(x: Any, k: int) -> Any:
    return _array(flatten(x)[0][k])


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


def register_notrace(trace_type: type, primitive_fun: Any) -> None:
    """Leave an operation out of the graphs made of a class of nodes."""
    _unnoticed.setdefault(trace_type, set()).add(str(getattr(primitive_fun, "__name__", primitive_fun)))
