"""`Varying`: which Python numbers of a compiled function change from call to call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .capture.arguments import CallArguments, Key
from .replay import Replay


class Varying:
    """The places of changing numbers, for each structure of the arguments, and the paths of variables.

    A number is fixed at first, which makes the faster plan. When it has another value in a later call, it is captured
    as one that changes, unless the function looks at its value: then it stays fixed, and each value has its own plan.
    """

    def __init__(self) -> None:
        self._known: list[tuple[Any, set[Any], set[Any]]] = []
        """For each structure, the places that change, and those that have to stay fixed."""

    def key(self, call: CallArguments) -> Key | None:
        """Return what a plan for changing numbers was made for, or None if none of them changes."""
        changing, _ = self._at(call.key.structure)
        return _without_values(call.key, changing) if changing else None

    def notice(self, call: CallArguments, plans: Mapping[Key, Sequence[Replay]]) -> None:
        """Compare a call with those that there are plans for: a number that alone is different changes."""
        changing, fixed = self._at(call.key.structure)
        for key in (call.key, self.key(call)):
            for replay in plans.get(key, ()) if key is not None else ():
                changing |= replay.guards.watch.changed_numbers() - fixed
        for key in plans:
            if key.structure == call.key.structure:
                different = {k for k, (a, b) in enumerate(zip(key.leaves, call.key.leaves, strict=True)) if a != b}
                if all(_is_other_value(key.leaves[k], call.key.leaves[k]) for k in different):
                    changing |= different - fixed

    def captured(self, call: CallArguments, capture: Callable[[], Replay]) -> tuple[Key, Replay]:
        """Return a plan for a call, with as many changing numbers as the function allows, and what it is for."""
        changing, fixed = self._at(call.key.structure)
        refused: set[Any] = set()
        while key := self.key(call):
            call.numbers = frozenset(changing)
            call.counted = set()
            try:
                replay = capture()
            except Exception:  # a number need not do for the function: without it the same error comes again
                if not call.refused and call.counted - fixed - refused:
                    changing |= call.counted - fixed
                    continue
                call.refused |= set() if call.refused else changing
            if not call.refused:
                return key, replay
            refused |= call.refused
            changing -= call.refused
            call.refused.clear()
        call.numbers, call.counted = frozenset(), set()
        try:
            replay = capture()
        except Exception:  # it was not the numbers
            fixed |= call.counted & refused
            changing |= (refused | call.counted) - fixed
            if call.counted - fixed:  # which the function counts: with them open each replay can do so
                return self.captured(call, capture)
            raise
        fixed |= refused
        return call.key, replay

    def clear(self) -> None:
        """Forget what was seen."""
        self._known.clear()

    def _at(self, structure: Any) -> tuple[set[Any], set[Any]]:
        for known, changing, fixed in self._known:
            if known == structure:
                return changing, fixed
        made: tuple[set[Any], set[Any]] = set(), set()
        self._known.append((structure, *made))
        return made


def _without_values(key: Key, places: set[Any]) -> Key:
    leaves = [("number", leaf[1]) if k in places and _is_number(leaf) else leaf for k, leaf in enumerate(key.leaves)]
    return Key(key.structure, tuple(leaves))


def _is_number(leaf: tuple[Any, ...]) -> bool:
    return leaf[0] in ("fixed", "number") and leaf[1] in (int, float)


def _is_other_value(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    return _is_number(before) and _is_number(now) and before[1] is now[1]
