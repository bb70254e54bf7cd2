"""Row-wise functions of arrays [R, n] as machine code: `by_rows` builds one from the Python function that writes it."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .code import Variable
from .symbol import DOUBLE, Symbol
from .tasks import ADDITION, Call, Function, Task, parts_of

EACH = 8
"""About how many additions each element takes as long as."""
NUMBERS = ("eps",)
"""What the parameters are called that are numbers; all others are arrays."""


class Rows:
    """The rows that a function iterates over, each of `n` elements of one type."""

    def __init__(self, function: Function, n: int, dtype: Any) -> None:
        self.function, self.code, self.n, self.dtype = function, function.code, n, dtype
        self.range: tuple[Symbol, Symbol] = (function.begin, function.end)
        self.sums: list[Any] = []
        """What is added to in every row. Where there is nothing, rows may be worked on at the same time."""

    @contextmanager
    def each(self) -> Iterator[tuple[Symbol, Symbol]]:
        """Repeat the code written inside for each row; yield its index and the offset of its first element."""
        with self.code.loop(*self.range) as i:
            yield i, i * self.n

    def columns(self) -> AbstractContextManager[Symbol]:
        """Repeat the code written inside for each column."""
        return self.code.loop(0, self.n)

    def sum(self) -> Variable:
        """Return a sum initialised to 0."""
        return self.code.variable(self.dtype, 0)

    def clear(self, *places: Any) -> None:
        """Fill rows with zeros, which sums over all rows begin with."""
        self.sums += places
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
        self._call = functools.lru_cache(1024)(self._ready)

    def __call__(self, *args: Any) -> None:
        """Run the function over all rows."""
        arrays, numbers = self._sorted(args)
        self._call(*((a.shape, a.dtype) for a in arrays), (numbers.shape, numbers.dtype))([*arrays, numbers])

    def _ready(self, *likes: tuple[tuple[int, ...], Any]) -> Call:
        """Return the function as one of arrays of these shapes and types, the last of which are the numbers."""
        *arrays, numbers = (np.broadcast_to(np.empty((), dtype), shape) for shape, dtype in likes)
        return Call(self._made(arrays, numbers), [*arrays, numbers])

    def task(self, args: Sequence[Any]) -> Task:
        """Return the call for these arguments as one task: sums over many rows are added up by one thread."""
        arrays, numbers = self._sorted(args)
        return self._whole(arrays, numbers)

    def tasks(self, args: Sequence[Any]) -> list[Task]:
        """Return the calls for these arguments: sums over many rows are made of blocks of them, and then added up.

        How many blocks depends on the shape alone, so that no result depends on the number of threads.
        """
        return self._made(*self._sorted(args))

    def _whole(self, arrays: list[Any], numbers: Any) -> Task:
        text, sums = self._text(arrays[0].shape[1], tuple(a.dtype for a in arrays))
        parts = 1 if sums else _parts(arrays[0])
        return Task(text, [*arrays, numbers], begin=0, end=arrays[0].shape[0], parts=parts)

    def _made(self, arrays: list[Any], numbers: Any) -> list[Task]:
        arrays = list(arrays)
        (rows, n), dtypes = arrays[0].shape, tuple(a.dtype for a in arrays)
        blocks, (_, sums) = _parts(arrays[0]), self._text(n, dtypes)
        if not sums or blocks == 1:
            return [self._whole(arrays, numbers)]
        totals = [arrays[k] for k in sums]
        for k in sums:
            arrays[k] = np.empty((blocks, n), dtypes[k])
        text, _ = self._text(n, dtypes, sums)
        cut = Task(text, [*arrays, numbers], [rows, -(-rows // blocks)], 0, blocks, parts=blocks)
        made = [Task(_added(n, dtypes[k]), [arrays[k], total], [blocks]) for k, total in zip(sums, totals, strict=True)]
        return [cut, *made]

    def _sorted(self, args: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return the arrays, and the numbers as one."""
        named = dict(zip(self.parameters, args, strict=True))
        numbers = np.array([named.pop(name) for name in NUMBERS if name in named], np.float64)
        return list(named.values()), numbers

    def _written(self, n: int, dtypes: tuple[Any, ...], cut: tuple[int, ...] = ()) -> tuple[str, tuple[int, ...]]:
        """Return the function, and which of its arrays are sums over all rows.

        Where those are given as `cut`, its range are blocks of rows, each with sums of its own.
        """
        function = Function([*dtypes, DOUBLE], 2 if cut else 0)
        *places, given = function.places
        # Each parameter in order: the next number, or the next array.
        numbers, rows = (given[k].astype(dtypes[0]) for k in range(len(NUMBERS))), Rows(function, n, dtypes[0])

        def write(arrays: Iterator[Any]) -> None:
            self.write(rows, *(next(numbers if p in NUMBERS else arrays) for p in self.parameters))

        if not cut:
            write(iter(places))
            return function.text(), tuple(k for k, place in enumerate(places) if place in rows.sums)
        count, size = function.numbers
        with function.code.loop(function.begin, function.end) as block:
            end = (block + 1) * size
            begin, end = (function.code.chosen(x < count, x, count) for x in (block * size, end))
            rows.range = begin, end
            write(place.behind(block * n) if k in cut else place for k, place in enumerate(places))
        return function.text(), cut


def _parts(x: Any) -> int:
    return parts_of(ADDITION * EACH * x.size, x.shape[0])


@functools.cache
def _added(n: int, dtype: Any) -> str:
    """Return the function that adds up the sums of blocks."""
    function = Function([dtype, dtype], 1)
    code, (parts, total), (blocks,) = function.code, function.places, function.numbers
    with code.loop(0, n) as j:
        total[j] = parts[j]
    with code.loop(1, blocks) as k, code.loop(0, n) as j:
        total[j] = total[j] + parts[k * n + j]
    return function.text()


by_rows = ByRows
