"""What stands for names that a script imports and that are not here: it can be imported, and is refused when used."""

import functools
from collections.abc import Callable
from typing import Any

from .missing import NEAREST

ONE_PROCESS = "this is one process; chainrule.distributed trains a model in several, over MPI"


@functools.cache
def refused(where: str, name: str, reason: str) -> type:
    """Return a class that stands for a name, of which nothing is an instance and which cannot be made or called."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"{where}.{name}: {reason}")

    return type(name, (), {"__new__": refuse, "__module__": where})


def refusing(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module whose names are all refused when they are used, with what is nearest."""
    where = module.partition("chainrule.")[2]

    def look_up(name: str) -> Any:
        if name.startswith(("__", "pytest")):  # what Python and pytest ask of every module
            raise AttributeError(name)
        return refused(where, name, f"not offered; {NEAREST[where.partition('.')[2]]}")

    return look_up
