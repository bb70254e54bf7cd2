"""What each transform returns, for which arguments, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr


def square_sum(x: Any) -> Any:
    return (x * x).sum()


# What goes in comes out


def test_a_python_float_gives_a_numpy_float() -> None:
    gradient = cr.grad(lambda x: x * x)(3.0)
    assert type(gradient) is np.float64
    assert gradient == 6.0


def test_arrays_give_arrays_and_tensors_give_tensors() -> None:
    value, gradient = cr.value_and_grad(square_sum)(np.array([1.0, 2.0]))
    assert type(value) is np.float64
    assert type(gradient) is np.ndarray
    value, gradient = cr.value_and_grad(square_sum)(cr.tensor([1.0, 2.0]))
    assert isinstance(value, cr.Tensor)
    assert isinstance(gradient, cr.Tensor)
    assert not gradient.requires_grad
    np.testing.assert_array_equal(gradient.numpy(), [2.0, 4.0])


def test_a_constant_tensor_in_the_closure_does_not_make_the_gradient_a_tensor() -> None:
    c = cr.tensor([1.0, 10.0])
    gradient = cr.grad(lambda x: (x * c).sum())(np.ones(2))
    assert type(gradient) is np.ndarray
    np.testing.assert_array_equal(gradient, [1.0, 10.0])
    y_dot = cr.jvp(lambda x: x * c, (np.ones(2),), (np.ones(2),))[1]
    assert type(y_dot) is np.ndarray


def test_a_nested_list_is_a_tree_of_floats() -> None:
    assert cr.grad(lambda x: x[0] * x[1][0])([2.0, [3.0]]) == [3.0, [2.0]]


@walked("dtype", [np.float64, np.float32, np.float16])
@walked("shape", [(), (3,), (2, 3), (0,), (2, 0), (1, 1)])
def test_a_gradient_has_the_shape_and_dtype_of_its_argument(dtype: Any, shape: tuple[int, ...]) -> None:
    x, other = np.ones(shape, dtype), np.ones((4, *shape))

    def f(x: Any) -> Any:
        return (x * other).sum()  # broadcasts, and is computed in float64

    gradient = cr.grad(f)(x)
    assert (gradient.shape, gradient.dtype) == (shape, dtype)
    np.testing.assert_array_equal(gradient, np.full(shape, 4.0))
    _, (pulled,) = cr.vjp(f, x)[0], cr.vjp(f, x)[1](1.0)
    assert (pulled.shape, pulled.dtype) == (shape, dtype)
    leaf = cr.tensor(x, requires_grad=True)
    f(leaf).backward()
    assert leaf.grad is not None
    assert (leaf.grad.shape, leaf.grad.dtype) == (shape, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_tangent_has_the_dtype_of_the_value(dtype: Any) -> None:
    y, y_dot = cr.jvp(lambda x: x * x, (np.ones(3, dtype),), (np.ones(3),))
    assert y.dtype == y_dot.dtype == dtype


class Named(np.ndarray):
    """An array that computes as every other does."""


class Upward(np.ndarray):
    """An array whose product with itself is something else, as `np.matrix`'s is."""

    def __mul__(self, other: Any) -> Any:
        return np.asarray(self) + np.asarray(other)


def test_a_numpy_subclass_is_treated_as_an_array() -> None:
    value, gradient = cr.value_and_grad(square_sum)(np.full(2, 3.0).view(Named))
    assert value == 18.0
    assert type(gradient) is np.ndarray
    np.testing.assert_array_equal(gradient, [6.0, 6.0])


