"""Kernels of convolution and pooling: against their references, in threads, and from which size on rules use them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.core.transforms.derivatives import vjp
from chainrule.kernels import pool
from chainrule.kernels.convolution import columns, winograd
from chainrule.kernels.convolution import passes as kernels
from chainrule.kernels.native.tasks import at_once, run_once
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.network import convolution, pooling
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose
from chainrule.rules.network.pooling import MaxPool, SumPool

from .window_problems import compare, compare_convolution, compare_pooling, geometry

PAIRS = Windows.of((2, 2), stride=2)
DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_kernels_agree_with_their_references(dtype):
    for seed in range(3):
        compare(dtype, seed)


@pytest.mark.slow
def test_kernels_agree_with_their_references_at_more_windows():
    for seed in range(3, 13):
        compare(DTYPES[seed % 2], seed)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", range(3, 93, 10))
def test_kernels_agree_with_their_references_at_many_windows(dtype, first):
    for seed in range(first, first + 10):
        compare(dtype, seed)


@pytest.mark.slow
def test_pools_of_several_widths_agree():
    rng = np.random.default_rng(0)
    for width in (70, 1, 33, 16):
        compare_pooling("float32", PAIRS, (3, 2 * width + 1), rng)


# A tile has at most eight rows. More outputs are several tiles, of one height (16) or of two, of which either may be
# the one that there is more of (17, 19); these tiles repeat, so one width is enough.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("outputs", "widths"), [*((height, (7, 70)) for height in range(1, 9)), *((many, (70,)) for many in (16, 17, 19))]
)
def test_tiles_of_every_height_agree(outputs, widths):
    rng = np.random.default_rng(outputs)
    for width in widths:
        compare_convolution("float32", Windows.of((1, 3), padding=1), (2, width), 2, 1, 2, outputs, rng)


def test_small_images_that_share_a_plane_and_parts_in_threads_agree(monkeypatch):
    monkeypatch.setattr(kernels, "LARGE", 1)
    monkeypatch.setattr(pool, "LEAST", 1)
    compare("float64", 2)
    rng = np.random.default_rng(0)
    compare_convolution("float32", Windows.of((3, 3), padding=1), (4, 5), 9, 2, 3, 20, rng)
    compare_convolution("float32", Windows((2, 4), (1, 2), ((0, 2), (1, 0)), (2, 1)), (4, 5), 9, 1, 3, 7, rng)


@pytest.mark.slow
def test_more_images_that_share_a_plane_agree(monkeypatch):
    monkeypatch.setattr(kernels, "LARGE", 1)
    monkeypatch.setattr(pool, "LEAST", 1)
    for seed in range(20):
        compare(DTYPES[seed % 2], seed)
    rng = np.random.default_rng(0)
    for k, batch in enumerate((1, 2, 5)):
        compare_convolution(DTYPES[k % 2], Windows.of((3, 3), padding=1), (4, 5), batch, 2, 3, 20, rng)
        compare_convolution(DTYPES[1 - k % 2], Windows.of((1, 1)), (4, 5), batch, 1, 3, 20, rng)


@pytest.mark.parametrize(
    "windows",
    [
        Windows.of((3, 3), padding=1),
        Windows((3, 2), (2, 1), ((1, 0), (3, 4)), (1, 2)),
        Windows.of((1, 3), stride=3, padding=2),
        Windows.of((4,), stride=2),
        Windows.of((2, 1, 3), stride=(1, 2, 2), padding=1),
    ],
)
def test_kernels_that_see_one_channel_agree(windows, monkeypatch):
    monkeypatch.setattr(pool, "LEAST", 1)
    rng = np.random.default_rng(0)
    for dtype, width in (("float32", 21), ("float64", 8)):
        compare_convolution(dtype, windows, (*(5, 4)[: windows.axes - 1], width), 3, 4, 1, 1, rng)


@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("size", [(2, 3), (9, 16)])
def test_kernels_of_one_element_agree(stride, size, monkeypatch):
    monkeypatch.setattr(pool, "LEAST", 1)
    rng = np.random.default_rng(0)
    for groups in (1, 3):
        compare_convolution("float32", Windows.of((1, 1), stride=stride), size, 3, groups, 5, 4, rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("padding", "size"), [(1, (8, 8)), (0, (6, 13)), (((2, 0), (1, 2)), (5, 8)), (2, (4, 2)), (1, (1, 4))]
)
def test_products_of_transformed_tiles_agree(dtype, padding, size, monkeypatch):
    monkeypatch.setattr(pool, "LEAST", 1)
    monkeypatch.setattr(winograd, "USED", 0)
    monkeypatch.setattr(winograd, "LEAST", 1)
    monkeypatch.setattr(winograd, "POSITIONS", 1)
    monkeypatch.setattr(winograd, "CACHED", 2**12)
    windows = Windows.of((3, 3), padding=padding)
    if isinstance(padding, tuple):
        windows = Windows((3, 3), (1, 1), padding, (1, 1))
    assert winograd.pays(geometry(windows), (33, 7, 3, 3), size, 1, 1)
    rng = np.random.default_rng(0)
    for batch in (1, 5):
        compare_convolution(dtype, windows, size, batch, 1, 7, 33, rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_that_stay_in_the_cache_agree(dtype, monkeypatch):
    monkeypatch.setattr(columns, "LEAST", 1)
    monkeypatch.setattr(columns, "MANY", 1)
    monkeypatch.setattr(pool, "LEAST", 1)
    rng = np.random.default_rng(0)
    for cached in (2**10, 2**18):
        monkeypatch.setattr(columns, "CACHED", cached)
        monkeypatch.setattr(columns, "FEWEST", 8)
        for windows, size in (
            (Windows.of((4, 4), stride=2, padding=1), (9, 8)),
            (Windows((3, 2), (2, 3), ((1, 0), (3, 4)), (1, 2)), (6, 13)),
            (Windows((3,), (1,), ((2, 2),), (2,)), (29,)),
            (Windows.of((2, 2), stride=3), (9, 9)),
            (Windows.of((5, 5), padding=2), (4, 4)),
        ):
            assert kernels.without_tiles(geometry(windows), (17, 9), 1, size, 5) is columns
            compare_convolution(dtype, windows, size, 5, 1, 9, 17, rng)


def test_columns_with_more_terms_than_are_added_up_at_once_agree():
    windows = Windows.of((3, 3), stride=2, padding=1)
    compare_convolution("float32", windows, (7, 8), 9, 1, 40, 70, np.random.default_rng(0))


def _are_one_form(way, x, outputs, windows, rng):
    """Check that three kernels are the derivatives of one form that is linear in each of three arrays."""
    where = geometry(windows)
    w = rng.standard_normal((outputs, x.shape[1], *windows.kernel))
    y = np.empty((len(x), outputs, *windows.count(x.shape[2:])))
    at_once(way.correlated(x, w, where, 1, y))
    z, x_bar, w_bar = rng.standard_normal(y.shape), np.empty_like(x), np.empty_like(w)
    at_once(way.spread_out(z, w, where, 1, x_bar))
    at_once(way.weighed(x, z, where, 1, w_bar))
    form = np.sum(y * z)
    assert np.sum(x_bar * x) == pytest.approx(form, rel=1e-9, abs=1e-9)
    assert np.sum(w_bar * w) == pytest.approx(form, rel=1e-9, abs=1e-9)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2), st.sampled_from([1, 5]), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_products_of_tiles_are_one_trilinear_form(height, width, padding, channels, seed):
    assume(min(height, width) + 2 * padding > 2)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, channels, height, width))
    _are_one_form(winograd, x, 3, Windows.of((3, 3), padding=padding), rng)


AXIS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2))
"""A kernel's length, stride, padding before and after, and dilation."""


