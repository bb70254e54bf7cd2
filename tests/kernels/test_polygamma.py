"""Polygamma functions over whole arrays, against SciPy's and at the ends of their range."""

import numpy as np
import pytest
import scipy.special
from tests.named import named

import chainrule as cr
from chainrule.kernels.polygamma import FEW, HIGHEST, polygamma


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([10.0 ** rng.uniform(-8, 8, 2000), rng.uniform(0, 30, 2000)])
    for order in range(1, HIGHEST + 2):
        with named(f"order {order}"):
            np.testing.assert_allclose(polygamma(order, x), scipy.special.polygamma(order, x), rtol=4e-15)


def test_recurrence() -> None:
    """The function at x + 1 is known from that at x (DLMF 5.15.5), with no digit of the other's."""
    x = np.random.default_rng(1).uniform(5, 9, FEW)
    step = polygamma(1, x) - 1 / x**2
    np.testing.assert_allclose(polygamma(1, x + 1), step, rtol=1e-14)


@pytest.mark.parametrize("count", [1, FEW])
def test_ends_of_the_range(count: int) -> None:
    ends = np.array([np.inf, 1e-200, 1e300, 5e-324, np.nan, -0.5, 0.0])
    for end in ends:
        with named(str(end)):
            x = np.full(count, end)
            with np.errstate(all="raise"):
                got = polygamma(2, x)
            np.testing.assert_array_equal(got, scipy.special.polygamma(2, x))


def test_keeps_dtypes_and_shapes() -> None:
    x = np.linspace(1, 9, 2 * FEW, dtype=np.float32).reshape(2, FEW)
    got = cr.special.polygamma(1, x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, scipy.special.polygamma(1, x.astype(float)), rtol=1e-6)
    np.testing.assert_array_equal(cr.special.polygamma(1, np.arange(1, 4)), scipy.special.polygamma(1, [1, 2, 3]))
