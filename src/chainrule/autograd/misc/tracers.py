"""autograd.misc.tracers: a function's graph, read once (`const_graph`) or kept whole (`full_graph`)."""

from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from ..sequences import subvals, toposort
from ..tracer import Node, trace
from ..wrap_util import wraps

__all__ = ["ConstGraphNode", "FullGraphNode", "const_graph", "const_graph_unary", "full_graph"]


class ConstGraphNode(Node):
    """A node that can be computed again for other values of its parents."""

    __slots__ = ("parents", "partial_fun")

    def __init__(self, _value: Any, fun: Any, args: Any, kwargs: Any, parent_argnums: Any, parents: Any) -> None:
        args = subvals(args, zip(parent_argnums, repeat(None), strict=False))

        def partial_fun(partial_args: Any) -> Any:
            return fun(*subvals(args, zip(parent_argnums, partial_args, strict=True)), **kwargs)

        self.parents = parents
        self.partial_fun = partial_fun

    def initialize_root(self) -> None:
        """Make the node of the argument."""
        self.parents = ()


def const_graph_unary(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `fun` as a function that runs once, and later repeats only the operations that depend on its argument."""
    graph: list[Any] = []
    once = [fun]  # so that it can be freed: it may hold arrays

    def maybe_cached_fun(x: Any) -> Any:
        if graph:
            values = {graph[0]: x}
            for node in graph[1:]:
                values[node] = node.partial_fun([values[p] for p in node.parents])
            return values[graph[-1]]
        end_value, end_node = trace(ConstGraphNode.new_root(), once.pop(), x)
        if end_node is None:
            raise ValueError("Output is independent of input")
        graph.extend(list(toposort(end_node))[::-1])
        return end_value

    return maybe_cached_fun


def const_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return `fun` with these first arguments as a function whose graph is recorded in the first call.

    Later calls repeat its operations, without running its Python code: right only if that has no branches on values.
    """
    bound = partial(fun, *args, **kwargs)
    of_tuple = const_graph_unary(lambda rest: bound(*rest))

    @wraps(fun)
    def of_args(*rest: Any) -> Any:
        return of_tuple(rest)

    return of_args


class FullGraphNode(Node):
    """A node with its value and the call that made it."""

    __slots__ = ("recipe", "value")

    def __init__(self, value: Any, fun: Any, args: Any, kwargs: Any, parent_argnums: Any, parents: Any) -> None:
        self.value = value
        self.recipe = (fun, args, kwargs, list(zip(parent_argnums, parents, strict=True)))

    def initialize_root(self) -> None:
        """Make the node of the arguments."""
        self.value = None
        self.recipe = (lambda x: x, (), {}, [])


def full_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the node of the result of `fun(*args)`, from which the whole graph can be read."""
    return trace(FullGraphNode.new_root(), lambda xs: fun(*xs, **kwargs), args)[1]