SUBCLASSES: dict[str, tuple[Any, str]] = {
    "Upward": (lambda: np.full(2, 3.0).view(Upward), r".*Upward, which computes in its own way; pass np\.asarray"),
    "masked": (
        lambda: np.ma.array([3.0, 3.0], mask=[True, False]),
        r"a masked array, whose mask would be.*x\.filled",
    ),
    "matrix": (lambda: np.asmatrix(np.eye(2)), r"a np\.matrix, whose \* is a matrix product; pass np\.asarray"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@walked(("make", "message"), SUBCLASSES.values(), ids=SUBCLASSES)
def test_a_subclass_that_computes_in_its_own_way_is_refused(make: Any, message: str) -> None:
    x, array = np.ones(2), make()
    with pytest.raises(TypeError, match="grad: argument 0: got " + message):
        cr.grad(square_sum)(array)
    for f in (lambda t: (t * array).sum(), lambda t: np.maximum(array, t).sum(), lambda t: np.where(t > 0, array, t)):
        with pytest.raises(TypeError, match="got " + message):
            cr.grad(f)(x)
        with pytest.raises(TypeError, match="got " + message):
            cr.jvp(f, (x,), (x,))
        with pytest.raises(TypeError, match="got " + message):
            f(cr.tensor(x, requires_grad=True))


def test_a_masked_array_before_a_tensor_is_refused_with_the_way_out() -> None:
    with pytest.raises(cr.GradientError, match=r"numpy\.ma asked for it: use array\.filled"):
        cr.grad(lambda t: (np.ma.array([3.0, 3.0], mask=[True, False]) * t).sum())(np.ones(2))


def test_gradients_share_no_memory() -> None:
    a, b, c = np.ones(3), np.ones(3), np.ones((1, 3))
    gradients = cr.grad(lambda a, b, c: (a + b + c).sum(), (0, 1, 2))(a, b, c)
    for k, one in enumerate(gradients):
        one += 5.0  # a sum's cotangent is a read-only view, an addition's the same array twice
        for other in gradients[:k]:
            assert not np.shares_memory(one, other)
    np.testing.assert_array_equal(gradients[0], [6.0, 6.0, 6.0])


def test_a_pullback_does_not_return_its_own_argument() -> None:
    cotangent = np.ones(2)
    _, pullback = cr.vjp(lambda x: x, np.ones(2))
    (x_bar,) = pullback(cotangent)
    x_bar[0] = 7.0
    assert cotangent[0] == 1.0


# argnums, auxiliary values, keyword arguments


def test_argnums() -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return a * b * c

    assert cr.grad(f, 1)(2.0, 3.0, 5.0) == 10.0
    assert cr.grad(f, -1)(2.0, 3.0, 5.0) == 6.0
    assert cr.grad(f, (2, 0))(2.0, 3.0, 5.0) == (6.0, 15.0)
    assert cr.grad(f, (1,))(2.0, 3.0, 5.0) == (10.0,)
    assert cr.grad(f, ())(2.0, 3.0, 5.0) == ()


@walked("transform", [cr.grad, cr.jacrev, cr.jacfwd, cr.jacobian, cr.hessian, cr.elementwise_grad])
def test_argnums_out_of_range(transform: Any) -> None:
    for argnums in (1, -2, (0, 3)):
        with pytest.raises(ValueError, match=r"argnums .* is out of range for 1 positional"):
            transform(lambda x: x, argnums)(1.0)
    with pytest.raises(ValueError, match="names an argument twice"):
        transform(lambda x, y: x * y, (0, -2))(1.0, 2.0)


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        return x * x, {"twice": 2 * x, "label": "kept", "none": None}

    (value, aux), gradient = cr.value_and_grad(f, has_aux=True)(3.0)
    assert (value, gradient) == (9.0, 6.0)
    assert aux == {"twice": 6.0, "label": "kept", "none": None}
    assert not isinstance(aux["twice"], cr.Tensor)
    gradient, aux = cr.grad(f, has_aux=True)(3.0)
    assert (gradient, aux["twice"]) == (6.0, 6.0)
    with pytest.raises(TypeError, match="must return \\(value, auxiliary\\)"):
        cr.grad(lambda x: x * x, has_aux=True)(3.0)


def test_auxiliary_values_stay_differentiable_for_an_outer_transform() -> None:
    def f(x: Any) -> Any:
        gradient, aux = cr.grad(lambda y: (y * y, y * y * y), has_aux=True)(x)
        return gradient * aux  # 2x · x³

    assert cr.grad(f)(2.0) == 8 * 2.0**3


def test_keyword_arguments_are_passed_on_undifferentiated() -> None:
    assert cr.grad(lambda x, *, power: x**power)(2.0, power=3) == 12.0
    assert cr.elementwise_grad(lambda x, scale: x * scale)(np.ones(2), scale=3.0).tolist() == [3.0, 3.0]
    assert cr.jacobian(lambda x, scale: x * scale)(2.0, scale=3.0) == 3.0


def test_the_differentiated_function_keeps_its_name() -> None:
    assert cr.grad(square_sum).__name__ == "square_sum"


# Functions that depend on little


def test_an_argument_that_is_ignored_has_gradient_zero() -> None:
    gradient = cr.grad(lambda a, b: b, (0, 1))(np.ones((2, 3), np.float32), 1.0)
    assert gradient[0].dtype == np.float32
    np.testing.assert_array_equal(gradient[0], np.zeros((2, 3)))
    assert gradient[1] == 1.0


@walked("constant", [3.0, np.float64(3.0), np.array(3.0), cr.tensor(3.0)])
def test_a_constant_function_has_gradient_zero(constant: Any) -> None:
    value, gradient = cr.value_and_grad(lambda x: constant)(np.ones(2))
    assert float(value) == 3.0
    np.testing.assert_array_equal(gradient, [0.0, 0.0])
    y, y_dot = cr.jvp(lambda x: constant, (np.ones(2),), (np.ones(2),))
    assert (float(y), float(y_dot)) == (3.0, 0.0)
    y, pullback = cr.vjp(lambda x: constant, np.ones(2))
    np.testing.assert_array_equal(pullback(1.0)[0], [0.0, 0.0])
    np.testing.assert_array_equal(cr.jacrev(lambda x: constant)(np.ones(2)), [0.0, 0.0])
    np.testing.assert_array_equal(cr.jacfwd(lambda x: constant)(np.ones(2)), [0.0, 0.0])


def test_the_identity() -> None:
    assert cr.grad(lambda x: x)(2.0) == 1.0
    assert cr.jvp(lambda x: x, (2.0,), (3.0,)) == (2.0, 3.0)


# vjp and jvp


def test_a_pullback_can_be_called_again_and_again() -> None:
    x = np.array([1.0, 2.0])
    y, pullback = cr.vjp(lambda x: x * x, x)
    np.testing.assert_array_equal(y, [1.0, 4.0])
    for scale in (1.0, 3.0, 0.0):
        np.testing.assert_array_equal(pullback(np.full(2, scale))[0], scale * 2 * x)


def test_a_pullback_checks_its_cotangent() -> None:
    _, pullback = cr.vjp(lambda x: {"a": x * x, "b": x.sum()}, np.ones(2))
    with pytest.raises(ValueError, match=r"pullback \['a'\]: expected shape \(2,\), got \(3,\)"):
        pullback({"a": np.ones(3), "b": 1.0})
    with pytest.raises(ValueError, match="pullback: expected the structure"):
        pullback((np.ones(2), 1.0))
    with pytest.raises(TypeError, match=r"pullback \['a'\]: got dtype complex128"):
        pullback({"a": np.ones(2) * 1j, "b": 1.0})
    np.testing.assert_array_equal(pullback({"a": np.ones(2), "b": 1})[0], [3.0, 3.0])


def test_jvp_checks_its_tangents() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y

    with pytest.raises(ValueError, match="expected a tangent for each of 2 primals, got 1"):
        cr.jvp(f, (1.0, 2.0), (1.0,))
    with pytest.raises(ValueError, match=r"jvp: tangents.*expected shape \(2,\), got \(3,\)"):
        cr.jvp(f, (np.ones(2), 2.0), (np.ones(3), 1.0))
    with pytest.raises(ValueError, match="jvp: tangents: expected the structure"):
        cr.jvp(f, (np.ones(2), 2.0), ({"a": np.ones(2)}, 1.0))
    with pytest.raises(TypeError, match="complex128"):
        cr.jvp(f, (1.0, 2.0), (1.0, 1j))


def test_jvp_and_vjp_of_a_tree() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": p["w"] * x, "none": None, "z": (p["b"] + x,)}

    p = {"w": np.array([1.0, 2.0]), "b": 3.0}
    y, y_dot = cr.jvp(f, (p, 2.0), ({"w": np.ones(2), "b": 0.0}, 1.0))
    np.testing.assert_array_equal(y["y"], [2.0, 4.0])
    np.testing.assert_array_equal(y_dot["y"], [3.0, 4.0])
    assert y_dot["z"] == (1.0,)
    assert y_dot["none"] is None
    _, pullback = cr.vjp(f, p, 2.0)
    p_bar, x_bar = pullback({"y": np.array([1.0, 10.0]), "none": None, "z": (100.0,)})
    np.testing.assert_array_equal(p_bar["w"], [2.0, 20.0])
    assert (p_bar["b"], x_bar) == (100.0, 121.0)


def test_vjp_without_arguments() -> None:
    y, pullback = cr.vjp(lambda: 3.0)
    assert (y, pullback(1.0)) == (3.0, ())


def test_elementwise_grad() -> None:
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_allclose(cr.elementwise_grad(lambda x: x**3)(x), 3 * x**2)
    by_both = cr.elementwise_grad(lambda a, b: a * b, (0, 1))(x, 2.0)
    np.testing.assert_array_equal(by_both[0], np.full((2, 3), 2.0))
    np.testing.assert_allclose(by_both[1], x.sum(), atol=1e-15)
    twice = cr.elementwise_grad(cr.elementwise_grad(lambda x: x**3))
    np.testing.assert_allclose(twice(x), 6 * x)


# no_grad and stop_gradient


def test_no_grad_records_nothing() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with cr.no_grad():
        y = x * x
        assert not y.requires_grad
        assert y.node is None
    assert (x * x).requires_grad

    @cr.no_grad()
    def f(x: Any) -> Any:
        return x * x

    assert not f(x).requires_grad
    assert not f(x).requires_grad  # a decorator may be used again


def test_no_grad_holds_for_open_transforms_in_both_modes() -> None:
    def f(x: Any) -> Any:
        with cr.no_grad():
            constant = x * x
        return constant * x

    assert cr.grad(f)(3.0) == 9.0
    assert cr.jvp(f, (3.0,), (1.0,)) == (27.0, 9.0)
    assert cr.vjp(f, 3.0)[1](1.0) == (9.0,)
    assert cr.grad(cr.grad(f))(3.0) == 0.0
    assert cr.jvp(cr.grad(f), (3.0,), (1.0,)) == (9.0, 0.0)


def test_a_transform_that_begins_inside_no_grad_works() -> None:
    with cr.no_grad():
        assert cr.grad(lambda x: x * x)(3.0) == 6.0
        assert cr.jvp(lambda x: x * x, (3.0,), (1.0,))[1] == 6.0
        assert cr.grad(cr.grad(lambda x: x * x * x))(3.0) == 18.0

    def f(x: Any) -> Any:
        with cr.no_grad():
            return cr.grad(lambda y: y * y * x)(x)  # a constant for the outer transform

    value, gradient = cr.value_and_grad(f)(3.0)
    assert (value, gradient) == (18.0, 0.0)


def test_no_grad_can_be_entered_twice() -> None:
    x = cr.tensor(1.0, requires_grad=True)
    with cr.no_grad():
        with cr.no_grad():
            pass
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_detach_cuts_every_level() -> None:
    assert cr.grad(lambda x: x * x.detach())(3.0) == 3.0
    assert cr.grad(cr.grad(lambda x: x * x * x.detach()))(3.0) == 6.0
    assert cr.jvp(lambda x: x * x.detach(), (3.0,), (1.0,))[1] == 3.0


def test_stop_gradient() -> None:
    f = lambda x: x * x * cr.stop_gradient(x)  # noqa: E731
    assert cr.grad(f)(3.0) == 18.0
    assert cr.grad(cr.grad(f))(3.0) == 6.0
    assert cr.jvp(f, (3.0,), (1.0,)) == (27.0, 18.0)
    assert cr.jvp(cr.grad(f), (3.0,), (1.0,))[1] == 6.0
    assert cr.grad(lambda x: cr.grad(lambda y: y * cr.stop_gradient(x * y))(x))(3.0) == 0.0
    tree = cr.grad(lambda p: p["a"] * cr.stop_gradient(p)["a"])({"a": 3.0})
    assert tree == {"a": 3.0}
    x = cr.tensor(3.0, requires_grad=True)
    assert not cr.stop_gradient(x).requires_grad


# backward()


def test_backward_adds_up() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    square_sum(x).backward()
    square_sum(x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4.0, 8.0])
    x.grad = None
    assert x.grad is None


def test_backward_of_a_leaf_and_with_a_cotangent() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    cotangent = np.array([3.0, 4.0])
    x.backward(cotangent)
    cotangent[0] = 100.0
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 4.0])
    (x * x).backward(cr.tensor([1.0, 1.0]))
    np.testing.assert_array_equal(x.grad.numpy(), [5.0, 8.0])


