"""Row-wise functions of arrays [R, n] as machine code: `by_rows` builds one from the Python function that writes it."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .code import Variable
from .symbol import DOUBLE, Symbol
from .tasks import ADDITION, Function, Task, parts_of, run_once

EACH = 8
"""About how many additions each element takes as long as."""
NUMBERS = ("eps",)
"""What the parameters are called that are numbers; all others are arrays."""


class Rows:
    """The rows that a function iterates over, each of `n` elements of one type."""

    def __init__(self, function: Function, n: int, dtype: Any) -> None:
        self.function, self.code, self.n, self.dtype = function, function.code, n, dtype
        self.are_apart = True
        """Whether no row needs what another made, so that they may be worked on at the same time."""

    @contextmanager
    def each(self) -> Iterator[tuple[Symbol, Symbol]]:
        """Repeat the code written inside for each row; yield its index and the offset of its first element."""
        with self.code.loop(self.function.begin, self.function.end) as i:
            yield i, i * self.n

    def columns(self) -> AbstractContextManager[Symbol]:
        """Repeat the code written inside for each column."""
        return self.code.loop(0, self.n)

    def sum(self) -> Variable:
        """Return a sum initialised to 0."""
        return self.code.variable(self.dtype, 0)

    def clear(self, *places: Any) -> None:
        """Fill rows with zeros."""
        self.are_apart = False
        for place in places:
            with self.columns() as j:
                place[j] = self.code.constant(0, self.dtype)


class ByRows:
    """A function of arrays, the first of shape [R, n]; arrays without rows or columns are flat."""

    def __init__(self, write: Callable[..., None]) -> None:
        functools.update_wrapper(self, write)
        self.write = write
        self.parameters = list(inspect.signature(write).parameters)[1:]
        self._text = functools.cache(self._written)

    def __call__(self, *args: Any) -> None:
        """Run the function over all rows."""
        run_once(self.task(args))

    def task(self, args: Sequence[Any]) -> Task:
        """Return the call for these arguments."""
        named = dict(zip(self.parameters, args, strict=True))
        numbers = np.array([named.pop(name) for name in NUMBERS if name in named], np.float64)
        arrays = list(named.values())
        text, are_apart = self._text(arrays[0].shape[1], tuple(a.dtype for a in arrays))
        rows = arrays[0].shape[0]
        parts = parts_of(ADDITION * EACH * arrays[0].size, rows) if are_apart else 1
        return Task(text, [*arrays, numbers], begin=0, end=rows, parts=parts)

    def _written(self, n: int, dtypes: tuple[Any, ...]) -> tuple[str, bool]:
        function = Function([*dtypes, DOUBLE])
        *places, given = function.places
        # Each parameter in order: the next number, or the next array.
        numbers, arrays = (given[k].astype(dtypes[0]) for k in range(len(NUMBERS))), iter(places)
        rows = Rows(function, n, dtypes[0])
        self.write(rows, *(next(numbers if p in NUMBERS else arrays) for p in self.parameters))
        return function.text(), rows.are_apart


by_rows = ByRows
