r"""Convolution with kernels of 3×3 by Winograd's F(2×2, 3×3): 16 multiplications where the definition has 36.

A tile of 2×2 results is $A^T [(G g G^T) \odot (B^T d B)] A$ for a kernel g and the 4×4 elements d under it. Summed over
the channels, each of the 16 products is a matrix product over all tiles of a batch, which BLAS does. The transforms are
sums and differences, along the channels, which lie innermost for that. All of it is linear in each array, so the
gradient of the kernels is $G^T [(B^T d B) \odot (A\,\bar y\,A^T)]\,G$, and that of the images a convolution with the
kernels turned around.

An infinity or NaN spreads over its whole tile through these differences; a result that has one is computed again
without them. `correlate`, `spread` and `weigh` take and return what those of `passes` do.

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks" (2016); Winograd, "Arithmetic complexity of
computations" (1980).
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.native.tasks import Function, Task, run_once
from chainrule.kernels.openblas import one_thread
from chainrule.kernels.pool import split

from .flat import Geometry, Ints

Array = Any
Rows = tuple[tuple[int, ...], ...]

IMAGES: Rows = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
"""Bᵀ, which the elements under a tile are multiplied with."""
RESULTS: Rows = ((1, 1, 1, 0), (0, 1, -1, -1))
"""Aᵀ, which makes a tile of results."""
COTANGENTS: Rows = tuple(zip(*RESULTS, strict=True))
"""A, which the cotangent of a tile is multiplied with."""
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
KERNELS = np.kron(_G, _G)
"""G, which kernels are multiplied with, on both sides: 16 numbers of the 9 of a kernel."""
LEAST = 32
"""The fewest channels, of images and of results, for which the products outweigh the transforms."""
TILES = 128
"""About how many tiles are worked on at once: their 16 matrices have to stay in cache."""
POSITIONS = 512
"""The fewest positions, of a whole batch, for which the products outweigh the transforms of the kernels."""
USED = 0.7
"""The fraction of the tiles' results that must lie in the image."""


