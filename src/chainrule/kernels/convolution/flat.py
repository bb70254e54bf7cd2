r"""Index arithmetic for a convolution over flattened images, where every position is a single index.

The rows of an image, concatenated with zeros between them for the padding, form one long axis. At position i, element k
of a kernel then reads element $i + o_k$ of that axis, and the offset $o_k$ is the same for all positions: a convolution
is a weighted sum of shifted copies of the axis and needs no column matrix. Positions that run from the end of one row
into the next are computed too and discarded; each row has at most as many of them as it has padding.

With stride s, each kernel element only meets image elements that lie a multiple of s apart. The axis is therefore first
split into its s residues ("phases"), each laid out as above. In a transposed convolution the residues are those of the
result: each is a convolution of its own, with the kernel elements that reach it.

All sizes here are tuples of three; images with fewer axes get leading axes of length one.
"""

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Ints = tuple[int, ...]
Offsets = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class Geometry:
    """A kernel's shape, stride, padding before and after, and dilation, along three axes."""

    kernel: Ints
    stride: Ints
    before: Ints
    after: Ints
    dilation: Ints

    @classmethod
    def of(cls, kernel: Ints, stride: Ints, padding: tuple[tuple[int, int], ...], dilation: Ints) -> "Geometry":
        """Build a geometry from the settings along one to three axes."""
        before, after = (tuple(pair[side] for pair in padding) for side in (0, 1))
        ones = (1,) * (3 - len(kernel))
        zeros = (0,) * len(ones)
        return cls(ones + kernel, ones + stride, zeros + before, zeros + after, ones + dilation)

    def count(self, size: Ints) -> Ints:
        """Return the number of positions along each axis."""
        each = zip(size, self.kernel, self.stride, self.before, self.after, self.dilation, strict=True)
        return tuple((n + p + q - d * (k - 1) - 1) // s + 1 for n, k, s, p, q, d in each)

    @property
    def is_point(self) -> bool:
        """Whether the kernel has one element, and no image is padded."""
        return {*self.kernel} == {1} and {*self.before, *self.after} == {0}

    @property
    def offsets(self) -> list[Ints]:
        """The distance of each kernel element from the first, last axis fastest."""
        axes = (range(0, d * k, d) for k, d in zip(self.kernel, self.dilation, strict=True))
        return list(itertools.product(*axes))


@dataclass(frozen=True)
class Plane:
    """One channel of one image, laid out flat: leading padding, phases, and the size of one phase along each axis."""

    before: Ints
    phases: Ints
    inner: Ints

    @property
    def length(self) -> int:
        """The number of elements."""
        return math.prod(self.phases) * math.prod(self.inner)

    def index(self, place: Ints) -> int:
        """Return the index of an element of the padded image, or of any place shifted from phase zero."""
        phase = inner = 0
        for at, phases, length in zip(place, self.phases, self.inner, strict=True):
            phase, inner = phase * phases + at % phases, inner * length + at // phases
        return phase * math.prod(self.inner) + inner

    @property
    def slack(self) -> int:
        """How many elements past the last plane may be read; they must be zero."""
        return (self.before[1] + 1) * self.inner[2] + self.before[2]

    def reach(self, out: Ints) -> int:
        """Return the number of positions from the first to the last of `out`, discarded ones included."""
        return self.index(tuple((n - 1) * s for n, s in zip(out, self.phases, strict=True))) + 1


def _plane(size: Ints, before: Ints, after: Ints, phases: Ints) -> Plane:
    full = [n + p + q for n, p, q in zip(size, before, after, strict=True)]
    for axis in (1, 2):
        if phases[axis] == 1:  # the zeros after a row are also those before the next
            full[axis] = size[axis] + max(before[axis], after[axis])
    return Plane(before, phases, tuple(-(-n // s) for n, s in zip(full, phases, strict=True)))


def _over_channels(plane: Plane, places: list[Ints], channels: int) -> Offsets:
    """Return the offsets of a kernel's elements across several channels, channels slowest."""
    each = np.array([plane.index(place) for place in places], np.intp)
    return np.add.outer(np.arange(channels, dtype=np.intp) * plane.length, each).reshape(-1)


@functools.lru_cache(256)
def forward(geometry: Geometry, size: Ints, channels: int) -> tuple[Plane, Offsets]:
    """Return the layout of images for a convolution, and the offsets of its kernel elements, channels slowest."""
    plane = _plane(size, geometry.before, geometry.after, geometry.stride)
    return plane, _over_channels(plane, geometry.offsets, channels)


@functools.lru_cache(256)
def filled(geometry: Geometry, size: Ints) -> float:
    """Return the fraction of the computed positions that is used, with vectors of 16 positions."""
    out = geometry.count(size)
    reach = forward(geometry, size, 1)[0].reach(out)
    return math.prod(out) / (-(-reach // 16) * 16)


@dataclass(frozen=True)
class Phase:
    """One residue of a transposed convolution: its first element, its length, and the kernel elements that reach it."""

    start: Ints
    out: Ints
    taps: tuple[int, ...]
    offsets: Offsets


def _reached(start: int, length: int, kernel: int, stride: int, before: int, dilation: int) -> list[tuple[int, int]]:
    """Return which kernel elements reach one residue along one axis, and from what distance."""
    away = ((k, start + before - dilation * k) for k in range(kernel))
    return [(k, distance // stride) for k, distance in away if distance % stride == 0 and length]


@functools.lru_cache(256)
def transposed(geometry: Geometry, size: Ints, out: Ints, channels: int) -> tuple[Plane, tuple[Phase, ...]]:
    """Return the layout of images of size `out` for a transposed convolution to `size`, and its residues."""
    reached = []
    for n, *axis in zip(size, geometry.kernel, geometry.stride, geometry.before, geometry.dilation, strict=True):
        counts = [-(-(n - start) // axis[1]) for start in range(min(axis[1], n))]
        reached.append([(start, count, _reached(start, count, *axis)) for start, count in enumerate(counts)])
    shifts = [[shift for _, _, found in axis for _, shift in found] or [0] for axis in reached]
    before = tuple(max(-min(each), 0) for each in shifts)
    ends = [max((count - 1 + shift for _, count, found in axis for _, shift in found), default=0) for axis in reached]
    after = tuple(max(end - (n - 1), 0) for end, n in zip(ends, out, strict=True))
    plane = _plane(out, before, after, (1, 1, 1))
    return plane, tuple(_phase(plane, geometry.kernel, each, channels) for each in itertools.product(*reached))


def _phase(plane: Plane, kernel: Ints, axes: tuple[Any, ...], channels: int) -> Phase:
    start, out, found = zip(*axes, strict=True)
    taps, places = [], []
    for each in itertools.product(*found):
        taps.append(int(np.ravel_multi_index(tuple(k for k, _ in each), kernel)))
        places.append(tuple(shift + p for (_, shift), p in zip(each, plane.before, strict=True)))
    return Phase(start, out, tuple(taps), _over_channels(plane, places, channels))
