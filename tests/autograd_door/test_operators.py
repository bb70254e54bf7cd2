"""The transforms of the door to autograd: names, arguments and results as there, values as the engine's."""

import pickle
import warnings
from collections import OrderedDict
from typing import Any

import numpy as onp
import pytest
from tests.named import named

import chainrule as cr
import chainrule.autograd as autograd
import chainrule.autograd.numpy as np
from chainrule.autograd import (
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
)
from chainrule.autograd.differential_operators import make_jvp_reversemode
from chainrule.autograd.test_util import check_equivalent, check_grads, combo_check

X = onp.array([0.3, -1.2, 2.0])
A = onp.arange(6.0).reshape(2, 3) / 5


def cubes(x: Any) -> Any:
    return np.sum(x**3)


def test_the_names_of_autograd_are_there() -> None:
    names = "grad value_and_grad grad_and_aux elementwise_grad deriv jacobian hessian make_vjp make_jvp make_hvp"
    more = "make_ggnvp hessian_vector_product hessian_tensor_product tensor_jacobian_product checkpoint primitive"
    for name in (
        names + " " + more + " holomorphic_grad multigrad_dict grad_named tuple list dict isinstance type"
    ).split():
        assert name in autograd.__all__
        assert hasattr(autograd, name)


def test_joins_take_any_iterable() -> None:
    """lifelines stacks `params.values()`, as autograd allows."""
    for name in ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack"):
        join = getattr(np, name)
        params = {"a": X, "b": 2 * X}
        with named(name):
            onp.testing.assert_array_equal(
                join(params.values()), (onp.vstack if name == "row_stack" else getattr(onp, name))([X, 2 * X])
            )
            onp.testing.assert_array_equal(join(x for x in (X, X)), join([X, X]))
            found = grad(lambda p, join=join: np.sum(join(p.values()) ** 2))(params)
            onp.testing.assert_allclose(found["b"], 4 * X)
            assert pickle.loads(pickle.dumps(join)) is join


def test_gradients() -> None:
    onp.testing.assert_allclose(grad(cubes)(X), 3 * X**2)
    value, gradient = value_and_grad(lambda x, y: x * y**2, 1)(2.0, 3.0)
    assert (float(value), float(gradient)) == (18.0, 12.0)
    both = grad(lambda x, y, scale=1.0: scale * x * y, argnum=[1, 0])(2.0, 3.0, scale=10.0)
    assert tuple(map(float, both)) == (20.0, 30.0)
    onp.testing.assert_allclose(elementwise_grad(np.tanh)(X), 1 - onp.tanh(X) ** 2)
    assert float(deriv(np.sin)(0.0)) == 1.0
    assert float(grad_named(lambda a, b: a * b, "b")(2.0, 3.0)) == 2.0


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_one_number_in_an_array_is_a_loss(shape: Any) -> None:
    gradient = grad(lambda x: np.sum(x**2).reshape(shape))(X)
    onp.testing.assert_allclose(gradient, 2 * X)


def test_what_a_gradient_is_not_of() -> None:
    with pytest.raises(TypeError, match="Grad only applies to real scalar-output functions"):
        grad(lambda x: 2 * x)(X)
    with pytest.raises(TypeError, match="value_and_grad only applies"):
        value_and_grad(lambda x: 2 * x)(X)
    with pytest.raises(TypeError, match=r"Can't differentiate w\.r\.t\. type <class 'int'>; pass a float"):
        grad(lambda x: x**2)(3)
    with pytest.raises(TypeError, match="grad: argnum: expected a position"):
        grad(cubes, argnum="x")
    with pytest.raises(ValueError, match="grad_named: the function has no argument 'c'"):
        grad_named(lambda a, b: a, "c")
    with pytest.raises(TypeError, match="Elementwise_grad only applies to real-output"):
        elementwise_grad(lambda x: x * 1j)(X)


def test_integers_in_an_array_count_as_floats() -> None:
    onp.testing.assert_array_equal(grad(cubes)(onp.array([1, 2])), [3.0, 12.0])
    found = grad(lambda params: params["a"] * params["b"].sum())({"a": 2, "b": onp.arange(3)})
    assert (float(found["a"]), found["b"].tolist()) == (3.0, [2.0, 2.0, 2.0])


def test_a_result_that_does_not_depend_on_the_argument() -> None:
    with pytest.warns(UserWarning, match="Output seems independent of input"):
        gradient = grad(lambda x: 1.0)(X)
    onp.testing.assert_array_equal(gradient, onp.zeros(3))


