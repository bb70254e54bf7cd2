"""Products as tasks: any sizes and layouts, cut into parts or not, give what NumPy gives."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels.native import products as module
from chainrule.kernels.native.products import fits, product, products, stacks_fit
from chainrule.kernels.native.tasks import parts_of, run_all
from chainrule.kernels.openblas import address_of_gemm, one_thread

from ...named import named

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70))
dtypes = st.sampled_from([np.float32, np.float64])


def factor(rng, rows, columns, dtype, turned, gap=0):
    shape = (columns, rows) if turned else (rows, columns)
    drawn = rng.normal(size=(shape[0], shape[1] + gap)).astype(dtype)[:, gap // 2 : gap // 2 + shape[1]]
    return drawn.T if turned else drawn


@given(sizes, dtypes, st.tuples(*[st.booleans()] * 3), st.tuples(*[st.integers(0, 3)] * 3), st.integers(1, 5))
def test_a_product_of_slices_into_a_slice(size, dtype, turned, gaps, parts):
    (m, k, n), rng = size, np.random.default_rng(0)
    shapes = (m, k), (k, n), (m, n)
    a, b, out = (factor(rng, *s, dtype, t, gap) for s, t, gap in zip(shapes, turned, gaps, strict=True))
    around = np.array(out.base if out.base is not None else out)
    assert fits(a, b, out)
    task = product(a, b, out)
    if task.end:
        task.parts = min(parts, task.end)
    with one_thread():
        run_all([task])()
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(out, a @ b, rtol=tolerance, atol=tolerance * k)
    now = np.array(out.base if out.base is not None else out)
    changed = np.count_nonzero(now != around)
    assert changed <= out.size


def test_a_product_with_a_vector_is_numpys():
    cases = itertools.product([(1, 1), (3, 5), (64, 33), (40, 1), (1, 70)], (False, True), (False, True), (False, True))
    for (m, k), a_turned, b_turned, is_row in cases:
        for dtype, gap in ((np.float32, 0), (np.float64, 2)):
            with named(m, k, a_turned, b_turned, is_row, gap):
                rng, n = np.random.default_rng(0), 1
                rows, columns = (n, m) if is_row else (m, n)
                a, b = factor(rng, rows, k, dtype, a_turned, gap), factor(rng, k, columns, dtype, b_turned, gap)
                out = np.full((rows, columns), np.nan, dtype)
                assert fits(a, b, out)
                run_all([product(a, b, out)])()
                np.testing.assert_allclose(out, a @ b, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-5)


@given(sizes, dtypes, st.booleans(), st.booleans(), st.integers(1, 5), st.integers(0, 9))
def test_a_product_is_numpys_in_any_number_of_parts(size, dtype, a_turned, b_turned, parts, seed):
    (m, k, n), rng = size, np.random.default_rng(seed)
    a, b = factor(rng, m, k, dtype, a_turned), factor(rng, k, n, dtype, b_turned)
    out = np.full((m, n), np.nan, dtype)
    assert fits(a, b, out)
    task = product(a, b, out)
    if task.end:
        task.parts = min(parts, task.end)
    with one_thread():
        run_all([task])()
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(out, a @ b, rtol=tolerance, atol=tolerance * k)


@pytest.mark.skipif(not address_of_gemm(np.float32), reason="NumPy has a BLAS that is not known")
@given(st.integers(1, 3), st.integers(1, 3), sizes, dtypes, st.integers(1, 4), st.integers(0, 9))
def test_heads_are_multiplied_where_they_lie(batch, heads, size, dtype, parts, seed):
    (t, d, s), rng = size, np.random.default_rng(seed)
    packed = rng.normal(size=(batch, t, heads, d)).astype(dtype).transpose(0, 2, 1, 3)
    other = rng.normal(size=(batch, s, heads, d)).astype(dtype).transpose(0, 2, 3, 1)
    out = np.full((batch, t, heads, s), np.nan, dtype).transpose(0, 2, 1, 3)
    assert stacks_fit(packed, other, out)
    task = products(packed, other, out)
    task.parts = min(parts, task.end)
    with one_thread():
        run_all([task])()
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(out, packed @ other, rtol=tolerance, atol=tolerance * d)


def test_one_factor_may_be_the_same_for_the_whole_stack():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 4, 3)), rng.normal(size=(3, 2))
    out = np.empty((5, 4, 2))
    run_all([products(a, b, out)])()
    np.testing.assert_allclose(out, a @ b)


def test_what_blas_cannot_take_does_not_fit():
    a, out = np.ones((4, 6, 6)), np.empty((4, 3, 3))
    assert not stacks_fit(a[:, ::2, ::2], np.ones((3, 3)), out)
    assert not stacks_fit(np.ones((4, 3, 3), np.float32), np.ones((3, 3)), out)
    assert not stacks_fit(np.ones((4, 3, 3), int), np.ones((3, 3), int), np.empty((4, 3, 3), int))


def test_where_a_product_is_cut_depends_on_its_size_alone(monkeypatch):
    monkeypatch.setattr("chainrule.kernels.pool.threads", lambda: 64)
    assert parts_of(module.UNIT, 10) == 1
    assert parts_of(2**40, 1000) == 16


@pytest.mark.skipif(not address_of_gemm(np.float32), reason="NumPy has a BLAS that is not known")
@pytest.mark.parametrize(
    ("size", "b_turned", "expected"),
    [((64, 784, 300), False, (7, 4)), ((784, 64, 300), False, (17, 8)), ((512, 512, 512), True, (11, 8))],
)
def test_a_product_is_cut_where_little_is_packed_again(size, b_turned, expected):
    (m, k, n), rng = size, np.random.default_rng(0)
    a, b = factor(rng, m, k, np.float32, False), factor(rng, k, n, np.float32, b_turned)
    task = product(a, b, np.empty((m, n), np.float32))
    assert (task.end, task.parts) == expected
