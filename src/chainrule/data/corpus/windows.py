"""Windows of a long sequence: the samples that a model of sequences is trained on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError

IGNORED = -1
"""What stands for a token that the loss is to ignore."""


class Windows:
    """The windows of a sequence `tokens` [N]: x [length] are neighbours, and y [length] what comes after each of them.

    Window i starts at token i · `stride`; by default there is one for every start. Nothing is copied before a window is
    taken, so the tokens may lie in a file (`np.memmap`). The first `ignored` tokens of y are −1: a loss that ignores
    these counts only tokens that as many others come before.

    Raises :class:`DataError` for fewer than `length` + 1 tokens.

    >>> x, y = Windows(np.arange(10), length=4)[3]
    >>> x.tolist(), y.tolist()
    ([3, 4, 5, 6], [4, 5, 6, 7])
    """

    def __init__(self, tokens: NDArray[Any], length: int, stride: int = 1, ignored: int = 0) -> None:
        if length < 1 or stride < 1 or not 0 <= ignored < length:
            raise ValueError(
                f"Windows: expected a length and stride of at least 1 and fewer ignored tokens than the length, got "
                f"{length}, {stride} and {ignored}"
            )
        if len(tokens) <= length:
            raise DataError(f"Windows: {len(tokens)} tokens are too few for a window of {length} and one after it")
        self.tokens, self.length, self.stride, self.ignored = tokens, length, stride, ignored

    def __len__(self) -> int:
        """The number of windows."""
        return (len(self.tokens) - self.length - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return one window, int64. Raises IndexError for a number out of range."""
        if not 0 <= index < len(self):
            raise IndexError(f"Windows: expected a window from 0 to {len(self) - 1}, got {index}")
        begin = index * self.stride
        found = np.asarray(self.tokens[begin : begin + self.length + 1], np.int64)
        x, y = found[:-1], found[1:]
        if self.ignored:
            y = np.concatenate([np.full(self.ignored, IGNORED), y[self.ignored :]])
        return x, y


class WindowSampler:
    """An epoch of windows of `length` that lie side by side, in random order, from a random place on.

    So every token is read once in an epoch, give or take those at the ends, and in another window each time. `starts`
    is the number of windows, one for each start (`Windows` with stride 1). An epoch has at most `most` of them.

    >>> sampler = WindowSampler(starts=97, length=4)
    >>> order = sampler.order(np.random.default_rng(0))
    >>> len(order), np.unique(np.diff(np.sort(order))).tolist()
    (24, [4])
    """

    def __init__(self, starts: int, length: int, most: int | None = None) -> None:
        if starts < 1 or length < 1 or (most is not None and most < 1):
            raise ValueError(
                f"WindowSampler: expected at least 1 for starts, length and most, got {starts}, {length} and {most}"
            )
        self.starts, self.length = starts, length
        self._count = min(max(starts // length, 1), most or starts)

    @property
    def population(self) -> int:
        """The number of windows to draw from."""
        return self.starts

    def __len__(self) -> int:
        """The number of windows in an epoch."""
        return self._count

    def order(self, rng: np.random.Generator) -> NDArray[Any]:
        """Return the starts of one epoch's windows."""
        whole = max(self.starts // self.length, 1)
        free = self.starts - (whole - 1) * self.length
        first = int(rng.integers(free))
        drawn = rng.permutation(whole)[: self._count] if self._count == whole else rng.choice(whole, self._count, False)
        return np.asarray(first + self.length * drawn)
