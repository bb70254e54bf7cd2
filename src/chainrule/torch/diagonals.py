"""Diagonals and triangles of matrices, and channels as pixels."""

from typing import Any

import numpy as np

from chainrule.core.traces.capturing import example

from .face import faced
from .shapes import sizes
from .values import is_mapped


@faced
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a diagonal of matrices, on a new last axis: a view."""
    found = _slice_of_lines(input, offset) if _are_last(input, dim1, dim2) else None
    return np.diagonal(input, offset, dim1, dim2) if found is None else found


def _are_last(x: Any, dim1: int, dim2: int) -> bool:
    return x.ndim > 1 and (dim1 % x.ndim, dim2 % x.ndim) == (x.ndim - 2, x.ndim - 1)


def _slice_of_lines(x: Any, offset: int) -> Any:
    """Return the diagonal of the last two axes as a slice of matrices in one line each, or None if that is a copy.

    Unlike NumPy's diagonals it can be written to.
    """
    if is_mapped(x) or not np.asarray(example(x)).flags.c_contiguous:
        return None
    rows, columns = x.shape[-2:]
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    start, step = max(offset, 0) + max(-offset, 0) * columns, columns + 1
    line = np.reshape(x, (*x.shape[:-2], rows * columns))
    return line[..., start : start + length * step : step]


@faced
def diag(input: Any, diagonal: int = 0) -> Any:
    """Return the diagonal of a matrix, or the matrix with a diagonal."""
    return np.diag(input, diagonal).copy()


@faced
def diagflat(input: Any, offset: int = 0) -> Any:
    """Return a matrix with the elements on a diagonal."""
    return np.diag(np.reshape(input, (-1,)), offset)


@faced
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return matrices with the last axis on their diagonals."""
    x = np.reshape(input, (1,)) if input.ndim == 0 else input
    n = x.shape[-1] + abs(offset)
    rows = np.arange(x.shape[-1]) + max(-offset, 0)
    hot = np.zeros((x.shape[-1], n, n), x.dtype)
    hot[np.arange(x.shape[-1]), rows, rows + offset] = 1
    if x.dtype.kind == "f":
        zero = np.zeros((), x.dtype)
        made = np.where(hot.any(0), np.sum(np.where(hot != 0, x[..., None, None], zero), axis=-3), zero)
    else:
        made = np.sum(x[..., None, None] * hot, axis=-3).astype(x.dtype)
    return np.moveaxis(made, (-2, -1), (dim1, dim2))


def _check_axes(name: str, x: Any, least: int, most: int = 99) -> None:
    if not least <= x.ndim <= most:
        expected = f"{least}" if least == most else f"{least} or more"
        raise RuntimeError(f"{name}: expected a tensor with {expected} axes, got shape {list(x.shape)}")


@faced
def tril(input: Any, diagonal: int = 0) -> Any:
    """Return the lower triangle of matrices, zero elsewhere."""
    _check_axes("tril", input, 2)
    return np.tril(input, diagonal)


@faced
def triu(input: Any, diagonal: int = 0) -> Any:
    """Return the upper triangle of matrices, zero elsewhere."""
    _check_axes("triu", input, 2)
    return np.triu(input, diagonal)


@faced
def trace(input: Any) -> Any:
    """Return the sum of the diagonal of a matrix."""
    _check_axes("trace", input, 2, 2)
    return np.trace(input)


@faced
def sum_to_size(input: Any, *size: Any) -> Any:
    """Return the tensor summed to a shape that it broadcasts from."""
    wanted = sizes(size)
    extra = input.ndim - len(wanted)
    stretched = [k + extra for k, n in enumerate(wanted) if n == 1 and input.shape[k + extra] != 1]
    return np.reshape(np.sum(input, axis=(*range(extra), *stretched), keepdims=True), wanted)


@faced
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Return r² channels as an image r times as large."""
    r, (*lead, c, h, w) = upscale_factor, input.shape
    x = np.reshape(input, (*lead, c // r**2, r, r, h, w))
    n = len(lead)
    x = np.transpose(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return np.reshape(x, (*lead, c // r**2, h * r, w * r))


@faced
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Return an image as one r times as small, with r² times the channels."""
    r, (*lead, c, h, w) = downscale_factor, input.shape
    x = np.reshape(input, (*lead, c, h // r, r, w // r, r))
    n = len(lead)
    x = np.transpose(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return np.reshape(x, (*lead, c * r**2, h // r, w // r))


@faced
def channel_shuffle(input: Any, groups: int) -> Any:
    """Return the channels of groups interleaved."""
    b, c, *rest = input.shape
    x = np.swapaxes(np.reshape(input, (b, groups, c // groups, *rest)), 1, 2)
    return np.reshape(x, input.shape)
