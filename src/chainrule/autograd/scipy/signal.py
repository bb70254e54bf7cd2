"""autograd.scipy.signal: `convolve`, along some axes of arrays, with products summed over others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operands.foreign import numbers
from chainrule.nn.functional import convolutions

__all__ = ["convolve"]

Axes = Sequence[Sequence[int]]


def convolve(A: Any, B: Any, axes: Axes | None = None, dot_axes: Axes | None = None, mode: str = "full") -> Any:
    """Return the convolution of two arrays along `axes`, a sequence of axes for each of them; by default all.

    Products are summed over the pairs of axes in `dot_axes`. The axes of the result are the other ones of A, those of
    B, then those of the convolution, of all overlaps ("full"), complete ones ("valid"), or as many as in A ("same").

    Raises ValueError for an unknown mode, for more than three axes to convolve along, and in mode "valid" unless one
    array is at least as long as the other along all of them.

    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]))
    array([0., 1., 2., 3.])
    """
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"convolve: got mode={mode!r}, expected 'full', 'valid' or 'same'")
    A, B = numbers(A), numbers(B)
    along = [list(range(A.ndim)), list(range(B.ndim))] if axes is None else [list(part) for part in axes]
    dotted = [[], []] if dot_axes is None else [list(part) for part in dot_axes]
    if len(along[0]) != len(along[1]) or len(along[0]) > 3:
        raise ValueError(f"convolve: got axes={axes}, expected as many of A as of B, and at most three")
    if not along[0]:
        return np.tensordot(A, B, axes=dotted)  # type: ignore[call-overload]
    shorter = [A.shape[i] < B.shape[j] for i, j in zip(*along, strict=True)]
    if mode == "valid" and any(shorter):
        if any(A.shape[i] > B.shape[j] for i, j in zip(*along, strict=True)):
            raise ValueError("convolve: with mode='valid' one array must be the longer one along all axes")
        y = convolve(B, A, along[::-1], dotted[::-1], mode)
        of_a, of_b = (x.ndim - len(along[0]) - len(dotted[0]) for x in (A, B))
        return np.moveaxis(y, range(of_b, of_b + of_a), range(of_a))
    return _by_kernels(A, B, along, dotted, mode)


def _by_kernels(A: Any, B: Any, along: Axes, dotted: Axes, mode: str) -> Any:
    """Return the convolution, as that of images with the channels of B reversed along the axes."""
    count = len(along[0])
    (images, rest_a), (kernels, rest_b) = _layered(A, along[0], dotted[0]), _layered(B, along[1], dotted[1])
    kernels = np.flip(kernels, axis=tuple(range(2, 2 + count)))
    sizes = [B.shape[j] for j in along[1]]
    padding = tuple(0 if mode == "valid" else n - 1 for n in sizes)
    convolution = (convolutions.conv1d, convolutions.conv2d, convolutions.conv3d)[count - 1]
    y = convolution(images, kernels, padding=padding)
    if mode == "same":
        cuts = [slice((n - 1) // 2, (n - 1) // 2 + A.shape[i]) for n, i in zip(sizes, along[0], strict=True)]
        y = y[(slice(None), slice(None), *cuts)]
    return y.reshape((*rest_a, *rest_b, *y.shape[2:]))


def _layered(x: Any, along: Sequence[int], dotted: Sequence[int]) -> tuple[Any, tuple[int, ...]]:
    """Return an array as [others, summed over, convolved along …], and the lengths of the others."""
    others = [k for k in range(x.ndim) if k not in along and k not in dotted]
    lengths = tuple(x.shape[k] for k in others)
    moved = np.transpose(x, (*others, *dotted, *along))
    summed = int(np.prod([x.shape[k] for k in dotted]))
    return moved.reshape((int(np.prod(lengths)), summed, *(x.shape[k] for k in along))), lengths
