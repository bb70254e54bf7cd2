"""Kernels of convolution and pooling against their references, at random windows."""

import numpy as np

from chainrule.kernels.convolution import passes as convolution_kernels
from chainrule.kernels.convolution.flat import Geometry
from chainrule.kernels.pooling import passes as pooling_kernels
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.network import convolution
from chainrule.rules.network.pooling import MaxPool, SumPool, SumUnpool

ULPS = 64
"""By how many units in the last place of the largest element results may differ, at sums of a few hundred products."""


def geometry(windows):
    return Geometry.of(windows.kernel, windows.stride, windows.padding, windows.dilation)


def drawn(rng, largest=6):
    """Windows over one to three axes, and a size they fit into."""
    axes = int(rng.integers(1, 4))

    def each(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, axes))

    if rng.random() < 0.3:
        windows = Windows.of((2,) * axes, stride=2)
    else:
        padding = tuple(zip(each(0, 3), each(0, 3), strict=True))
        windows = Windows(each(1, 4), each(1, 3), padding, each(1, 2))
    least = (max(span - sum(pair), 1) for span, pair in zip(windows.span, windows.padding, strict=True))
    # Rows may have several vectors; the other axes are short.
    return windows, tuple(n + int(rng.integers(0, largest if k < axes - 1 else 40)) for k, n in enumerate(least))


def agree(what, got, expected):
    assert got.dtype == expected.dtype, what
    slack = ULPS * np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, expected, rtol=slack, atol=slack * np.abs(expected).max(initial=1.0), err_msg=what)


def compare_convolution(dtype, windows, size, batch, groups, channels, outputs, rng):
    what = f"{windows}, {size}, batch {batch}, {groups} groups of {channels} and {outputs}"
    x = rng.standard_normal((batch, groups * channels, *size)).astype(dtype)
    w = rng.standard_normal((groups * outputs, channels, *windows.kernel)).astype(dtype)
    y = convolution.correlate(x, w, windows, groups)
    z = rng.standard_normal(y.shape).astype(dtype)
    where = geometry(windows)
    agree(f"correlate: {what}", convolution_kernels.correlate(x, w, where, groups), y)
    images = convolution.spread(z, w, windows, groups, size)
    agree(f"spread: {what}", convolution_kernels.spread(z, w, where, groups, size), images)
    kernels = convolution.weigh(x, z, windows, groups)
    agree(f"weigh: {what}", convolution_kernels.weigh(x, z, where, groups), kernels)


def compare_pooling(dtype, windows, size, rng):
    where, axes = geometry(windows), windows.axes
    what = f"{windows}, {size}"
    x = np.round(rng.standard_normal((2, 3, *size))).astype(dtype)  # with ties
    x[rng.random(x.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    y, winner = MaxPool.primal_keeping(x, windows=windows)
    for got, expected in zip(pooling_kernels.largest(x, where, axes), (y, winner), strict=True):
        np.testing.assert_array_equal(got, expected, err_msg=f"largest: {what}", strict=True)
    z = rng.standard_normal(y.shape).astype(dtype)
    slopes = MaxPool.adjoint_x(z, winner, x.shape, windows=windows)
    agree(f"unpool: {what}", pooling_kernels.unpool(z, winner, where, x.shape, axes), slopes)
    x = rng.standard_normal(x.shape).astype(dtype)
    agree(f"total: {what}", pooling_kernels.total(x, where, axes), SumPool.primal(x, windows=windows))
    sums = SumUnpool.primal(z, windows=windows, size=size)
    agree(f"spread: {what}", pooling_kernels.spread(z, where, size), sums)


def compare(dtype, seed):
    """Hold all kernels against their references at windows drawn from a seed."""
    rng = np.random.default_rng(seed)
    windows, size = drawn(rng)
    batch, groups, channels = (int(rng.integers(1, 4)) for _ in range(3))
    compare_convolution(dtype, windows, size, batch, groups, channels, int(rng.integers(1, 10)), rng)
    compare_pooling(dtype, windows, size, rng)
