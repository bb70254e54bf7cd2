"""Complex numbers in the engine: the convention, casts, both modes, Jacobians, views and refusals."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from tests.named import walked

import chainrule as cr
from chainrule.core.tree import flatten

Z = np.array([1 + 2j, -0.5 + 0.3j, 0.7 - 1.1j])
X = np.array([0.4, -1.2, 0.9])
numbers = st.complex_numbers(min_magnitude=0.1, max_magnitude=3, allow_nan=False, allow_infinity=False)


def arrays():
    return nps.arrays(np.complex128, st.integers(1, 4), elements=numbers)


def f(z):
    """A real value that is not the real part of a holomorphic one."""
    return (np.abs(z) ** 3).sum() + (z * z.conj() ** 2).imag.sum() + np.angle(z).sum()


def h(z):
    """Holomorphic."""
    return np.exp(z) * z[::-1] + z.sum()


# The convention


@given(z=arrays())
def test_the_gradient_is_the_derivative_by_x_minus_i_times_that_by_y(z):
    by_x, by_y = cr.grad(lambda x, y: f(x + 1j * y), (0, 1))(z.real.copy(), z.imag.copy())
    assert by_x.dtype == np.float64
    np.testing.assert_allclose(cr.grad(f)(z), by_x - 1j * by_y, rtol=1e-10, atol=1e-10)


@given(z=arrays(), seed=st.integers(0, 99))
def test_both_modes_pair_by_the_real_part_of_the_product(z, seed):
    rng = np.random.default_rng(seed)
    z_dot, y_bar = (rng.normal(size=z.shape) + 1j * rng.normal(size=z.shape) for _ in range(2))

    def g(z):
        return np.conj(h(z)) * np.abs(z)

    _, y_dot = cr.jvp(g, (z,), (z_dot,))
    (z_bar,) = cr.vjp(g, z)[1](y_bar)
    np.testing.assert_allclose((z_bar * z_dot).real.sum(), (y_bar * y_dot).real.sum(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(cr.linearize(g, z)[1](z_dot), y_dot, rtol=1e-12, atol=1e-12)


def test_tensors_follow_it():
    z = cr.tensor(Z, requires_grad=True)
    f(z).backward()
    np.testing.assert_allclose(z.grad.numpy(), cr.grad(f)(Z))
    (z * z).sum().backward(-1j)  # the imaginary part
    np.testing.assert_allclose(z.grad.numpy(), cr.grad(f)(Z) - 2j * Z)
    z.grad = Z
    for twin in (copy.deepcopy(z), pickle.loads(pickle.dumps(z))):
        assert twin.requires_grad
        np.testing.assert_array_equal(twin.grad.numpy(), Z)
    assert repr(cr.tensor(Z[:1].astype(np.complex64))) == "tensor([1.+2.j], dtype=complex64)"
    assert complex(cr.tensor(1j, requires_grad=True)) == 1j


@walked(
    ("f", "x"),
    [
        (lambda x: (x * (1 + 2j)).real.sum(), X),
        (lambda x: (x + 1j * x).imag.sum(), X),
        (lambda x: (x.astype(complex) * 2j).imag.sum(), X),
        (lambda x: np.abs(x**1j - 2).sum(), np.abs(X)),
        (lambda x: np.abs(np.stack([x, x * 1j])).sum(), X),
        (lambda x: np.abs(np.where(X > 0, x, 1j)).sum(), X),
        (lambda x: np.abs(x @ np.outer(Z, Z)).sum(), X),
        (lambda x: np.abs(np.einsum("i,i->", x, Z)), X),
        (lambda x: np.abs(1j / x).sum(), X),
    ],
)
def test_a_real_variable_has_a_real_gradient(f, x):
    gradient = cr.grad(f)(x)
    assert gradient.dtype == np.float64
    numeric = [(f(x + step) - f(x - step)) / 2e-6 for step in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-8)
    tangent = np.array([0.3, -0.2, 1.0])
    np.testing.assert_allclose(cr.jvp(f, (x,), (tangent,))[1], gradient @ tangent, rtol=1e-10)
    single = cr.grad(f)(x.astype(np.float32))
    assert single.dtype == np.float32


# Jacobians


@pytest.mark.slow
@pytest.mark.parametrize("jacobian", [cr.jacrev, cr.jacfwd, cr.jacobian])
def test_jacobians_are_jaxs(jacobian, jax):
    expected = jax.jacrev(lambda z: jax.numpy.exp(z) * z[::-1] + z.sum(), holomorphic=True)(Z)
    np.testing.assert_allclose(jacobian(h, holomorphic=True)(Z), expected, rtol=1e-12)
    rows = jacobian(lambda z: np.abs(z) ** 2 * z.real[::-1])(Z)
    np.testing.assert_allclose(rows, jax.jacrev(lambda z: abs(z) ** 2 * z.real[::-1])(Z), rtol=1e-12)
    of_real = jacobian(lambda x: np.exp(1j * x) * x[::-1])(X)
    np.testing.assert_allclose(of_real, jax.jacfwd(lambda x: jax.numpy.exp(1j * x) * x[::-1])(X), rtol=1e-12)
    assert jacobian(lambda x: x * 1j)(np.zeros(0)).shape == (0, 0)


@pytest.mark.slow
def test_second_derivatives(jax):
    np.testing.assert_allclose(
        cr.hessian(lambda z: (z**3 * z[::-1]).sum(), holomorphic=True)(Z),
        jax.hessian(lambda z: (z**3 * z[::-1]).sum(), holomorphic=True)(Z),
        rtol=1e-12,
    )
    step = 1e-5 * (1 - 2j) * Z
    expected = (cr.grad(f)(Z + step) - cr.grad(f)(Z - step)) / 2e-5
    np.testing.assert_allclose(cr.hvp(f, (Z,), ((1 - 2j) * Z,)), expected, rtol=1e-7, atol=1e-7)
    with pytest.raises(TypeError, match=r"hessian: the function's result is complex"):
        cr.hessian(f)(Z)


@pytest.mark.slow
@given(z=arrays())
def test_wirtinger_derivatives(z):
    by_z, by_conjugate = cr.wirtinger(h)(z)
    np.testing.assert_allclose(by_z, cr.jacobian(h, holomorphic=True)(z), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(by_conjugate, 0, atol=1e-10)
    by_z, by_conjugate = cr.wirtinger(f)(z)
    np.testing.assert_allclose(2 * by_z, cr.grad(f)(z), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(by_conjugate, by_z.conj(), rtol=1e-10, atol=1e-10)


def test_wirtinger_takes_several_arguments_and_trees():
    by_z, by_conjugate = cr.wirtinger(lambda a, b: {"y": a["w"] * np.conj(b)}, (0, 1))({"w": 1j}, 2 + 1j)
    assert by_z == {"y": ({"w": 2 - 1j}, 0)}
    assert by_conjugate == {"y": ({"w": 0}, 1j)}
    with pytest.raises(TypeError, match="wirtinger: got dtype float64, expected complex numbers"):
        cr.wirtinger(lambda x: x)(1.0)


# Views


def test_the_parts_are_views():
    def written(x):
        z = x * (1 + 1j)
        z.real[0] = 5 * x[1]
        z.imag = x**2
        return z

    expected = X * (1 + 1j)
    expected.real[0] = 5 * X[1]
    expected.imag = X**2
    np.testing.assert_array_equal(written(cr.tensor(X)).numpy(), expected)
    np.testing.assert_allclose(
        cr.jacobian(written)(X), [[2j * X[0], 5, 0], [0, 1 + 2j * X[1], 0], [0, 0, 1 + 2j * X[2]]]
    )
    z = cr.tensor(Z)
    part = z.imag
    z[0] = 9j
    assert part[0].item() == 9
    real = cr.tensor(X)
    assert real.real is real
    assert real.imag.tolist() == [0, 0, 0]
    with pytest.raises(TypeError, match="complex128 cannot be written into float64"):
        (real * 1)[0:1] = np.array([1j])


def test_infinite_parts_stay_what_they_are():
    z = cr.tensor([complex(np.inf, 2.0), complex(np.nan, 1.0)])
    assert z.real[0].item() == np.inf
    filled = np.nan_to_num(z, posinf=9.0)
    np.testing.assert_array_equal(filled.numpy(), [9 + 2j, 1j])
    z.real = 0.0
    np.testing.assert_array_equal(z.numpy(), [2j, 1j])


# Dtypes and refusals


def test_a_narrow_factor_does_not_cost_precision():
    single = Z.astype(np.complex64)
    gradient = cr.grad(lambda x: np.abs(x * single).sum())(X)
    np.testing.assert_allclose(gradient, np.sign(X) * np.abs(single.astype(complex)), rtol=1e-13)
    with pytest.warns(np.exceptions.ComplexWarning):
        cr.grad(lambda z: z.astype(float).sum())(Z)


@walked(
    ("call", "error", "message"),
    [
        (lambda: cr.grad(np.exp)(1j), TypeError, "grad: the function's result is complex.*holomorphic=True"),
        (lambda: cr.elementwise_grad(np.exp)(Z), TypeError, "elementwise_grad: the function's result is complex"),
        (lambda: cr.jacobian(h)(Z), TypeError, "jacobian: the function's result is complex.*wirtinger"),
        (lambda: cr.jacfwd(h)(Z), TypeError, "jacfwd: the function's result is complex"),
        (lambda: cr.grad(np.exp, holomorphic=True)(1.0), TypeError, "holomorphic=True is for complex arguments"),
        (lambda: cr.tensor(Z, requires_grad=True).sum().backward(), cr.GradientError, "expected a real loss"),
        (lambda: cr.jvp(np.sin, (1.0,), (1j,)), TypeError, "got dtype complex128, expected real numbers"),
        (lambda: cr.vjp(np.abs, 1j)[1](1j), TypeError, "got dtype complex128, expected real numbers"),
        (lambda: cr.relu(Z), TypeError, r"relu: got complex128\[3\], but it is a function of real numbers only"),
        (lambda: np.hypot(cr.tensor(Z), 1), TypeError, r"hypot: got complex128\[3\]"),
        (lambda: cr.grad(lambda z: np.arctan2(z, 1.0).sum())(Z), TypeError, r"arctan2: got complex128\[3\]"),
        (lambda: cr.softmax(cr.tensor(Z)), TypeError, r"softmax: got complex128\[3\]"),
        (lambda: float(cr.tensor(1j)), TypeError, "not 'complex'"),
    ],
)
def test_what_is_refused_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_holomorphic_functions():
    assert complex(cr.grad(lambda z: z**3, holomorphic=True)(2j)) == -12
    np.testing.assert_allclose(cr.elementwise_grad(np.sin, holomorphic=True)(Z), np.cos(Z))
    value, gradient = cr.value_and_grad(lambda z: 1j * z, holomorphic=True)(1j)
    assert (complex(value), complex(gradient)) == (-1, 1j)


def test_made_tensors():
    cr.seed(0)
    z = cr.randn(4000, dtype=complex)
    np.testing.assert_allclose([np.var(z.numpy()), np.mean(z.numpy().real * z.numpy().imag)], [1, 0], atol=0.06)
    assert cr.rand(3, dtype=np.complex64).dtype == np.complex64
    assert cr.full((2,), 1j).tolist() == [1j, 1j]
    assert cr.zeros(2, dtype=complex, requires_grad=True).requires_grad


@walked(
    "g",
    [
        f,
        cr.grad(f),
        cr.value_and_grad(lambda z: np.abs(np.fft.fft(z)).sum()),
        lambda z: np.linalg.norm(z * 1j) + np.abs(z @ z),
        lambda z: np.fft.irfft(np.abs(np.fft.rfft(z.real))).max(),
    ],
)
def test_compiled_functions_take_them(g):
    compiled = cr.compile(g)
    for k in range(3):
        z = Z * (1 + k) + 1j * k
        parts = zip(flatten(compiled(z))[0], flatten(g(z))[0], strict=True)
        for got, expected in parts:
            np.testing.assert_allclose(got, expected, rtol=1e-12)
