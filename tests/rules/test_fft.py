"""Fourier transforms: NumPy's values and dtypes, gradients for all lengths, axes and norms, and the errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

ONE_AXIS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
REAL = ("rfft", "ihfft", "rfft2", "rfftn")
NORMS = [None, "backward", "ortho", "forward"]


def drawn(name, shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x if name in REAL else x + 1j * rng.normal(size=shape)


def check(name, x, *args, **settings):
    """Value and dtype are NumPy's; both modes are adjoint, and their derivative is the transform of the direction."""
    plain = getattr(np.fft, name)

    def f(x):
        return plain(x, *args, **settings)

    expected = f(x)
    boxed = f(cr.tensor(x))
    np.testing.assert_allclose(boxed.numpy(), expected, rtol=1e-12, atol=1e-13)
    assert boxed.dtype == expected.dtype
    y, pullback = cr.vjp(f, x)
    x_dot, y_bar = drawn(name, x.shape, 1), np.asarray(y) * (2 if y.dtype.kind == "f" else 1 - 2j)
    _, y_dot = cr.jvp(f, (x,), (x_dot,))
    np.testing.assert_allclose(y_dot, f(x_dot), rtol=1e-12, atol=1e-13)
    (x_bar,) = pullback(y_bar)
    assert x_bar.shape == x.shape
    assert x_bar.dtype == x.dtype
    np.testing.assert_allclose((x_bar * x_dot).real.sum(), (y_bar * y_dot).real.sum(), rtol=1e-10, atol=1e-12)


@settings(max_examples=60)
@given(
    name=st.sampled_from(ONE_AXIS),
    shape=st.lists(st.integers(2, 6), min_size=1, max_size=3),
    n=st.none() | st.integers(1, 8),
    axis=st.integers(-3, 2),
    norm=st.sampled_from(NORMS),
)
def test_along_one_axis(name, shape, n, axis, norm):
    axis = axis % len(shape) - len(shape) * (axis < 0)
    check(name, drawn(name, shape), n, axis, norm)


@settings(max_examples=60)
@given(
    name=st.sampled_from(SEVERAL),
    shape=st.lists(st.integers(2, 4), min_size=2, max_size=3),
    norm=st.sampled_from(NORMS),
    data=st.data(),
)
def test_over_several_axes(name, shape, norm, data):
    count = 2 if name.endswith("2") else data.draw(st.integers(1, len(shape)))
    axes = data.draw(st.permutations(range(-len(shape), 0)).map(lambda order: tuple(order[:count])))
    s = data.draw(st.none() | st.lists(st.integers(1, 5), min_size=count, max_size=count))
    check(name, drawn(name, shape), s, axes, norm)


@walked("name", SEVERAL)
def test_all_axes_by_default(name):
    check(name, drawn(name, (2, 3, 4)))


def test_lengths_of_minus_one_leave_an_axis_as_it_is():
    for name in ("fftn", "rfftn", "ifftn"):
        check(name, drawn(name, (3, 5)), (-1, 4), (0, 1))


@walked("name", ONE_AXIS)
def test_single_precision_stays_single(name):
    x = drawn(name, (4,)).astype(np.float32 if name in REAL else np.complex64)
    f = getattr(np.fft, name)
    assert f(cr.tensor(x)).dtype == f(x).dtype
    y, pullback = cr.vjp(f, x)
    assert pullback(np.ones_like(y))[0].dtype == x.dtype


def test_the_gradient_of_a_power_spectrum():
    """Parseval: the energy is n times that of the signal."""
    x = np.random.default_rng(0).normal(size=7)
    np.testing.assert_allclose(cr.grad(lambda x: (np.abs(np.fft.fft(x)) ** 2).sum())(x), 14 * x)
    spectrum = cr.jacobian(np.fft.fft)(x)
    np.testing.assert_allclose(spectrum, np.fft.fft(np.eye(7)), atol=1e-14)
    np.testing.assert_allclose(cr.jacrev(np.fft.rfft)(x), np.fft.fft(np.eye(7))[:4], atol=1e-14)
    hessian = cr.hessian(lambda x: (np.abs(np.fft.rfft(x)) ** 4).sum())(x)
    step = 1e-5 * np.eye(7)
    gradient = cr.grad(lambda x: (np.abs(np.fft.rfft(x)) ** 4).sum())
    np.testing.assert_allclose(
        hessian, [(gradient(x + h) - gradient(x - h)) / 2e-5 for h in step], rtol=1e-6, atol=1e-4
    )


@pytest.mark.slow
def test_real_samples_have_a_real_gradient_and_complex_ones_a_complex_one(jax):
    x = np.random.default_rng(0).normal(size=6)
    for z in (x, x * (1 + 2j)):
        got = cr.grad(lambda z: np.abs(np.fft.fft(z, 8)[2]) + np.fft.ifft(z)[1].imag)(z)
        expected = jax.grad(lambda z: abs(jax.numpy.fft.fft(z, 8)[2]) + jax.numpy.fft.ifft(z)[1].imag)(z)
        assert got.dtype == z.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_shifts():
    z = drawn("fft", (4, 5))
    for f in (np.fft.fftshift, np.fft.ifftshift):
        for axes in (None, 0, (-1, 0)):
            np.testing.assert_array_equal(f(cr.tensor(z), axes).numpy(), f(z, axes))
    assert cr.grad(lambda z: np.fft.fftshift(z)[0, 0].real)(z)[2, 3] == 1


@walked(
    ("call", "error", "message"),
    [
        (lambda x: np.fft.fft(x, norm="sideways"), ValueError, "fft: got norm='sideways', expected 'backward'"),
        (lambda x: np.fft.hfft(x, norm="sideways"), ValueError, "hfft: got norm='sideways'"),
        (lambda x: np.fft.ifft(x, 0), ValueError, "ifft: got n=0, expected 1 or more"),
        (lambda x: np.fft.rfft(x * 1j), TypeError, "rfft: got dtype complex128, but it is a function of real numbers"),
        (lambda x: np.fft.ihfft(x * 1j), TypeError, "rfft: got dtype complex128"),
        (lambda x: np.fft.fft(x, axis=3), np.exceptions.AxisError, "fft: axis 3 is out of bounds"),
        (lambda x: np.fft.fftn(x, (2, 2), (0,)), ValueError, r"fftn: got 2 lengths s=\(2, 2\) for the axes \(0,\)"),
        (lambda x: np.fft.rfftn(x, axes=()), ValueError, "rfftn: got no axes"),
        (lambda x: np.fft.fft(x, out=np.zeros(4, complex)), TypeError, "into|out="),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(cr.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True))
