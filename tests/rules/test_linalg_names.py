"""Linear algebra under more names: values as NumPy's, derivatives, what is refused."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

from .against_numpy import RNG, agree, apart

A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
STACK = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)
CALLS = {
    "diagonal": (np.linalg.diagonal, STACK),
    "diagonal above": (lambda x: np.linalg.diagonal(x, offset=1), STACK),
    "trace": (np.linalg.trace, STACK),
    "matrix_transpose": (np.linalg.matrix_transpose, STACK),
    "tensorinv": (np.linalg.tensorinv, RNG.normal(size=(4, 6, 8, 3)) + np.eye(24).reshape(4, 6, 8, 3) * 9),
    "tensorinv of one axis": (lambda x: np.linalg.tensorinv(x, ind=1), np.eye(6).reshape(6, 2, 3) * 3 + apart(6, 2, 3)),
    "tensorsolve": (np.linalg.tensorsolve, np.eye(6).reshape(2, 3, 6) * 5 + apart(2, 3, 6), apart(2, 3)),
    "tensorsolve by axes": (
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
        np.moveaxis(np.eye(6).reshape(2, 3, 6) * 5 + apart(2, 3, 6), 2, 0),
        apart(2, 3),
    ),
}
PRODUCTS = {
    "matvec": ((2, 3, 4), (4,)),
    "vecmat": ((3,), (2, 3, 4)),
}


@walked("name", CALLS)
def test_a_function(name):
    f, *xs = CALLS[name]
    agree(f, f, *xs, tolerance=1e-6)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product(name):
    if not hasattr(np, name):
        pytest.skip("NumPy 2.2 has this function")
    f = getattr(np, name)
    agree(f, f, *(apart(*shape) for shape in PRODUCTS[name]))
    with pytest.raises(ValueError, match=f"{name}: got shapes"):
        getattr(cr.numpy, name)(cr.tensor(1.0), np.array(2.0))


@walked("p", [None, 2, -2, 1, np.inf, "fro"])
@walked("x", [A, STACK], ids=["matrix", "stack"])
def test_cond(p, x):
    f = lambda x: np.linalg.cond(x, p)  # noqa: E731
    agree(f, f, x, tolerance=1e-5)


def test_rank_is_a_constant():
    assert np.linalg.matrix_rank(cr.tensor(A, requires_grad=True)) == 3


def test_tensorinv_needs_axes():
    with pytest.raises(ValueError, match="tensorinv: got ind=0"):
        np.linalg.tensorinv(cr.tensor(A), ind=0)
