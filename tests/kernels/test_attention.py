"""The parts of attention's kernels, against NumPy, with the compiler on and off."""

import os
import subprocess
import sys

import numpy as np
import pytest

from chainrule.kernels.attention.elements import draw, exp2, ordered, unordered
from chainrule.kernels.blas import address_of_gemm, one_thread, product
from chainrule.kernels.jit import kernel
from chainrule.kernels.pool import run_all
from chainrule.rules.attention.blockwise import draws

DTYPES = (np.float32, np.float64)


@kernel
def each_exp2(x):
    for i in range(x.size):
        x[i] = exp2(x[i])


@kernel
def largest(x, least):
    top = ordered(least)
    for i in range(x.size):
        top = max(top, ordered(x[i]))
    return unordered(top)


@kernel
def multiplied(address, a, a_turned, b, b_turned, alpha, beta, c):
    product(address, a, a_turned, b, b_turned, alpha, beta, c)


@kernel
def drawn(key, out):
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = draw(key, i, j)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_two(dtype):
    lowest = np.finfo(dtype).minexp
    x = np.concatenate([-np.geomspace(1e-8, -lowest, 4000), np.linspace(lowest, 0, 4001)]).astype(dtype)
    x = x[x >= lowest]
    y = x.copy()
    each_exp2(y)
    np.testing.assert_allclose(y, np.exp2(x.astype(np.longdouble)).astype(dtype), rtol=3 * np.finfo(dtype).eps)
    ends = np.array([-np.inf, np.nextafter(dtype(lowest), dtype(-np.inf)), -1, 0, np.nan], dtype)
    each_exp2(ends)
    np.testing.assert_array_equal(ends, np.array([0, 0, 0.5, 1, np.nan], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_element_and_nan_above_all(dtype):
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = (rng.standard_normal(rng.integers(0, 40)) * 10.0 ** rng.integers(-30, 30)).astype(dtype)
        assert largest(x, dtype(-np.inf)) == np.max(x, initial=-np.inf)
    assert largest(np.array([-0.0, -np.inf], dtype), dtype(-1)) == 0
    assert np.isnan(largest(np.array([1, np.nan, np.inf], dtype), dtype(0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("by_library", [True, False])
@pytest.mark.parametrize(
    "turned",
    [
        (False, False),
        (False, True),
        *(pytest.param((True, b), marks=pytest.mark.slow) for b in (False, True)),
    ],  # compiled anew
)
def test_products(dtype, by_library, turned):
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(s).astype(dtype) for s in ((5, 9), (7, 9), (5, 7)))
    wide = np.full((5, 20), np.nan, dtype)  # rows with something between them
    wide[:, 3:12] = a
    given = np.ascontiguousarray(a.T) if turned[0] else wide[:, 3:12]
    other = b if turned[1] else np.ascontiguousarray(b.T)
    address = address_of_gemm(dtype) if by_library else 0
    for beta in (0, 1):
        out = c.copy() if beta else np.full_like(c, np.nan)
        if not beta:
            out[...] = 7
        expected = 0.5 * a @ b.T + (c if beta else 0)
        multiplied(address, given, turned[0], other, turned[1], dtype(0.5), dtype(beta), out)
        np.testing.assert_allclose(out, expected, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


def test_a_single_row_may_have_any_stride():
    row = np.lib.stride_tricks.as_strided(np.arange(1.0, 4.0), (1, 3), (0, 8))
    out = np.zeros((1, 1))
    multiplied(address_of_gemm(np.float64), row, False, row, True, 1.0, 0.0, out)
    assert out == 14


def test_the_library_is_found_where_numpy_has_openblas():
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if blas != "scipy-openblas" or os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip(f"NumPy uses {blas}, or Numba's compiler is off: products are loops")
    assert all(address_of_gemm(dtype) for dtype in DTYPES)
    assert address_of_gemm(np.float32) != address_of_gemm(np.float64)


def test_blas_gets_its_threads_back():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl tells how many threads BLAS has")

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]]

    before = threads()
    with one_thread():
        with one_thread():
            pass
        assert set(threads()) <= {1}
    assert threads() == before


def test_draws_are_the_composites():
    out = np.zeros((4, 6), np.uint64)
    from chainrule.rules.attention.blocks import keys_of_heads

    drawn(keys_of_heads(np.uint64(3), 2)[1], out)
    np.testing.assert_array_equal(out, draws(np.uint64(3), (2, 4, 6))[1])


def test_tasks_run_once_each_in_any_number():
    for count in (0, 1, 2, 50):
        done = []
        run_all(done.append, range(count))
        assert sorted(done) == list(range(count))


def test_tasks_may_run_tasks():
    done = []
    run_all(lambda k: run_all(lambda m: done.append((k, m)), range(3)), range(4))
    assert sorted(done) == [(k, m) for k in range(4) for m in range(3)]


def test_what_a_task_raises_comes_out_and_the_next_call_works():
    def work(k):
        if k == 3:
            raise KeyError(k)

    with pytest.raises(KeyError, match="3"):
        run_all(work, range(20))
    test_tasks_run_once_each_in_any_number()


WITHOUT_COMPILER = """
import numpy as np
import chainrule as cr
from chainrule.rules.attention import blocks as attention_blocks
from chainrule.rules.attention.plain import scaled_dot_product_attention as attend
from chainrule.rules.attention.blockwise import BlockwiseAttention

attention_blocks.ROWS, attention_blocks.COLUMNS = 4, 3
rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal((2, 7, 3)) for _ in range(3))
seed = np.uint64(5)
settings = dict(causal=True, scale=None, dropout=0.3, mask_moves=True)
for mask in (np.True_, rng.standard_normal((7, 7)), rng.random((7, 7)) < 0.8):
    fast = lambda *a: BlockwiseAttention.apply(*a, mask, seed, **settings)
    plain = lambda *a: BlockwiseAttention.composite(*a, mask, seed, **settings)
    (y, pull), (z, other) = cr.vjp(fast, q, k, v), cr.vjp(plain, q, k, v)
    pairs = [(y, z), *zip(pull(y), other(y)), [cr.jvp(f, (q, k, v), (v, q, k))[1] for f in (fast, plain)]]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
"""


@pytest.mark.slow
def test_with_the_compiler_off():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_COMPILER],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
