"""Vectors in generated code: against NumPy."""

import numpy as np
import pytest

from chainrule.kernels.native.tasks import Function, Task, run_all
from chainrule.kernels.native.vectors import Vectors

LANES = 8


def each(of, x):
    """What a function of a vector makes of the elements of an array."""
    function = Function([x.dtype, x.dtype])
    v, (source, target) = Vectors(function.code, x.dtype, LANES), function.places
    with function.code.loop(function.begin, function.end) as i:
        v.store(of(v, v.load(source, i * LANES)), target, i * LANES)
    given = np.concatenate([x, np.zeros(-len(x) % LANES, x.dtype)])
    y = np.empty_like(given)
    run_all([Task(function.text(), [given, y], (), 0, len(given) // LANES)])()
    return y[: len(x)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two(dtype):
    lowest = np.finfo(dtype).minexp
    x = np.concatenate([-np.geomspace(1e-8, -lowest, 4000), np.linspace(lowest, 0, 4001)]).astype(dtype)
    x = x[x >= lowest]
    y = each(Vectors.exp2, x)
    # Without fused multiply-and-add, as on x86-64-v2, it is a little more than two.
    np.testing.assert_allclose(y, np.exp2(x.astype(np.longdouble)).astype(dtype), rtol=2.2 * np.finfo(dtype).eps)
    whole = np.arange(lowest, 1).astype(dtype)
    np.testing.assert_array_equal(each(Vectors.exp2, whole), np.exp2(whole))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_at_the_ends(dtype):
    lowest, far = dtype(np.finfo(dtype).minexp), np.finfo(dtype).min
    ends = np.array([-np.inf, far, far / 4, -(2.0**20), np.nextafter(lowest, far), -0.0, 0], dtype)
    np.testing.assert_array_equal(each(Vectors.exp2, ends), np.array([0, 0, 0, 0, 0, 1, 1], dtype))
    # Whatever is in the bits of a NaN that say nothing.
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    quiet = np.array([np.nan], dtype).view(bits)
    several = np.concatenate([quiet | x for x in map(bits.type, (0, 1, 127, 511, 1023))])
    signed = several | bits.type(1) << bits.type(8 * bits.itemsize - 1)
    assert np.isnan(each(Vectors.exp2, np.concatenate([several, signed]).view(dtype))).all()
