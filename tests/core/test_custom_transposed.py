"""One rule is enough for both modes: the other is its transpose, or an error names the rule to write."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

M = np.array([[1.0, -0.5, 2.0], [0.25, 1.5, -1.0]])
FUNCTIONS = {
    "elementwise": (lambda a, b: np.sin(a) * np.exp(0.5 * b), False),
    "broadcast": (lambda a, b: a[:, None] * b + np.tanh(a), False),
    "matrix": (lambda a, b: M @ (a * a) + b[:2] / (2 + a[0] ** 2), False),
    "sum": (lambda a, b: np.sum(np.log1p(a * a) * b), False),
    "sorted": (lambda a, b: np.sort(a) * np.cumsum(b), False),
    "several": (lambda a, b: (a * b, np.sum(a**3) + b[0]), True),
}


def of_vjp(f, several):
    """The function with no rule but that of reverse mode."""
    made = cr.custom(f, several=several)
    made.def_vjp(lambda y_bar, a, b: cr.vjp(f, a, b)[1](y_bar))
    return made


def of_residuals(f, several):
    """The same, with the arguments as residuals."""
    made = cr.custom(f, several=several)
    made.def_vjp(lambda a, b: (f(a, b), (a, b)), lambda kept, y_bar: cr.vjp(f, *kept)[1](y_bar))
    return made


def of_jvp(f, several):
    """The function with no rule but that of forward mode."""
    made = cr.custom(f, several=several)
    made.def_jvp(lambda primals, tangents: cr.jvp(f, primals, tangents)[1])
    return made


def total(f):
    def scalar(a, b):
        y = f(a, b)
        return sum(np.sum(part * part) for part in y) if isinstance(y, tuple) else np.sum(y * y)

    return scalar


def same(got, expected):
    if isinstance(expected, tuple | list):
        assert len(got) == len(expected)
        for one, two in zip(got, expected, strict=True):
            same(one, two)
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


vectors = st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=3, max_size=3, unique=True).map(np.array)


@pytest.mark.parametrize("make", [of_vjp, of_residuals, of_jvp])
@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=5)
@given(a=vectors, b=vectors, a_dot=vectors, b_dot=vectors)
def test_the_other_mode_is_the_transpose(make, name, a, b, a_dot, b_dot):
    """Of every order: values, tangents, pullbacks, Jacobians, Hessians and products are those of the function."""
    f, several = FUNCTIONS[name]
    made = make(f, several)
    same(cr.jvp(made, (a, b), (a_dot, b_dot)), cr.jvp(f, (a, b), (a_dot, b_dot)))
    same(cr.linearize(made, a, b)[1](a_dot, b_dot), cr.linearize(f, a, b)[1](a_dot, b_dot))
    y, pullback = cr.vjp(f, a, b)
    same(cr.vjp(made, a, b)[1](y), pullback(y))
    for transform in (cr.jacfwd, cr.jacrev, cr.jacobian):
        same(transform(made, (0, 1))(a, b), transform(f, (0, 1))(a, b))
    same(cr.grad(total(made), (0, 1))(a, b), cr.grad(total(f), (0, 1))(a, b))
    same(cr.hessian(total(made))(a, b), cr.hessian(total(f))(a, b))
    same(cr.hvp(total(made), (a, b), (a_dot, b_dot)), cr.hvp(total(f), (a, b), (a_dot, b_dot)))


def test_arguments_that_do_not_move():
    @cr.custom
    def power(x, n, *, scale=1.0):
        return scale * x**n

    power.def_vjp(lambda y_bar, x, n, *, scale=1.0: y_bar * scale * n * x ** (n - 1))
    assert float(cr.jvp(lambda x: power(x, 3, scale=2.0), (2.0,), (1.0,))[1]) == 24.0
    assert float(cr.hessian(lambda x: power(x, 3))(2.0)) == 12.0


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_dtype_is_kept(dtype):
    square = cr.custom(lambda x: x * x)
    square.def_vjp(lambda y_bar, x: 2 * x * y_bar)
    x = np.array([1.0, 3.0], dtype)
    y_dot = cr.jvp(square, (x,), (x,))[1]
    assert y_dot.dtype == dtype
    np.testing.assert_allclose(y_dot, 2 * x * x, rtol=1e-2)


def sin(x):
    return np.sin(x)


UNWRITTEN = {
    "values taken out": lambda y_bar, x: (y_bar.numpy() if isinstance(y_bar, cr.Tensor) else y_bar) * np.cos(x),
    "math": lambda y_bar, x: float(y_bar) * math.cos(x),
    "a plain array": lambda y_bar, x: np.asarray(y_bar) * np.cos(x),
    "not linear": lambda y_bar, x: y_bar * abs(y_bar) * np.cos(x),
}


@walked("how", UNWRITTEN)
def test_a_rule_that_has_no_transpose_names_the_other(how):
    sine = cr.custom(sin)
    sine.def_vjp(UNWRITTEN[how])
    assert float(cr.grad(sine)(0.5)) == pytest.approx(math.cos(0.5))
    with pytest.raises(cr.MissingRuleError, match=r"sin: no rule for forward mode, .* one with \.def_jvp"):
        cr.jvp(sine, (0.5,), (1.0,))
    other = cr.custom(sin)
    other.def_jvp(lambda primals, tangents: UNWRITTEN[how](tangents[0], primals[0]))
    with pytest.raises(cr.MissingRuleError, match=r"sin: no rule for reverse mode, .* one with \.def_vjp"):
        cr.grad(other)(0.5)


def test_a_loss_on_the_way_is_noticed():
    """One of two terms is taken out of its tensor: the tape would give half of the tangent."""
    double = cr.custom(lambda x: 2 * x)
    double.def_vjp(lambda y_bar, x: y_bar + (y_bar.detach() if isinstance(y_bar, cr.Tensor) else y_bar))
    with pytest.raises(cr.MissingRuleError, match="takes values out of their tensors"):
        cr.jvp(double, (1.0,), (1.0,))


def test_inside_a_compiled_function():
    cube = cr.custom(lambda x: x**3)
    cube.def_jvp(lambda primals, tangents: 3 * primals[0] ** 2 * tangents[0])

    @cr.compile
    def gradient(x):
        return cr.grad(lambda x: cube(x).sum())(x)

    for x in (np.array([1.0, 2.0]), np.array([3.0, 4.0])):
        np.testing.assert_allclose(gradient(x), 3 * x * x)
