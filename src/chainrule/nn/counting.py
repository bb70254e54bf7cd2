"""`count_one`: a number in an array that grows by one, also at each replay of a compiled function."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import effect, state


def count_one(number: Any) -> None:
    """Add one to an array of one integer, in place.

    >>> number = np.zeros((), np.int64)
    >>> count_one(number)
    >>> int(number)
    1
    """
    effect(_CountOne(), state(number), writes=[number])


class _CountOne:
    """The effect that adds one."""

    name = "count"

    def __call__(self, number: Any) -> None:
        """Add one."""
        number += 1

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none for such an array."""
        (number,) = arrays
        if not isinstance(number, np.ndarray) or number.dtype != np.int64 or number.size != 1:
            return None
        from chainrule.kernels.native.tasks import Task

        return [Task(_adding(), [number])]


@functools.cache
def _adding() -> str:
    from chainrule.kernels.native.tasks import Function

    function = Function([np.dtype(np.int64)])
    (number,) = function.places
    with function.code.loop(0, 1) as i:
        number[i] = number[i] + 1
    return function.text()
