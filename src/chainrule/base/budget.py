"""A number of seconds that something may take, and leaving it once they are over."""

import time
from contextvars import ContextVar
from typing import Any

SLOWEST = 4
"""How many times as long as the seconds it is charged with something may take by the clock."""


class Budget:
    """A number of seconds, counted from now.

    What other programs take of the machine is not charged: the seconds are those of the clock or the processor time of
    this process, whichever is less. Waiting is charged in part: the clock shows at most `SLOWEST` times as many.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.perf_counter(), time.process_time()

    @property
    def used(self) -> float:
        """The seconds charged so far."""
        clock, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        return max(min(clock, processor), clock / SLOWEST)

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(self.seconds - self.used, 0.0)

    @property
    def over(self) -> bool:
        """Whether none is left."""
        return self.used >= self.seconds

    def allows(self, seconds: float) -> bool:
        """Whether something that takes this many seconds still fits."""
        return self.used + seconds <= self.seconds


class OverError(BaseException):
    """A budget is used up: no error that a library may handle."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(f"{budget.seconds:g} s are over")
        self.budget = budget


_ENFORCED: ContextVar[tuple[Budget, ...]] = ContextVar("enforced budgets", default=())


class _Block:
    """A block that is left once its budget is used up."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def __enter__(self) -> None:
        self.token = _ENFORCED.set((*_ENFORCED.get(), self.budget))

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        _ENFORCED.reset(self.token)
        return isinstance(error, OverError) and error.budget is self.budget


def within(budget: Budget) -> _Block:
    """Leave a `with` block at the first `look()` after the budget is used up; what follows the block goes on."""
    return _Block(budget)


def look() -> None:
    """Leave the outermost block whose budget is used up, if there is one: called before each piece of work."""
    for budget in _ENFORCED.get():
        if budget.over:
            raise OverError(budget)
