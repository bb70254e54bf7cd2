"""Sparse tensors: the places and the values of the elements that are not zero, by coordinates or by rows.

They are no `Tensor`s: the operations that graph networks and the like use are offered, and others refuse them. Values
may require a gradient, which has their places only.
"""

from typing import Any

import numpy as np

from ..creation import tensor, zeros
from ..dtypes import Size, dtype
from ..face import Tensor, values_of
from ..further import layout

sparse_coo, sparse_csr = layout("sparse_coo"), layout("sparse_csr")


class SparseTensor:
    """A sparse tensor of any number of axes: `places [axes, n]`, and a vector of n values."""

    is_sparse = True
    is_cuda = is_sparse_csr = is_quantized = is_nested = False

    def __init__(self, places: Any, values: Tensor, size: Any, coalesced: bool = False) -> None:
        self._places, self._entries = places, values
        self.shape, self._coalesced = Size(size), coalesced

    # What it is

    layout = sparse_coo
    dtype = property(lambda self: self._entries.dtype)
    device = property(lambda self: self._entries.device)
    ndim = property(lambda self: len(self.shape))
    requires_grad = property(lambda self: self._entries.requires_grad)
    T = property(lambda self: self.t())

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    sparse_dim = dim

    def dense_dim(self) -> int:
        """Return 0: each entry is a number."""
        return 0

    def numel(self) -> int:
        """Return the number of elements, zeros included."""
        return self.shape.numel()

    def _axis(self, dim: int) -> int:
        axes = len(self.shape)
        if not -axes <= dim < axes:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-axes}, {axes - 1}], but got {dim})"
            )
        return dim % axes

    def _nnz(self) -> int:
        return int(self._places.shape[1])

    def is_coalesced(self) -> bool:
        """Whether no place occurs twice, and all are in order."""
        return self._coalesced

    def indices(self) -> Tensor:
        """Return the places [axes, n]. Raises RuntimeError unless coalesced."""
        self._needs_order("indices")
        return tensor(self._places)

    def values(self) -> Tensor:
        """Return the values [n]. Raises RuntimeError unless coalesced."""
        self._needs_order("values")
        return self._entries

    def _needs_order(self, name: str) -> None:
        if not self._coalesced:
            raise RuntimeError(
                f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first; or use _{name}()"
            )

    def _indices(self) -> Tensor:
        return tensor(self._places)

    def _values(self) -> Tensor:
        return self._entries

    # Other forms of it

    def _with(self, values: Tensor) -> Any:
        made = type(self).__new__(type(self))
        made._places, made._entries, made.shape, made._coalesced = self._places, values, self.shape, self._coalesced
        return made

    def coalesce(self) -> "SparseTensor":
        """Return it with its places in order, and the values of equal ones added up."""
        if self._coalesced:
            return self
        flat = np.ravel_multi_index(tuple(self._places), self.shape) if self._nnz() else np.zeros(0, np.int64)
        kept, group = np.unique(flat, return_inverse=True)
        total = zeros(len(kept), dtype=self.dtype).index_add(0, tensor(group.reshape(-1)), self._entries)
        return SparseTensor(np.array(np.unravel_index(kept, self.shape)), total, self.shape, coalesced=True)

    def to_dense(self) -> Tensor:
        """Return the tensor with its zeros."""
        flat = np.ravel_multi_index(tuple(self._places), self.shape) if self._nnz() else np.zeros(0, np.int64)
        whole: Tensor = zeros(self.numel(), dtype=self.dtype).index_add(0, tensor(flat), self._entries)
        found: Tensor = whole.reshape(self.shape)
        return found

    def to_sparse(self) -> "SparseTensor":
        """Return it by coordinates."""
        return SparseTensor(self._places, self._entries, self.shape, self._coalesced)

    to_sparse_coo = to_sparse

    def to_sparse_csr(self) -> "SparseRows":
        """Return a matrix by rows."""
        own = self.coalesce()
        return SparseRows(own._places, own._entries, own.shape)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Return it with another dtype."""
        return self._with(self._entries.to(*args, **kwargs))

    def cpu(self) -> Any:
        """Return itself."""
        return self

    def float(self) -> Any:
        """Return it in float32."""
        return self._with(self._entries.float())

    def double(self) -> Any:
        """Return it in float64."""
        return self._with(self._entries.double())

    def detach(self) -> Any:
        """Return it without a gradient."""
        return self._with(self._entries.detach())

    def clone(self) -> Any:
        """Return a copy."""
        return self._with(self._entries.clone())

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Let the values require a gradient, which is in `values().grad`."""
        self._entries.requires_grad_(requires_grad)
        return self

    def t(self) -> Any:
        """Return the transposed matrix."""
        return self.transpose(0, 1)

    def transpose(self, dim0: int, dim1: int) -> Any:
        """Return it with two axes exchanged."""
        order, dim0, dim1 = list(range(self.ndim)), self._axis(dim0), self._axis(dim1)
        order[dim0], order[dim1] = dim1, dim0
        return SparseTensor(self._places[order], self._entries, [self.shape[k] for k in order])

    # Arithmetic

    def _product(self, other: Any) -> Any:
        """Return the product with a dense vector or matrix: rows are picked, multiplied, and added up."""
        if isinstance(other, SparseTensor):
            return _sparse_product(self, other)
        if self.ndim != 2 or other.dim() not in (1, 2) or self.shape[1] != other.shape[0]:
            raise RuntimeError(
                f"sparse.mm: matrices cannot be multiplied: {list(self.shape)} (sparse) and {list(other.shape)}"
            )
        if other.dtype != self.dtype:
            raise RuntimeError(f"sparse.mm: expected one dtype, got {self.dtype} and {other.dtype}")
        row, column = map(tensor, self._places)
        weights = self._entries if other.dim() == 1 else self._entries.unsqueeze(1)
        terms = other.index_select(0, column) * weights
        return zeros(self.shape[0], *other.shape[1:], dtype=self.dtype).index_add(0, row, terms)

    __matmul__ = mm = matmul = mv = _product

    def __rmatmul__(self, other: Any) -> Any:
        return self.t()._product(other.transpose(-1, -2) if other.dim() > 1 else other).transpose(0, -1)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, SparseTensor):
            return self._at_own_places(other.to_dense())
        if isinstance(other, Tensor) and other.dim():
            return self._at_own_places(other.expand(self.shape))
        return self._with(self._entries * other)

    __rmul__ = mul = __mul__

    def _at_own_places(self, other: Tensor) -> Any:
        own = self.coalesce()
        return own._with(own._entries * other[tuple(map(tensor, own._places))])

    def __truediv__(self, other: Any) -> Any:
        return self._with(self._entries / other)

    div = __truediv__

    def __neg__(self) -> Any:
        return self._with(-self._entries)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, SparseTensor):
            return self.to_dense() + other
        if other.shape != self.shape:
            raise RuntimeError(f"add: expected sparse tensors of one shape, got {self.shape} and {other.shape}")
        from ..shapes import cat

        both = np.concatenate([self._places, other._places], axis=1)
        return SparseTensor(both, cat([self._entries, other._entries]), self.shape).coalesce()

    __radd__ = add = __add__

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        return other + (-self)

    def sum(self, dim: int | None = None) -> Any:
        """Return the sum of all elements, or a sparse tensor of the sums along one axis."""
        if dim is None:
            return self._entries.sum()
        axis = self._axis(dim)
        left = [k for k in range(self.ndim) if k != axis]
        return SparseTensor(self._places[left], self._entries, [self.shape[k] for k in left]).coalesce()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(Tensor, name):
            raise AttributeError(f"a sparse tensor has no {name!r}")
        raise AttributeError(f"a sparse tensor has no {name!r} here; call to_dense() first")

    def __repr__(self) -> str:
        return (
            f"tensor(indices={_indented(tensor(self._places), 15)},\n       values={_indented(self._entries, 14)},\n"
            f"       size={tuple(self.shape)}, nnz={self._nnz()}, layout={self.layout})"
        )


