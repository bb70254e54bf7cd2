"""Whether what a function reaches has changed, checked before each replay.

Nearly always everything is the same object as before, so one function is generated that checks just identity, at some
twenty nanoseconds per variable. If that fails, values are compared; if only identities differ (a rebuilt list of the
same numbers), the walk is repeated and compared with the old one.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from operator import is_
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np

from chainrule.base.asking import asking
from chainrule.core.memory.changes import changes
from chainrule.core.operands.faces import behind
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in

from .reach import CONTAINERS, MISSING, PLAIN, Reach, Read, is_module, is_opened, put

MANY = 400
"""Above this many variables a loop checks them: generating a function for more takes too long."""
IMMUTABLE = (*PLAIN, tuple, frozenset)


class Watch:
    """The variables of one function, and of arguments that are objects, at the time of a capture."""

    def __init__(
        self, f: Callable[..., Any], arguments: Sequence[tuple[str, Any]] = (), numbers: frozenset[Any] = frozenset()
    ) -> None:
        self._f, self._arguments = f, arguments
        self._numbers = numbers
        """The paths of Python numbers whose values may change."""
        self._take(Reach.of(f, arguments))

    def _take(self, reach: Reach) -> None:
        if self._numbers:
            reach.reads = list(_opened(reach.reads, self._numbers))
            for read in reach.reads:
                read.is_own = read.is_open and reach.is_own(read)
        self.reach = reach
        self._names = [(read.owner, frozenset(read.owner)) for read in reach.reads if read.kind == "size"]
        announced = [read for read in reach.reads if read.is_announced]
        self.is_as_it_was = _generated([read for read in reach.reads if not read.is_announced], _Announced(announced))

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

    @property
    def numbers(self) -> list[Read]:
        """What was read that is a number whose value may change."""
        return [read for read in self.reach.reads if read.is_open]

    def changed_numbers(self) -> set[str]:
        """Return the paths of what has changed if these are numbers of the same type as before; otherwise none."""
        found: set[str] = set()
        for read in self.reach.reads:
            if not _is_same(read):
                paths = _changed_numbers(read)
                if not paths:
                    return set()
                found |= paths
        return found

    def restore(self, alone: bool = True) -> None:
        """Give all variables their values of the capture: of one that failed, no effect is to be left.

        If other threads run, unless `alone`, they may have changed them: then only what has a value of the capture,
        which nobody can use any more, is given back.
        """
        for read in self.reach.reads:
            if not _is_same(read) and (alone or _has_box(read)):
                _restore(read)
        for fields, names in self._names:
            for name in fields.keys() - names:
                if alone or _is_box(fields[name]):
                    del fields[name]

    def changed(self) -> str | None:
        """Return the path of the first variable that has changed, or None."""
        changed = [read for read in self.reach.reads if not _is_same(read)]
        # The variable itself says more than the size of its container.
        changed.sort(key=lambda read: read.kind == "size")
        return changed[0].path if changed else None


def _is_box(x: Any) -> bool:
    return captured_in(behind(x)) is not None


def _has_box(read: Read) -> bool:
    """Whether what was read has a value of a capture now, directly or as an item."""
    now = read.now()
    return any(map(_is_box, now[1] if read.kind == "dict" else now if isinstance(now, tuple | frozenset) else (now,)))


def _restore(read: Read) -> None:
    owner, value = read.owner, read.value
    if read.kind == "list":
        owner.clear()
        owner.extend(value)
    elif read.kind == "dict":
        dict.clear(owner)
        dict.update(owner, zip(*value, strict=True))
    elif read.kind == "set":
        owner.clear()
        owner.update(value)
    elif (_can_change(read) or read.kind == "setting") and value is not MISSING:
        put(read, read.key, value)


def _opened(reads: Sequence[Read], numbers: frozenset[Any]) -> Iterator[Read]:
    """Yield what was read with some numbers open: a dict that contains one by its keys and items."""
    for read in reads:
        items = [Read(f"{read.path}[{key!r}]", "item", read.owner, key, x) for key, x in _items(read)]
        if any(item.path in numbers for item in items):
            yield Read(read.path, "keys", read.owner, None, tuple(read.owner))
        else:
            items = [read]
        for item in items:
            item.is_open = item.path in numbers and _can_change(item) and type(item.value) in (int, float)
            yield item


def _items(read: Read) -> list[tuple[Any, Any]]:
    return list(zip(*read.value, strict=True)) if read.kind == "dict" else []


def _can_change(read: Read) -> bool:
    """Whether another number can be put in its place for a while."""
    return read.kind in ("cell", "item", "attribute") and not isinstance(read.owner, type | MappingProxyType)


def _changed_numbers(read: Read) -> set[str]:
    """Return the paths of the numbers that are all that has changed in something that was read."""
    now = read.now()
    if read.kind == "dict":
        if now[0] != read.value[0]:
            return set()
        pairs = [(f"{read.path}[{key!r}]", a, b) for key, a, b in zip(*read.value, now[1], strict=True) if a is not b]
    else:
        pairs = [(read.path, read.value, now)] if _can_change(read) else []
    are_numbers = all(type(a) is type(b) and type(a) in (int, float) for _, a, b in pairs)
    return {path for path, _, _ in pairs} if are_numbers else set()


def _is_same(read: Read) -> bool:
    now = read.now()
    if read.is_open:
        return type(now) is type(read.value)
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
        a.path == b.path
        and a.kind == b.kind
        and (a.owner is b.owner if a.is_open else same_plain(b.value, a.value, _stand_for_each_other))
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


class _Announced:
    """Variables that are looked at again only when one of their kind has changed anywhere."""

    def __init__(self, reads: Sequence[Read]) -> None:
        self.exist = bool(reads)
        self.seen = -1
        """The count of changes at which they were the same."""
        self._are_same = _generated(reads)

    def are_same(self) -> bool:
        """Look at them."""
        count = changes.settings
        if same := self._are_same():
            self.seen = count
        return same


def _generated(reads: Sequence[Read], announced: _Announced | None = None) -> Callable[[], bool]:
    """Return the function that says whether every variable is the same object as before."""
    if len(reads) > MANY:
        halves = [_generated(reads[k : k + MANY]) for k in range(0, len(reads), MANY)]
        reads, whole = [], lambda: all(half() for half in halves)
    else:
        whole = None
    space: dict[str, Any] = {"is_": is_, "values": dict.values, "MISSING": MISSING, "whole": whole}
    space |= {"changes": changes, "announced": announced}
    parts = [_question(read, k, space) for k, read in enumerate(reads)]
    parts += ["whole()"] if whole is not None else []
    if announced is not None and announced.exist:
        parts.append("(changes.settings == announced.seen or announced.are_same())")
    return asking(parts, space)


def _question(read: Read, k: int, space: dict[str, Any]) -> str:
    """Return the condition, as source, that a variable is the same object; its objects go into `space`."""
    owner, value = f"o{k}", f"v{k}"
    space[owner], space[value] = read.owner, read.value
    if read.is_open:
        space[value] = type(read.value)
        return f"type({read.source(owner)}) is {value}"
    if read.value is not MISSING and (source := read.source(owner)) is not None:
        return f"{source} is {value}"
    if read.kind == "size":
        return f"len({owner}) == {read.value}"
    if read.kind == "list":
        return f"len({owner}) == {len(read.value)} and all(map(is_, {owner}, {value}))"
    if read.kind == "dict" and not read.value[0]:
        return f"not {owner}"
    if read.kind == "dict":
        space[f"k{k}"], space[value] = read.value
        same = f"all(map(is_, {owner}, k{k})) and all(map(is_, values({owner}), {value}))"
        return f"len({owner}) == {len(read.value[0])} and {same}"
    space[owner] = read
    return f"{owner}.now() == {value}" if read.kind in ("set", "content") else f"{owner}.now() is {value}"
