"""Names of `torch` that older and more specialised code uses: forms in place, copies of views, memory formats."""

import inspect
from typing import Any

import numpy as np

from . import diagonals, elementwise, indexing, lapack, linalg, random, reductions, shapes, spectral
from .creation import finished
from .dtypes import cast, floating, set_default_dtype
from .face import Tensor, faced, values_of
from .histograms import in_any_order, unsorted
from .methods import IN_PLACE
from .special import gammainc, gammaincc
from .values import dtype_named

igamma, igammac = gammainc, gammaincc


class memory_format:
    """An order of axes in memory; tensors here are in the order of their axes, and these are accepted."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")
contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")


class layout(memory_format):
    """How elements are stored; all tensors are `strided`."""


strided = layout("strided")


def _in_place(name: str) -> Any:
    def changed(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        return getattr(input, f"{name}_")(*args, **kwargs)

    changed.__name__, changed.__doc__ = f"{name}_", f"Do `{name}` in place."
    return changed


_FUNCTIONS_IN_PLACE = [name for name in IN_PLACE if hasattr(elementwise, name)]
globals().update({f"{name}_": _in_place(name) for name in (*_FUNCTIONS_IN_PLACE, "zero", "detach", "resize_as")})


def _copied(name: str, view: Any) -> Any:
    def copied(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        found = view(input, *args, **kwargs)
        return type(found)(part.clone() for part in found) if isinstance(found, tuple | list) else found.clone()

    copied.__name__, copied.__doc__ = f"{name}_copy", f"Return `{name}` as a copy, not a view."
    return copied


_VIEWS = (
    "as_strided",
    "expand",
    "narrow",
    "permute",
    "select",
    "split",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unsqueeze",
    "view",
    "unfold",
)
globals().update({f"{name}_copy": _copied(name, getattr(shapes, name)) for name in (*_VIEWS, "split_with_sizes")})

diagonal_copy, alias_copy = _copied("diagonal", diagonals.diagonal), _copied("alias", lambda input: input)


def clone(input: Tensor, **_: Any) -> Tensor:
    """Return a copy, through which gradients flow."""
    return input.clone()


def detach(input: Tensor) -> Tensor:
    """Return the values as a constant that shares the memory."""
    return input.detach()


def imag(input: Tensor) -> Any:
    """Return the imaginary part of complex numbers."""
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return input.imag


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape."""
    return input.shape == other.shape


def is_signed(input: Tensor) -> bool:
    """Return whether the values have a sign."""
    return input.is_signed()


def fill(input: Tensor, value: Any) -> Tensor:
    """Return a tensor of one value, in the shape of another."""
    return input.clone().fill_(value)  # type: ignore[no-any-return]


def fill_(input: Tensor, value: Any) -> Tensor:
    """Write one value into every element, in place."""
    return input.fill_(value)  # type: ignore[no-any-return]


@faced
def view_as_real(input: Any) -> Any:
    """Return complex numbers as pairs on a last axis."""
    return np.stack([np.real(input), np.imag(input)], axis=-1)


@faced
def view_as_complex(input: Any) -> Any:
    """Return pairs on the last axis as complex numbers."""
    if input.ndim == 0 or input.shape[-1] != 2:
        raise RuntimeError(f"view_as_complex: Tensor must have a last dimension of size 2, got {list(input.shape)}")
    kind = np.complex64 if input.dtype == np.float32 else np.complex128
    return input[..., 0].astype(kind) + np.asarray(1j, kind) * input[..., 1].astype(kind)


@faced
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    """Return the derivatives along axes by central differences, one tensor for each axis."""
    axes = tuple(range(input.ndim)) if dim is None else dim if isinstance(dim, tuple | list) else (dim,)
    spacing = 1 if spacing is None else spacing
    steps = spacing if isinstance(spacing, tuple | list) else [spacing] * len(axes)
    x = floating(input)
    places = [h if isinstance(h, int | float) else reductions.plain(h) for h in steps]
    return tuple(_slope(x, h, a, edge_order) for a, h in zip(axes, places, strict=True))