def test_products_with_derivatives() -> None:
    f = lambda x: np.tanh(A @ x)  # noqa: E731
    J, H = jacobian(f)(X), hessian(cubes)(X)
    v = onp.array([1.0, 2.0, -1.0])
    onp.testing.assert_allclose(H, onp.diag(6 * X))
    onp.testing.assert_allclose(make_hvp(cubes)(X)[0](v), H @ v)
    onp.testing.assert_allclose(hessian_vector_product(cubes)(X, v), H @ v)
    assert hessian_vector_product is hessian_tensor_product
    onp.testing.assert_allclose(tensor_jacobian_product(f)(X, v[:2]), v[:2] @ J)
    onp.testing.assert_allclose(make_jvp(f)(X)(v)[1], J @ v)
    onp.testing.assert_allclose(make_jvp_reversemode(f)(X)(v), J @ v)
    onp.testing.assert_allclose(make_ggnvp(f)(X)(v), J.T @ J @ v)
    vjp, value = make_vjp(f)(X)
    onp.testing.assert_allclose(value, onp.tanh(A @ X))
    onp.testing.assert_allclose(vjp(onp.ones(2)), J.sum(axis=0))


def test_auxiliary_results() -> None:
    gradient, extra = grad_and_aux(lambda x: (np.sum(x**2), {"twice": 2 * x}))(X)
    onp.testing.assert_allclose(gradient, 2 * X)
    onp.testing.assert_allclose(extra["twice"], 2 * X)


def test_all_arguments_by_name() -> None:
    def f(x: Any, *rest: Any, y: Any = 2.0, **named: Any) -> Any:
        return x * rest[0] * y * named["z"]

    found = multigrad_dict(f)(3.0, 5.0, z=7.0)
    assert isinstance(found, OrderedDict)
    assert (float(found["x"]), float(found["rest"][0]), float(found["y"]), float(found["named"]["z"])) == (
        70,
        42,
        105,
        30,
    )


def test_containers_are_differentiated_whole() -> None:
    params = {"w": [X, (2.0, onp.ones((2, 2)))], "b": 1.0}

    def f(p: Any) -> Any:
        assert autograd.isinstance(p["w"], autograd.list)
        return np.sum(p["w"][0]) * p["w"][1][0] + np.sum(p["w"][1][1] ** 2) + p["b"]

    found = grad(f)(params)
    onp.testing.assert_array_equal(found["w"][0], [2.0, 2.0, 2.0])
    onp.testing.assert_array_equal(found["w"][1][1], onp.full((2, 2), 2.0))
    check_grads(f)(params)


def test_complex_derivatives_follow_autograds_convention() -> None:
    z = 0.3 + 0.7j
    assert complex(grad(lambda z: np.real(np.abs(z) ** 2))(z)) == pytest.approx(2 * z.conjugate())
    assert complex(holomorphic_grad(np.exp)(z)) == pytest.approx(onp.exp(z))
    with pytest.warns(UserWarning, match="Input to holomorphic_grad is not complex"):
        holomorphic_grad(lambda x: np.sum(x**2))(X)


def test_derivatives_nest_with_the_engines_own() -> None:
    mixed = cr.grad(lambda a: grad(lambda x: a * x**3)(2.0))(5.0)
    assert float(mixed) == 12.0
    assert float(grad(lambda x: cr.grad(lambda y: x * y**2)(3.0))(1.0)) == 6.0


def test_names_and_docs_of_derivatives() -> None:
    assert grad(cubes, 1).__name__ == "grad_of_cubes_wrt_argnum_1"
    assert "grad of function cubes with respect to argument number 1" in grad(cubes, 1).__doc__


def test_checks_find_a_wrong_derivative() -> None:
    check_grads(np.sin)(1.0)
    combo_check(np.sum, (0,))([X, A], axis=[None, 0])
    double = autograd.primitive(lambda x: 2.0 * x)
    autograd.extend.defvjp(double, lambda ans, x: lambda g: g * 2.01)
    with pytest.raises(AssertionError, match=r"\(VJP\) check of .* failed"):
        check_grads(double, modes=["rev"])(1.0)
    with pytest.raises(AssertionError, match="VSpace mismatch"):
        check_equivalent(X, X.astype(onp.float32))
    with pytest.raises(ValueError, match="check_grads: modes: expected 'fwd' and 'rev', got 'both'"):
        check_grads(np.sin, modes=["both"])(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        autograd.util.quick_grad_check(lambda x, y: x * y, 1.0, (2.0,))


def test_gradients_are_compiled() -> None:
    """A space needs no more than a shape and a dtype, which is all that is known of a captured value."""
    from chainrule.autograd.scipy.stats import multivariate_normal

    def loss(s: Any) -> Any:
        return multivariate_normal.logpdf(onp.ones(2), onp.zeros(2), s * onp.eye(2) + onp.eye(2)[::-1])

    both = cr.compile(value_and_grad(loss))
    for s in (3.0, 2.0):
        onp.testing.assert_allclose(both(s), value_and_grad(loss)(s), rtol=1e-12)
    with pytest.raises(onp.linalg.LinAlgError, match="not positive definite"):
        both(0.5)
    x = onp.arange(1.0, 4.0)
    for transform in (elementwise_grad, jacobian):
        f = transform(lambda x: np.tanh(x) * x)
        compiled = cr.compile(f)
        compiled(x)
        onp.testing.assert_allclose(compiled(x + 1), f(x + 1), rtol=1e-12)
