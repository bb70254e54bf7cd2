r"""Convolution, as networks call the cross-correlation, over any number of axes.

With the images x `[B, C, size]`, the kernels w `[O, C / G, kernel]` and what lies under them in `windows`, it is the
form

$$F(x, w, z) = \sum_{b, o, i, c, k} x_{b, c, s i + d k - p}\,w_{o, c, k}\,z_{b, o, i}$$

that is linear in each of three arrays. Its derivatives with respect to z, x and w are the three operations here, so the
adjoints of each are the other two, to any order of derivative. With G groups, output channel o sees only the input
channels of its group.

Each is a matrix product with the columns that `Unfold` would make, but these are written block by block into one buffer
that stays in cache. (Chellapilla, Puri & Simard, "High performance convolutional neural networks for document
processing", 2006, section 3.)

For large enough problems, `chainrule.kernels.convolution.passes` does the same without columns.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Bilinear
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import Done, Mine, Settings, Values, everywhere
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.rules.arrays.windows import Ints, Windows, geometry

from . import proofs_of_windows as proofs_of

BUFFER = 2**19
"""How many column elements are made at once, unless one row of positions needs more."""
FEW = 64
"""With fewer positions than this in an image, the images of a batch share one matrix product."""
KERNEL_FROM = 2**22
"""Kernels are used from this many multiplications on: NumPy takes less than half a millisecond for fewer, and a program
that never has more does not wait for a compiler."""
ALONE = 16
"""A multiplication costs NumPy this many times as much where each channel has a kernel of its own."""
FILLED = 0.6
"""The fraction of a kernel's work that must be useful for it to beat a matrix product over the batch."""
SHAPES = (
    ((2, 3, 6), (4, 3, 2), Windows.of((2,)), 1),
    ((2, 4, 7), (2, 2, 3), Windows.of((3,), stride=2, padding=1), 2),
    ((2, 2, 5, 6), (3, 2, 2, 3), Windows.of((2, 3), (2, 1), ((0, 1), (2, 1)), (1, 2)), 1),
    ((1, 2, 4, 3), (4, 1, 3, 3), Windows.of((3, 3), padding=1), 2),
    ((1, 1, 3, 3, 4), (2, 1, 2, 1, 2), Windows.of((2, 1, 2), stride=2), 1),
    ((0, 2, 4), (3, 2, 2), Windows.of((2,)), 1),
)
"""Images, kernels, windows and groups that the operations are tested with."""


def _check(x_shape: Ints, w_shape: Ints, windows: Windows, groups: int) -> Ints:
    """Return the positions along each axis; a ValueError unless images and kernels fit each other."""
    axes = windows.axes
    if len(x_shape) != axes + 2 or len(w_shape) != axes + 2 or w_shape[2:] != windows.kernel:
        kernel = ", ".join(map(str, windows.kernel))
        raise ValueError(f"expected images [B, C, {axes} axes] and kernels [O, C / groups, {kernel}]")
    if x_shape[1] != groups * w_shape[1] or w_shape[0] % groups:
        raise ValueError(
            f"expected images with groups * {w_shape[1]} channels and kernels that make up equal groups, got "
            f"{x_shape[1]} channels and {w_shape[0]} kernels in {groups} groups"
        )
    return windows.count(x_shape[2:])


def _check_output(z_shape: Ints, x_shape: Ints, w_shape: Ints, windows: Windows, groups: int) -> None:
    expected = (x_shape[0], w_shape[0], *_check(x_shape, w_shape, windows, groups))
    if z_shape != expected:
        raise ValueError(f"expected {list(expected)}, which such kernels make of images {list(x_shape)}")


# One product for all images, or one each: batch and channels are swapped, and the batch becomes an axis along which the
# kernel has one tap.


def _with_batch(windows: Windows) -> Windows:
    return Windows((1, *windows.kernel), (1, *windows.stride), ((0, 0), *windows.padding), (1, *windows.dilation))


def _as_axis(x: Array) -> Array:
    """Return `[B, C, …]` as the one image `[1, C, B, …]`."""
    return x.swapaxes(0, 1)[None]


def _as_batch(x: Array) -> Array:
    """Undo `_as_axis`."""
    return x[0].swapaxes(0, 1)


# The three operations on plain arrays. In the products, matrix rows are channels and columns positions.


