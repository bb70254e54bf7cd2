"""The time budget of `doctor`, and what was left out because of it."""

from collections.abc import Mapping
from typing import Any

from chainrule.base import budget as base

SHARE = 0.3
"""The share of the budget for examining the batches, and for training the unmodified network."""
LEAST = 3
"""The minimum number of batches: the noise of the gradients is not known from fewer."""
FEWEST = 5
"""The minimum number of steps."""


class Budget(base.Budget):
    """The seconds that `doctor` has, and what they had no time for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._left_out: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._steps: dict[str, Any] = {}
        self._batches: dict[str, Any] = {}

    def steps(self, wanted: int, batches: int) -> int:
        """Return how many steps there is time for, estimated from the time that examining the batches took."""
        one = self.used / max(batches, 1)
        affordable = max(FEWEST, int(SHARE * self.seconds / one)) if one > 0 else wanted
        if affordable < wanted:
            self._steps = {"steps": affordable, "wanted": wanted, "budget": self.seconds}
        return min(wanted, affordable)

    def stops_examining(self, count: int, wanted: int) -> bool:
        """Whether the batches that were examined must do, so that time is left for training."""
        if count < LEAST or count >= wanted or self.used <= SHARE * self.seconds:
            return False
        self._batches = {"batches": count, "wanted": wanted, "budget": self.seconds}
        return True

    def leave_out(self, name: str, key: str, values: Mapping[str, Any]) -> None:
        """Record a remedy as left out: its name in English, its key, and the values of its sentence."""
        self._left_out.setdefault(name, (key, values))

    def said(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Return what was left out, as pairs of a sentence's key and its values."""
        cut = (("fewer batches", self._batches), ("fewer steps", self._steps))
        found: list[tuple[str, Mapping[str, Any]]] = [(key, values) for key, values in cut if values]
        if self._left_out:
            remedies = tuple(self._left_out.values())
            found.append(("left out", {"count": len(remedies), "budget": self.seconds, "remedies": remedies}))
        return tuple(found)
