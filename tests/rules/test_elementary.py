"""What the registry's laws cannot know: values from other libraries, edges of domains, extreme inputs."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import named, walked

import chainrule as cr
from chainrule.core.operands.protocols import functions, ufuncs
from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.exponential import exp2, logaddexp, logaddexp2
from chainrule.rules.elementary.powers import float_power, hypot, power
from chainrule.rules.elementary.rounding import fmod, nan_to_num, remainder, round
from chainrule.rules.elementary.trigonometric import arctan2, sinc

# By NumPy's name, the inputs at which PyTorch's function is compared.
WIDE = np.array([-1e4, -30.0, -2.5, -1e-3, 1e-3, 0.7, 4.0, 30.0, 1e4])
MIDDLE = np.array([-3.0, -0.8, -1e-6, 1e-6, 0.3, 2.0])
POSITIVE = np.array([1e-8, 0.3, 1.0, 7.0, 1e4])
INSIDE = np.array([-0.999, -0.5, 1e-8, 0.2, 0.9])
UNARY = {
    **dict.fromkeys(["sin", "cos", "tanh", "arctan", "arcsinh", "absolute", "sinc", "deg2rad", "rad2deg"], WIDE),
    **dict.fromkeys(["exp", "exp2", "expm1", "tan", "sinh", "cosh", "square", "reciprocal"], MIDDLE),
    **dict.fromkeys(["log", "log2", "log10", "sqrt"], POSITIVE),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "log1p"], INSIDE),
    "arccosh": 1.1 + POSITIVE,
}
BINARY = {
    **dict.fromkeys(["arctan2", "hypot", "logaddexp", "logaddexp2"], (WIDE, WIDE[::-1].copy())),
    "power": (POSITIVE, np.array([2.0, -1.5, 0.0, 3.0, 0.5])),
    "remainder": (WIDE, WIDE[::-1] / 7.3),
    "fmod": (WIDE, WIDE[::-1] / 7.3),
}
EXTREME = [
    *("sin", "cos", "tanh", "arctan", "arcsinh", "absolute", "cbrt", "sinc", "sign", "floor", "ceil", "trunc", "rint"),
    *("log", "log2", "log10", "log1p", "sqrt", "reciprocal", "deg2rad", "rad2deg", "square", "positive"),
]


def gradients(f, *args):
    """The elementwise derivative for each argument."""
    found = cr.elementwise_grad(f, argnums=tuple(range(len(args))))(*args)
    return [np.asarray(g) for g in found]


def torch_gradients(torch, f, args):
    leaves = [torch.tensor(x, requires_grad=True) for x in args]
    y = f(*leaves)
    y.sum().backward()
    return y.detach().numpy(), [x.grad.numpy() for x in leaves]


@walked(("name", "args"), [*((n, (x,)) for n, x in UNARY.items()), *BINARY.items()])
def test_values_and_gradients_are_those_of_pytorch(torch, name, args):
    value, expected = torch_gradients(torch, torch.pow if name == "power" else getattr(torch, name), args)
    np.testing.assert_allclose(getattr(np, name)(*args), value, rtol=1e-12)
    for got, wanted in zip(gradients(getattr(np, name), *args), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-300)


@walked("name", [*UNARY, *BINARY, *EXTREME, "cbrt", "fabs", "radians", "degrees", "nan_to_num", "round"])
def test_numpys_own_function_of_a_tensor_is_the_operation(name):
    function = getattr(np, name)
    args = [np.array([0.25, 0.5])] * (2 if name in BINARY else 1)
    if name == "arccosh":
        args = [1 + args[0]]
    assert function in (ufuncs if isinstance(function, np.ufunc) else functions)
    np.testing.assert_array_equal(function(*(cr.tensor(x) for x in args)).numpy(), function(*args))


@walked("dtype", [np.float32, np.float64])
@walked("name", EXTREME)
def test_large_inputs_stay_finite_and_warn_of_nothing(name, dtype):
    x = np.array([1e4] if name in ("log", "log2", "log10", "log1p", "sqrt") else [-1e4, 1e4], dtype)
    (gradient,) = gradients(getattr(np, name), x)
    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all()
    assert np.isfinite(getattr(np, name)(x)).all()


@walked("dtype", [np.float32, np.float64])
@walked("f", [hypot, arctan2, logaddexp, logaddexp2])
@walked("pair", [(1e4, -1e4), (-1e4, 1e4), (1e4, 1e4), (1e25, 1e25)])
def test_large_pairs_stay_finite_and_warn_of_nothing(f, pair, dtype):
    a, b = (np.array([x], dtype) for x in pair)
    for gradient in gradients(f, a, b):
        assert gradient.dtype == dtype
        assert np.isfinite(gradient).all()


# Powers


@walked(
    ("a", "b", "partials"),
    [
        (-2.0, 3.0, (12.0, 0.0)),
        (-2.0, 2.0, (-4.0, 0.0)),
        (-0.5, -1.0, (-4.0, 0.0)),
        (-2.0, 0.0, (0.0, 0.0)),
        (0.0, 0.0, (0.0, 0.0)),
        (0.0, 1.0, (1.0, 0.0)),
        (0.0, 2.0, (0.0, 0.0)),
        (0.0, 0.5, (np.inf, 0.0)),
        (2.0, 0.0, (0.0, math.log(2))),
        (np.e, 2.0, (2 * np.e, np.e**2)),
    ],
)
def test_the_partials_of_a_power_at_the_edges(a, b, partials):
    np.testing.assert_allclose(gradients(power, a, b), partials, rtol=1e-15)
    np.testing.assert_allclose(gradients(power, np.full(2, a), np.full(2, b)), np.transpose([partials] * 2), rtol=1e-15)


@walked("n", [0, 1, 2, 3, 5, -1, -2, 0.0, 2.0])
@walked("x", [-1.5, 0.5, 2.0])
def test_every_derivative_of_a_whole_power(n, x):
    f, factor = (lambda x: x**n), 1.0
    for k in range(4):
        assert float(f(x)) == pytest.approx(factor * x ** (n - k) if factor else 0.0, rel=1e-14)
        f, factor = cr.grad(f), factor * (n - k)


def test_derivatives_of_a_polynomial_at_zero():
    f = cr.grad(lambda x: x**2)
    assert [float(f(0.0)), float(cr.grad(f)(0.0)), float(cr.grad(cr.grad(f))(0.0))] == [0.0, 2.0, 0.0]


@walked("b", [0.0, 1.0, 2.5])
def test_the_mixed_derivative_of_a_power(b):
    """∂²aᵇ/∂a∂b = aᵇ⁻¹ (1 + b log a), at b = 0 too."""
    mixed = cr.grad(cr.grad(power, 0), 1)(3.0, b)
    assert float(mixed) == pytest.approx(3.0 ** (b - 1) * (1 + b * math.log(3.0)), rel=1e-14)


def test_numbers_in_a_power_do_not_widen_the_dtype():
    x = np.array([0.5, 2.0], np.float32)
    for f in (lambda x: x**2, lambda x: x**0.5, lambda x: 2**x, lambda x: 1.5**x, lambda x: np.power(x, -3)):
        y, pullback = cr.vjp(f, x)
        assert y.dtype == pullback(np.ones(2, np.float32))[0].dtype == np.float32


def test_float_power_computes_in_double_precision_and_keeps_the_gradients_dtype():
    x = np.array([2.0, 3.0], np.float32)
    y, pullback = cr.vjp(lambda x: float_power(x, 3), x)
    assert y.dtype == np.float64
    (x_bar,) = pullback(np.ones(2))
    assert x_bar.dtype == np.float32
    np.testing.assert_array_equal(x_bar, 3 * x * x)
    np.testing.assert_array_equal(np.float_power(cr.tensor(x), 2).numpy(), np.float_power(x, 2))


@walked(
    ("name", "x", "slope"),
    [
        *(("sqrt", 0.0, np.inf), ("cbrt", 0.0, np.inf), ("absolute", 0.0, 0.0), ("absolute", -0.0, 0.0)),
        *(("arcsin", 1.0, np.inf), ("arcsin", -1.0, np.inf), ("arccos", 1.0, -np.inf), ("arccosh", 1.0, np.inf)),
    ],
)
def test_slopes_at_the_ends_of_the_domain(name, x, slope):
    assert float(cr.grad(getattr(np, name))(x)) == slope


# Logarithms of sums, remainders, rounding


@walked(("a", "b", "partials"), [(np.inf, 0.0, (1.0, 0.0)), (0.0, -np.inf, (1.0, 0.0))])
@walked("f", [logaddexp, logaddexp2])
def test_infinities_in_a_logarithm_of_a_sum(f, a, b, partials):
    assert tuple(gradients(f, a, b)) == partials
    assert tuple(gradients(f, b, a)) == partials[::-1]


@given(a=st.floats(-1e3, 1e3), b=st.floats(0.01, 1e2), sign=st.sampled_from([-1, 1]))
def test_remainders_are_linear_between_their_jumps(a, b, sign):
    for f in (remainder, fmod):
        slope_a, slope_b = gradients(f, a, sign * b)
        assert slope_a == 1
        assert slope_b == np.round(slope_b)
        assert a + slope_b * sign * b == pytest.approx(float(f(a, sign * b)), abs=1e-10)


@walked("f", [np.floor, np.ceil, np.trunc, np.rint, np.sign, np.round, lambda x: x // 1])
def test_rounding_has_no_slope(f):
    x = np.array([-1.5, -1.0, 0.0, 0.5, 2.0])
    np.testing.assert_array_equal(cr.grad(lambda x: (x * f(x)).sum())(x), f(x))


def test_rounding_to_decimals():
    x = np.array([1.25, -0.375, 1234.5])
    for decimals in (-2, 0, 2):
        np.testing.assert_array_equal(round(cr.tensor(x), decimals).numpy(), np.round(x, decimals))


def test_nan_to_num_lets_the_gradient_of_numbers_through():
    x = np.array([np.nan, np.inf, -np.inf, 2.0])
    y, pullback = cr.vjp(lambda x: nan_to_num(x, nan=-1.0, posinf=5.0), x)
    np.testing.assert_array_equal(y, [-1.0, 5.0, np.finfo(float).min, 2.0])
    np.testing.assert_array_equal(pullback(np.full(4, 3.0))[0], [0.0, 0.0, 0.0, 3.0])
    with pytest.raises(ValueError, match="nan_to_num: copy=False"):
        nan_to_num(x, copy=False)


# Sinc and the error function


@given(st.floats(1e-12, 2e-3))
def test_the_slope_of_sinc_keeps_its_precision_near_zero(x):
    z = math.pi * x
    series = -math.pi * z / 3 * (1 - z**2 / 10 * (1 - z**2 / 28))
    assert float(cr.grad(sinc)(x)) == pytest.approx(series, rel=1e-14)


def test_derivatives_of_sinc_at_zero():
    """sinc x = 1 - (πx)²/6 + (πx)⁴/120 - …"""
    expected, f = [1.0, 0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5], sinc
    for wanted in expected:
        assert float(f(0.0)) == pytest.approx(wanted, rel=1e-14)
        f = cr.grad(f)


@given(st.floats(-30, 30) | st.floats(-1, 1) | st.floats(-1e-300, 1e-300))
def test_the_error_function_is_that_of_the_c_library(x):
    assert float(erf(x)) == pytest.approx(math.erf(x), rel=1e-15, abs=1e-320)
    assert float(erfc(x)) == pytest.approx(math.erfc(x), rel=2e-15, abs=1e-305)


def test_the_error_function_in_single_precision():
    x = np.linspace(-9, 9, 4001, dtype=np.float32)
    for f, reference in ((erf, math.erf), (erfc, math.erfc)):
        y = f(x)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, [reference(float(v)) for v in x], rtol=1e-6)


def test_the_error_function_of_whole_arrays():
    x = np.random.default_rng(0).normal(size=(130, 257)) * 3  # more than one block
    expected = np.array([math.erf(v) for v in x.ravel()]).reshape(x.shape)
    np.testing.assert_allclose(erf(x), expected, rtol=1e-15)
    np.testing.assert_allclose(erf(x.T[::-2]), expected.T[::-2], rtol=1e-15)
    assert erf(np.zeros((0, 3))).shape == (0, 3)
    assert erf(2) == pytest.approx(math.erf(2))


def test_the_error_function_of_what_is_no_ordinary_number():
    x = np.array([-np.inf, -1e300, -0.0, 0.0, 1e300, np.inf, np.nan])
    np.testing.assert_array_equal(erf(x), [-1.0, -1.0, -0.0, 0.0, 1.0, 1.0, np.nan])
    np.testing.assert_array_equal(np.signbit(erf(x[2:4])), [True, False])
    np.testing.assert_array_equal(erfc(x), [2.0, 2.0, 1.0, 1.0, 0.0, 0.0, np.nan])


def test_the_slope_of_exp2_is_its_own_multiple():
    x = np.array([-1.0, 3.0])
    np.testing.assert_allclose(gradients(exp2, x)[0], math.log(2) * 2**x, rtol=1e-15)


def test_whole_numbers_and_conditions_have_the_dtype_that_numpy_gives_them() -> None:
    arrays = [np.arange(-3, 4), np.arange(7, dtype=np.uint8), np.arange(7) > 3, np.arange(7, dtype=np.int16)]
    for name in sorted(name for name in dir(np) if isinstance(getattr(np, name), np.ufunc)):
        f = getattr(np, name)
        for x in arrays:
            args = (x,) * f.nin
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    expected = f(*args)
                except (TypeError, ValueError):  # not for this dtype
                    continue
                found = f(*map(cr.tensor, args))
            both = zip(*(y if isinstance(y, tuple) else (y,) for y in (found, expected)), strict=True)
            with named(name, x.dtype):
                for a, b in both:
                    assert a.dtype == b.dtype
                    np.testing.assert_allclose(np.asarray(a), b, rtol=1e-2 if a.dtype == np.float16 else 1e-6)