def _blocks(windows: Windows, samples: int, channels: int, out: Ints) -> Iterator[tuple[slice, slice, slice]]:
    """Cut a batch into blocks: samples, their positions along the first axis, and the elements these lie over."""
    row = max(channels * windows.places * math.prod(out[1:]), 1)
    rows = min(max(BUFFER // row, 1), out[0])
    count = max(BUFFER // (row * out[0]), 1)
    stride, span = windows.stride[0], windows.span[0]
    for b in range(0, samples, count):
        for r in range(0, out[0], rows):
            end = min(r + rows, out[0])
            yield slice(b, min(b + count, samples)), slice(r, end), slice(r * stride, (end - 1) * stride + span)


def _matrices(x: Array, groups: int) -> Array:
    """Return `[B, C, …]` as matrices `[B, groups, C / groups, …]`; a view where the positions are contiguous."""
    return x.reshape((len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:])))


def _kernels(w: Array, groups: int) -> Array:
    return w.reshape((groups, len(w) // groups, math.prod(w.shape[1:])))


def _columns(x: Array, groups: int) -> Array:
    """Return `[B, C, places of the kernel, …]` as matrices `[B, groups, C / groups * places, …]`."""
    return _matrices(x.reshape((len(x), x.shape[1] * x.shape[2], *x.shape[3:])), groups)


class _Buffer:
    """Memory for the columns of one block, `[B, C, taps, *out]`, reused for the next."""

    def __init__(self, dtype: Array) -> None:
        self._memory = np.empty(0, dtype)

    def shaped(self, *shape: int) -> Array:
        size = math.prod(shape)
        if self._memory.size < size:
            self._memory = np.empty(size, self._memory.dtype)
        return self._memory[:size].reshape(shape)

    def under(self, windows: Windows, x: Array, out: Ints) -> Array:
        """Return what lies under the kernel at `out` positions over padded images."""
        columns = self.shaped(*x.shape[:2], windows.places, *out)
        for k, offset in enumerate(windows.offsets):
            columns[:, :, k] = x[windows.at(offset, out)]
        return columns


def correlate(x: Array, w: Array, windows: Windows, groups: int) -> Array:
    """Return the images that kernels make of images."""
    out = windows.count(x.shape[2:])
    if math.prod(out) < FEW and len(x) > 1:
        return _as_batch(correlate(_as_axis(x), w[:, :, None], _with_batch(windows), groups))
    padded, kernels, buffer = windows.padded(x), _kernels(w, groups), _Buffer(x.dtype)
    y = np.empty((len(x), len(w), *out), x.dtype)
    for samples, rows, under in _blocks(windows, len(x), x.shape[1], out):
        block = y[samples, :, rows]
        columns = buffer.under(windows, padded[samples, :, under], block.shape[2:])
        np.matmul(kernels, _columns(columns, groups), out=_matrices(block, groups))
    return y


def spread(z: Array, w: Array, windows: Windows, groups: int, size: Ints) -> Array:
    """Return the images of a size to which every element of z adds its kernel."""
    if math.prod(z.shape[2:]) < FEW and len(z) > 1:
        size = (len(z), *size)
        return _as_batch(spread(_as_axis(z), w[:, :, None], _with_batch(windows), groups, size))
    kernels, buffer, channels = _kernels(w, groups).swapaxes(-1, -2), _Buffer(z.dtype), groups * w.shape[1]
    full = np.zeros((len(z), channels, *windows.full(size)), z.dtype)
    for samples, rows, under in _blocks(windows, len(z), channels, z.shape[2:]):
        block = z[samples, :, rows]
        columns = buffer.shaped(len(block), channels, windows.places, *block.shape[2:])
        np.matmul(kernels, _matrices(block, groups), out=_columns(columns, groups))
        target = full[samples, :, under]
        for k, offset in enumerate(windows.offsets):
            target[windows.at(offset, block.shape[2:])] += columns[:, :, k]
    return windows.cut(full, size)


def weigh(x: Array, z: Array, windows: Windows, groups: int) -> Array:
    """Return kernels `[O, C / groups, kernel]`, each element a sum of products of images and z."""
    if len(x) > 1 and x.shape[1] * windows.places * math.prod(z.shape[2:]) <= BUFFER:
        return weigh(_as_axis(x), _as_axis(z), _with_batch(windows), groups)[:, :, 0]
    padded, buffer, channels = windows.padded(x), _Buffer(x.dtype), x.shape[1] // groups
    y = np.zeros((groups, z.shape[1] // groups, channels * windows.places), x.dtype)
    for samples, rows, under in _blocks(windows, len(x), x.shape[1], z.shape[2:]):
        block = z[samples, :, rows]
        columns = buffer.under(windows, padded[samples, :, under], block.shape[2:])
        y += np.matmul(_matrices(block, groups), _columns(columns, groups).swapaxes(-1, -2)).sum(axis=0)
    return y.reshape((z.shape[1], channels, *windows.kernel))


# The same by kernels.


@functools.lru_cache(256)
def pays(
    least: int, dtype: Any, batch: int, size: Ints, w_shape: Ints, windows: Windows, groups: int, useful: float = FILLED
) -> bool:
    """Whether compiled kernels apply and are faster: there is enough work, and images are larger than kernels."""
    products = batch * math.prod(windows.count(size)) * math.prod(w_shape)
    if groups > 1 and w_shape[1] == 1:
        products *= ALONE
    if not HAS_COMPILER or products < least or windows.axes > 3 or dtype not in (np.float32, np.float64):
        return False
    from chainrule.kernels.convolution.flat import filled
    from chainrule.kernels.convolution.passes import without_tiles

    found = geometry(windows)
    if without_tiles(found, w_shape, groups, size, batch) is not None:
        return True  # no position is computed in vain
    return filled(found, (1,) * (3 - len(size)) + size) > useful


def _correlated(x: Array, w: Array, windows: Windows, groups: int) -> Array:
    if not pays(KERNEL_FROM, x.dtype, len(x), x.shape[2:], w.shape, windows, groups):
        return correlate(x, w, windows, groups)
    from chainrule.kernels.convolution import passes as kernels

    return kernels.correlate(x, w, geometry(windows), groups)


def _spread(z: Array, w: Array, windows: Windows, groups: int, size: Ints) -> Array:
    # The kernel multiplies w by zeros around z as well, which infinity would make NaN.
    if not pays(KERNEL_FROM, z.dtype, len(z), size, w.shape, windows, groups) or not np.isfinite(w).all():
        return spread(z, w, windows, groups, size)
    from chainrule.kernels.convolution import passes as kernels

    return kernels.spread(z, w, geometry(windows), groups, size)


def _weighed(x: Array, z: Array, windows: Windows, groups: int) -> Array:
    w_shape = (z.shape[1], x.shape[1] // groups, *windows.kernel)
    if pays(KERNEL_FROM, x.dtype, len(x), x.shape[2:], w_shape, windows, groups):
        from chainrule.kernels.convolution import passes as kernels

        y = kernels.weigh(x, z, geometry(windows), groups)
        if np.isfinite(y).all():  # x is multiplied by zeros between the rows of z as well
            return y
    return weigh(x, z, windows, groups)


def _computed(run: Callable[..., Array], a: Array, b: Array, *settings: Any) -> Array:
    """Run one of the three in the common dtype of its arrays, float16 in float32."""
    dtype = np.result_type(a, b)
    inner = np.result_type(dtype, np.float32)
    return run(np.asarray(a, inner), np.asarray(b, inner), *settings).astype(dtype, copy=False)


# Many images, kernels or results at once: what differs only in its images is a larger batch; kernels that differ are
# more groups of channels.


def _as_more_images(values: Values, settings: Settings, apply: Callable[..., Array]) -> Done:
    """Apply an operation of images, whose kernels are the same throughout, to a stack of images."""
    x, w = values
    y = apply(x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])), w, **settings)
    return Done(y.reshape((*x.shape[:2], *y.shape[1:])))


def _as_channels(x: Array) -> Array:
    """Return a stack of images, `[S, B, C, …]`, as images with more channels, `[B, S C, …]`."""
    x = np.swapaxes(x, 0, 1)
    return x.reshape((x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


def _with_kernels(values: Values, mine: Mine, settings: Settings, apply: Callable[..., Array]) -> Done:
    """Apply an operation of images and kernels to a stack of both."""
    x, w = everywhere(values, mine)
    y = apply(
        _as_channels(x),
        w.reshape((w.shape[0] * w.shape[1], *w.shape[2:])),
        **{**settings, "groups": len(w) * settings["groups"]},
    )
    y = y.reshape((y.shape[0], w.shape[0], y.shape[1] // max(w.shape[0], 1), *y.shape[2:]))
    return Done(np.swapaxes(y, 0, 1))


class Convolution(Bilinear):
    r"""y_{b, o, i} = \sum_{c, k} w_{o, c, k}\,x_{b, c, s i + d k - p}"""

    proofs = proofs_of.CONVOLUTION
    role = Role.CONVOLUTION
    letters = {"w": "W", "y": "z"}
    cases = tuple(case(x, w, windows=windows, groups=groups) for x, w, windows, groups in SHAPES)

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:
        if not mine[1]:
            return _as_more_images(values, settings, Convolution.apply)
        return _with_kernels(values, mine, settings, Convolution.apply)

    @staticmethod
    def primal(x: Array, w: Array, *, windows: Windows, groups: int = 1) -> Array:
        _check(x.shape, w.shape, windows, groups)
        return _computed(_correlated, x, w, windows, groups)

    @staticmethod
    def adjoint_x(y_bar: Array, w: Array, x_shape: Ints, *, windows: Windows, groups: int) -> Array:
        r"""\bar x_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,\bar y_{b, o, i}"""
        return ConvolutionTranspose.apply(y_bar, w, windows=windows, groups=groups, size=x_shape[2:])

    @staticmethod
    def adjoint_w(y_bar: Array, x: Array, *, windows: Windows, groups: int) -> Array:
        r"""\bar w_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,\bar y_{b, o, i}"""
        return ConvolutionKernel.apply(x, y_bar, windows=windows, groups=groups)


class ConvolutionTranspose(Bilinear):
    r"""y_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,z_{b, o, i}

    Every element of z adds its kernel to images of `size`: the adjoint of `Convolution` with respect to its images.
    """

    proofs = proofs_of.CONVOLUTION_TRANSPOSE
    cases = tuple(
        case((x[0], w[0], *windows.count(x[2:])), w, windows=windows, groups=groups, size=x[2:])
        for x, w, windows, groups in SHAPES
    )

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:
        if not mine[1]:
            return _as_more_images(values, settings, ConvolutionTranspose.apply)
        return _with_kernels(values, mine, settings, ConvolutionTranspose.apply)

    @staticmethod
    def primal(z: Array, w: Array, *, windows: Windows, groups: int = 1, size: Ints = ()) -> Array:
        x_shape = (len(z), groups * w.shape[1], *size)
        _check_output(z.shape, x_shape, w.shape, windows, groups)
        return _computed(_spread, z, w, windows, groups, size)

    @staticmethod
    def adjoint_z(y_bar: Array, w: Array, *, windows: Windows, groups: int) -> Array:
        r"""\bar z_{b, o, i} = \sum_{c, k} w_{o, c, k}\,\bar y_{b, c, s i + d k - p}"""
        return Convolution.apply(y_bar, w, windows=windows, groups=groups)

    @staticmethod
    def adjoint_w(y_bar: Array, z: Array, *, windows: Windows, groups: int) -> Array:
        r"""\bar w_{o, c, k} = \sum_{b, i} \bar y_{b, c, s i + d k - p}\,z_{b, o, i}"""
        return ConvolutionKernel.apply(y_bar, z, windows=windows, groups=groups)


class ConvolutionKernel(Bilinear):
    r"""y_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,z_{b, o, i}

    The adjoint of `Convolution` with respect to its kernels.
    """

    cases = tuple(
        case(x, (x[0], w[0], *windows.count(x[2:])), windows=windows, groups=groups) for x, w, windows, groups in SHAPES
    )

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:
        x, z = everywhere(values, mine)
        size, groups = len(x), settings["groups"]
        y = ConvolutionKernel.apply(_as_channels(x), _as_channels(z), **{**settings, "groups": size * groups})
        return Done(y.reshape((size, z.shape[2], *y.shape[1:])))

    @staticmethod
    def primal(x: Array, z: Array, *, windows: Windows, groups: int = 1) -> Array:
        w_shape = (z.shape[1], x.shape[1] // groups, *windows.kernel)
        _check_output(z.shape, x.shape, w_shape, windows, groups)
        return _computed(_weighed, x, z, windows, groups)

    @staticmethod
    def adjoint_x(y_bar: Array, z: Array, x_shape: Ints, *, windows: Windows, groups: int) -> Array:
        r"""\bar x_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} \bar y_{o, c, k}\,z_{b, o, i}"""
        return ConvolutionTranspose.apply(z, y_bar, windows=windows, groups=groups, size=x_shape[2:])

    @staticmethod
    def adjoint_z(y_bar: Array, x: Array, *, windows: Windows, groups: int) -> Array:
        r"""\bar z_{b, o, i} = \sum_{c, k} \bar y_{o, c, k}\,x_{b, c, s i + d k - p}"""
        return Convolution.apply(x, y_bar, windows=windows, groups=groups)
