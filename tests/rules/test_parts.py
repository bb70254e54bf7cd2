"""Parts of numbers, running sums by the array API's names, shifts of spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.tensor import value_of

from .against_numpy import agree, apart

X = apart(3, 4)
NEW = pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy 2.1 has these functions")


@walked("f", [np.real, np.conj, np.real_if_close, np.positive])
def test_a_real_number_is_its_own_part(f):
    agree(f, f, X)


def test_parts_that_are_constants():
    x = cr.tensor([2.0, -3.0], requires_grad=True)
    np.testing.assert_array_equal(np.imag(x), [0.0, 0.0])
    np.testing.assert_array_equal(np.angle(x), [0.0, np.pi])
    np.testing.assert_array_equal(np.angle(x, deg=True), [0.0, 180.0])
    np.testing.assert_array_equal(np.around(x / 3, 1).numpy(), [0.7, -1.0])


@given(st.floats(allow_nan=False, width=32))
def test_modf(x):
    got, expected = np.modf(cr.tensor(x)), np.modf(x)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
    assert float(cr.grad(lambda x: np.modf(x)[0])(x)) == float(np.isfinite(x))


def test_divmod():
    agree(lambda a, b: np.divmod(a, b)[1], np.remainder, X, np.array(0.7))
    quotient, _ = np.divmod(cr.tensor(X, requires_grad=True), 0.7)
    assert not quotient.requires_grad
    np.testing.assert_array_equal(quotient.numpy(), X // 0.7)


def test_ldexp_beyond_the_range_of_its_factor():
    x = np.array([1e-300, 3.0])
    f = lambda x: np.ldexp(x, np.array([1030, -2]))  # noqa: E731
    np.testing.assert_array_equal(value_of(f(cr.tensor(x))), f(x))
    np.testing.assert_array_equal(cr.grad(lambda x: np.ldexp(x, 1023))(1.0), 2.0**1023)


@NEW
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_cumulative(name, first, axis):
    f = lambda x: getattr(np, name)(x, axis=axis, include_initial=first)  # noqa: E731
    agree(f, f, X)
    agree(lambda x: getattr(np, name)(x), lambda x: getattr(np, name)(x), apart(4))


@NEW
def test_cumulative_needs_an_axis():
    with pytest.raises(ValueError, match="cumulative_sum: got shape"):
        np.cumulative_sum(cr.tensor(X))


@walked("f", [np.fft.fftshift, np.fft.ifftshift])
@walked("axes", [None, 0, (0, 1)])
def test_shifts_of_a_spectrum(f, axes):
    agree(lambda x: f(x, axes), lambda x: f(x, axes), X)


def test_float32_stays():
    x = cr.tensor(X.astype(np.float32))
    for y in (np.ldexp(x, 2), np.modf(x)[0], np.divmod(x, 2.0)[1], np.fft.fftshift(x), np.conj(x)):
        assert y.dtype == np.float32