@given(st.lists(AXIS, min_size=1, max_size=2), st.integers(0, 8), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_products_of_columns_are_one_trilinear_form(axes, more, channels, seed):
    kernel, stride, before, after, dilation = zip(*axes, strict=True)
    windows = Windows(kernel, stride, tuple(zip(before, after, strict=True)), dilation)
    rng = np.random.default_rng(seed)
    size = [max(s - p - q, 1) + more for s, p, q in zip(windows.span, before, after, strict=True)]
    _are_one_form(columns, rng.standard_normal((3, channels, *size)), 3, windows, rng)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_found(dtype):
    x = np.full(37, np.finfo(dtype).max, dtype)
    x[1::2] *= -1
    assert run_once(kernels.finite(x)) == -1
    for bad in (np.inf, -np.inf, np.nan, -np.nan):
        x[[20, 31]] = bad, 0
        assert run_once(kernels.finite(x)) >= 0


@pytest.mark.parametrize("bad", [np.inf, np.nan, 3e38])
def test_what_is_not_finite_stays_where_it_is_without_tiles_of_it(bad):
    rng, windows = np.random.default_rng(0), Windows.of((3, 3), padding=1)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((8, 32, 8, 8), (32, 32, 3, 3)))
    assert winograd.pays(geometry(windows), w.shape, (8, 8), 1, len(x))
    x[0, 0, 3, 3] = x[0, 0, 4, 4] = bad
    z = np.zeros((8, 32, 8, 8), np.float32)
    z[0, 0, 3, 3] = bad
    w[0] /= 100
    with np.errstate(invalid="ignore", over="ignore"):
        where = geometry(windows)
        pairs = [
            (kernels.correlate(x, w, where, 1), convolution.correlate(x, w, windows, 1)),
            (kernels.spread(z, w, where, 1, (8, 8)), convolution.spread(z, w, windows, 1, (8, 8))),
        ]
    for found, expected in pairs:
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_where_it_is_in_columns(bad):
    rng, windows = np.random.default_rng(0), Windows.of((3, 3), stride=2, padding=1)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((4, 33, 8, 8), (34, 33, 3, 3)))
    assert kernels.without_tiles(geometry(windows), w.shape, 1, (8, 8), len(x)) is columns
    x[0, -1, 3, 3] = bad
    z = np.zeros((4, 34, 4, 4), np.float32)
    z[0, -1, 1, 1] = bad
    with np.errstate(invalid="ignore"):
        where = geometry(windows)
        pairs = [
            (kernels.correlate(x, w, where, 1), convolution.correlate(x, w, windows, 1)),
            (kernels.spread(z, w, where, 1, (8, 8)), convolution.spread(z, w, windows, 1, (8, 8))),
            (kernels.weigh(x, z, where, 1), convolution.weigh(x, z, windows, 1)),
        ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rule", ["convolution", "pooling"])
def test_rules_with_kernels_are_those_without(rule, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 16, 24, 24)).astype(np.float32)[:, ::2]  # not contiguous
    w = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
    windows = Windows.of((3, 3), padding=1)
    results = []
    for large in (1, 2**62):
        monkeypatch.setattr(convolution, "KERNEL_FROM", large)
        monkeypatch.setattr(pooling, "KERNEL_FROM", large)
        if rule == "convolution":
            y, pull = vjp(lambda x, w: Convolution.apply(x, w, windows=windows, groups=1), x, w)
        else:
            y, pull = vjp(lambda x: MaxPool.apply(x, windows=PAIRS) + SumPool.apply(x, windows=PAIRS), x)
        results.append((y, *pull(np.cos(y))))
    for got, expected in zip(*results, strict=True):
        assert got.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_infinity_stays_where_it_is(monkeypatch):
    monkeypatch.setattr(convolution, "KERNEL_FROM", 1)
    windows = Windows.of((3, 3), padding=1)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 20, 20)), rng.standard_normal((4, 3, 3, 3))
    z = rng.standard_normal((2, 4, 20, 20))
    x[0, 1, 0, 19], w[2, 1, 0, 0] = np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        got = (
            ConvolutionKernel.primal(x, z, windows=windows),
            ConvolutionTranspose.primal(z, w, windows=windows, size=(20, 20)),
        )
        expected = convolution.weigh(x, z, windows, 1), convolution.spread(z, w, windows, 1, (20, 20))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
        assert np.isfinite(one).any()


