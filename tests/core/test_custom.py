"""`custom`: a user's operation with the user's derivative, and what is said where the two do not fit."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr


def cube() -> Any:
    @cr.custom
    def cube(x: Any) -> Any:
        """x³"""
        return x**3

    return cube


def residual_cube() -> Any:
    operation = cube()
    operation.def_vjp(lambda x: (x**3, {"slope": 3 * x**2}), lambda residuals, y_bar: residuals["slope"] * y_bar)
    return operation


def plain_cube() -> Any:
    operation = cube()
    operation.def_vjp(lambda y_bar, x: (y_bar * 3 * x**2,))
    return operation


def both_cube() -> Any:
    operation = plain_cube()
    operation.def_jvp(lambda primals, tangents: 3 * primals[0] ** 2 * tangents[0])
    return operation


def test_it_is_still_the_function() -> None:
    operation = plain_cube()
    assert (operation.__name__, operation.__doc__, operation.name) == ("cube", "x³", "cube")
    assert operation(2.0) == 8.0
    np.testing.assert_array_equal(operation(np.array([1.0, 2.0])), [1.0, 8.0])
    assert operation(cr.tensor(2.0)).item() == 8.0


@walked("make", [plain_cube, residual_cube, both_cube])
def test_reverse_mode(make: Any) -> None:
    operation = make()
    assert cr.grad(operation)(2.0) == 12.0
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    operation(x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]
    np.testing.assert_array_equal(cr.jacrev(operation)(np.array([1.0, 2.0])), np.diag([3.0, 12.0]))


@walked("make", [plain_cube, residual_cube, both_cube])
def test_second_order(make: Any) -> None:
    operation = make()
    assert cr.grad(cr.grad(operation))(2.0) == 12.0
    assert cr.grad(cr.grad(cr.grad(operation)))(2.0) == 6.0
    assert cr.jvp(cr.grad(operation), (2.0,), (1.0,))[1] == 12.0


def test_forward_mode() -> None:
    operation = both_cube()
    assert cr.jvp(operation, (2.0,), (10.0,)) == (8.0, 120.0)
    assert cr.jvp(cr.grad(operation), (2.0,), (1.0,))[1] == 12.0
    assert cr.grad(lambda x: cr.jvp(operation, (x,), (1.0,))[1])(2.0) == 12.0
    assert cr.hessian(operation)(2.0) == 12.0
    pair = cube()
    pair.def_jvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))
    assert cr.jvp(pair, (2.0,), (1.0,)) == (8.0, 12.0)


def test_the_rule_is_the_users_right_or_wrong() -> None:
    operation = cube()
    operation.def_vjp(lambda y_bar, x: y_bar * 100)
    operation.def_jvp(lambda primals, tangents: tangents[0] * 1000)
    assert cr.grad(operation)(2.0) == 100.0
    assert cr.jvp(operation, (2.0,), (1.0,))[1] == 1000.0


def test_a_rule_can_be_a_decorator_and_be_replaced() -> None:
    operation = residual_cube()

    @operation.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        return y_bar * 7

    @operation.def_jvp
    def push(primals: Any, tangents: Any) -> Any:
        return tangents[0] * 7

    assert callable(backward)
    assert callable(push)
    assert cr.grad(operation)(2.0) == cr.jvp(operation, (2.0,), (1.0,))[1] == 7.0


def test_a_missing_mode() -> None:
    with pytest.raises(cr.MissingRuleError, match=r"cube: no rule for reverse mode; define one with \.def_vjp"):
        cr.grad(cube())(2.0)
    with pytest.raises(cr.MissingRuleError, match=r"cube: no rule for forward mode; define one with \.def_jvp"):
        cr.jvp(cube(), (2.0,), (1.0,))


# Arguments of several kinds


def weighted() -> Any:
    """Σₖ w x[index], with settings; integers have no gradient."""

    @cr.custom
    def weighted(x: Any, index: Any, w: Any, *, power: int = 1, label: str = "") -> Any:
        return w * x[index] ** power

    @weighted.def_vjp
    def backward(y_bar: Any, x: Any, index: Any, w: Any, *, power: int = 1, label: str = "") -> Any:
        assert label in ("", "given")
        x_bar = np.zeros(x.shape)
        np.add.at(x_bar, index, y_bar * w * power * x[index] ** (power - 1))
        return x_bar, (y_bar * x[index] ** power).sum()

    @weighted.def_jvp
    def push(primals: Any, tangents: Any, *, power: int = 1, label: str = "") -> Any:
        (x, index, w), (x_dot, index_dot, w_dot) = primals, tangents
        assert index_dot is None
        return w_dot * x[index] ** power + w * power * x[index] ** (power - 1) * x_dot[index]

    return weighted


def test_integer_arguments_and_settings() -> None:
    operation, index, x = weighted(), np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0])

    def f(x: Any, w: Any) -> Any:
        return operation(x, index, w, power=2, label="given").sum()

    x_bar, w_bar = cr.grad(f, (0, 1))(x, 5.0)
    np.testing.assert_array_equal(x_bar, [10.0, 0.0, 60.0])
    assert w_bar == 19.0
    assert cr.grad(f, 1)(x, 5.0) == 19.0
    assert cr.jvp(f, (x, 5.0), (np.ones(3), 1.0))[1] == 70.0 + 19.0
    assert cr.jvp(lambda w: f(x, w), (5.0,), (1.0,))[1] == 19.0  # x does not move
    assert f(x, 5.0) == 95.0


def test_none_stands_for_zero() -> None:
    operation = cr.custom(lambda a, b: a * b)
    operation.def_vjp(lambda y_bar, a, b: (None, y_bar * a))
    a_bar, b_bar = cr.grad(operation, (0, 1))(2.0, 3.0)
    assert (a_bar, b_bar) == (0.0, 2.0)
    x_bar = cr.grad(lambda x: operation(x, x).sum())(np.ones(3, np.float32))
    assert x_bar.dtype == np.float32
    assert x_bar.tolist() == [1.0, 1.0, 1.0]


def test_any_number_of_arguments() -> None:
    @cr.custom
    def total(*xs: Any) -> Any:
        return sum(xs)

    total.def_vjp(lambda y_bar, *xs: [y_bar * (k + 1) for k in range(len(xs))])
    assert cr.grad(lambda a, b, c: total(a, b, c), (0, 1, 2))(1.0, 1.0, 1.0) == (1.0, 2.0, 3.0)


def test_a_function_that_returns_a_python_number() -> None:
    operation = cr.custom(lambda x: float(x) ** 2)
    operation.def_vjp(lambda y_bar, x: float(y_bar) * 2 * float(x))
    assert cr.grad(operation)(3.0) == 6.0


# Several outputs


def polar() -> Any:
    """(r cos φ, r sin φ)"""

    @cr.custom(several=True)
    def polar(r: Any, phi: Any) -> Any:
        return r * np.cos(phi), r * np.sin(phi)

    @polar.def_vjp
    def backward(y_bar: Any, r: Any, phi: Any) -> Any:
        a, b = y_bar
        return a * np.cos(phi) + b * np.sin(phi), r * (b * np.cos(phi) - a * np.sin(phi))

    @polar.def_jvp
    def push(primals: Any, tangents: Any) -> Any:
        (r, phi), (r_dot, phi_dot) = primals, tangents
        return r_dot * np.cos(phi) - r * np.sin(phi) * phi_dot, r_dot * np.sin(phi) + r * np.cos(phi) * phi_dot

    return polar


def test_several_outputs() -> None:
    operation = polar()
    r, phi = np.array([1.0, 2.0]), np.array([0.3, -0.5])
    plain = lambda r, phi: (r * np.cos(phi), r * np.sin(phi))  # noqa: E731
    for got, expected in zip(operation(r, phi), plain(r, phi), strict=True):
        np.testing.assert_array_equal(got, expected)
    for transform in (cr.jacrev, cr.jacfwd, cr.jacobian):
        for got, expected in zip(transform(operation, (0, 1))(r, phi), transform(plain, (0, 1))(r, phi), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-15)
    for k in (0, 1):  # nobody uses the other output
        one = lambda r, f=operation, k=k: f(r, 0.3)[k]  # noqa: E731
        assert cr.grad(one)(2.0) == [np.cos(0.3), np.sin(0.3)][k]
        assert cr.grad(cr.grad(lambda phi, k=k: operation(2.0, phi)[k]))(0.3) == -2 * [np.cos(0.3), np.sin(0.3)][k]
    np.testing.assert_allclose(
        cr.hessian(lambda r: operation(r * r, r)[0])(1.5), cr.hessian(lambda r: plain(r * r, r)[0])(1.5)
    )
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    a, b = operation(x, phi)
    (a * a + b * b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * r)


def test_what_several_outputs_must_be() -> None:
    operation = cr.custom(lambda x: x * x, several=True)
    operation.def_vjp(lambda y_bar, x: y_bar[0])
    with pytest.raises(TypeError, match="with several=True it must return a tuple of arrays, got float64"):
        cr.grad(lambda x: operation(x)[0])(2.0)
    operation = cr.custom(lambda x: (x, "text"), several=True)
    with pytest.raises(TypeError, match="must return arrays, got str"):
        cr.jvp(operation, (2.0,), (1.0,))
    operation = polar()
    operation.def_jvp(lambda primals, tangents: tangents[0])
    with pytest.raises(ValueError, match="def_jvp: expected one tangent for each of 2 outputs, got float64"):
        cr.jvp(operation, (2.0, 1.0), (1.0, 0.0))
    operation.def_jvp(lambda primals, tangents: (np.ones(2), np.ones(2)))
    with pytest.raises(ValueError, match=r"the tangent has shape \[2\], expected \[\]"):
        cr.jvp(operation, (2.0, 1.0), (1.0, 0.0))
    operation.def_jvp(lambda primals, tangents: ((1.0, 2.0), tangents))  # (y, y_dot)
    assert cr.jvp(operation, (2.0, 1.0), (3.0, 4.0))[1] == (3.0, 4.0)
    with pytest.raises(TypeError, match=r"got tuple; for a tuple of arrays, make it with custom\(several=True\)"):
        cr.custom(lambda x: (x, x))(1.0)


# What does not fit


@walked("returned", [(1.0, 2.0), [1.0], None, {"y": 1.0}, "text"])
def test_one_array_must_be_returned(returned: Any) -> None:
    operation = cr.custom(lambda x: returned)
    operation.def_vjp(lambda y_bar, x: y_bar)
    with pytest.raises(TypeError, match="a custom operation must return one array, got"):
        cr.grad(operation)(1.0)
    operation.def_vjp(lambda x: (returned, None), lambda residuals, y_bar: y_bar)
    with pytest.raises(TypeError, match="a custom operation must return one array, got"):
        cr.grad(operation)(1.0)


def test_forward_must_return_a_pair() -> None:
    operation = cube()
    for wrong in (lambda x: x**3, lambda x: (x**3, x, x)):
        operation.def_vjp(wrong, lambda residuals, y_bar: y_bar)
        with pytest.raises(TypeError, match=r"cube\.def_vjp: forward must return \(y, residuals\)"):
            cr.grad(operation)(1.0)


@walked("given", [(), (1.0, 2.0), [1.0, 2.0, 3.0]])
def test_the_number_of_gradients(given: Any) -> None:
    operation = cube()
    operation.def_vjp(lambda y_bar, x: given)
    with pytest.raises(ValueError, match=f"backward returned {len(given)} gradients, expected one for each of the 1"):
        cr.grad(operation)(2.0)


def test_the_shape_of_a_gradient_and_of_a_tangent() -> None:
    operation = cr.custom(lambda x, w: x @ w)
    operation.def_vjp(lambda y_bar, x, w: (y_bar @ w.T, y_bar.T @ x))
    operation.def_jvp(lambda primals, tangents: tangents[0])
    x, w = np.ones((2, 3)), np.ones((3, 4))
    with pytest.raises(ValueError, match=r"gradient of w has shape \[4, 3\], expected \[3, 4\], the argument's own"):
        cr.grad(lambda x, w: operation(x, w).sum(), 1)(x, w)
    with pytest.raises(ValueError, match=r"tangent has shape \[2, 3\], expected \[2, 4\], the output's own"):
        cr.jvp(operation, (x, w), (x, w))


def test_signatures_are_checked_at_once() -> None:
    operation = cr.custom(lambda x, w: x * w)
    with pytest.raises(TypeError, match=r"def_vjp: backward must be callable as backward\(y_bar, x, w\)"):
        operation.def_vjp(lambda y_bar, x: y_bar)
    with pytest.raises(TypeError, match=r"def_vjp: forward must be callable as forward\(x, w\)"):
        operation.def_vjp(lambda x: x, lambda residuals, y_bar: y_bar)
    with pytest.raises(TypeError, match=r"def_vjp: backward must be callable as backward\(residuals, y_bar\)"):
        operation.def_vjp(lambda x, w: (x, w), lambda y_bar: y_bar)
    with pytest.raises(TypeError, match=r"def_jvp: jvp must be callable as jvp\(primals, tangents\)"):
        operation.def_jvp(lambda x, w, x_dot, w_dot: x_dot)
    with pytest.raises(cr.MissingRuleError):
        cr.grad(operation)(1.0, 2.0)  # nothing was set


def test_an_output_that_is_not_floating() -> None:
    operation = cr.custom(lambda x: np.asarray(x).astype(np.int64))
    operation.def_vjp(lambda y_bar, x: y_bar)
    with pytest.raises(TypeError, match="got dtype int64"):
        cr.grad(lambda x: operation(x) * 1.0)(2.0)


def test_no_grad_and_checkpoint() -> None:
    operation = both_cube()
    with cr.no_grad():
        assert not operation(cr.tensor(2.0, requires_grad=True)).requires_grad
    assert cr.grad(cr.checkpoint(lambda x: operation(operation(x))))(1.0) == 9.0
    assert cr.grad(cr.grad(cr.checkpoint(operation)))(2.0) == 12.0


def test_a_function_of_any_number_of_arguments_takes_a_rule_that_names_them():
    product = cr.custom(lambda *args: args[0] * args[1])
    product.def_vjp(lambda y_bar, a, b: (y_bar * b, y_bar * a))
    assert [float(g) for g in cr.grad(product, argnums=(0, 1))(2.0, 3.0)] == [3.0, 2.0]


def test_a_copy_is_another_operation() -> None:
    """A check tries other rules on one; the operation itself keeps its own."""
    from copy import copy

    def cube(x: Any) -> Any:
        return x**3

    op = cr.custom(cube)
    op.def_vjp(lambda y_bar, x: y_bar * 3 * x**2)
    twin = copy(op)
    twin.def_vjp(lambda y_bar, x: y_bar * 0)
    assert cr.grad(op)(2.0) == 12.0
    assert cr.grad(twin)(2.0) == 0.0


def test_arrays_that_the_function_makes_are_plain() -> None:
    """`chainrule.numpy` makes tensors inside a transform, to be written to; a custom operation is outside of it."""
    from chainrule import numpy as cnp

    @cr.custom
    def put(x: Any) -> Any:
        out = cnp.zeros(5)
        out[1:4] = x
        assert type(out) is np.ndarray
        return out

    put.def_vjp(lambda y_bar, x: y_bar[1:4])
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(cr.grad(lambda x: (put(x) ** 2).sum() * cnp.ones(1)[0])(x), 2 * x)
    times = cr.custom(lambda x, *, f: x * f)  # a setting of any name
    assert float(times(3.0, f=2.0)) == 6.0
