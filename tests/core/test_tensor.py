"""What a tensor has of an array, of a Python number, and of PyTorch's tensors."""

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

import chainrule as cr


def test_what_an_array_says_of_itself() -> None:
    x = cr.tensor(np.zeros((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float32, 2)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
    assert x.T.shape == (3, 2)


@given(hnp.arrays(st.sampled_from([np.float64, np.float32, np.float16]), hnp.array_shapes(min_dims=0, min_side=0)))
def test_data_is_copied_and_keeps_its_dtype(array: Any) -> None:
    x = cr.tensor(array, requires_grad=True)
    assert x.dtype == array.dtype
    np.testing.assert_array_equal(x.numpy(), array)
    assert not np.shares_memory(x.numpy(), array)
    assert x.tolist() == array.tolist() or np.isnan(array).any()


def test_what_can_be_made_a_tensor() -> None:
    assert cr.tensor(3).dtype == np.int64
    assert cr.tensor([1, 2.5]).dtype == np.float64
    assert cr.tensor(3, dtype=np.float32).dtype == np.float32
    assert cr.tensor([cr.tensor(1.0), 2.0]).tolist() == [1.0, 2.0]
    assert cr.tensor(cr.tensor([1.0], requires_grad=True)).requires_grad is False


def test_what_cannot() -> None:
    with pytest.raises(TypeError, match="requires_grad=True: got dtype int64"):
        cr.tensor(3, requires_grad=True)
    for data in ("text", None, object(), {"a": 1}):
        with pytest.raises(TypeError, match=r"tensor: got dtype .*, expected numbers"):
            cr.tensor(data)
    with pytest.raises(ValueError, match="tensor: the data do not form an array"):
        cr.tensor([[1.0], [1.0, 2.0]])


# Python's protocols


def test_numbers() -> None:
    for x in (cr.tensor(2.5), cr.tensor([2.5]), cr.tensor([[2.5]], requires_grad=True)):
        assert (float(x), int(x), x.item()) == (2.5, 2, 2.5)
        assert type(x.item()) is float
    assert list(range(5))[cr.tensor(2)] == 2
    with pytest.raises(TypeError, match="integer"):
        operator.index(cr.tensor(2.0))
    for f in (float, int, cr.Tensor.item):
        with pytest.raises(ValueError, match="size 1"):
            f(cr.tensor([1.0, 2.0]))


def test_signs() -> None:
    assert cr.grad(lambda x: +x * abs(-x))(-3.0) == 6.0


def test_truth() -> None:
    assert cr.tensor(1.0)
    assert not cr.tensor([0.0])
    with pytest.raises(ValueError, match="ambiguous"):
        bool(cr.tensor([1.0, 2.0]))


def test_iteration() -> None:
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[3.0, 4.0], [1.0, 2.0]])
    assert [float(a) for a in first] == [1.0, 2.0]
    assert list(cr.zeros(0)) == []
    with pytest.raises(TypeError, match="0-d"):
        iter(cr.tensor(1.0))
    with pytest.raises(TypeError):
        len(cr.tensor(1.0))


def test_branching_on_traced_values() -> None:
    def f(x: Any) -> Any:
        return x * x if x > 0 else -x

    assert (cr.grad(f)(3.0), cr.grad(f)(-3.0)) == (6.0, -1.0)
    assert cr.grad(lambda x: sum(x * k for k in range(int(x.item()))))(4.0) == 6.0


