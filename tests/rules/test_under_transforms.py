"""What users write in NumPy, in a function under `grad`, `jvp`, `vmap` and `compile`: values and derivatives."""

import copy
import functools
import warnings
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.numpy as cnp

X = np.array([0.3, -1.2, 0.7, 2.15])
M = np.arange(12.0).reshape(3, 4) / 7 + np.eye(3, 4)
S = np.array(0.7)
CHOSEN = np.array([1, 0, 1, 1], bool)
WEIGHTS = np.array([1.0, 2, 0, 3])


def kernel(x):
    k = cnp.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            k[i, j] = np.exp(-((x[i] - x[j]) ** 2))
    return k


def filled(x):
    y = cnp.empty(4)
    y[:] = x * 2
    y[1] += x[0]
    return y


def added_at(x):
    y = cnp.zeros(3)
    np.add.at(y, np.array([0, 1, 1, 2]), x)
    return y


def through_out(x):
    y = cnp.zeros(4)
    np.multiply(x, 2, out=y)
    np.add(y, x, out=y)
    return y


def cut_off(x):
    y = x.copy()
    y[y < -1] = 0.0
    y[x > 1] = 2 * x[0]
    return y * x


def masked_rows(m):
    y = m.copy()
    y[m.sum(axis=1) > 2] = m[0, 0]
    return y * m


def copied_deeply(x):
    class State:
        def __init__(self, value):
            self.value = value

    state = State(x * 2)
    other = copy.deepcopy(state)
    other.value *= x
    return other.value + state.value + copy.copy(state.value)


CASES = {
    "copies of objects": (copied_deeply, X),
    "numbers along axis 0": (
        lambda s: np.sum(s, axis=0) + np.max(s, axis=-1) + np.prod(s, axis=0) + np.ptp(2 * s, axis=0),
        S,
    ),
    "lists of tensors": (
        lambda s: cnp.mean([s, 2 * s]) + cnp.std([s, s * s]) + cnp.median([s, s**3, 2 * s]) + cnp.dot([s, s], [1.0, s]),
        S,
    ),
    "an array of traced values": (lambda x: cnp.array([[x[0], 1.0], [x[1], x[2]]]) @ np.ones(2), X),
    "a kernel matrix": (kernel, X),
    "an empty array": (filled, X),
    "np.full of a traced value": (lambda s: cnp.full(3, s) * np.arange(3.0), S),
    "add.at": (added_at, X),
    "out=": (through_out, X),
    "matmul with out=": (lambda m: np.matmul(m, m.T, out=cnp.empty((3, 3))), M),
    "a function with where=": (lambda x: np.sqrt(x, where=x > 0, out=cnp.zeros(4)), X),
    "two arguments with where=": (lambda x: np.divide(x, x + 1.2, where=CHOSEN, out=cnp.ones(4)), X),
    "a maximum with where=": (lambda x: np.max(x, where=x > 0, initial=-1) + np.sum(x, where=x < 1), X),
    "moments with where=": (lambda x: np.mean(x, where=x > 0) + np.std(x, where=x > 0) + np.var(x, where=x > -1), X),
    "a mask, set to one value": (cut_off, X),
    "a mask of rows": (masked_rows, M),
    "weighted quantiles": (
        lambda x: (
            np.quantile(x, [0.25, 0.5, 1.0], weights=WEIGHTS, method="inverted_cdf")
            + np.percentile(x, 30, weights=WEIGHTS, method="inverted_cdf")
        ),
        X,
    ),
    "weighted quantiles of rows": (
        lambda m: np.quantile(m, 0.4, axis=1, weights=WEIGHTS, method="inverted_cdf", keepdims=True),
        M,
    ),
    "frexp": (lambda x: np.frexp(x)[0] + np.ldexp(x, np.frexp(x)[1]), X),
    "as_strided": (lambda x: cnp.lib.stride_tricks.as_strided(x, (3, 2), (8, 8)) ** 2, X),
    "as_strided backwards": (lambda m: cnp.lib.stride_tricks.as_strided(m, (2, 3), (32, 8))[::-1], M),
    "a computed index": (lambda x: x[np.argsort(x)] * np.arange(4.0), X),
}


