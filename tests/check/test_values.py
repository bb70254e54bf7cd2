"""A rule that returns a value beside its derivative must return the function's own."""

import numpy as np
import pytest

import chainrule as cr

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)


def pushed(factor):
    """Return the forward mode of a cube that returns so many times its value."""

    def jvp(primals, tangents):
        (x,), (x_dot,) = primals, tangents
        return factor * x**3, 3 * x**2 * x_dot

    return jvp


def cube(x):
    return x**3


def test_another_value_beside_the_tangent_is_found():
    report = cr.check(cube, X, jvp=pushed(1.01))
    (finding,) = report.findings
    assert (report.verdict, finding.code, finding.argument) == ("wrong", "other-value", "")
    assert "8.08 at [1, 2] instead of 8" in finding.message
    assert "Differentiating it changes its value".lower() in str(report).lower()
    assert "미분할 때의 값" in report.to_text("ko")
    assert "다른 값을 돌려줍니다" in report.to_html(lang="ko")


def test_the_same_value_and_none_are_right():
    assert cr.check(cube, X, jvp=pushed(1.0)).verdict == "right"
    assert cr.check(cube, X, jvp=lambda p, t: 3 * p[0] ** 2 * t[0]).verdict == "right"
    assert cr.check(cube, X.astype(np.float32), jvp=pushed(1.0)).verdict == "right"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_another_one(value):
    def jvp(primals, tangents):
        (x,), (x_dot,) = primals, tangents
        y = x**3
        y[0, 1] = value
        return y, 3 * x**2 * x_dot

    (finding,) = cr.check(cube, X, jvp=jvp).findings
    assert (finding.verdict, finding.code) == ("wrong", "other-value")
    assert f"{value} at [0, 1] instead of" in finding.message


def test_complex_values_are_compared_too():
    z = X + 0.5j
    assert cr.check(cube, z, jvp=pushed(1.0)).verdict == "right"
    assert cr.check(cube, z, jvp=pushed(1j)).findings[0].code == "other-value"


@pytest.fixture
def square(jax):
    """Makes a square under custom_vjp, of a forward pass."""

    def made(forward):
        f = jax.custom_vjp(lambda x: x**2)
        f.defvjp(forward, lambda x, g: (2 * x * g,))
        return f

    return made


@pytest.mark.slow
def test_a_forward_pass_of_jax_with_another_value(square):
    def other_forward(x):
        return x**3, x

    finding = cr.check_jax(square(other_forward), X).findings[0]
    assert (finding.code, finding.operation) == ("other-value", "other_forward")
    assert finding.source.text.strip() == "def other_forward(x):"
    assert cr.check_jax(square(lambda x: (x * x, x)), X).verdict == "right"


@pytest.mark.slow
def test_the_rule_inside_a_function_is_named(jax, square):
    def other_forward(x):
        return 2 * x**2, x

    inner = square(other_forward)
    finding = cr.check_jax(jax.jit(lambda x: jax.numpy.sin(inner(jax.numpy.cos(x)))), X).findings[0]
    assert (finding.code, finding.operation) == ("other-value", "other_forward")


def test_a_jvp_rule_of_jax_with_another_value(jax):
    @jax.custom_jvp
    def f(x, y):
        return x * y

    @f.defjvp
    def product_rule(primals, tangents):
        (x, y), (x_dot, y_dot) = primals, tangents
        return y, x_dot * y + x * y_dot

    finding = cr.check_jax(f, X, X + 1).findings[0]
    assert (finding.code, finding.operation) == ("other-value", "product_rule")
