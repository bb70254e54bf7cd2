"""What stands beside a tensor and is none of chainrule's: unwrapped as NumPy would, or named, on either side."""

import array
import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "%": operator.mod,
}
COMPARISONS = {"//": operator.floordiv, "<": operator.lt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
CALLS = {
    "multiply": np.multiply,
    "maximum": np.maximum,
    "hypot": np.hypot,
    "where": lambda a, b: np.where(np.array([True, False]), a, b),
}


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas", reason="a table of pandas beside a tensor: pip install pandas")


@pytest.fixture
def xarray():
    return pytest.importorskip("xarray", reason="an array of xarray beside a tensor: pip install xarray")


@pytest.fixture
def sparse():
    return pytest.importorskip("scipy.sparse", reason="a sparse matrix beside a tensor: pip install '.[scipy]'")


def value_and_gradient(f):
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    y = f(x)
    y.sum().backward()
    assert type(y.numpy()) is np.ndarray
    assert type(x.grad._value) is np.ndarray
    return y.numpy(), x.grad.numpy()


def same_as_numpy(other, plain, calls=CALLS):
    """Each operator, comparison and call gives, on both sides, what it gives for the plain array."""
    for f in [*OPERATORS.values(), *calls.values()]:
        for one, two in [
            (lambda x, f=f: f(x, other), lambda x, f=f: f(x, plain)),
            (lambda x, f=f: f(other, x), lambda x, f=f: f(plain, x)),
        ]:
            for got, expected in zip(value_and_gradient(one), value_and_gradient(two), strict=True):
                assert got.dtype == expected.dtype == np.float64
                np.testing.assert_array_equal(got, expected)
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    for f in COMPARISONS.values():
        np.testing.assert_array_equal(np.asarray(f(x, other)), f(x.numpy(), plain))
        np.testing.assert_array_equal(np.asarray(f(other, x)), f(plain, x.numpy()))


def refused(other, message, left=None, operators=OPERATORS):
    """Each operator and call names what stands beside the tensor."""
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    for f in operators.values():
        with pytest.raises(TypeError, match=message):
            f(x, other)
        kinds = TypeError if left is None else (TypeError, cr.GradientError)
        with pytest.raises(kinds, match=message if left is None else f"{message}|{left}"):
            f(other, x)
    for f in CALLS.values():
        with pytest.raises(TypeError, match=message):
            f(x, other)


@walked("kind", [list, tuple, lambda v: array.array("d", v)], ids=["list", "tuple", "array.array"])
def test_sequences_of_numbers_are_arrays(kind):
    same_as_numpy(kind([1.5, 2.0]), np.array([1.5, 2.0]))


def test_a_range_is_an_array():
    np.testing.assert_array_equal(value_and_gradient(lambda x: x * range(1, 3))[1], [1, 2])


@walked("number", [Fraction(1, 3), Decimal("0.25"), True, 2])
def test_numbers_of_python(number):
    same_as_numpy(number, float(number))


def test_a_fraction_leaves_float32_alone():
    x = cr.tensor(np.ones(2, np.float32), requires_grad=True)
    assert (x * Fraction(1, 3)).dtype == np.float32


def test_a_list_may_hold_tensors():
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    (x * [x[1], 5.0]).sum().backward()
    assert float(cr.numpy.sum([x, [1.0, 2.0]])) == 8.0
    assert cr.exp([x[0], 1.0]).requires_grad
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 7.0])
    g = cr.grad(lambda x: (np.ones((2, 2)) * x / [[x[0], 1.0], x]).sum())(np.array([2.0, 4.0]))
    np.testing.assert_allclose(g, [0.0, 1.0])


def test_jax_arrays_are_numpy_s(jax):
    other = jax.numpy.asarray(np.array([1.5, 2.5], np.float32))
    same_as_numpy(other, np.array([1.5, 2.5], np.float32))


def test_torch_tensors_are_numpy_s(torch):
    same_as_numpy(torch.tensor([1.5, 2.5]), np.array([1.5, 2.5], np.float32))


def test_a_torch_tensor_that_requires_a_gradient_is_refused(torch):
    refused(torch.tensor([1.0, 2.0], requires_grad=True), r"Tensor of torch whose gradient would end here.*t\.detach")


def test_a_float64_gradient_beside_a_float32_constant_of_jax(jax):
    b = np.array([3.0, 7.0], np.float32)
    g = cr.grad(lambda x: (np.sin(x) / jax.numpy.asarray(b)).sum())(np.array([1.0, 2.0]))
    np.testing.assert_allclose(g, np.cos([1.0, 2.0]) / b.astype(np.float64), rtol=1e-15)


def test_pandas(pandas):
    same_as_numpy(pandas.Series([1.5, 2.0]), np.array([1.5, 2.0]))
    same_as_numpy(pandas.DataFrame([[1.5, 2.0], [0.5, 1.0]]), np.array([[1.5, 2.0], [0.5, 1.0]]))
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    with pytest.raises(cr.GradientError, match=r"pandas asked for it.*to_numpy\(float\)"):
        pandas.Series([1.5, 2.0]) @ x


def test_a_table_without_numbers_is_named(pandas):
    refused(pandas.Series(["a", "b"]), r"a Series of pandas of dtype object.*to_numpy\(float\)")


