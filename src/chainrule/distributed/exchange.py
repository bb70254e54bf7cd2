"""The sum of all gradients over the processes, in one flat buffer and in the order of the ranks.

Every rank owns one piece of the buffer. It receives that piece from all others (all-to-all), adds the pieces up in the
order of the ranks, and sends the sum to all (all-gather). Each rank sends and receives 2 (N − 1)/N of the buffer, as in
a ring all-reduce, and adds one piece (Thakur, Rabenseifner & Gropp, "Optimization of Collective Communication
Operations in MPICH", 2005). The order of the additions is fixed here, whereas MPI leaves that of `Allreduce` to the
library, the network and the number of bytes; and all ranks hold the same bits, because each sum is computed once.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from chainrule.optim.flat import aligned_zeros
from chainrule.train.alone import Part

ALIGNED = 64
"""The alignment, in bytes, of each piece and each row."""
_NUMBERS = 4
"""How many float64 numbers go with a piece: samples, loss, its samples, and whether the rank wants to stop."""


class Sums(NamedTuple):
    """The results of an exchange besides the gradients: the mean loss, and whether a rank wants to stop."""

    loss: float
    stops: bool


class GradientExchange:
    """Averages the gradients of some parameters, given by name with shape and dtype, over a communicator."""

    def __init__(self, comm: Any, parameters: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
        self.comm = comm
        self.places = {name: k for k, name in enumerate(parameters)}
        shapes = [shape for shape, _ in parameters.values()]
        # Sums in float16 would lose precision.
        self.dtype = np.result_type(np.float32, *(dtype for _, dtype in parameters.values()))
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()
        self.slices = [slice(begin, end) for begin, end in pairwise(ends)]
        self.size: int = ends[-1]
        self.piece = _padded(-(-self.size // comm.size) * self.dtype.itemsize) // self.dtype.itemsize
        self._tail = _padded(8 * _NUMBERS + len(shapes)) // self.dtype.itemsize
        row = self.piece + self._tail
        self._sent = aligned_zeros(comm.size * row, self.dtype).reshape(comm.size, row)
        self._got = aligned_zeros(comm.size * row, self.dtype).reshape(comm.size, row)
        self._sum = aligned_zeros(self.piece, self.dtype)
        self._mean = aligned_zeros(self.size, self.dtype)
        self._views = [self._mean[part].reshape(shape) for part, shape in zip(self.slices, shapes, strict=True)]
        edges = [min(self.piece * rank, self.size) for rank in range(comm.size + 1)]
        self._begins, self._counts = edges[:-1], np.diff(edges).tolist()
        self._present = np.zeros(len(shapes), bool)

    @property
    def nbytes(self) -> int:
        """The size of the buffer in bytes."""
        return self.size * int(self.dtype.itemsize)

    def average(self, grads: Mapping[str, Any], part: Part, stops: bool) -> Sums:
        """Average the gradients, given as arrays by name; `mean(name)` then returns each of them."""
        placed = [None] * len(self.slices)
        for name, grad in grads.items():
            placed[self._place(name)] = grad
        for where, grad in zip(self.slices, placed, strict=True):
            self._pack(where, None if grad is None else grad.reshape(-1), part.factor)
        return self._exchange([grad is not None for grad in placed], part, stops)

    def mean(self, name: str) -> Any:
        """Return a parameter's mean gradient, in a buffer that the next average overwrites.

        None if no rank had one.
        """
        place = self.places.get(name)
        return self._views[place] if place is not None and self._present[place] else None

    def _place(self, name: str) -> int:
        if name not in self.places:
            raise ValueError(
                f"DataParallel: {name} has a gradient, but required none when training started; set requires_grad "
                f"before fit, and call fit again after changing it"
            )
        return self.places[name]

    def _pack(self, where: slice, values: Any, factor: float) -> None:
        """Write values, times a factor, to their places in the rows to send; None counts as zeros."""
        begin = where.start
        while begin < where.stop:
            rank, column = divmod(begin, self.piece)
            end = min(where.stop, begin + self.piece - column)
            row = self._sent[rank, column : column + end - begin]
            if values is None:
                row[...] = 0
            else:
                np.multiply(values[begin - where.start : end - where.start], self.dtype.type(factor), out=row)
            begin = end

    def _exchange(self, present: list[bool], part: Part, stops: bool) -> Sums:
        numbers = np.array([part.samples, part.loss, part.loss_samples, stops])
        for row in self._sent:
            tail = row[self.piece :].view(np.uint8)
            tail[: 8 * _NUMBERS].view(np.float64)[...] = numbers
            tail[8 * _NUMBERS : 8 * _NUMBERS + len(present)] = present
        self.comm.Alltoall(self._sent, self._got)
        tails = [row[self.piece :].view(np.uint8) for row in self._got]
        samples, loss, loss_samples, stop = sum(tail[: 8 * _NUMBERS].view(np.float64) for tail in tails)
        self._present[...] = sum(tail[8 * _NUMBERS : 8 * _NUMBERS + len(present)] for tail in tails)
        pieces = self._got[:, : self.piece]
        np.copyto(self._sum, pieces[0])
        for piece in pieces[1:]:
            self._sum += piece
        if samples:
            self._sum /= self.dtype.type(samples)
        mine = self._sum[: self._counts[self.comm.rank]]
        self.comm.Allgatherv(mine, [self._mean, self._counts, self._begins, self.dtype.char])
        return Sums(float(loss / loss_samples if loss_samples else loss), bool(stop))


def _padded(nbytes: int) -> int:
    return -(-nbytes // ALIGNED) * ALIGNED
