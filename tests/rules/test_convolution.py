"""Windows, convolutions and poolings against their definitions; adjoints against each other; memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.core.transforms.derivatives import grad, vjp
from chainrule.core.transforms.jacobians import hvp
from chainrule.rules.arrays.windows import Fold, Unfold, Windows
from chainrule.rules.network import convolution
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose
from chainrule.rules.network.pooling import MaxPool, SumPool, SumUnpool

RNG = np.random.default_rng(0)


@st.composite
def problems(draw):
    """Windows over one to three axes, and a size they fit into."""
    axes = draw(st.integers(1, 3))

    def each(strategy):
        return tuple(draw(strategy) for _ in range(axes))

    side = st.integers(0, 2)
    windows = Windows(
        each(st.integers(1, 3)), each(st.integers(1, 3)), each(st.tuples(side, side)), each(st.integers(1, 2))
    )
    least = (max(span - sum(pair), 1) for span, pair in zip(windows.span, windows.padding, strict=True))
    return windows, tuple(n + draw(st.integers(0, 3)) for n in least)


def elements(windows, size):
    """Each position, each place of the kernel, and the element of an array of `size` under it, where there is one."""
    for i in np.ndindex(*windows.count(size)):
        for k in np.ndindex(*windows.kernel):
            each = zip(i, windows.stride, k, windows.dilation, windows.padding, strict=True)
            j = tuple(a * s + b * d - p for a, s, b, d, (p, _) in each)
            if all(0 <= a < n for a, n in zip(j, size, strict=True)):
                yield i, k, j


def by_definition(x, w, windows, groups):
    y = np.zeros((len(x), len(w), *windows.count(x.shape[2:])))
    inputs, outputs = x.shape[1] // groups, len(w) // groups
    for i, k, j in elements(windows, x.shape[2:]):
        for g in range(groups):
            of_group = slice(g * outputs, (g + 1) * outputs)
            channels = x[(slice(None), slice(g * inputs, (g + 1) * inputs), *j)]
            y[(slice(None), of_group, *i)] += channels @ w[(of_group, slice(None), *k)].T
    return y


@given(problems(), st.integers(0, 3), st.sampled_from([1, 2]), st.sampled_from([1, 3, 2**19]), st.sampled_from([1, 64]))
def test_the_three_operations_are_one_form(problem, batch, groups, buffer, few):
    windows, size = problem
    x = RNG.standard_normal((batch, 2 * groups, *size))
    w = RNG.standard_normal((3 * groups, 2, *windows.kernel))
    with pytest.MonkeyPatch.context() as patch:  # blocks of every size, and both ways to lay out a batch
        patch.setattr(convolution, "BUFFER", buffer)
        patch.setattr(convolution, "FEW", few)
        y = Convolution.apply(x, w, windows=windows, groups=groups)
        z = RNG.standard_normal(y.shape)
        images = ConvolutionTranspose.apply(z, w, windows=windows, groups=groups, size=size)
        kernels = ConvolutionKernel.apply(x, z, windows=windows, groups=groups)
    np.testing.assert_allclose(y, by_definition(x, w, windows, groups), atol=1e-12)
    form = np.vdot(y, z)
    assert images.shape == x.shape
    assert kernels.shape == w.shape
    np.testing.assert_allclose([np.vdot(images, x), np.vdot(kernels, w)], form, atol=1e-10)


@given(problems())
def test_unfold_is_its_definition_and_fold_its_adjoint(problem):
    windows, size = problem
    x = RNG.standard_normal((2, *size))
    y = Unfold.apply(x, windows=windows)
    expected = np.zeros(y.shape)
    for i, k, j in elements(windows, size):
        expected[(slice(None), *k, *i)] = x[(slice(None), *j)]
    np.testing.assert_array_equal(y, expected)
    z = RNG.standard_normal(y.shape)
    np.testing.assert_allclose(np.vdot(Fold.apply(z, windows=windows, size=size), x), np.vdot(y, z), atol=1e-12)


@given(problems())
def test_pools_are_their_definitions(problem):
    windows, size = problem
    x = np.round(RNG.standard_normal((2, *size)))  # with ties
    out = windows.count(size)
    largest, total, x_bar = np.full((2, *out), -np.inf), np.zeros((2, *out)), np.zeros(x.shape)
    first = np.empty((2, *out), object)
    for (i, _, j), b in itertools.product(elements(windows, size), range(2)):
        total[(b, *i)] += x[(b, *j)]
        if x[(b, *j)] > largest[(b, *i)]:
            largest[(b, *i)], first[(b, *i)] = x[(b, *j)], (b, *j)
    np.testing.assert_allclose(SumPool.apply(x, windows=windows), total, atol=1e-14)
    y, pull = vjp(lambda x: MaxPool.apply(x, windows=windows), x)
    np.testing.assert_array_equal(y, largest)
    z = RNG.standard_normal(y.shape)
    for place in np.ndindex(*z.shape):
        if first[place] is not None:
            x_bar[first[place]] += z[place]
    np.testing.assert_allclose(pull(z)[0], x_bar, atol=1e-14)
    spread = SumUnpool.apply(z, windows=windows, size=size)
    np.testing.assert_allclose(np.vdot(spread, x), np.vdot(total, z), atol=1e-12)


def test_of_equal_elements_the_first_receives_the_gradient():
    windows = Windows.of((2, 2), stride=2)
    x_bar = grad(lambda x: MaxPool.apply(x, windows=windows).sum())(np.zeros((2, 4)))
    np.testing.assert_array_equal(x_bar, [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_the_largest_of_a_window_with_nan_is_nan():
    x = np.array([1.0, np.nan, 3.0, 2.0])
    y, winner = MaxPool.primal_keeping(x, windows=Windows.of((2,), stride=2))
    np.testing.assert_array_equal(y, [np.nan, 3.0])
    np.testing.assert_array_equal(winner, [1, 0])
    assert winner.dtype == np.uint8


def test_the_hessian_of_a_small_network_is_symmetric():
    x, w = RNG.standard_normal((2, 2, 6, 6)), RNG.standard_normal((3, 2, 3, 3))

    def loss(x, w):
        h = Convolution.apply(x, w, windows=Windows.of((3, 3), padding=1), groups=1)
        return np.sum(np.tanh(MaxPool.apply(h, windows=Windows.of((2, 2), stride=2))) ** 2)

    u, v = ((RNG.standard_normal(x.shape), RNG.standard_normal(w.shape)) for _ in range(2))
    left, right = (
        sum(np.vdot(a, b) for a, b in zip(hvp(loss, (x, w), one), other, strict=True))
        for one, other in ((u, v), (v, u))
    )
    np.testing.assert_allclose(left, right, rtol=1e-10)


@pytest.mark.slow
def test_columns_are_made_block_by_block():
    windows = Windows.of((5, 5), padding=2)
    x, w = np.ones((8, 16, 48, 48), np.float32), np.ones((16, 16, 5, 5), np.float32)
    settings = {"windows": windows, "groups": 1}
    columns = x.nbytes * windows.places
    for operation, a, b, more in [
        (Convolution, x, w, {}),
        (ConvolutionTranspose, x, w, {"size": (48, 48)}),
        (ConvolutionKernel, x, x, {}),
    ]:
        operation.apply(a, b, **settings, **more)  # what this imports and compiles does not count
        tracemalloc.start()
        operation.apply(a, b, **settings, **more)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < columns / 4, (
            f"{operation.name} took {peak / 2**20:.0f} MiB, the columns are {columns / 2**20:.0f}"
        )


WRONG = {
    r"convolution: expected images \[B, C, 2 axes\]": lambda: Convolution.apply(
        np.ones((1, 2, 3)), np.ones((1, 2, 2)), windows=Windows.of((2, 2)), groups=1
    ),
    r"convolution: expected images with groups \* 2 channels": lambda: Convolution.apply(
        np.ones((1, 3, 3)), np.ones((1, 2, 2)), windows=Windows.of((2,)), groups=1
    ),
    "convolution: a kernel that reaches over": lambda: Convolution.apply(
        np.ones((1, 2, 3)), np.ones((1, 2, 2)), windows=Windows.of((2,), dilation=3), groups=1
    ),
    r"convolution_transpose: expected \[1, 1, 2\]": lambda: ConvolutionTranspose.apply(
        np.ones((1, 1, 4)), np.ones((1, 2, 2)), windows=Windows.of((2,)), groups=1, size=(3,)
    ),
    "fold: expected windows": lambda: Fold.apply(np.ones((2, 3)), windows=Windows.of((2,)), size=(3,)),
    "sum_unpool: expected": lambda: SumUnpool.apply(np.ones(3), windows=Windows.of((2,)), size=(3,)),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_shapes_that_do_not_fit_are_named(message, call):
    with pytest.raises(ValueError, match=message):
        call()
