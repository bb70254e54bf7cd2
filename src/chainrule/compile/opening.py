"""`opening`: how to get at the leaves of nested arguments without taking trees apart at every call.

Parameters come as dicts, lists and tuples. The generated function of a replay (`chainrule.compile.quick`) asks whether
these are as they were, and looks each leaf up where it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PLAIN = (dict, list, tuple)


@dataclass(frozen=True)
class Opening:
    """Expressions in the tuple `args`: for each leaf, in their order, and the conditions under which they are these."""

    leaves: tuple[str, ...]
    conditions: tuple[str, ...]


def opening(args: tuple[Any, ...], leaves: Sequence[Any], named: dict[str, Any] | None = None) -> Opening | None:
    """Return where some leaves are in arguments, or None where a container is of another class, or a key is no text.

    Arguments with names are a last dict in `args`.

    >>> found = opening(({"w": 1.5, "b": [2.5, None]}, 3.5), [2.5, 1.5, 3.5])
    >>> found.leaves
    ("args[0]['b'][0]", "args[0]['w']", 'args[1]')
    """
    conditions: list[str] = []
    try:
        places = [place for k, x in enumerate(args) for place in _places(x, f"args[{k}]", conditions)]
        for name, x in (named or {}).items():
            places += _places(x, f"args[{len(args)}][{name!r}]", conditions)
    except TypeError:
        return None
    found = [x for _, x in places]
    if len(found) != len(leaves) or any(a is not b for a, b in zip(found, leaves, strict=True)):
        return None
    count = [f"len(args) == {len(args) + bool(named)}"]
    if named:
        count += [f"type(args[{len(args)}]) is dict", f"len(args[{len(args)}]) == {len(named)}"]
    return Opening(tuple(name for name, _ in places), (*count, *conditions))


def _places(x: Any, name: str, conditions: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the leaves with their expressions, in the order of `chainrule.core.tree.flatten`."""
    if x is None:
        conditions.append(f"{name} is None")
    elif type(x) in PLAIN:
        conditions += [f"type({name}) is {type(x).__name__}", f"len({name}) == {len(x)}"]
        if isinstance(x, dict):
            if not all(type(key) is str for key in x):
                raise TypeError
            items: Any = sorted(x.items())
        else:
            items = enumerate(x)
        for key, one in items:
            yield from _places(one, f"{name}[{key!r}]", conditions)
    elif isinstance(x, PLAIN):
        raise TypeError  # a class of its own, as a named tuple
    else:
        yield name, x
