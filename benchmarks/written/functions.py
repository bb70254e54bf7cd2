"""NumPy's functions with PyTorch's arguments, and operators that take several lines of NumPy."""

from typing import Any

import numpy as np

import chainrule as cr
import chainrule.numpy as cnp
import chainrule.scipy as csp


def moment(function: Any) -> Any:
    """Return a variance with PyTorch's arguments."""

    def of(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: Any = None) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        axis = tuple(dim) if isinstance(dim, list | tuple) else dim
        return function(
            x,
            axis or (None if axis == () else axis),
            ddof=int(unbiased) if correction is None else correction,
            keepdims=keepdim,
        )

    return of


def reduction(function: Any) -> Any:
    """Return a reduction with PyTorch's arguments."""

    def of(x: Any, dim: Any = None, keepdim: bool = False, **settings: Any) -> Any:
        axis = tuple(dim) or None if isinstance(dim, list | tuple) else dim
        return function(x, axis=axis, keepdims=keepdim, **settings)

    return of


def along(function: Any) -> Any:
    """Return a function along one axis, named `dim`."""
    return lambda x, dim, **settings: function(x, axis=dim, **settings) if x.ndim else function(x)


def fourier(name: str) -> Any:
    """Return a Fourier transform with PyTorch's arguments."""
    function = getattr(np.fft, name)

    def of(x: Any, n: Any = None, dim: Any = None, norm: Any = None, s: Any = None) -> Any:
        if name.endswith(("2", "n")):
            size = s if s is not None else n
            axes = dim if dim is not None else ((-2, -1) if name.endswith("2") else None)
            if axes is None and size is not None:
                axes = tuple(range(-len(np.atleast_1d(size)), 0))
            axes = (axes,) if isinstance(axes, int) else axes
            size = None if size is None else np.broadcast_to(size, len(axes))
            if size is not None:
                size = [x.shape[a] if m == -1 else int(m) for a, m in zip(axes, size, strict=True)]
            return function(x, size, axes, norm)
        return function(x, n, -1 if dim is None else dim, norm)

    return of


def triangle(a: Any, upper: bool) -> Any:
    return cnp.triu(a) if upper else cnp.tril(a)