def _indented(x: Tensor, by: int) -> str:
    return repr(x).replace("\n", "\n" + " " * by)


def _sparse_product(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    """Return the product of two sparse matrices: for each entry of the first, the second's row that it meets."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise RuntimeError(f"sparse.mm: matrices cannot be multiplied: {list(a.shape)} and {list(b.shape)}")
    b = b.coalesce()
    starts = np.searchsorted(b._places[0], np.arange(b.shape[0] + 1))
    first, counts = starts[a._places[1]], np.diff(starts)[a._places[1]]
    of_a = np.repeat(np.arange(a._nnz()), counts)
    within = np.arange(len(of_a)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_b = np.repeat(first, counts) + within
    places = np.stack([a._places[0][of_a], b._places[1][of_b]])
    values = a._entries[tensor(of_a)] * b._entries[tensor(of_b)]
    return SparseTensor(places, values, (a.shape[0], b.shape[1])).coalesce()


class SparseRows(SparseTensor):
    """A sparse matrix by rows: where each row begins, and the columns and values of its entries."""

    layout = sparse_csr
    is_sparse, is_sparse_csr = False, True

    def __init__(self, places: Any, values: Tensor, size: Any) -> None:
        super().__init__(places, values, size, coalesced=True)
        if len(self.shape) != 2:
            raise RuntimeError(f"to_sparse_csr: expected a matrix, got shape {tuple(self.shape)}")

    def crow_indices(self) -> Tensor:
        """Return the place in `values()` at which each row begins, and their number."""
        return tensor(np.searchsorted(self._places[0], np.arange(self.shape[0] + 1)))

    def col_indices(self) -> Tensor:
        """Return the column of each value."""
        return tensor(self._places[1])

    def __repr__(self) -> str:
        return (
            f"tensor(crow_indices={_indented(self.crow_indices(), 20)},\n       col_indices="
            f"{_indented(self.col_indices(), 19)},\n       values={_indented(self._entries, 14)}, "
            f"size={tuple(self.shape)}, nnz={self._nnz()},\n       layout={self.layout})"
        )


# Making them


def sparse_coo_tensor(
    indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    is_coalesced: bool | None = None,
    **_: Any,
) -> SparseTensor:
    """Return a sparse tensor with values at the places `indices [axes, n]`; those of equal places are added up.

    Without `size` it is as large as the places need. Raises RuntimeError for places outside of it.

    >>> import chainrule.torch as torch
    >>> a = torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    >>> torch.sparse.mm(a, torch.ones(3, 1)).tolist()
    [[3.0], [4.0]]
    """
    places = np.asarray(values_of(indices), np.int64)
    entries = values if isinstance(values, Tensor) else tensor(values)
    entries = entries if dtype is None else entries.to(dtype)
    if places.ndim == 1:
        places = places.reshape(1, -1) if places.size else places.reshape(len(size or ()), 0)
    if entries.dim() == 0:
        entries = entries.expand(places.shape[1])
    if entries.dim() != 1 or entries.shape[0] != places.shape[1]:
        raise RuntimeError(
            f"sparse_coo_tensor: got values of shape {tuple(entries.shape)} for {places.shape[1]} places, expected one "
            f"number each"
        )
    if size is None:
        size = tuple(int(n) + 1 for n in places.max(axis=1, initial=-1))
    if len(size) != places.shape[0]:
        raise RuntimeError(f"sparse_coo_tensor: got size {tuple(size)} for indices with {places.shape[0]} rows")
    if places.size and ((places < 0).any() or (places >= np.array(size)[:, None]).any()):
        raise RuntimeError(f"sparse_coo_tensor: an index is outside of the size {tuple(size)}")
    if requires_grad:
        entries = entries.detach().clone().requires_grad_()
    return SparseTensor(places, entries, size, bool(is_coalesced))


def sparse_csr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, **settings: Any
) -> SparseRows:
    """Return a sparse matrix by rows: where each row begins, the columns, and the values.

    >>> import chainrule.torch as torch
    >>> torch.sparse_csr_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense().tolist()
    [[0.0, 3.0], [4.0, 0.0]]
    """
    starts, columns = (np.asarray(values_of(x), np.int64) for x in (crow_indices, col_indices))
    lengths = np.diff(starts)
    if (lengths < 0).any() or lengths.sum() != len(columns):
        raise RuntimeError(
            f"sparse_csr_tensor: got rows that begin at {starts.tolist()} for {len(columns)} columns, expected numbers "
            f"that rise from 0 to {len(columns)}"
        )
    rows = np.repeat(np.arange(len(lengths)), lengths)
    size = (len(starts) - 1, int(columns.max(initial=-1)) + 1) if size is None else size
    found = sparse_coo_tensor(np.stack([rows, columns]), values, size, dtype=dtype, **settings)
    return SparseRows(found._places, found._entries, found.shape)


def sparse_of(self: Tensor, *_: Any, **__: Any) -> SparseTensor:
    """Return a tensor as a sparse one."""
    places = np.array(np.nonzero(values_of(self)))
    return SparseTensor(places, self[tuple(map(tensor, places))], self.shape, coalesced=True)


def rows_of(self: Tensor, *_: Any, **__: Any) -> SparseRows:
    """Return a matrix as a sparse one by rows."""
    return sparse_of(self).to_sparse_csr()


for _name, _method in {"to_sparse": sparse_of, "to_sparse_coo": sparse_of, "to_sparse_csr": rows_of}.items():
    setattr(Tensor, _name, _method)
