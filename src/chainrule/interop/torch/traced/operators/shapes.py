"""ATen's operators that change shapes, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from chainrule.interop.torch.traced.call import Call, arrayed, carries
from chainrule.nn import functional
from chainrule.rules.arrays.gather import diagonal as diagonal_of
from chainrule.rules.arrays.join import concatenate, stack
from chainrule.rules.arrays.shape import broadcast_to, moveaxis, transpose
from chainrule.rules.arrays.shape import reshape as reshaped


def along(x: Any, axis: int, part: Any) -> Any:
    """Index x along one axis."""
    return x[(slice(None),) * (axis % x.ndim) + (part,)]


@carries("view", "reshape", "_unsafe_view", "view_copy", "_reshape_copy")
def view(call: Call, x: Any, size: Sequence[int]) -> Any:
    """Return x in another shape."""
    return reshaped(x, tuple(size))


@carries("flatten.using_ints")
def flatten(call: Call, x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return x with a range of axes merged into one."""
    if x.ndim == 0:
        return reshaped(x, (1,))
    first, last = start_dim % x.ndim, end_dim % x.ndim
    return reshaped(x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


@carries("unflatten.int")
def unflatten(call: Call, x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Return x with one axis split into several."""
    return reshaped(x, (*x.shape[: dim % x.ndim], *sizes, *x.shape[dim % x.ndim + 1 :]))


@carries("permute", "permute_copy")
def permute(call: Call, x: Any, dims: Sequence[int]) -> Any:
    """Return x with its axes in another order."""
    return transpose(x, tuple(dims))


@carries("transpose.int", "transpose_copy.int")
def swapped(call: Call, x: Any, dim0: int, dim1: int) -> Any:
    """Return x with two axes exchanged."""
    return np.swapaxes(x, dim0, dim1)


@carries("t")
def turned(call: Call, x: Any) -> Any:
    """Return the transpose of a matrix."""
    return transpose(x)


@carries("numpy_T")
def turned_whole(call: Call, x: Any) -> Any:
    """Return x with its axes in the reverse order."""
    return transpose(x)


@carries("movedim.int", "movedim.intlist")
def movedim(call: Call, x: Any, source: Any, destination: Any) -> Any:
    """Return x with axes moved to other positions."""
    return moveaxis(x, source, destination)


@carries("unsqueeze", "unsqueeze_copy")
def unsqueeze(call: Call, x: Any, dim: int) -> Any:
    """Return x with a new axis of length 1."""
    return np.expand_dims(x, dim)


@carries("squeeze", "squeeze_copy")
def squeeze(call: Call, x: Any, dim: Any = None) -> Any:
    """Return x without its axes of length 1; axes of other lengths stay."""
    axes = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % x.ndim for axis in axes} if x.ndim else set()
    return reshaped(x, tuple(n for k, n in enumerate(x.shape) if k not in gone or n != 1))


@carries("expand", "expand_copy", "broadcast_to")
def expand(call: Call, x: Any, size: Sequence[int], *, implicit: bool = False) -> Any:
    """Return x broadcast to a size; −1 keeps the length of an axis."""
    new = len(size) - x.ndim
    return broadcast_to(x, tuple(x.shape[k - new] if n == -1 else n for k, n in enumerate(size)))


@carries("expand_as")
def expand_as(call: Call, x: Any, other: Any) -> Any:
    """Return x broadcast to the shape of another array."""
    return broadcast_to(x, other.shape)


@carries("repeat", "tile")
def repeat(call: Call, x: Any, repeats: Sequence[int]) -> Any:
    """Return x tiled along its axes."""
    return np.tile(x, tuple(repeats))


@carries("repeat_interleave.self_int", "repeat_interleave.self_Tensor")
def repeat_interleave(call: Call, x: Any, repeats: Any, dim: int | None = None, **_: Any) -> Any:
    """Return x with each element repeated."""
    return np.repeat(x, repeats, axis=dim)


@carries("cat", "concat", "concatenate")
def cat(call: Call, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return arrays concatenated; PyTorch skips empty vectors among arrays with more axes."""
    wide = max(x.ndim for x in tensors)
    kept = [x for x in tensors if x.ndim == wide or x.shape != (0,)]
    return concatenate([x if x.dtype == call.dtype else x.astype(call.dtype) for x in kept], axis=dim)


@carries("stack")
def stacked(call: Call, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return arrays stacked along a new axis."""
    return stack([x if x.dtype == call.dtype else x.astype(call.dtype) for x in tensors], axis=dim)


@carries("split.Tensor", "split_copy.Tensor", "split")
def split(call: Call, x: Any, split_size: Any, dim: int = 0) -> Any:
    """Return pieces of one length, the last of which may be shorter, or of the listed lengths."""
    if not isinstance(split_size, int):
        return split_with_sizes(call, x, split_size, dim)
    total = x.shape[dim]
    cuts = range(0, max(total, 1), split_size) if split_size else [0]
    return tuple(along(x, dim, slice(k, k + split_size)) for k in cuts)


@carries("split_with_sizes", "split_with_sizes_copy")
def split_with_sizes(call: Call, x: Any, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """Return pieces of the listed lengths."""
    ends = np.cumsum(split_sizes)
    return tuple(along(x, dim, slice(int(end) - n, int(end))) for n, end in zip(split_sizes, ends, strict=True))


@carries("chunk")
def chunk(call: Call, x: Any, chunks: int, dim: int = 0) -> Any:
    """Return a number of pieces, the last of which may be shorter."""
    return split(call, x, -(-x.shape[dim] // chunks), dim)


@carries("unbind.int")
def unbind(call: Call, x: Any, dim: int = 0) -> Any:
    """Return the slices along an axis."""
    return tuple(along(x, dim, k) for k in range(x.shape[dim]))


@carries("flip")
def flip(call: Call, x: Any, dims: Sequence[int]) -> Any:
    """Return x with axes reversed."""
    return np.flip(x, tuple(dims))


@carries("roll")
def roll(call: Call, x: Any, shifts: Any, dims: Any = ()) -> Any:
    """Return x shifted cyclically along axes."""
    shifts = [shifts] if isinstance(shifts, int) else shifts
    if not dims:
        return np.roll(x, shifts[0])
    for shift, axis in zip(shifts, [dims] if isinstance(dims, int) else dims, strict=True):
        x = np.roll(x, shift, axis=axis)
    return x


@carries("rot90")
def rot90(call: Call, x: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Return x rotated by k right angles in the plane of two axes."""
    first, second = dims
    return np.rot90(x, k, (first, second))


@carries("diagonal", "diagonal_copy")
def diagonal(call: Call, x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a diagonal as the last axis."""
    return diagonal_of(x, offset, dim1, dim2)


@carries("diag_embed")
def diag_embed(call: Call, x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return matrices with x on a diagonal."""
    n = x.shape[-1] + abs(offset)
    eye = np.eye(x.shape[-1], n, max(offset, 0), dtype=x.dtype)
    rows = x[..., None] * eye
    if offset < 0:
        rows = np.swapaxes(x[..., None] * np.eye(x.shape[-1], n, -offset, dtype=x.dtype), -1, -2)
    elif offset > 0:
        rows = np.pad(rows, [(0, 0)] * (x.ndim - 1) + [(0, offset), (0, 0)])
    if offset < 0:
        rows = np.pad(rows, [(0, 0)] * x.ndim + [(0, -offset)])
    return moveaxis(rows, (-2, -1), (dim1, dim2))


@carries("tril")
def tril(call: Call, x: Any, diagonal: int = 0) -> Any:
    """Return x with zeros above a diagonal."""
    return np.tril(x, diagonal)


@carries("triu")
def triu(call: Call, x: Any, diagonal: int = 0) -> Any:
    """Return x with zeros below a diagonal."""
    return np.triu(x, diagonal)


# Padding


@carries("constant_pad_nd")
def constant_pad(call: Call, x: Any, pad: Sequence[int], value: Any = 0) -> Any:
    """Return x padded with one value on its last axes; negative padding crops."""
    if call.dtype.kind != "f":
        return (
            functional.pad(x, pad, "constant", 1).astype(bool) if value is True else functional.pad(x, pad, value=value)
        )
    return functional.pad(x, pad, "constant", float(value))


@carries("pad")
def pad(call: Call, x: Any, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Any:
    """Return x padded on its last axes."""
    if mode == "constant":
        return constant_pad(call, x, pad, 0 if value is None else value)
    return functional.pad(x, pad, mode)


def _border(mode: str) -> Any:
    def carry_out(call: Call, x: Any, padding: Sequence[int]) -> Any:
        return functional.pad(x, padding, mode)

    return carry_out


for _axes in (1, 2, 3):
    carries(f"reflection_pad{_axes}d")(_border("reflect"))
    carries(f"replication_pad{_axes}d")(_border("replicate"))
carries("_pad_circular")(_border("circular"))


# Channels


@carries("pixel_shuffle")
def pixel_shuffle(call: Call, x: Any, upscale_factor: int) -> Any:
    """Turn `[..., C r², H, W]` into `[..., C, H r, W r]`: channels become squares of pixels."""
    r, (channels, height, width) = upscale_factor, x.shape[-3:]
    parts = reshaped(x, (*x.shape[:-3], channels // (r * r), r, r, height, width))
    return reshaped(_interleaved(parts), (*x.shape[:-3], channels // (r * r), height * r, width * r))


def _interleaved(parts: Any) -> Any:
    lead = tuple(range(parts.ndim - 5))
    channel, across, down, height, width = range(parts.ndim - 5, parts.ndim)
    return transpose(parts, (*lead, channel, height, across, width, down))


@carries("pixel_unshuffle")
def pixel_unshuffle(call: Call, x: Any, downscale_factor: int) -> Any:
    """Turn `[..., C, H r, W r]` into `[..., C r², H, W]`: squares of pixels become channels."""
    r, (channels, height, width) = downscale_factor, x.shape[-3:]
    parts = reshaped(x, (*x.shape[:-3], channels, height // r, r, width // r, r))
    lead = tuple(range(parts.ndim - 5))
    channel, down, across_of, along_of, wide = range(parts.ndim - 5, parts.ndim)
    turned = transpose(parts, (*lead, channel, across_of, wide, down, along_of))
    return reshaped(turned, (*x.shape[:-3], channels * r * r, height // r, width // r))


@carries("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: Call, x: Any, groups: int) -> Any:
    """Return `[B, C, …]` with the channels of the groups interleaved."""
    parts = reshaped(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return reshaped(np.swapaxes(parts, 1, 2), x.shape)


@carries("broadcast_tensors")
def broadcast_tensors(call: Call, tensors: Sequence[Any]) -> Any:
    """Return arrays broadcast to their common shape."""
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(broadcast_to(arrayed(x), shape) for x in tensors)


@carries("meshgrid")
def meshgrid(call: Call, tensors: Sequence[Any], *, indexing: Literal["ij", "xy"] = "ij") -> Any:
    """Return the coordinate arrays of a grid."""
    return tuple(np.meshgrid(*tensors, indexing=indexing))