def test_repr() -> None:
    assert repr(cr.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(cr.tensor(1, dtype=np.float32)) == "tensor(1., dtype=float32)"
    assert repr(cr.tensor(1.0, requires_grad=True, name="w")) == "tensor(1., name='w', requires_grad=True)"
    assert len(repr(cr.zeros(10_000))) < 200
    shown = []
    cr.grad(lambda x: (shown.append(repr(x * x)), x)[1])(2.0)
    assert shown == ["tensor(4., requires_grad=True)"]


def test_format() -> None:
    loss = cr.tensor(2.0, requires_grad=True) * 2
    assert f"{loss:.3f}" == "4.000"
    assert f"{cr.tensor([1.0])}" == "tensor([1.])"


def test_names() -> None:
    assert cr.tensor(1.0, name="c").name == "c"
    assert cr.tensor(1.0, requires_grad=True, name="w").name == "w"
    assert cr.tensor(1.0).name is None


def test_in_place_operators_change_arrays_and_rebind_scalars() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y = kept = x * 1  # as of NumPy's arrays without axes, the product of two is a scalar
    y += 1
    y *= x
    assert (float(x), float(kept), float(y)) == (2.0, 2.0, 6.0)
    y.backward()
    assert float(x.grad) == 5.0  # x² + x
    z = cr.tensor([1.0])
    same = z
    z -= 3
    z /= 2
    z **= 2
    assert same is z
    assert z.tolist() == [1.0]


def test_tensors_are_keys_by_identity() -> None:
    x, y = cr.tensor(1.0), cr.tensor(1.0)
    assert {x: "x", y: "y"}[x] == "x"


# Copies and pickles


@walked("make", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "copy", "pickle"])
def test_copies_of_leaves_are_leaves(make: Any) -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True, name="w", dtype=np.float32)
    (x * x).sum().backward()
    twin = make(x)
    assert (twin.is_leaf, twin.requires_grad, twin.name, twin.dtype) == (True, True, "w", np.float32)
    assert twin.grad.tolist() == [2.0, 4.0]
    assert not np.shares_memory(twin.numpy(), x.numpy())
    assert not np.shares_memory(twin.grad.numpy(), x.grad.numpy())
    twin.grad = None
    (x * twin * twin).sum().backward()  # both on one tape
    np.testing.assert_array_equal(twin.grad.numpy(), [2.0, 8.0])
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 8.0])
    constant = make(cr.tensor([1, 2], name="c"))
    assert (constant.tolist(), constant.requires_grad, constant.name) == ([1, 2], False, "c")


def test_a_tensor_that_occurs_twice_is_copied_once() -> None:
    x = cr.tensor(1.0, requires_grad=True)
    first, second = copy.deepcopy([x, x])
    assert first is second


def test_results_of_operations_are_not_copied() -> None:
    y = cr.tensor(1.0, requires_grad=True) * 2
    for make in (copy.deepcopy, pickle.dumps):
        with pytest.raises(cr.GradientError, match=r"result of an operation.*detach"):
            make(y)
        assert make(y.detach())
    with pytest.raises(cr.GradientError, match="result of an operation"):
        cr.grad(pickle.dumps)(1.0)


def test_values_of_transforms_are_copied_as_arrays_are() -> None:
    """Derivatives pass through the copy, which has memory of its own."""

    def f(x):
        twin = copy.deepcopy({"x": x, "again": x})
        assert twin["x"] is twin["again"] is not x
        twin["x"][0] = 0.0
        return (twin["x"] * x + copy.copy(x)).sum()

    assert cr.grad(f)(np.array([2.0, 3.0])).tolist() == [1.0, 7.0]
    assert cr.compile(cr.grad(f))(np.array([2.0, 3.0])).tolist() == [1.0, 7.0]


# NumPy's protocols

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@walked("op", OPERATORS)
@walked("other", [np.array([1.0, 2.0]), np.float64(2.0), np.float32(2.0), 2.0, 3, np.int64(3)])
def test_mixed_operands_give_tensors_in_both_orders(op: Any, other: Any) -> None:
    values = np.array([1.5, 2.5])
    for x in (cr.tensor(values), cr.tensor(values, requires_grad=True)):
        left, right = op(x, other), op(other, x)
        assert isinstance(left, cr.Tensor)
        assert isinstance(right, cr.Tensor)
        np.testing.assert_array_equal(left.numpy(), op(values, other))
        np.testing.assert_array_equal(right.numpy(), op(other, values))
        assert left.requires_grad == right.requires_grad == x.requires_grad


def test_matrix_products_with_arrays() -> None:
    a, x = np.arange(4.0).reshape(2, 2), cr.tensor([1.0, 2.0], requires_grad=True)
    (a @ x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), a.sum(0))
    assert isinstance(x @ a, cr.Tensor)