@walked("name", CASES)
def test_derivatives(name) -> None:
    f, x = CASES[name]
    expected, (found, _) = np.asarray(f(x)), cr.vjp(f, x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.asarray(found).dtype == expected.dtype
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)

    def loss(x):
        return np.sum(f(x) * weights)

    gradient = cr.grad(loss)
    right, direction = gradient(x), np.sin(np.arange(x.size) + 1.0).reshape(x.shape)
    h = 1e-6
    numeric = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)
    np.testing.assert_allclose((right * direction).sum(), numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(cr.jvp(loss, (x,), (direction,))[1], (right * direction).sum(), rtol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cr.VmapWarning)
        stack = cr.vmap(gradient)(np.stack([x, 1.01 * x]))
    np.testing.assert_allclose(stack, [right, gradient(1.01 * x)], rtol=1e-9)
    compiled = cr.compile(gradient)
    np.testing.assert_allclose(compiled(x), right, rtol=1e-9)
    np.testing.assert_allclose(compiled(1.01 * x), gradient(1.01 * x), rtol=1e-9)


def test_weighted_quantiles_are_numpys() -> None:
    rng = np.random.default_rng(0)
    for shape, axis in (((7,), None), ((3, 5), 1), ((3, 5), 0), ((2, 3, 4), (0, 2))):
        a = rng.normal(size=shape)
        w = rng.integers(0, 3, shape).astype(float) + (rng.random(shape) > 0.5)
        w = np.where(w.sum(axis=axis, keepdims=True) == 0, 1.0, w)
        settings = {"axis": axis, "weights": w, "method": "inverted_cdf"}
        q = np.array([0.0, 0.2, 0.5, 1.0])
        found = cr.vjp(functools.partial(np.quantile, q=q, **settings), a)[0]
        np.testing.assert_array_equal(found, np.quantile(a, q, **settings))


def test_weighted_quantiles_refuse_what_numpy_refuses() -> None:
    def run(**settings):
        cr.grad(lambda x: np.quantile(x, 0.5, **settings))(X)

    with pytest.raises(ValueError, match="inverted_cdf"):
        run(weights=WEIGHTS)
    with pytest.raises(ValueError, match="weights of shape"):
        run(weights=WEIGHTS[:2], method="inverted_cdf")
    with pytest.raises(ValueError, match="negative weight"):
        run(weights=-WEIGHTS, method="inverted_cdf")


@walked(
    ("shape", "strides", "said"), [((5,), (8,), "leaves"), ((2,), (4,), "multiples"), ((2, 2), (8,), "one for each")]
)
def test_as_strided_stays_in_the_array(shape, strides, said) -> None:
    with pytest.raises(ValueError, match=said):
        cr.grad(lambda x: cnp.lib.stride_tricks.as_strided(x, shape, strides).sum())(X)


CONDITIONS = {
    "&": lambda x: (x > 0) & (x < 1),
    "an array & a tensor": lambda x: CHOSEN & (x < 1),
    "|": lambda x: CHOSEN | (x > 0),
    "^": lambda x: (x > 0) ^ CHOSEN,
    "True &": lambda x: True & (x > 0),
    "~": lambda x: ~(x > 0),
    "np.bitwise_not": lambda x: np.bitwise_not(x > 0),
    "integers": lambda x: ((x > 0).astype(int) << 2 | 1) & 4,
    "reversed": lambda x: 6 & (3 >> (x > 0).astype(int)),
    "gcd": lambda x: np.gcd((x > 0).astype(int) * 6, 4) == 2,
}


@walked("name", CONDITIONS)
def test_conditions_and_integers_are_constants(name) -> None:
    """With NumPy's values: `~` of integers is no condition."""
    f = CONDITIONS[name]

    def loss(x):
        return (np.where(f(x), x, 2 * x) * x).sum()

    right = np.where(f(X), 2 * X, 4 * X)
    np.testing.assert_array_equal(np.asarray(f(cr.tensor(X))), f(X))
    assert np.asarray(f(cr.tensor(X))).dtype == f(X).dtype
    np.testing.assert_allclose(cr.grad(loss)(X), right)
    np.testing.assert_allclose(cr.vmap(cr.grad(loss))(np.stack([X, -X])), [right, cr.grad(loss)(-X)])
    compiled = cr.compile(cr.grad(loss))
    np.testing.assert_allclose(compiled(X), right)
    np.testing.assert_allclose(compiled(-X), cr.grad(loss)(-X))


def test_floats_have_no_bits() -> None:
    with pytest.raises(TypeError, match=r"np\.bitwise_and.*got float64, int"):
        cr.tensor(X) & 1


def test_piecewise_where_the_conditions_differ() -> None:
    """Each function works on all elements there; a derivative that does not exist at the others leaves no trace."""

    def f(x: Any) -> Any:
        return np.piecewise(x, [x > 0], [np.log, lambda v: v * 3])

    xs = np.array([[-1.0, 0.0, 2.0], [3.0, -4.0, 5.0]])
    gradient = cr.grad(lambda x: f(x).sum())
    compiled = cr.compile(gradient)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(cr.vmap(gradient)(xs), [gradient(x) for x in xs])
        np.testing.assert_allclose(cr.vmap(f)(xs), [f(x) for x in xs])
        for x in xs:
            np.testing.assert_allclose(compiled(x), gradient(x))
    by_two = cr.compile(lambda x: np.piecewise(x, [x < 0, x >= 2], [lambda v: -v, lambda v: v**2, 7.0]))
    for x in xs:
        np.testing.assert_allclose(by_two(x), np.piecewise(x, [x < 0, x >= 2], [lambda v: -v, lambda v: v**2, 7.0]))
    with pytest.raises(ValueError, match="got 1 functions for 2 conditions"):
        cr.vmap(lambda x: np.piecewise(x, [x < 0, x > 1], [0.0]))(xs)
