"""Functions of the rows of arrays [R, n] as machine code: `by_rows` makes one of Python that writes what it does."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .code import Variable
from .symbol import DOUBLE, Symbol
from .tasks import Function, Task, parts_of, run_once

EACH = 8
"""About how many operations there are for each element."""
NUMBERS = ("eps",)
"""What the parameters are called that are numbers; all others are arrays."""


class Rows:
    """The rows that a function goes over, of `n` elements of one type each."""

    def __init__(self, function: Function, n: int, dtype: Any) -> None:
        self.function, self.code, self.n, self.dtype = function, function.code, n, dtype
        self.are_apart = True
        """Whether no row needs what another made, so that they may be worked on at the same time."""

    @contextmanager
    def each(self) -> Iterator[tuple[Symbol, Symbol]]:
        """Repeat what is written inside for each row: its number, and where it begins."""
        with self.code.loop(self.function.begin, self.function.end) as i:
            yield i, i * self.n

    def columns(self) -> AbstractContextManager[Symbol]:
        """Repeat what is written inside for each column."""
        return self.code.loop(0, self.n)

    def sum(self) -> Variable:
        """Return a sum that is still 0."""
        return self.code.variable(self.dtype, 0)

    def clear(self, *places: Any) -> None:
        """Set rows of zeros."""
        self.are_apart = False
        for place in places:
            with self.columns() as j:
                place[j] = self.code.constant(0, self.dtype)


class ByRows:
    """A function of arrays of which the first is [R, n]; those without rows or columns are flat."""

    def __init__(self, write: Callable[..., None]) -> None:
        functools.update_wrapper(self, write)
        self.write = write
        self.parameters = list(inspect.signature(write).parameters)[1:]
        self._text = functools.cache(self._written)

    def __call__(self, *args: Any) -> None:
        """Carry it out for all rows."""
        run_once(self.task(args))

    def task(self, args: Sequence[Any]) -> Task:
        """Return the call for these arguments."""
        named = dict(zip(self.parameters, args, strict=True))
        numbers = np.array([named.pop(name) for name in NUMBERS if name in named], np.float64)
        arrays = list(named.values())
        text, are_apart = self._text(arrays[0].shape[1], tuple(a.dtype for a in arrays))
        rows = arrays[0].shape[0]
        parts = parts_of(EACH * arrays[0].size, rows) if are_apart else 1
        return Task(text, [*arrays, numbers], begin=0, end=rows, parts=parts)

    def _written(self, n: int, dtypes: tuple[Any, ...]) -> tuple[str, bool]:
        function = Function([*dtypes, DOUBLE])
        *places, given = function.places
        # Each parameter in its turn: the next number, or the next array.
        numbers, arrays = (given[k].astype(dtypes[0]) for k in range(len(NUMBERS))), iter(places)
        rows = Rows(function, n, dtypes[0])
        self.write(rows, *(next(numbers if p in NUMBERS else arrays) for p in self.parameters))
        return function.text(), rows.are_apart


by_rows = ByRows
