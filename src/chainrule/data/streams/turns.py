"""One pass over the blocks of several files, by one process or by several that take turns."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from chainrule.data.checks import DataError
from chainrule.data.streams.blocks import Block, Content
from chainrule.data.streams.together import Together


class Part(NamedTuple):
    """A block of a file, by the number of the file; the content only where this process reads it."""

    file: int
    block: Block
    content: Content | None


ReadFile = Callable[[int, Callable[[], bool]], Iterator[tuple[Block, Content | None]]]


class Turns:
    """Reads every block of so many ``files`` in one of the processes: in each turn, each of them reads one.

    ``read`` yields the blocks of a file, and asks for each whether it is to be read. Iterating yields for each turn the
    block that is this process's, in its place among the rows of all files, or None if it has none. An error of one
    process is raised in all. At the end, ``rows`` has the number of rows in each file.
    """

    def __init__(self, files: int, read: ReadFile, together: Together) -> None:
        self.rows = [0] * files
        self._read, self._together = read, together
        self._start, self._file, self._groups, self._next_group = 0, 0, 0, 0

    def __iter__(self) -> Iterator[tuple[Block, Content] | None]:
        parts, is_over = self._parts(), False
        while not is_over:
            mine, error = None, None
            try:
                for _ in range(self._together.size):
                    part = next(parts, None)
                    is_over = part is None
                    if part is None:
                        break
                    mine = part if part.content is not None else mine
            except (DataError, ValueError, OSError) as problem:
                error = problem
            placed = self._placed(mine, error)
            yield None if mine is None or mine.content is None or placed is None else (placed, mine.content)

    def _parts(self) -> Iterator[Part]:
        turn = count()
        for file in range(len(self.rows)):
            is_mine = lambda: next(turn) % self._together.size == self._together.rank  # noqa: E731
            for block, content in self._read(file, is_mine):
                yield Part(file, block, content)

    def _placed(self, mine: Part | None, error: Exception | None) -> Block | None:
        """Tell the others what was read, and return where this process's block is among all rows."""
        read = None if mine is None else (mine.file, mine.block)
        said = self._together.all((read, None if error is None else str(error)))
        if problems := [text for _, text in said if text is not None]:
            raise error or DataError(problems[0])
        own = None
        for rank, (one, _) in enumerate(said):
            if one is not None:
                placed = self._next(*one)
                own = placed if rank == self._together.rank else own
        return own

    def _next(self, file: int, inner: Block) -> Block:
        if file != self._file:
            self._file, self._groups = file, self._next_group
        found = replace(inner, start=self._start, group=self._groups + inner.group, at=(file, inner))
        self._start, self._next_group = found.start + inner.rows, found.group + 1
        self.rows[file] += inner.rows
        return found
