"""The error for a name that a module does not have: it says which one is written nearly so."""

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

LIKE = 0.75
"""How alike two names are for one to be a slip of the pen for the other."""


def nearest_of(name: str, offered: Iterable[str]) -> str | None:
    """Return the name that is written nearly so: in other case, with letters exchanged, or with one too many.

    >>> nearest_of("SDG", ["Adam", "SGD"]), nearest_of("xavier_unifrom_", ["xavier_uniform_"]), nearest_of("x", ["y"])
    ('SGD', 'xavier_uniform_', None)
    >>> nearest_of("Adamm", ["Adam", "adam"])
    'Adam'
    """
    small: dict[str, str] = {}
    for one in offered:  # of names that differ in case alone the first: a class, and then the module named after it
        if not one.startswith("_"):
            small.setdefault(one.lower(), one)
    same = [one for one in small if sorted(one) == sorted(name.lower())]
    near = same or get_close_matches(name.lower(), small, 1, LIKE)
    return small[near[0]] if near else None


def lacking(module: str, otherwise: str = "") -> Callable[[str], Any]:
    """Return the `__getattr__` of a module: it raises AttributeError, with the nearest name and this."""

    def look_up(name: str) -> Any:
        raise AttributeError(lacks(module, name, offered_by(module), otherwise))

    return look_up


def lacks(module: str, name: str, offered: Iterable[str], otherwise: str = "") -> str:
    """Return the message for a name that a module with these names does not have."""
    near = None if name.startswith("_") else nearest_of(name, offered)
    meant = f"; did you mean {near!r}?" if near else ""
    also = otherwise.replace("; ", " ", 1) if near else otherwise
    return f"module {module!r} has no attribute {name!r}{meant}{also}"


def offered_by(module: str) -> list[str]:
    """Return the names that a module offers: those it lists, or those of this package."""
    names = vars(sys.modules[module])
    if "__all__" in names:
        return [*names["__all__"]]
    return [name for name, x in names.items() if str(getattr(x, "__module__", "")).startswith("chainrule")]
