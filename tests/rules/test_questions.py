"""Functions that only look: NumPy's own answer, from tensors as from arrays, and inside every transform."""

import numpy as np
from tests.named import walked

import chainrule as cr
from chainrule.core.tensor import Tensor, value_of
from chainrule.rules.arrays.questions import ANSWERS

X, Y = np.array([[1.0, -2.0, 3.5], [0.0, np.inf, 2.0]]), np.array([[1.0, -2.0, 3.0], [0.0, np.inf, 1.0]])
MATRIX = np.arange(9.0).reshape(3, 3)
VECTOR = np.array([1.0, 0.0, 2.0])
WHOLE = np.array([1, 0, 2])
ARGUMENTS = {
    **dict.fromkeys(("allclose", "array_equal", "array_equiv", "isclose", "isin", "nextafter"), (X, Y)),
    **dict.fromkeys(("shares_memory", "may_share_memory", "can_cast", "result_type", "common_type"), (X, Y)),
    "can_cast": (X, np.dtype(np.float32)),
    "digitize": (VECTOR, np.array([0.5, 1.5])),
    "lexsort": ((VECTOR, VECTOR),),
    "histogram_bin_edges": (VECTOR,),
    "unravel_index": (WHOLE, (3, 2)),
    "ravel_multi_index": ((WHOLE, WHOLE), (3, 3)),
    "ix_": (WHOLE, WHOLE),
    "spacing": (VECTOR,),
    "matrix_rank": (MATRIX,),
    "diag_indices_from": (MATRIX,),
    "tril_indices_from": (MATRIX,),
    "triu_indices_from": (MATRIX,),
}
FUNCTIONS = {name: getattr(np, name, None) or getattr(np.linalg, name) for name in ANSWERS}


def boxed(x, box):
    if isinstance(x, tuple) and all(isinstance(item, np.ndarray) for item in x):
        return tuple(boxed(item, box) for item in x)
    return box(x) if isinstance(x, np.ndarray) else x


def same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
    else:
        assert got == expected


@walked("name", sorted(set(FUNCTIONS) - {"empty_like"}))
def test_the_answer_is_numpys(name):
    arguments = ARGUMENTS.get(name, (X,))
    expected = FUNCTIONS[name](*arguments)
    same(FUNCTIONS[name](*(boxed(x, cr.tensor) for x in arguments)), expected)


@walked("name", ["isclose", "nanargmax", "array_equal", "zeros_like", "result_type"])
def test_the_answer_inside_a_transform(name):
    arguments = ARGUMENTS.get(name, (X,))
    seen = []

    def f(x):
        assert isinstance(x, Tensor)
        # An array that is made beside a traced value is one of its kind, so that such values can be written into it.
        seen.append(value_of(FUNCTIONS[name](x, *arguments[1:])))
        return (x * x).sum()

    with np.errstate(invalid="ignore"):
        cr.grad(f)(X)
    same(seen[0], FUNCTIONS[name](*arguments))


def test_an_array_like_a_tensor():
    x = cr.tensor(np.ones((2, 3), np.float32))
    made = np.empty_like(x)
    assert (type(made), made.shape, made.dtype) == (np.ndarray, (2, 3), np.float32)
    assert np.zeros_like(x, shape=(4,)).shape == (4,)
    assert np.ones_like(x, dtype=np.float64).dtype == np.float64
