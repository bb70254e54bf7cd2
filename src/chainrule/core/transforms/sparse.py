"""Sparse Jacobians: columns that share no row are computed together, in one pass.

If no row has entries in two of a group of columns, the sum of these columns shows each entry by itself. Groups are
found by the greedy method of A. R. Curtis, M. J. D. Powell and J. K. Reid, "On the estimation of sparse Jacobian
matrices" (1974): each column joins the first group that has none of its rows. The same for rows, in reverse mode.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.tree import flatten

from .derivatives import Function, TransformRun
from .linearize import Linearized
from .pattern import Sets, detected
from .values import is_tensor

Array = Any
Linear = Callable[[Any], Sequence[Any]]
Apply = Callable[[Linear, Callable[[int], Iterator[Any]], int, int], list[Array]]


def scipy_sparse() -> Any:
    """Return `scipy.sparse`, or None if SciPy is not installed."""
    try:
        import scipy.sparse
    except ImportError:
        return None
    return scipy.sparse


def groups(rows: Array, columns: Array, count: int) -> Array:
    """Return a group number for each of `count` columns, such that no two columns of a group share a row.

    `rows` and `columns` are the places of the entries. The method is greedy, in the order of the columns, and needs no
    more groups than the fullest row meets other columns.
    """
    order = np.argsort(columns, kind="stable")
    starts = np.searchsorted(columns[order], np.arange(count + 1)).tolist()
    own = rows[order].tolist()
    taken = [0] * (int(rows.max()) + 1 if len(rows) else 0)  # for each row a bit for each group that has it
    found = np.zeros(count, np.int64)
    for column in range(count):
        mine = own[starts[column] : starts[column + 1]]
        used = 0
        for row in mine:
            used |= taken[row]
        free = ~used & (used + 1)  # the lowest bit that is not set
        for row in mine:
            taken[row] |= free
        found[column] = free.bit_length() - 1
    return found


class Compressed:
    """The Jacobian of a call with one array as its argument and one as its result, by groups."""

    def __init__(self, transform: str, f: Function, x: Any, pattern: Any, mode: str, apply: Apply) -> None:
        self.transform, self.f, self.x, self.apply = transform, f, x, apply
        self.line: Linearized | None = None
        if np.iscomplexobj(x):
            raise TypeError(
                f"{transform}: sparsity= is for a real argument, got {x.dtype}; pass its parts as one array"
            )
        if isinstance(pattern, str):
            self.sets = self._detected(pattern)
        else:
            self.sets = _given(transform, pattern)
        rows, columns = self.sets.rows, self.sets.columns
        by_column = groups(rows, columns, self.sets.width)
        by_row = groups(columns, rows, self.sets.size)
        line: Any = self.line
        is_complex = line is not None and np.iscomplexobj(line.run.values[0])
        fewer = "reverse" if _count(by_row) < _count(by_column) and not is_complex else "forward"
        self.mode = fewer if mode == "auto" else mode
        self.groups = by_column if self.mode == "forward" else by_row
        self.is_given = not isinstance(pattern, str)

    @property
    def passes(self) -> int:
        """The number of directions."""
        return _count(self.groups)

    def _detected(self, pattern: str) -> Sets:
        if pattern != "detect":
            raise ValueError(f"{self.transform}: sparsity must be None, 'detect' or a pattern, got {pattern!r}")
        line = self._linearized()
        return detected(line, [np.size(self.x)])[0]

    def _linearized(self) -> Linearized:
        if self.line is None:
            self.line = Linearized(self.transform, self.f, (self.x,))
            if len(self.line.run.values) != 1:
                raise TypeError(
                    f"{self.transform}: with sparsity= the function must return one array, got a tree of "
                    f"{len(self.line.run.values)}; join them with np.concatenate"
                )
        return self.line

    def matrix(self) -> Any:
        """The Jacobian, [elements of the result, elements of the argument]."""
        shape = (self.sets.size, self.sets.width)
        rows, columns = self.sets.rows, self.sets.columns
        run = self._forward if self.mode == "forward" else self._reverse
        check = np.random.default_rng(0).uniform(-1, 1, shape[self.mode == "forward"])
        sums, checked = run(check if self.is_given else None)
        data = sums[self.groups[columns], rows] if self.mode == "forward" else sums[self.groups[rows], columns]
        if checked is not None:
            _check(self.transform, self.mode, data, rows, columns, shape, check, checked)
        sparse = scipy_sparse()
        if sparse is not None:
            return sparse.csr_array((data, columns, self.sets.starts), shape=shape)
        dense = np.zeros(shape, data.dtype)
        dense[rows, columns] = data
        return dense

    def _directions(self, like: Array, check: Array | None, limit: int) -> Iterator[Array]:
        """Yield the sums of unit vectors of each group, in stacks of at most `limit`, then the one to check with."""
        total = self.passes + (check is not None)
        dtype = getattr(like, "dtype", np.float64)
        for first in range(0, total, limit):
            stack = np.zeros((min(limit, total - first), np.size(like)), dtype)
            for k in range(len(stack)):
                stack[k] = self.groups == first + k if first + k < self.passes else check
            yield stack.reshape((len(stack), *np.shape(like)))

    def _split(self, stacks: list[Any], like: Array, check: Array | None) -> tuple[Array, Array | None]:
        if not stacks:
            return np.zeros((1, np.size(like)), getattr(like, "dtype", np.float64)), None
        found = stacks[0].reshape((len(stacks[0]), np.size(like)))
        if isinstance(found, Tensor):
            raise _traced(self.transform)
        return (found[:-1], found[-1]) if check is not None else (found, None)

    def _forward(self, check: Array | None) -> tuple[Array, Array | None]:
        line = self._linearized()
        (y,) = line.run.values
        self._check_sizes(np.size(y))
        x = line.inputs[0].values[0]
        stacks = self.apply(
            lambda unit: line.run.filled(line.push([unit])),
            lambda limit: self._directions(x, check, limit),
            line.largest,
            self.passes + (check is not None),
        )
        return self._split(stacks, y, check)

    def _reverse(self, check: Array | None) -> tuple[Array, Array | None]:
        run = TransformRun(self.transform, self.f, (self.x,), (0,), aux=False)
        if len(run.outputs) != 1:
            raise TypeError(f"{self.transform}: with sparsity= the function must return one array, not a tree of them")
        self._check_sizes(np.size(run.outputs[0]))
        if np.iscomplexobj(run.outputs[0]):
            raise TypeError(f"{self.transform}: the result is complex, which takes mode='forward' with sparsity=")
        y = run.outputs[0]
        stacks = self.apply(
            lambda unit: flatten(run.pull([unit], free=False))[0],
            lambda limit: self._directions(y, check, limit),
            max(np.size(self.x), np.size(y)),
            self.passes + (check is not None),
        )
        return self._split(stacks, self.x, check)

    def _check_sizes(self, size: int) -> None:
        if (size, np.size(self.x)) != (self.sets.size, self.sets.width):
            raise ValueError(
                f"{self.transform}: the pattern has shape {(self.sets.size, self.sets.width)}, expected "
                f"{(size, np.size(self.x))}, the elements of the result and of the argument"
            )


def _count(numbers: Array) -> int:
    return int(numbers.max()) + 1 if len(numbers) else 0


def _traced(transform: str) -> GradientError:
    return GradientError(
        f"{transform}: a sparse Jacobian holds plain numbers, so a derivative through it would be lost; leave "
        f"sparsity= out inside of another transform, or pass x.detach()"
    )


def refuse_traced(transform: str, x: Any) -> None:
    """Raise a GradientError if a derivative flows through the argument of a sparse Jacobian."""
    if isinstance(x, Tensor) and is_tensor(x) and (x.requires_grad or x._trace.level > 0):
        raise _traced(transform)


def _check(
    transform: str, mode: str, data: Array, rows: Array, columns: Array, shape: Any, direction: Array, expected: Array
) -> None:
    """Raise a ValueError if the product with a random vector shows that the pattern lacks entries."""
    to, source = (rows, columns) if mode == "forward" else (columns, rows)
    size = shape[mode != "forward"]
    got = np.bincount(to, data * direction[source], size)
    scale = np.bincount(to, np.abs(data * direction[source]), size)
    tolerance = 1e-2 if data.dtype == np.float16 else 1e-4 if data.dtype == np.float32 else 1e-8
    off = ~(np.abs(got - expected) <= tolerance * (scale + np.abs(expected))) & np.isfinite(expected)
    if off.any():
        what = "row" if mode == "forward" else "column"
        raise ValueError(
            f"{transform}: the pattern lacks entries of {what} {int(np.flatnonzero(off)[0])} ({int(off.sum())} {what}s "
            f"differ from a product with the whole Jacobian); use sparsity='detect', or compare with "
            f"chainrule.sparsity_pattern"
        )


def _given(transform: str, pattern: Any) -> Sets:
    """Return a pattern of the user's: a matrix, dense or of SciPy, whose entries may differ from zero."""
    if hasattr(pattern, "tocoo"):
        coo = pattern.tocoo()
        rows, columns, shape = coo.row, coo.col, coo.shape
    else:
        dense = np.asarray(value_of(pattern))
        if dense.ndim != 2:
            raise ValueError(
                f"{transform}: the pattern must be a matrix, dense or of scipy.sparse, with a row for each element of "
                f"the result and a column for each of the argument; got shape {dense.shape}"
            )
        (rows, columns), shape = np.nonzero(dense), dense.shape
    return Sets.of_pairs(np.asarray(rows, np.int64), np.asarray(columns, np.int64), *shape)


def sparsity_pattern(f: Function, x: Any) -> Any:
    """Return where the Jacobian of `f` at `x` may differ from zero: booleans, [elements of f(x), elements of x].

    It is a `scipy.sparse` matrix if SciPy is installed, otherwise an array. It may have more entries than needed, but
    lacks none of this run of `f`: index sets are carried through the operations. A branch on values may make another
    pattern at another `x`.

    >>> import chainrule as cr
    >>> pattern = cr.sparsity_pattern(lambda x: x[1:] * x[:-1], np.ones(4))
    >>> np.asarray(pattern.todense() if hasattr(pattern, "todense") else pattern).astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """
    refuse_traced("sparsity_pattern", x)
    line = Linearized("sparsity_pattern", f, (x,))
    if len(line.run.values) != 1 or len(line.given) != 1:
        raise TypeError("sparsity_pattern: the function must take one array and return one")
    (sets,) = detected(line, [np.size(x)])
    shape, sparse = (sets.size, sets.width), scipy_sparse()
    if sparse is not None:
        return sparse.csr_array((np.ones(len(sets.columns), bool), sets.columns, sets.starts), shape=shape)
    dense = np.zeros(shape, bool)
    dense[sets.rows, sets.columns] = True
    return dense
