"""A product whose second factor is packed once, against float64, in arrays of nan: what is read or written beyond."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels.native.gemm import blocks, repeated
from chainrule.kernels.native.gemm.writing import joined
from chainrule.kernels.native.machine import EXPLICIT, address_of
from chainrule.kernels.native.vectors import register_bytes

FORMS = [form for width, form in blocks.FORMS.items() if width <= register_bytes()]
pytestmark = pytest.mark.skipif(not FORMS, reason="this processor has vectors of 128 bits, and uses OpenBLAS")


def multiplied(form, a, b, beta, c):
    parts = repeated.multiplying("f", c.dtype, form)
    parts[-1] = parts[-1].replace("define internal", "define")
    real, whole, place = (ctypes.c_float if c.dtype == np.float32 else ctypes.c_double), ctypes.c_int64, ctypes.c_void_p
    kinds = [place, whole, place, whole, whole, whole, real, place, whole]
    packed, (m, n), k = repeated.packed(b, form), c.shape, len(b)
    lda, ldc = (x.strides[0] // x.itemsize for x in (a, c))
    ctypes.CFUNCTYPE(None, *kinds)(address_of(joined(parts), EXPLICIT))(
        a.ctypes.data, lda, packed.ctypes.data, m, n, k, beta, c.ctypes.data, ldc
    )


def framed(rng, shape, dtype):
    frame = np.full((shape[0] + 2, shape[1] + 5), np.nan, dtype)
    frame[1:-1, 2:-3] = rng.standard_normal(shape)
    return frame, frame[1:-1, 2:-3]


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 160), st.integers(1, 90)),
    beta=st.sampled_from([0.0, 1.0]),
    dtype=st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)]),
    form=st.sampled_from(FORMS),
)
def test_it_is_the_product(size, beta, dtype, form):
    rng, (m, n, k) = np.random.default_rng(sum(size)), size
    _, a = framed(rng, (m, k), dtype)
    _, b = framed(rng, (k, n), dtype)
    frame, c = framed(rng, (m, n), dtype)
    before, outside = c.astype(float) * beta, np.isnan(frame)
    if beta == 0:
        c[...] = np.nan  # is not read
    multiplied(form, a, b, beta, c)
    bound = np.finfo(dtype).eps * (k + 2) * (np.abs(a).astype(float) @ np.abs(b) + 2 * np.abs(before))
    assert (np.abs(c - (a.astype(float) @ b + before)) <= bound).all()
    assert np.isnan(frame[outside]).all()


def test_large_factors_and_other_types_stay_as_they_are():
    assert repeated.form_of(np.ones((2, 2), np.float32)) is not None
    for other in (np.ones((2, 2), np.int64), np.empty((1024, 2048)), np.empty((0, 3))):
        assert repeated.form_of(other) is None