def adjoint(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def cholesky(a: Any, upper: bool = False) -> Any:
    found = np.linalg.cholesky(a)
    return adjoint(found) if upper else found


def split(x: Any, size: Any, dim: int = 0) -> Any:
    n = x.shape[dim]
    cuts = np.cumsum(size)[:-1] if isinstance(size, list | tuple) else np.arange(size, n, size)
    return np.split(x, list(map(int, cuts)), dim)


def chunk(x: Any, count: int, dim: int = 0) -> Any:
    return split(x, max(1, -(-x.shape[dim] // count)), dim)


def shape_of(first: Any, rest: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(first) if isinstance(first, list | tuple) else (first, *rest)


def index_of(x: Any, dim: int, index: Any) -> Any:
    where: list[Any] = [slice(None)] * x.ndim
    where[dim] = index
    return tuple(where)


def written(x: Any, place: Any, value: Any) -> Any:
    """Return a copy of x in which `value` is written at a place."""
    x = x.copy()
    x[place] = value
    return x


def put_along(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return x with elements of `src` written where `index` says."""
    x = x.copy()
    if x.ndim == 0:
        x[()] = src if np.ndim(src) == 0 else src[()]
        return x
    if np.ndim(src):
        src = src[tuple(map(slice, index.shape))]
    place = list(np.indices(index.shape))
    place[dim] = index
    x[tuple(place)] = src
    return x


def add_along(x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return x with elements of `src` added where `index` says."""
    x = x.copy()
    if x.ndim == 0:
        return x + src
    place = list(np.indices(index.shape))
    place[dim] = index
    np.add.at(x, tuple(place), src[tuple(map(slice, index.shape))])
    return x


def added_at(x: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    x = x.copy()
    if x.ndim == 0:
        return x + alpha * np.sum(source)
    np.add.at(x, index_of(x, dim, index), alpha * source)
    return x


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    return cnp.linalg.vector_norm(x, axis=axis, ord=ord, keepdims=keepdim)


def any_norm(x: Any, p: Any = None, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    if p in (None, "fro"):
        return cnp.linalg.vector_norm(x, axis=axis, keepdims=keepdim)
    if p == "nuc":
        return cnp.linalg.norm(x, "nuc", axis, keepdim)
    return cnp.linalg.vector_norm(x, ord=p, axis=axis, keepdims=keepdim)


def linalg_norm(x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    if ord is None:
        return cnp.linalg.vector_norm(x, axis=axis, keepdims=keepdim)
    return cnp.linalg.norm(x, ord, axis, keepdim)


def diagonals(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return np.diagonal(x, offset, dim1, dim2)


def pad(x: Any, widths: Any, mode: str = "constant", value: Any = 0.0) -> Any:
    pairs = [(0, 0)] * x.ndim
    for k in range(len(widths) // 2):
        pairs[-1 - k] = (widths[2 * k], widths[2 * k + 1])
    if any(n < 0 for pair in pairs for n in pair):
        x = x[tuple(slice(max(0, -a), m - max(0, -b)) for (a, b), m in zip(pairs, x.shape, strict=True))]
        pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    mode = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
    return np.pad(x, pairs, mode, constant_values=value or 0) if mode == "constant" else np.pad(x, pairs, mode)


def flip(x: Any, dims: Any = ()) -> Any:
    return np.flip(x, tuple(dims) if isinstance(dims, list | tuple) else dims)


def sorted_take(x: Any, index: Any, dim: Any = None) -> Any:
    return np.take_along_axis(
        x if dim is not None else x.reshape(-1),
        index if dim is not None else index.reshape(-1),
        0 if dim is None else dim,
    )


def gather(x: Any, dim: int, index: Any) -> Any:
    if x.ndim == 0 or index.ndim == 0:
        return np.reshape(x, -1)[np.reshape(index, -1)].reshape(index.shape)
    place = list(np.indices(index.shape))
    place[dim] = index
    return x[tuple(place)]


def masked(function: Any) -> Any:
    """Return a reduction over the elements that a mask leaves."""

    def of(x: Any, dim: Any = None, keepdim: bool = False, *, mask: Any = None, **settings: Any) -> Any:
        axis = tuple(dim) or None if isinstance(dim, list | tuple) else dim
        where = {} if mask is None else {"where": np.broadcast_to(mask, x.shape)}
        return function(x, axis=axis, keepdims=keepdim, **where, **settings)

    return of


def masked_moment(function: Any) -> Any:
    reduce = masked(function)

    def of(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, mask: Any = None, **k: Any) -> Any:
        ddof = k.get("correction")
        found = reduce(x, dim, keepdim, mask=mask, ddof=int(unbiased) if ddof is None else ddof)
        return found + 0j if np.iscomplexobj(x) else found  # PyTorch's are complex

    return of


def lerp(a: Any, b: Any, weight: Any) -> Any:
    return a + weight * (b - a)


def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    n = x.shape[-1] + abs(offset)
    k = np.arange(x.shape[-1])
    y = cnp.zeros((*x.shape[:-1], n, n), x.dtype)
    y = written(y, (..., k + max(-offset, 0), k + max(offset, 0)), x)
    return np.moveaxis(y, (-2, -1), (dim1, dim2))


def diagonal_scatter(x: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    y = np.moveaxis(x, (dim1, dim2), (-2, -1)).copy()
    k = np.arange(src.shape[-1])
    y[..., k + max(-offset, 0), k + max(offset, 0)] = src
    return np.moveaxis(y, (-2, -1), (dim1, dim2))


def repeat_interleave(x: Any, repeats: Any, dim: Any = None, **_: Any) -> Any:
    return np.repeat(
        x.reshape(-1) if dim is None or x.ndim == 0 else x, repeats, 0 if dim is None or not x.ndim else dim
    )


def tensor_split(x: Any, sections: Any, dim: int = 0) -> Any:
    sections = sections.tolist() if isinstance(sections, np.ndarray) else sections
    return np.array_split(x, list(sections) if isinstance(sections, list | tuple) else sections, dim)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    return np.tensordot(a, b, dims if isinstance(dims, int) else tuple(map(tuple, dims)))


def stacked(function: Any) -> Any:
    return lambda xs, dim=0, **_: function(xs, axis=dim)


def triangular(b: Any, a: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False) -> Any:
    part = unit(triangle(a, upper), unitriangular)
    return np.linalg.solve(np.swapaxes(part, -1, -2) if transpose else part, b), a


def unit(a: Any, wanted: bool) -> Any:
    eye = np.eye(a.shape[-1])
    return a * (1 - eye) + eye if wanted else a


def solve_triangular(a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    part = unit(triangle(a, upper), unitriangular)
    if left:
        return np.linalg.solve(part, b)
    return np.swapaxes(np.linalg.solve(np.swapaxes(part, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def solve(a: Any, b: Any, *, left: bool = True, **_: Any) -> Any:
    if not left:
        return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    if b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1]):
        return np.linalg.solve(a, b[..., None])[..., 0]
    return np.linalg.solve(a, b)


def as_strided(x: Any, size: Any, stride: Any, storage_offset: int = 0) -> Any:
    place = (
        sum(
            (
                np.arange(n).reshape(-1, *[1] * (len(size) - k - 1)) * s
                for k, (n, s) in enumerate(zip(size, stride, strict=True))
            ),
            np.zeros(tuple(size), int),
        )
        + storage_offset
    )
    return np.reshape(x, -1)[place]


def unfolded(x: Any, dim: int, size: int, step: int) -> Any:
    if x.ndim == 0:
        return np.reshape(x, 1)[:size] if size else np.reshape(x, 1)[:0]
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=dim)
    return windows[index_of(windows, dim % x.ndim, slice(None, None, step))]


def each(function: Any) -> Any:
    """Return a function of one array that also takes a list of them."""
    return lambda *xs: function(*xs[0]) if isinstance(xs[0], tuple | list) else function(*xs)


def slopes(x: Any, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> Any:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    steps = list(spacing) if isinstance(spacing, list | tuple) else [] if spacing is None else [spacing] * len(axes)
    return np.gradient(x, *steps, axis=axes, edge_order=edge_order)


def pseudoinverse(a: Any, hermitian: bool = False, *, rcond: Any = None, rtol: Any = None, atol: Any = None) -> Any:
    """PyTorch's pinv: NumPy's, with PyTorch's threshold."""
    if not a.size:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    size = np.linalg.norm(cr.stop_gradient(a), 2, (-2, -1)) if hasattr(a, "_trace") else np.linalg.norm(a, 2, (-2, -1))
    relative = rtol if rtol is not None else rcond
    usual = np.finfo(a.dtype).eps * max(a.shape[-2:]) if not np.any(np.asarray(atol or 0) > 0) else 0.0
    share = np.maximum(usual if relative is None else relative, (0.0 if atol is None else atol) / size)
    return np.linalg.pinv(a, rcond=share, hermitian=hermitian)


def meshgrid(*xs: Any, indexing: str = "ij") -> Any:
    xs = tuple(xs[0]) if len(xs) == 1 and isinstance(xs[0], list | tuple) else xs
    return list(np.meshgrid(*map(np.atleast_1d, xs), indexing=indexing))


def cumulative(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    return csp.integrate.cumulative_trapezoid(y, x, dx=dx, axis=dim)


def trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    return np.trapezoid(y, x, dx=dx, axis=dim)


def log_sum(x: Any, dim: Any, keepdim: bool = False) -> Any:
    axis = tuple(dim) if isinstance(dim, list | tuple) else dim
    return cr.special.logsumexp(x, axis=axis if x.ndim else None, keepdims=keepdim)


def distance(a: Any, b: Any, p: float = 2) -> Any:
    return cnp.linalg.vector_norm(a - b, ord=p)


def vander(x: Any, N: Any = None) -> Any:
    return x[..., None] ** np.arange(x.shape[-1] if N is None else N)


def covariance(x: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    return np.cov(x, ddof=correction, fweights=fweights, aweights=aweights)


def added(x: Any, place: Any, value: Any) -> Any:
    x = x.copy()
    np.add.at(x, place, value)
    return x