def test_one_thread_and_two_give_the_same_images(monkeypatch):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((9, 4, 12, 12)), rng.standard_normal((5, 4, 3, 3))
    where = geometry(Windows.of((3, 3)))
    monkeypatch.setattr(pool, "LEAST", 1)
    several = kernels.correlate(x, w, where, 1)
    monkeypatch.setattr(pool, "LEAST", 2**62)
    np.testing.assert_array_equal(kernels.correlate(x, w, where, 1), several)


def test_parts_of_a_range_give_the_bits_of_the_whole():
    rng, windows = np.random.default_rng(0), Windows.of((3, 3), stride=2, padding=1)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((9, 4, 13, 12), (6, 4, 3, 3)))
    z = rng.standard_normal((9, 6, *windows.count((13, 12)))).astype(np.float32)
    where, images, sums = geometry(windows), np.empty_like(x), np.empty_like(w)
    tasks = [
        (kernels.correlated(x, w, where, 1, found := np.empty_like(z)), found),
        (kernels.spread_out(z, w, where, 1, images), images),
        (kernels.weighed(x, z, where, 1, sums), sums),
    ]
    for several, result in tasks:
        results = []
        for cut in (False, True):
            for task in several:
                whole = task.begin, task.end
                for unit in range(*whole) if cut else ():
                    task.begin, task.end = unit, unit + 1
                    assert run_once(task) == -1
                task.begin, task.end = whole
                assert cut or run_once(task) == -1
            results.append(result.copy())
            result[...] = np.nan
        np.testing.assert_array_equal(*results)


def test_what_a_part_raises_is_raised_when_all_have_ended(monkeypatch):
    monkeypatch.setattr(pool, "LEAST", 1)
    monkeypatch.setattr(pool, "threads", lambda: 2)
    ended = []

    def run(begin, end):
        ended.append((begin, end))
        if begin:
            raise ValueError(f"part {begin}")

    with pytest.raises(ValueError, match="part 2"):
        pool.split(run, 4, 100)
    assert sorted(ended) == [(0, 2), (2, 4)]


def test_convolutions_and_pools_do_not_import_numba():
    source = (
        "import sys, numpy as np, chainrule as cr; from chainrule import nn\n"
        "net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), nn.AvgPool2d(2))\n"
        "net(np.ones((32, 1, 50, 50), np.float32)).sum().backward()\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_few_positions_do_not_pay_for_transformed_kernels():
    windows = Windows.of((3, 3), padding=1)
    assert not winograd.pays(geometry(windows), (512, 512, 3, 3), (4, 4), 1, 4)
    assert winograd.pays(geometry(windows), (512, 512, 3, 3), (4, 4), 1, 64)
