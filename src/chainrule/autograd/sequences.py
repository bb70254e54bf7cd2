"""Tuples with other items at some places, and graphs in the order of use."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any


def subvals(x: Iterable[Any], ivs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """Return a sequence as a tuple, with other items at some places.

    >>> subvals((1, 2, 3), [(0, "a"), (2, "c")])
    ('a', 2, 'c')
    """
    items = list(x)
    for i, value in ivs:
        items[i] = value
    return tuple(items)


def subval(x: Iterable[Any], i: int, v: Any) -> tuple[Any, ...]:
    """Return a sequence as a tuple, with another item at place `i`."""
    return subvals(x, [(i, v)])


def toposort(end_node: Any, parents: Callable[[Any], Iterable[Any]] = attrgetter("parents")) -> Iterator[Any]:
    """Yield the nodes of a graph from its end, each one after all that use it."""
    users: dict[Any, int] = {}
    stack = [end_node]
    while stack:
        node = stack.pop()
        if node not in users:
            stack.extend(parents(node))
        users[node] = users.get(node, 0) + 1
    ready = [end_node]
    while ready:
        node = ready.pop()
        yield node
        for parent in parents(node):
            users[parent] -= 1
            if users[parent] == 0:
                ready.append(parent)
