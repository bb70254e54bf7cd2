"""When a step runs in a loop of machine code, and that loop over the samples."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels.suitable import HAS_COMPILER

Array = Any
LEAST = 2**10
"""Elements of a state from which on a loop is worth the call."""


def by_loop(state: Array) -> bool:
    """Whether a step of this state runs in a loop."""
    return HAS_COMPILER and state.size >= LEAST and state.dtype in (np.float32, np.float64)


@dataclass(frozen=True)
class Each:
    """An array [T, …] of which each step takes its own part; with a `first`, that and then the part before its own."""

    array: Array
    first: Array | None = None

    def at(self, step: int) -> Array:
        """Return what a step takes."""
        if self.first is None:
            return self.array[step]
        return self.array[step - 1] if step else self.first

    def addresses(self) -> Array:
        """Return where that is, for all steps."""
        from chainrule.kernels.native.tasks import address

        found = address(self.array) + self.array.strides[0] * np.arange(len(self.array))
        return found if self.first is None else np.append(address(self.first), found[:-1])


class Steps:
    """What takes a step, given its number: `write(code, width, row, *arrays)` writes a sample's part of it.

    What each step takes is in C order. The addresses of all steps are written down before the first, so that a step is
    one call. Where the state is too small for that, `by_numpy` is called with the arrays.
    """

    def __init__(
        self, write: Callable[..., None], by_numpy: Callable[..., None], state: Array, given: Sequence[Array | Each]
    ) -> None:
        self.given, self._by_numpy, self.is_loop = given, by_numpy, by_loop(state)
        self.count = max(len(x.array) for x in given if isinstance(x, Each))
        if not self.is_loop:
            return
        from chainrule.kernels.native.machine import address_of
        from chainrule.kernels.native.tasks import address, released

        self.table = np.empty((self.count, len(given) + 1), np.int64)
        for column, x in enumerate(given):
            self.table[:, column] = x.addresses() if isinstance(x, Each) else address(x)
        self.rows, self.table[:, -1] = state.shape
        self.at = address_of(_text(write, len(given), state.dtype))
        self._call, self._begin, self._size = released(self.at), address(self.table), self.table.strides[0]

    def __call__(self, number: int) -> None:
        """Take a step."""
        if self.is_loop:
            self._call(self._begin + number * self._size, 0, self.rows)
        else:
            self._by_numpy(*(x.at(number) if isinstance(x, Each) else x for x in self.given))


@functools.cache
def _text(write: Callable[..., None], arrays: int, dtype: Any) -> str:
    """Return the loop over a range of samples."""
    from chainrule.kernels.native.tasks import Function

    function = Function([dtype] * arrays, 1)
    code, (width,) = function.code, function.numbers
    with code.loop(function.begin, function.end) as row:
        write(code, width, row, *function.places)
    return function.text()