def test_numpy_functions_of_tensors() -> None:
    x = cr.tensor([1.0, 4.0], requires_grad=True)
    for y in (np.sqrt(x), np.sum(x), np.stack([x, x]), np.concatenate([x, np.ones(2)]), np.where(x > 2, x, 0.0)):
        assert isinstance(y, cr.Tensor)
        assert y.requires_grad


def test_a_numpy_function_without_a_rule_is_named() -> None:
    x = cr.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np\.bitwise_and: chainrule has no derivative for it; use x\.numpy\(\)"):
        np.bitwise_and(x, 1)
    with pytest.raises(TypeError, match=r"np\.packbits: chainrule has no derivative"):
        np.packbits(x)
    with pytest.raises(TypeError, match=r"np\.bitwise_or: chainrule has no derivative"):
        np.bitwise_or.outer(x, x)


def test_out_is_refused() -> None:
    x, out = cr.tensor([1.0, 2.0], requires_grad=True), np.zeros(2)
    with pytest.raises(TypeError, match=r"np\.add: out="):
        np.add(x, 1.0, out=out)
    with pytest.raises(TypeError, match="array \\+= tensor"):
        out += x
    with pytest.raises(TypeError, match="out="):
        np.stack([x, x], out=np.zeros((2, 2)))
    with pytest.raises(TypeError, match=r"np\.add: where= is not supported"):
        np.add(x, 1.0, where=np.array([True, False]))
    assert out.tolist() == [0.0, 0.0]


def test_a_tracked_tensor_does_not_become_an_array() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    for y in (x, x * 2):
        with pytest.raises(cr.GradientError, match=r"its gradient would be lost.*detach"):
            np.asarray(y)
        with pytest.raises(cr.GradientError, match="detach"):
            np.array([y, y])
    with pytest.raises(cr.GradientError):
        cr.grad(lambda x: np.asarray(x).sum())(np.ones(2))
    array = np.zeros(2)
    with pytest.raises(cr.GradientError):
        array[:] = x


def test_a_constant_becomes_an_array() -> None:
    x = cr.tensor([1.0, 2.0])
    assert type(np.asarray(x)) is np.ndarray
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    copied = np.array(x)
    copied[0] = 5.0
    assert x.tolist() == [1.0, 2.0]
    array = np.zeros(2)
    array[:] = x.detach()
    assert array.tolist() == [1.0, 2.0]


def test_numpy_is_read_only() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    for view in (x.numpy(), (x * x).numpy(), (x * x).data, np.asarray(x.detach())):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5.0


# The gradient


def test_the_gradient_can_be_set() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True, dtype=np.float32)
    x.grad = np.array([1, 2])
    assert x.grad.dtype == np.float32
    x.grad = x.grad * 2
    assert x.grad.tolist() == [2.0, 4.0]
    x.grad *= 2
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(ValueError, match=r"grad: expected shape \(2,\), the tensor's own, got \(3,\)"):
        x.grad = np.ones(3)
    with pytest.raises(TypeError, match="grad: got dtype complex128"):
        x.grad = np.ones(2) * 1j
    with pytest.raises(cr.GradientError, match="grad: this tensor is not a leaf"):
        (x * 2).grad = np.ones(2)
    with pytest.raises(cr.GradientError, match="not a leaf"):
        cr.tensor(1.0).grad = 1.0
    assert x.grad.tolist() == [4.0, 8.0]


def test_detached_values_are_shared() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    assert np.shares_memory(x.detach().numpy(), x.numpy())
    assert not x.detach().requires_grad


def test_the_number_of_elements_is_a_python_number_to_numpy() -> None:
    """An int of another class would turn float32 into float64."""
    x = np.arange(1, 4, dtype=np.float32)
    for f in (
        lambda x: x / x.size,
        lambda x: x.size * x,
        lambda x: (x - x.mean()).sum() / x.size,
        lambda x: np.ones(3, np.float32) * np.size(x),
        lambda x: np.float32(2) ** x.size,
        lambda x: np.maximum(x, x.size),
    ):
        for found in (f(cr.tensor(x)), cr.compile(f)(x)):
            assert found.dtype == np.float32
            np.testing.assert_allclose(np.asarray(found), f(x), 1e-6)
    value, gradient = cr.value_and_grad(lambda x: (x**2).sum() / x.size)(x)
    assert value.dtype == gradient.dtype == np.float32