def _slope(x: Any, step: Any, axis: int, edge_order: Any) -> Any:
    """Return the derivative along one axis in the dtype of x."""
    return cast(np.gradient(x, step, axis=axis, edge_order=edge_order), x.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Return binomial numbers of the given counts and probabilities."""
    drawn = random.rng_of(generator).binomial(values_of(count).astype(np.int64), values_of(prob))
    return finished(np.asarray(drawn).astype(count._x.dtype))


@faced
def unravel_index(indices: Any, shape: Any) -> Any:
    """Return flat indices as one tensor of indices for each axis."""
    return tuple(np.unravel_index(reductions.plain(indices), tuple(shape)))


@faced
def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """Return the indices of the first `size` nonzero elements, filled up with one value."""
    found = np.argwhere(reductions.plain(input))[:size]
    return np.concatenate([found, np.full((size - len(found), found.shape[1]), fill_value, found.dtype)])


def frobenius_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the root of the sum of squares."""
    return reductions.norm(input, "fro", dim or None, keepdim)


def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the sum of the singular values."""
    return linalg.matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """Return U, S and V with A = U diag(S) Vᵀ; `torch.linalg.svd` returns Vᵀ."""
    U, S, Vh = linalg.svd(input, full_matrices=not some)
    return SVD(U, S, Vh.transpose(-2, -1).conj())


class SVD(linalg.SVD):
    """What `torch.svd` returns."""

    __slots__ = ()

    @property
    def V(self) -> Any:
        """The right singular vectors, in columns."""
        return self[2]


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """Return the solution of A x = b for a triangular A, and A."""
    turned = A.transpose(-2, -1) if transpose else A
    return linalg.solve_triangular(turned, b, upper=upper != transpose, unitriangular=unitriangular), A.clone()


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """Return the first q principal directions, U, S and V: exactly, where PyTorch approximates."""
    x = A - A.mean(-2, keepdim=True) if center else A
    return svd_lowrank(x, min(6, *A.shape[-2:]) if q is None else q)


def svd_lowrank(A: Tensor, q: int = 6, niter: int = 2, M: Any = None) -> Any:
    """Return the first q singular values with their vectors, U, S and V: exactly, where PyTorch approximates."""
    U, S, V = svd(A if M is None else A - M)
    return SVD(U[..., :q], S[..., :q], V[..., :q])


def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Any:
    """Return the tensor with margins of one value."""
    from .nn.functional import pad as padded

    return padded(input, pad, "constant", value)


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """Return the numbers in a buffer of bytes, copied."""
    return finished(np.frombuffer(buffer, dtype.numpy, count, offset).copy(), requires_grad)


def set_default_tensor_type(t: Any) -> None:
    """Set the dtype of new floating-point tensors by a type such as `torch.DoubleTensor`."""
    set_default_dtype(dtype_named(t))


def set_default_device(device: Any) -> None:
    """Check a device: there is only the CPU."""
    from .dtypes import check_device

    check_device(device)


def get_default_device() -> Any:
    """Return the CPU."""
    from .dtypes import CPU

    return CPU


def seed() -> int:
    """Seed the default generator with an arbitrary number, and return that."""
    return random.default_generator_.seed()


def typename(obj: Any) -> str:
    """Return the name of the type of an object: of a tensor `torch.FloatTensor`."""
    return obj.type() if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__qualname__}"


@faced
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """Return the tensor with slices of `source` combined into it at indices: "prod", "mean", "amax" or "amin"."""
    places = np.reshape(reductions.plain(index), [-1 if k == dim % input.ndim else 1 for k in range(input.ndim)])
    shape = tuple(source.shape)
    scattered: Any = inspect.unwrap(indexing.scatter_reduce)
    return scattered(input, dim, np.broadcast_to(places, shape), source, reduce, include_self=include_self)


@faced
def histogramdd(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Return how many points fall into each cell, and the edges of the cells along each axis."""
    x = reductions.plain(input)
    limits = None if range is None else np.reshape(np.asarray(range, float), (-1, 2)).tolist()
    given = (
        [reductions.plain(one) if hasattr(one, "shape") else one for one in bins]
        if isinstance(bins, list | tuple)
        else bins
    )
    points = x.reshape(-1, x.shape[-1])
    weights = None if weight is None else reductions.plain(weight).reshape(-1)
    edges: Any = given
    if isinstance(given, list) and unsorted(given):
        counts = in_any_order(points, given, density, weights)
    else:
        counts, edges = np.histogramdd(points, given, limits, density=density, weights=weights)
    return counts.astype(x.dtype), tuple(edge.astype(x.dtype) for edge in edges)


def get_device(input: Tensor) -> int:
    """Return -1: the tensor is on the CPU."""
    return -1


def is_inference(input: Tensor) -> bool:
    """Return False: no tensor is marked."""
    return False


is_conj = is_neg = is_distributed = is_inference


def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Return the tensor with other elements at steps through the memory."""
    places = shapes.as_strided(finished(np.arange(input.numel())), size, stride, storage_offset)
    found = input.clone().reshape(-1)
    found[places.reshape(-1)] = src.reshape(-1)
    return found.reshape(input.shape)


def native_layer_norm(input: Tensor, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return layer normalisation, the means, and the reciprocals of the standard deviations."""
    from .nn import functional

    axes = tuple(range(-len(normalized_shape), 0))
    deviation = (input.var(axes, correction=0, keepdim=True) + eps).rsqrt()
    return functional.layer_norm(input, normalized_shape, weight, bias, eps), input.mean(axes, True), deviation


def _grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """Return `grid_sample` with its modes as numbers."""
    from .nn import functional

    modes, margins = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    return functional.grid_sample(input, grid, modes[interpolation_mode], margins[padding_mode], align_corners)


grid_sampler = grid_sampler_2d = grid_sampler_3d = _grid_sampler


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Any:
    """Return the norms of a tensor's slices along one axis, which is kept."""
    others = tuple(k for k in range(v.ndim) if k != dim)
    return linalg.vector_norm(v, pow, others, True) if dim != -1 else linalg.vector_norm(v, pow)


def are_deterministic_algorithms_enabled() -> bool:
    """Return True: the same numbers give the same results."""
    return True


# Methods


def _pinned(self: Tensor, *_: Any) -> Tensor:
    """Return the tensor: there is no GPU to copy it to."""
    return self


def _new(self: Tensor, *data: Any, **settings: Any) -> Any:
    """Return a tensor of data, or of zeros for sizes, in the dtype of this one."""
    if data and not isinstance(data[0], int):
        return self.new_tensor(*data, **settings)
    return self.new_zeros(*data, **settings)


def _bfloat16(self: Tensor, **_: Any) -> Any:
    """Refused: NumPy has no such dtype."""
    raise RuntimeError("bfloat16: NumPy has no such dtype; use .float() or .half()")


def _attach() -> None:
    from .nn import functional

    methods = {
        **{name: globals()[name] for name in ("svd", "triangular_solve", "index_reduce", "igamma", "igammac")},
        **{name: globals()[name] for name in ("is_conj", "is_neg", "is_inference", "is_distributed", "get_device")},
        **{name: getattr(spectral, name) for name in ("stft", "istft")},
        "pinverse": linalg.pinv, "hardshrink": functional.hardshrink, "prelu": functional.prelu,
        "nonzero_static": nonzero_static, "pin_memory": _pinned, "to_dense": _pinned, "share_memory_": _pinned,
        "is_pinned": is_inference, "is_shared": is_inference, "is_coalesced": is_inference, "new": _new,
        "bfloat16": _bfloat16, "storage_offset": lambda self: 0, "dense_dim": lambda self: self.ndim,
        "sparse_dim": lambda self: 0, "layout": property(lambda self: strided), "is_cpu": property(lambda self: True),
        **{f"is_{name}": property(is_inference) for name in ("xpu", "meta", "nested", "mkldnn", "vulkan", "xla")},
        "is_sparse_csr": property(is_inference), "lu": lapack.lu, "geqrf": lapack.geqrf, "ormqr": lapack.ormqr,
        "as_strided_scatter": as_strided_scatter,
    }  # fmt: skip
    for name, method in methods.items():
        setattr(Tensor, name, method)


_attach()