def test_the_gradients_of_two_leaves_share_no_memory() -> None:
    a, b = cr.ones(2, requires_grad=True), cr.ones(2, requires_grad=True)
    total = a + b
    total.retain_grad()
    total.sum().backward()
    a.grad.data[...] = 7.0
    assert b.grad.tolist() == total.grad.tolist() == [1.0, 1.0]


def test_retain_grad() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    assert y.grad is None
    (y * y).backward()
    assert (float(y.grad), float(x.grad)) == (8.0, 32.0)


def test_the_gradient_of_a_gradient_through_leaves() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    gradient = cr.grad(lambda t: (t**3).sum())(x)
    assert gradient.requires_grad
    gradient.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [6.0, 12.0])


def test_a_transform_leaves_the_gradients_of_leaves_in_its_closure_alone() -> None:
    w = cr.tensor(3.0, requires_grad=True)
    gradient = cr.grad(lambda x: x * x * w)(2.0)
    assert w.grad is None
    gradient.backward()  # 2xw, by w
    assert float(w.grad) == 4.0


def test_backward_inside_a_transform() -> None:
    w = cr.tensor(3.0, requires_grad=True)

    def f(x: Any) -> Any:
        (w * w).backward()
        return x * w.grad.detach()

    assert float(cr.grad(f)(2.0)) == 6.0