@dataclass(frozen=True)
class Tiling:
    """The tiles of a result of `out` rows and columns: how many there are along each axis."""

    out: Ints

    @property
    def counts(self) -> Ints:
        """The tiles along both axes; the last ones may reach beyond the result."""
        return (self.out[0] + 1) // 2, (self.out[1] + 1) // 2

    @property
    def count(self) -> int:
        """How many tiles an image has."""
        return math.prod(self.counts)

    @property
    def under(self) -> Ints:
        """The size of the padded image under all tiles."""
        return 2 * self.counts[0] + 2, 2 * self.counts[1] + 2

    @property
    def over(self) -> Ints:
        """The size of the result that all tiles make."""
        return 2 * self.counts[0], 2 * self.counts[1]

    @property
    def at_once(self) -> int:
        """How many images to work on at once."""
        return max(TILES // self.count, 1)


def pays(geometry: Geometry, w_shape: Ints, size: Ints, groups: int, batch: int) -> bool:
    """Whether kernels are 3×3, in steps of one, with enough channels and, on images of a size, enough whole tiles.

    The kernels are transformed in every call, which costs as much as hundreds of positions.
    """
    if groups != 1 or len(size) != 2 or geometry.kernel != (1, 3, 3) or {*geometry.stride, *geometry.dilation} != {1}:
        return False
    out = geometry.count((1, *size))[1:]
    is_worth_it = min(w_shape[:2]) >= LEAST and max(*geometry.before, *geometry.after) <= 2
    is_worth_it = is_worth_it and batch * math.prod(out) >= POSITIONS
    return is_worth_it and math.prod(out) >= max(USED * 4 * Tiling(out).count, 1)


@functools.lru_cache(256)
def _transform(dtype: Any, rows: Rows, channels: int, is_from_image: bool) -> str:
    """Return the code that sets T to R d Rᵀ for a range of images, where R has `rows` and d is a tile of an image.

    Images are `[B, height, width, C]` and T is `[4, 4, tiles, C]`, or the other way round: then d is a tile of T. Tiles
    of images are two elements apart. Its numbers are those of the tiles along both axes, the size of an image, and the
    size of a matrix of T.
    """
    function = Function([dtype, dtype], 5)
    (source, target), code, (high, wide, height, width, apart) = function.places, function.code, function.numbers
    with code.loop(function.begin, function.end) as b, code.loop(0, high) as r, code.loop(0, wide) as t:
        corner = ((b * height + r * 2) * width + t * 2) * channels
        tile = ((b * high + r) * wide + t) * channels
        with code.loop(0, channels) as c:

            def in_image(i: int, j: int) -> Any:
                return corner + c + (width * i + j) * channels

            def in_matrices(i: int, j: int) -> Any:
                return tile + c + apart * (4 * i + j)

            read, write = (in_image, in_matrices) if is_from_image else (in_matrices, in_image)
            size = len(rows[0])
            d = [[source[read(i, j)] for j in range(size)] for i in range(size)]
            left = [[_combined(row, [d[i][j] for i in range(size)]) for j in range(size)] for row in rows]
            for i, line in enumerate(left):
                for j, row in enumerate(rows):
                    target[write(i, j)] = _combined(row, line)
    return function.text()


def _combined(factors: tuple[int, ...], values: list[Any]) -> Any:
    """Return the sum of some values and the negatives of others."""
    added, taken = ([v for f, v in zip(factors, values, strict=True) if f == sign] for sign in (1, -1))
    total = functools.reduce(lambda a, b: a + b, added) if added else -taken.pop()
    return functools.reduce(lambda a, b: a - b, taken, total)


class _Block:
    """Memory for some images at once: the images with their channels innermost, and the 16 matrices of their tiles."""

    def __init__(self, rows: Rows, dtype: Any, images: int, channels: int, size: Ints, tiles: Ints) -> None:
        self.images = np.zeros((images, *size, channels), dtype)
        self.matrices = np.empty((16, images * math.prod(tiles), channels), dtype)
        is_from_image = rows is not RESULTS
        arrays = (self.images, self.matrices) if is_from_image else (self.matrices, self.images)
        text = _transform(self.images.dtype, rows, channels, is_from_image)
        self.task = Task(text, arrays, [*tiles, *size, self.matrices[0].size])

    def run(self, count: int) -> None:
        """Transform the first images."""
        self.task.end = count
        run_once(self.task)

    def transformed(self, x: Array, corner: Ints) -> Array:
        """Return the matrices of images `[b, C, H, W]` that are laid out from a corner on."""
        inside = (slice(p, p + n) for p, n in zip(corner, x.shape[2:], strict=True))
        # Made contiguous first: channels that lie a whole batch apart would evict one another from the cache.
        self.images[(slice(0, len(x)), *inside)] = np.ascontiguousarray(x).transpose(0, 2, 3, 1)
        self.run(len(x))
        return self.matrices[:, : len(x) * (self.matrices.shape[1] // len(self.images))]


def _parts(begin: int, end: int, step: int) -> Iterator[slice]:
    return (slice(b, min(b + step, end)) for b in range(begin, end, step))


def _weights(w: Array) -> Array:
    """Return the 16 matrices `[16, O, C]` of kernels `[O, C, 3, 3]`."""
    return (KERNELS.astype(w.dtype) @ w.reshape(-1, 9).T).reshape(16, *w.shape[:2])


def _correlated(x: Array, weights: Array, y: Array, before: Ints) -> Array:
    """Set y `[B, O, h, w]` to what kernels make of x `[B, C, H, W]`, given their matrices `[16, C, O]`; return y."""
    tiling = Tiling(y.shape[2:])

    def run(begin: int, end: int) -> None:
        step = min(tiling.at_once, end - begin)
        under = _Block(IMAGES, x.dtype, step, x.shape[1], tiling.under, tiling.counts)
        over = _Block(RESULTS, x.dtype, step, y.shape[1], tiling.over, tiling.counts)
        for part in _parts(begin, end, step):
            matrices = under.transformed(x[part], before)
            np.matmul(matrices, weights, out=over.matrices[:, : matrices.shape[1]])
            over.run(part.stop - part.start)
            whole = over.images[: part.stop - part.start, : tiling.out[0], : tiling.out[1]]
            y[part] = whole.transpose(0, 3, 1, 2)

    with one_thread():
        split(run, len(x), float(y.size) * x.shape[1] * 9)
    return y


def correlate(x: Array, w: Array, geometry: Geometry, groups: int) -> Array:  # noqa: ARG001
    """Return the images that kernels make of images."""
    out = geometry.count((1, *x.shape[2:]))[1:]
    y = outputs.empty((len(x), len(w), *out), x.dtype)
    # BLAS takes four times as long to pack a second factor that is transposed, and packs it for each block of tiles.
    weights = np.ascontiguousarray(_weights(w).swapaxes(1, 2))
    return _correlated(x, weights, y, geometry.before[1:])


def spread(z: Array, w: Array, geometry: Geometry, groups: int, size: Ints) -> Array:  # noqa: ARG001
    """Return the images of a size to which every element of z adds its kernel."""
    y = outputs.empty((len(z), w.shape[1], *size), z.dtype)
    before = tuple(2 - p for p in geometry.before[1:])
    return _correlated(z, _weights(w[:, :, ::-1, ::-1]), y, before)


def weigh(x: Array, z: Array, geometry: Geometry, groups: int) -> Array:  # noqa: ARG001
    """Return kernels, each element a sum of products of images and z."""
    tiling = Tiling(z.shape[2:])
    parts: dict[int, Array] = {}

    def run(begin: int, end: int) -> None:
        step = min(tiling.at_once, end - begin)
        under = _Block(IMAGES, x.dtype, step, x.shape[1], tiling.under, tiling.counts)
        over = _Block(COTANGENTS, x.dtype, step, z.shape[1], tiling.over, tiling.counts)
        total = parts[begin] = np.zeros((16, z.shape[1], x.shape[1]), x.dtype)
        for part in _parts(begin, end, step):
            factors = over.transformed(z[part], (0, 0)).swapaxes(1, 2)
            total += factors @ under.transformed(x[part], geometry.before[1:])

    with one_thread():
        split(run, len(x), float(z.size) * x.shape[1] * 9)
    first, *others = (parts[begin] for begin in sorted(parts))
    sums = sum(others, first).reshape(16, -1)
    return (sums.T @ KERNELS.astype(x.dtype)).reshape(z.shape[1], x.shape[1], 3, 3)