def test_an_array_of_xarray_counts_by_position(xarray):
    """On the right it is its values; on the left xarray makes an array of its own that holds the tensor."""
    other = xarray.DataArray([1.0, 2.0], dims="time")
    for held in (other, other.variable):
        for f in OPERATORS.values():
            expected = cr.jacobian(lambda x: f(x, np.array([1.0, 2.0])))(np.array([2.0, 3.0]))  # noqa: B023
            np.testing.assert_allclose(cr.jacobian(lambda x: f(x, held))(np.array([2.0, 3.0])), expected)  # noqa: B023
            expected = cr.jacobian(lambda x: f(np.array([1.0, 2.0]), x))(np.array([2.0, 3.0]))  # noqa: B023
            np.testing.assert_allclose(cr.jacobian(lambda x: f(held, x))(np.array([2.0, 3.0])), expected)  # noqa: B023
    assert cr.grad(lambda x: np.dot(x, other))(np.ones(2)).tolist() == [1.0, 2.0]
    assert cr.grad(lambda x: (other * x).data.sum())(np.ones(2)).tolist() == [1.0, 2.0]
    with pytest.raises(cr.GradientError, match=r"xarray asked for it: take the tensor out.*\.data\.sum\(\)"):
        cr.grad(lambda x: (other * x).sum())(np.ones(2))


def test_a_sparse_matrix_is_named(sparse):
    matrix = sparse.csr_array(np.eye(2))
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    for f in (*OPERATORS.values(), operator.matmul):
        with pytest.raises(TypeError, match=r"csr_array of scipy which is sparse.*toarray\(\)"):
            f(x, matrix)
    with pytest.raises(cr.GradientError, match=r"scipy\.sparse asked for it: pass matrix\.toarray\(\)"):
        matrix @ x


def test_a_masked_array_is_unwrapped_or_named():
    full, masked = np.ma.array([1.5, 2.0]), np.ma.array([1.5, 2.0], mask=[False, True])
    np.testing.assert_array_equal(value_and_gradient(lambda x: x * full)[1], [1.5, 2.0])
    refused(masked, r"masked array, whose mask would be lost.*filled", left=r"numpy\.ma asked for it.*filled")


def test_a_matrix_is_named():
    same_as_numpy(np.array([[1.5, 2.0], [0.5, 1.0]]).view(np.recarray), np.array([[1.5, 2.0], [0.5, 1.0]]))
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.5, 2.0], [0.5, 1.0]])
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    for f in (lambda: x * matrix, lambda: matrix * x, lambda: x + matrix, lambda: np.multiply(matrix, x)):
        with pytest.raises(TypeError, match=r"np\.matrix, whose \* is a matrix product; pass np\.asarray"):
            f()


@walked(
    ("other", "message"),
    [
        ("abc", "got a str, expected real numbers; pass a number"),
        (b"abc", "got a bytes, expected real numbers"),
        ({}, "got a dict, expected real numbers"),
        ({1.0}, "got a set, expected real numbers"),
        (["a", "b"], "got a list that NumPy reads as dtype <U1, expected real numbers"),
        ([[1.0], [1.0, 2.0]], "got a list of rows of different lengths"),
        (object(), "got a object, expected real numbers"),
    ],
    ids=lambda x: type(x).__name__ if not isinstance(x, str) else x[:20],
)
def test_what_is_no_number_is_named(other, message):
    operators = {sign: f for sign, f in OPERATORS.items() if not (isinstance(other, str | bytes))}
    refused(other, message, operators=operators)


def test_none_is_named():
    x = cr.tensor([2.0, 3.0], requires_grad=True)
    for f in (*OPERATORS.values(), np.multiply):
        for call in (lambda f=f: f(x, None), lambda f=f: f(None, x)):
            with pytest.raises(TypeError, match="None the result of a function without a return"):
                call()
    with pytest.raises(TypeError, match="got None, expected real numbers"):
        x @ None
    assert (x == None).tolist() == [False, False]  # noqa: E711 - NumPy's answer


@walked("f", [f for f in OPERATORS.values() if f is not operator.mod])
def test_complex_numbers_are_operands(f):
    values = np.array([2.0, 3.0])
    x = cr.tensor(values, requires_grad=True)
    for other in (1j, np.array([1j, 2]), np.complex64(1j)):
        for y, plain in ((f(x, other), f(values, other)), (f(other, x), f(other, values))):
            assert y.requires_grad
            np.testing.assert_array_equal(y.numpy(), plain)


def test_a_function_of_scipy_that_is_not_there_is_named():
    special = pytest.importorskip("scipy.special", reason="SciPy's functions: pip install '.[scipy]'")
    with pytest.raises(TypeError, match=r"scipy\.special\.ber: .*it has .*erf, .*chainrule\.custom"):
        special.ber(cr.tensor([2.0]))


def test_a_custom_operation_takes_what_it_likes():
    @cr.custom
    def scaled(x, how):
        return x * how["by"]

    scaled.def_vjp(lambda y_bar, x, how: y_bar * how["by"])
    assert float(cr.grad(scaled)(3.0, {"by": 2.0})) == 2.0


def test_numbers_of_a_class_of_their_own():
    class Weight(float):
        pass

    x = cr.tensor([2.0, 3.0], requires_grad=True)
    np.testing.assert_array_equal((x * Weight(2.0) - x.size).numpy(), [2.0, 4.0])
