"""Sums of large arrays: of rows, of two arrays, into one of them; the same on any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.kernels import pool, sums

dtypes = st.sampled_from([np.float32, np.float64])


@pytest.fixture
def alone_or_not(monkeypatch):
    """Return results of a function with two threads, and without any but the caller's."""

    def both(function):
        monkeypatch.setattr(pool, "threads", lambda: 2)
        together = function()
        kept, pool.crew.address.value = pool.crew.address.value, None
        try:
            monkeypatch.setattr(pool, "threads", lambda: 1)
            return together, function()
        finally:
            pool.crew.address.value = kept

    return both


@settings(deadline=None, max_examples=20)
@given(
    shape=st.sampled_from([(1100, 40), (3, 500, 30), (16, 2100), (2, 40_001), (40_001, 1), (7, 11, 13, 60)]),
    dtype=dtypes,
    layout=st.sampled_from(["as it is", "turned", "every second"]),
)
def test_the_sum_of_rows_is_numpys(shape, dtype, layout):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((*shape[:-1], 2 * shape[-1])).astype(dtype)
    x = x[..., ::2] if layout == "every second" else x[..., : shape[-1]].copy()
    if layout == "turned":
        x = np.asfortranarray(x)
    found = sums.of_rows(x)
    flat = x.reshape(-1, shape[-1]).astype(np.float64)
    bound = np.finfo(dtype).eps * len(flat) * np.abs(flat).sum(0)
    assert found.dtype == dtype
    assert (np.abs(found - flat.sum(0)) <= bound).all()


def test_other_arrays_are_summed_by_numpy():
    assert sums.of_rows(np.ones((2, 3), np.float16)).dtype == np.float16
    assert sums.of_rows(np.full((5000, 2), 1, np.float16))[0] == 5000  # would stop at 2048
    np.testing.assert_array_equal(sums.of_rows(np.arange(6).reshape(1, 2, 3)), [3, 5, 7])
    np.testing.assert_array_equal(sums.of_rows(np.zeros((0, 3))), [0, 0, 0])
    np.testing.assert_array_equal(sums.of_rows(np.ones((300, 300), complex)), np.full(300, 300))


@settings(deadline=None)
@given(data=st.data(), dtype=dtypes, turned=st.booleans())
def test_the_sum_over_axes_is_numpys(data, dtype, turned):
    shape = data.draw(st.sampled_from([(4, 6, 1400), (8, 5, 30, 32), (70, 3, 200), (3, 1, 13_000), (2, 3, 5, 8, 160)]))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)))))
    order = data.draw(st.permutations(range(len(shape) - 1)))
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    if turned:  # the same shape, but its axes lie in another order
        x = x.transpose(*order, len(shape) - 1).copy().transpose(*np.argsort(order), len(shape) - 1)
    found, expected = sums.over(x, axes), x.sum(axis=axes, dtype=np.float64)
    assert found.shape == expected.shape
    assert found.dtype == dtype
    terms = x.size // max(expected.size, 1)
    bound = np.finfo(dtype).eps * terms**0.5 * np.abs(x).sum(axis=axes, dtype=np.float64)  # of rounding at random
    assert (np.abs(found - expected) <= bound).all()


def test_results_do_not_depend_on_the_number_of_threads(alone_or_not):
    x = np.random.default_rng(0).standard_normal((3001, 257)).astype(np.float32)
    for function in (lambda: sums.of_rows(x), lambda: sums.of_two(x, x[::-1].copy()), lambda: sums.over(x, (1,))):
        together, alone = alone_or_not(function)
        np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sum_of_two_has_numpys_bits_in_place_or_not(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((1023, 513)).astype(dtype) for _ in range(2))
    a[3, 5], b[4, 6], a[7, 7], b[7, 7] = np.nan, np.inf, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = a + b
    np.testing.assert_array_equal(sums.of_two(a, b), expected)
    total = a.copy()
    sums.add_to(total, b)
    np.testing.assert_array_equal(total, expected)
    turned = np.asfortranarray(a)
    with np.errstate(invalid="ignore"):
        sums.add_to(turned, b)
    np.testing.assert_array_equal(turned, expected)
    for other in (b.T.copy(), b[:1], b.astype(np.float16), 2.0, b[:, ::-1]):
        assert sums.of_two(a, other) is None


def test_a_large_bias_and_residuals_have_their_gradients():
    rng = np.random.default_rng(0)
    x, c = rng.standard_normal((8, 300, 200)), rng.standard_normal(200)
    x_bar, c_bar = cr.grad(lambda x, c: ((x + c) * x + x).sum(), argnums=(0, 1))(x, c)
    np.testing.assert_allclose(x_bar, 2 * x + c + 1)
    np.testing.assert_allclose(c_bar, x.sum((0, 1)), atol=1e-10)


def test_an_error_that_numpy_is_to_raise_is_raised():
    a = np.full((600, 600), 3e38, np.float32)
    for function in (lambda x: x + x, lambda x: x @ x):
        with np.errstate(over="raise", invalid="raise"), pytest.raises(FloatingPointError, match=r"overflow|invalid"):
            function(cr.tensor(a, requires_grad=True))
