"""The product of our own: any sizes, layouts and factors, against float64; and where it is used."""

import ctypes
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels.native.gemm import blocks, tiles
from chainrule.kernels.native.machine import EXPLICIT, address_of, assembly_for
from chainrule.kernels.native.vectors import register_bytes
from chainrule.kernels.openblas import PLAIN, ROW_MAJOR, TRANSPOSED
from chainrule.kernels.openblas import address_of_gemm as address_in_openblas
from chainrule.kernels.suitable import has_own_products

x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of x86-64")
wide = pytest.mark.skipif(
    register_bytes() not in blocks.FORMS,
    reason="this processor has vectors of 128 bits, and uses OpenBLAS",
)
FORMS = [form for width, form in blocks.FORMS.items() if width <= register_bytes()]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def multiply(form, a, a_turned, b, b_turned, c, alpha=1.0, beta=0.0):
    """c ← alpha a b + beta c by the code of a form."""
    real, whole = (ctypes.c_float if c.dtype == np.float32 else ctypes.c_double), ctypes.c_int64
    kinds = [*[ctypes.c_int32] * 3, *[whole] * 3, real, *[ctypes.c_void_p, whole] * 2, real, ctypes.c_void_p, whole]
    (m, n), k = c.shape, a.shape[0 if a_turned else 1]
    forms = (TRANSPOSED if turned else PLAIN for turned in (a_turned, b_turned))
    lead = [x.strides[0] // x.itemsize for x in (a, b, c)]
    ctypes.CFUNCTYPE(None, *kinds)(address_of(blocks.gemm(c.dtype, form), EXPLICIT))(
        ROW_MAJOR, *forms, m, n, k, alpha, a.ctypes.data, lead[0], b.ctypes.data, lead[1], beta, c.ctypes.data, lead[2]
    )


def framed(rng, shape, dtype, turned=False):
    """An array inside a larger one of nan: what reads or writes beyond it is seen."""
    rows, columns = shape[::-1] if turned else shape
    frame = np.full((rows + 2, columns + 5), np.nan, dtype)
    inside = frame[1:-1, 2:-3]
    inside[...] = rng.standard_normal(inside.shape)
    return frame, inside


@wide
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 300), st.integers(1, 600)),
    turned=st.tuples(st.booleans(), st.booleans()),
    alpha=st.sampled_from([1.0, -0.5]),
    beta=st.sampled_from([0.0, 1.0, 2.0]),
    dtype=st.sampled_from(FLOATS),
    form=st.sampled_from(FORMS),
)
def test_it_is_the_product(size, turned, alpha, beta, dtype, form):
    rng = np.random.default_rng(sum(size))
    m, n, k = size
    _, a = framed(rng, (m, k), dtype, turned[0])
    _, b = framed(rng, (k, n), dtype, turned[1])
    frame, c = framed(rng, (m, n), dtype)
    before, outside = c.astype(float), np.isnan(frame)
    if beta == 0:
        c[...] = np.nan  # is not read
    multiply(form, a, turned[0], b, turned[1], c, alpha, beta)
    left, right = (x.astype(float).T if t else x.astype(float) for x, t in zip((a, b), turned, strict=True))
    bound = np.finfo(dtype).eps * (k + 2) * (np.abs(left) @ np.abs(right) + 2 * np.abs(before))
    assert (np.abs(c - (alpha * left @ right + beta * before)) <= bound).all()
    assert np.isnan(frame[outside]).all()


@wide
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_infinity_and_nan_reach_their_row_and_column_only(dtype, form):
    a, b, c = np.ones((11, 300), dtype), np.ones((300, 37), dtype), np.empty((11, 37), dtype)
    a[3, 299], b[0, 36] = np.inf, np.nan
    multiply(form, a, False, b, False, c)
    expected = np.full((11, 37), 300.0)
    expected[3], expected[:, 36] = np.inf, np.nan
    np.testing.assert_array_equal(c, expected)


@wide
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_part_of_the_rows_or_columns_is_the_same_to_the_last_bit(dtype, form):
    """Products are cut for several threads, and results must not depend on their number."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((70, 515)).astype(dtype), rng.standard_normal((515, 130)).astype(dtype)
    whole, parts = np.empty((70, 130), dtype), np.empty((70, 130), dtype)
    multiply(form, a, False, b, False, whole)
    for begin, end in ((0, 16), (16, 48), (48, 70)):
        multiply(form, a[begin:end], False, b, False, parts[begin:end])
    np.testing.assert_array_equal(parts, whole)
    for begin, end in ((0, 48), (48, 112), (112, 130)):
        multiply(form, a, False, b[:, begin:end], False, parts[:, begin:end])
    np.testing.assert_array_equal(parts, whole)


@x86
@pytest.mark.parametrize(("width", "cpu", "register"), [(64, "skylake-avx512", "zmm"), (32, "haswell", "ymm")])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_sums_of_a_tile_stay_in_registers(dtype, width, cpu, register):
    """On the stack, where they go if there is no room for them, it would take twice as long."""
    form = blocks.FORMS[width]
    lines = assembly_for(blocks.gemm(dtype, form), "x86_64-unknown-linux-gnu", cpu).splitlines()
    sums = form.height * form.vectors
    loops, inside = [], []
    for line in lines:
        inside = [] if line.endswith(":") or (inside and "\tj" in inside[-1]) else [*inside, line]
        products = sum("vfmadd" in x for x in inside) if any("broadcast" in x and "(" in x for x in inside) else 0
        if "\tj" in line and products in (sums, sums * tiles.UNROLLED):
            loops.append(inside)
    assert len(loops) >= 6, "of a that lies, is packed, or lies anyhow: several terms at once, and those left"
    assert not any("%rsp" in line and register in line and "vmov" in line for loop in loops for line in loop)


@x86
@pytest.mark.parametrize(("cpu", "is_ours"), [("nehalem", False), ("haswell", True)])
def test_short_vectors_leave_products_to_blas(cpu, is_ours):
    """Eager code keeps BLAS to one thread where large products are ours, so it has to know as well."""
    code = (
        "import numpy as np; from chainrule.kernels import openblas; from chainrule.kernels.native.gemm import blocks; "
        "from chainrule.kernels.suitable import has_own_products; print(has_own_products(), "
        "blocks.address_of_gemm(np.float32, 512, 512, 512, True) != openblas.address_of_gemm(np.float32))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CHAINRULE_CPU": cpu}, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(is_ours)] * 2, done.stderr


def test_numpy_knows_of_our_products_what_llvm_does():
    assert has_own_products() == (register_bytes() in blocks.FORMS)


@wide
def test_it_is_taken_where_there_is_enough_to_do():
    for dtype in FLOATS:
        others = address_in_openblas(dtype)
        assert blocks.address_of_gemm(dtype, 512, 512, 128, False) not in (0, others)
        assert blocks.address_of_gemm(dtype, 32, 64, 10, False) == others
        assert blocks.address_of_gemm(dtype, 10**6, 1, 64, False) == others
