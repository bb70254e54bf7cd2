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


def opening(
    args: tuple[Any, ...], leaves: Sequence[Any], named: dict[str, Any] | None = None, in_order: bool = True
) -> Opening | None:
    """Return where some leaves are in arguments, or None where a container is of another class, or a key is no text.

    Arguments with names are a last dict in `args`, whose order matters where `in_order` says so.

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
        last = f"args[{len(args)}]"
        count += [f"type({last}) is dict", _order(last, named) if in_order else f"len({last}) == {len(named)}"]
    return Opening(tuple(name for name, _ in places), (*count, *conditions))


def _places(x: Any, name: str, conditions: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the leaves with their expressions, in the order of `chainrule.core.tree.flatten`."""
    if x is None:
        conditions.append(f"{name} is None")
    elif type(x) in PLAIN:
        conditions.append(f"type({name}) is {type(x).__name__}")
        if isinstance(x, dict):
            if not all(type(key) is str for key in x):
                raise TypeError
            conditions.append(_order(name, x))
            items: Any = sorted(x.items())
        else:
            conditions.append(f"len({name}) == {len(x)}")
            items = enumerate(x)
        for key, one in items:
            yield from _places(one, f"{name}[{key!r}]", conditions)
    elif isinstance(x, PLAIN):
        raise TypeError  # a class of its own, as a named tuple
    else:
        yield name, x


def _order(name: str, x: dict[str, Any]) -> str:
    """Return the condition that a dict has the keys of `x` in their order, in which a function may go through them."""
    return f"(*{name},) == {tuple(x)!r}"
