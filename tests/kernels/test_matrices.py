"""Products of large matrices in eager code: any layout, the same bits on any number of threads, and whose they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.kernels import matrices, openblas, pool
from chainrule.kernels.native.machine import machine
from chainrule.rules.network.linear import LinearMap

wide = pytest.mark.skipif(
    "+avx512f" not in machine().features,
    reason="this processor has no vectors of 512 bits, and leaves products to NumPy",
)
LAYOUTS = ("rows", "columns", "every second row", "a slice of columns")


def laid_out(rng, shape, dtype, layout):
    """A matrix of a shape whose elements lie in memory as the layout says."""
    m, n = shape
    if layout == "columns":
        return rng.standard_normal((n, m)).astype(dtype).T
    if layout == "every second row":
        return rng.standard_normal((2 * m, n)).astype(dtype)[::2]
    if layout == "a slice of columns":
        return rng.standard_normal((m, n + 5)).astype(dtype)[:, 3:-2]
    return rng.standard_normal(shape).astype(dtype)


@pytest.fixture(scope="module")
def two_threads():
    """Let products be cut, on any machine and whatever BLAS is limited to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "threads", lambda: 2)
        patch.setattr(openblas, "threads", lambda: 2)
        yield


@pytest.mark.slow
@wide
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(130, 260), st.integers(130, 300), st.integers(130, 200)),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    dtype=st.sampled_from([np.float32, np.float64]),
    lead=st.sampled_from([(), (3,), (2, 1)]),
    has_bias=st.booleans(),
)
def test_it_is_numpys_product_in_any_layout_and_the_same_bits_on_one_thread(
    two_threads, size, layouts, dtype, lead, has_bias
):
    (m, k, n), rng = size, np.random.default_rng(0)
    a, b = laid_out(rng, (m, k), dtype, layouts[0]), laid_out(rng, (k, n), dtype, layouts[1])
    a = np.broadcast_to(a, (*lead, m, k)).copy() if lead else a
    bias = rng.standard_normal(n).astype(dtype) if has_bias else None
    found = matrices.product(a, b, bias)
    assert found.dtype == dtype
    assert found.base is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openblas, "threads", lambda: 1)
        np.testing.assert_array_equal(matrices.product(a, b, bias), found)
    bound = np.finfo(dtype).eps * (k + 3) * (np.abs(a).astype(float) @ np.abs(b).astype(float) + 5)
    expected = a.astype(float) @ b.astype(float) + (0 if bias is None else bias.astype(float))
    assert (np.abs(found - expected) <= bound).all()


@wide
def test_what_is_taken_is_decided_by_sizes_and_layouts():
    a, b = np.ones((512, 256), np.float32), np.ones((256, 256), np.float32)
    assert matrices.product(a, b) is not None
    assert matrices.product(a[:64, ::2], b[::2, :16]) is None  # too small
    big = np.ones((1024, 512), np.float32)[:, ::2]
    for refused in (big, big.view(np.ma.MaskedArray), a.astype(float), a.astype(">f4"), a.astype(complex)):
        assert matrices.product(refused, b) is None
    with pytest.raises(ValueError, match="matmul"):
        cr.matmul(a, b[:-1])


@wide
@pytest.mark.parametrize("lead", [(), (4,)])
def test_layers_and_products_have_the_gradients_of_numpys_formula(two_threads, lead):
    rng = np.random.default_rng(0)
    x, w, c = rng.standard_normal((*lead, 300, 200)), rng.standard_normal((200, 290)), rng.standard_normal(290)
    y_bar = rng.standard_normal((*lead, 300, 290))
    for function in (cr.nn.functional.linear, lambda x, w, c: x @ w + c):
        y, pull = cr.vjp(function, x, w, c)
        np.testing.assert_allclose(y, np.matmul(x, w) + c)
        x_bar, w_bar, c_bar = pull(y_bar)
        flat = y_bar.reshape(-1, 290)
        np.testing.assert_allclose(x_bar, np.matmul(y_bar, w.T))
        np.testing.assert_allclose(w_bar, np.matmul(x.reshape(-1, 200).T, flat))
        np.testing.assert_allclose(c_bar, flat.sum(0), atol=1e-10)


