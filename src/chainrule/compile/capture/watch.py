"""Whether what a function reaches has changed, checked before each replay.

Nearly always everything is the same object as before, so one function is generated that checks just identity, at some
twenty nanoseconds per variable. If that fails, values are compared; if only identities differ (a rebuilt list of the
same numbers), the walk is repeated and compared with the old one.
"""

import math
from collections.abc import Callable, Sequence
from operator import is_
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.base.asking import asking
from chainrule.core.tensor import Tensor

from .reach import CONTAINERS, MISSING, PLAIN, Reach, Read, is_module, is_opened

MANY = 400
"""Above this many variables a loop checks them: generating a function for more takes too long."""
IMMUTABLE = (*PLAIN, tuple, frozenset)


class Watch:
    """The variables of one function, and of arguments that are objects, at the time of a capture."""

    def __init__(self, f: Callable[..., Any], arguments: Sequence[tuple[str, Any]] = ()) -> None:
        self._f, self._arguments = f, arguments
        self._take(Reach.of(f, arguments))

    def _take(self, reach: Reach) -> None:
        self.reach = reach
        self.is_as_it_was = _generated(reach.reads)

    def hold(self) -> bool:
        """Whether all of them are unchanged."""
        try:
            if self.is_as_it_was():
                return True
        except (AttributeError, KeyError, TypeError, ValueError):  # a variable is gone, or has another type
            pass
        if all(map(_is_same, self.reach.reads)):
            return True
        now = Reach.of(self._f, self._arguments)
        if not _are_alike(self.reach, now):
            return False
        self._take(now)
        return True

    def changed(self) -> str | None:
        """Return the path of the first variable that has changed, or None."""
        changed = [read for read in self.reach.reads if not _is_same(read)]
        # The variable itself says more than the size of its container.
        changed.sort(key=lambda read: read.kind == "size")
        return changed[0].path if changed else None


def _is_same(read: Read) -> bool:
    now = read.now()
    return now is read.value or (isinstance(now, IMMUTABLE) and same_plain(now, read.value, is_))


def same_plain(now: Any, before: Any, otherwise: Callable[[Any, Any], bool]) -> bool:
    """Whether two immutable values are equal, distinguishing 0.0 from −0.0; `otherwise` decides for other values."""
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if isinstance(now, tuple):
        return len(now) == len(before) and all(same_plain(a, b, otherwise) for a, b in zip(now, before, strict=True))
    if isinstance(now, float | np.floating) and now == before == 0:
        return math.copysign(1, now) == math.copysign(1, before)
    if isinstance(now, (*PLAIN, frozenset)):
        return bool(now == before) or bool(now != now and before != before)  # NaN
    return otherwise(now, before)


def _are_alike(old: Reach, new: Reach) -> bool:
    """Whether two walks found equal values under the same paths, whatever the objects' identities."""
    if len(old.reads) != len(new.reads) or old.modules.keys() != new.modules.keys():
        return False
    return all(
        a.path == b.path and a.kind == b.kind and same_plain(b.value, a.value, _stand_for_each_other)
        for a, b in zip(old.reads, new.reads, strict=True)
    )


def _stand_for_each_other(now: Any, before: Any) -> bool:
    """Whether an object can replace another one: their contents are compared separately."""
    if isinstance(now, CONTAINERS):
        return True
    if isinstance(now, FunctionType):
        return now.__code__ is before.__code__
    if isinstance(now, Tensor | np.ndarray | np.random.Generator | type) or is_module(now):
        return False
    return is_opened(now)


def _generated(reads: Sequence[Read]) -> Callable[[], bool]:
    """Return the function that says whether every variable is the same object as before."""
    if len(reads) > MANY:
        halves = [_generated(reads[k : k + MANY]) for k in range(0, len(reads), MANY)]
        return lambda: all(half() for half in halves)
    space: dict[str, Any] = {"is_": is_, "values": dict.values, "MISSING": MISSING}
    parts = [_question(read, k, space) for k, read in enumerate(reads)]
    return asking(parts, space)


def _question(read: Read, k: int, space: dict[str, Any]) -> str:
    """Return the condition, as source, that a variable is the same object; its objects go into `space`."""
    owner, value = f"o{k}", f"v{k}"
    space[owner], space[value] = read.owner, read.value
    if read.kind == "cell" and read.value is not MISSING:
        return f"{owner}.cell_contents is {value}"
    if read.kind == "attribute" and read.value is not MISSING and read.key.isidentifier():
        return f"{owner}.{read.key} is {value}"
    if read.kind == "item" and read.value is not MISSING:
        return f"{owner}[{read.key!r}] is {value}"
    if read.kind == "size":
        return f"len({owner}) == {read.value}"
    if read.kind == "list":
        return f"len({owner}) == {len(read.value)} and all(map(is_, {owner}, {value}))"
    if read.kind == "dict":
        space[f"k{k}"], space[value] = read.value
        same = f"all(map(is_, {owner}, k{k})) and all(map(is_, values({owner}), {value}))"
        return f"len({owner}) == {len(read.value[0])} and {same}"
    space[owner] = read
    return f"{owner}.now() == {value}" if read.kind in ("set", "content") else f"{owner}.now() is {value}"