@pytest.mark.slow
@wide
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(190, 300), st.integers(190, 300), st.integers(190, 300)),
    lead=st.sampled_from([(), (3,), (2, 1)]),
    layout=st.sampled_from(LAYOUTS),
    dtype=st.sampled_from([np.float32, np.float64]),
    tracked=st.sampled_from([(True, True, True), (False, True, True), (True, True, False), (True, False, True)]),
)
def test_a_layers_gradients_in_one_call_have_the_bits_of_its_rules(two_threads, size, lead, layout, dtype, tracked):
    (m, k, n), rng = size, np.random.default_rng(0)
    x, y_bar = (rng.standard_normal((*lead, m, size)).astype(dtype) for size in (k, n))
    arrays = (x, laid_out(rng, (k, n), dtype, layout), rng.standard_normal(n).astype(dtype))
    found = matrices.of_linear(y_bar, x, arrays[1])
    assert found is not None
    expected = [rule(y_bar, other) for rule, other in ((LinearMap.adjoint_x, arrays[1]), (LinearMap.adjoint_w, x))]
    expected.append(LinearMap.adjoint_b(y_bar))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other, strict=True)
    moving = [a for a, is_tracked in zip(arrays, tracked, strict=True) if is_tracked]

    def layer(*given):
        rest = iter(given)
        return LinearMap.apply(
            *(next(rest) if is_tracked else a for a, is_tracked in zip(arrays, tracked, strict=True))
        )

    pulled = cr.vjp(layer, *moving)[1](y_bar)
    for mine, other in zip(
        pulled, (e for e, is_tracked in zip(expected, tracked, strict=True) if is_tracked), strict=True
    ):
        np.testing.assert_array_equal(mine, other, strict=True)


def test_a_layers_gradients_are_left_to_its_rules_where_no_one_call_has_them():
    x, w, y_bar = (np.ones(shape, np.float32) for shape in ((512, 256), (256, 256), (512, 256)))
    for refused in (
        (y_bar[:, ::2], x, w),
        (y_bar[:2], x[:2], w),
        (y_bar, x, w.astype(float)),
        (y_bar.astype(float), x, w),
    ):
        assert matrices.of_linear(*refused) is None
    with np.errstate(over="raise"):
        assert matrices.of_linear(y_bar, x, w) is None


def test_a_matrix_that_is_nowhere_in_order_is_left_to_numpy():
    a = np.ones((2000, 400), np.float32)[::3, ::2]
    assert matrices.product(a, np.ones((200, 400), np.float32)) is None


@wide
def test_smaller_products_stay_in_the_calling_thread(monkeypatch):
    """OpenBLAS's threads would go on looking for work, on the cores that the next large product needs."""
    counts, threads = [], openblas._library().scipy_openblas_get_num_threads64_
    monkeypatch.setattr(np, "matmul", lambda a, b, own=np.matmul: counts.append(threads()) or own(a, b))
    a, b = np.ones((256, 2048), np.float32), np.ones((2048, 4), np.float32)
    bias, before = np.arange(4, dtype=np.float32), threads()
    for x in (a, a.T.copy().T, np.stack([a, a])):
        np.testing.assert_array_equal(matrices.product(x, b, bias), np.full((*x.shape[:-1], 4), 2048) + bias)
    cr.nn.Linear(2048, 4, dtype=np.float32)(cr.tensor(a)).sum().backward()
    assert len(counts) == 5
    assert set(counts) == {1}
    assert threads() == before
    assert matrices.product(a.astype(np.float16), b.astype(np.float16)) is None


@walked("out", [2, 4, 400])
def test_a_bias_of_another_dtype_is_left_to_numpy(out):
    """The sum is then of the wider one, for products of any size."""
    x, w, b = np.ones((256, 2048), np.float32), np.ones((2048, out), np.float32), np.full(out, 1e-12)
    assert matrices.product(x, w, b) is None
    assert cr.nn.functional.linear(x, w, b).dtype == np.float64
