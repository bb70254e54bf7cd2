"""Large arrays, which kernels work on, against the same rules in NumPy."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core import loops
from chainrule.core.operation import REGISTRY
from chainrule.kernels.suitable import LARGE
from chainrule.rules.network import cross_entropy, norm, softmax

F = nn.functional
RULES = (norm, softmax, cross_entropy, loops)
BY_LOOP = [op for op in REGISTRY.values() if op.kind == "elementwise" and op.element and len(op.arguments) == 1]
"""The functions of one array that NumPy takes many passes for."""
SHAPES = [(LARGE // 64, 64), (3, LARGE // 60, 21), (1, LARGE), (LARGE,)]


@pytest.fixture
def by_numpy(monkeypatch):
    """Calls a function with every rule left to NumPy."""

    def call(f, *arguments):
        with monkeypatch.context() as patch:
            for module in RULES:
                patch.setattr(module, "LARGE", 1 << 60)
            return f(*arguments)

    return call


def draw(dtype, *shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def value_and_gradients(f, *arrays):
    """The value, and the gradients of the sum of its products with fixed weights."""
    y, pullback = cr.vjp(f, *arrays)
    y = np.asarray(y)
    y_bar = np.random.default_rng(9).standard_normal(y.shape).astype(y.dtype)
    return [y, *map(np.asarray, pullback(y_bar))]


FUNCTIONS = {
    "layer_norm": (lambda x, g, b: norm.layer_norm(x, g, b), 2),
    "rms_norm": (lambda x, g: norm.rms_norm(x, g), 1),
    "softmax": (lambda x: softmax.softmax(x), 0),
    "softmax_last": (lambda x: softmax.softmax(x, axis=x.ndim - 1), 0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_those_of_numpy(by_numpy, name, shape, dtype):
    f, count = FUNCTIONS[name]
    arrays = [draw(dtype, *shape), *[1 + draw(dtype, shape[-1])] * count]
    got, expected = value_and_gradients(f, *arrays), by_numpy(value_and_gradients, f, *arrays)
    compare(got, expected)


def compare(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        eps, size = np.finfo(a.dtype).eps, np.max(np.abs(b))
        np.testing.assert_allclose(a, b, rtol=100 * eps, atol=100 * eps * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [np.int64, np.int32, np.uint64, np.uint8])
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_cross_entropy_is_that_of_numpy(by_numpy, shape, classes, dtype):
    z = draw(dtype, *shape)
    t = np.random.default_rng(0).integers(0, min(shape[-1], 200), shape[:-1]).astype(classes)

    def losses(z):
        return cross_entropy.SparseSoftmaxCrossEntropy.apply(z, t)

    compare(value_and_gradients(losses, z), by_numpy(value_and_gradients, losses, z))


def test_the_mean_of_the_losses_reaches_the_kernel_as_a_view_of_one_number(by_numpy):
    z, t = draw(np.float32, 1000, 64), np.arange(1000) % 64
    f = cr.grad(lambda z: F.cross_entropy(z, t))
    compare([np.asarray(f(z))], [np.asarray(by_numpy(f, z))])


def test_a_class_out_of_range_is_still_an_error():
    z, t = draw(np.float32, 1000, 64), np.zeros(1000, np.int64)
    for bad in (-1, 64):
        t[7] = bad
        with pytest.raises(IndexError, match=rf"target\[7\] is {bad}, expected a class from 0 to 63"):
            F.cross_entropy(z, t)


def test_other_axes_and_layouts_are_numpys(by_numpy):
    x = draw(np.float32, 300, 400)
    for f in (lambda x: softmax.softmax(x, axis=0), lambda x: softmax.softmax(x.T), lambda x: norm.rms_norm(x.T)):
        compare(value_and_gradients(f, x), by_numpy(value_and_gradients, f, x))


def test_second_derivatives_of_large_arrays(by_numpy):
    x = draw(np.float64, LARGE // 16, 16)
    weights = draw(np.float64, 16, 1)

    def slope(x):
        return (cr.grad(lambda x: ((softmax.softmax(x) @ weights) ** 2).sum())(x) ** 2).sum()

    compare([np.asarray(cr.grad(slope)(x))], [np.asarray(by_numpy(cr.grad(slope), x))])


def test_rows_of_masked_scores_keep_their_conventions():
    x = np.full((LARGE // 8, 8), -np.inf, np.float32)
    x[0, 3] = 1.0
    y, x_bar = value_and_gradients(softmax.softmax, x)
    assert y[0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert (y[1:] == 0).all()
    assert (x_bar == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_large_arrays_do_go_to_the_kernels(monkeypatch, shape):
    """Else the comparisons above would hold NumPy against itself."""
    x, parameter, t = draw(np.float32, *shape), draw(np.float32, shape[-1]), np.zeros(shape[:-1], np.int64)
    calls = {
        norm: [lambda: value_and_gradients(FUNCTIONS["layer_norm"][0], x, parameter, parameter)],
        softmax: [lambda: value_and_gradients(softmax.softmax, x)],
        cross_entropy: [lambda: value_and_gradients(lambda z: cross_entropy.SparseSoftmaxCrossEntropy.apply(z, t), x)],
    }
    for module, several in calls.items():
        answers, ask = [], module.suitable
        monkeypatch.setattr(module, "suitable", lambda *a, ask=ask, to=answers: to.append(ask(*a)) or to[-1])
        for call in several:
            call()
        assert len(answers) > 1
        assert all(answers)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", BY_LOOP, ids=lambda op: op.name)
def test_a_function_of_one_array_and_its_adjoint_are_those_of_numpy(by_numpy, op, dtype):
    low, high = op.domain.get("x", (-6.0, 6.0))
    x = np.random.default_rng(0).uniform(low, high, (LARGE // 64, 65)).astype(dtype)
    x[0, :4] = np.nan, low, high, 0.5
    slack = 64 * np.finfo(dtype).eps
    got, expected = value_and_gradients(op.apply, x), by_numpy(value_and_gradients, op.apply, x)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=slack, atol=4 * slack)
    for a, b in zip(got, value_and_gradients(op.apply, x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loops_leave_other_layouts_and_higher_derivatives_as_they_are():
    x = draw(np.float64, 300, 200)
    sigmoid = nn.functional.sigmoid
    np.testing.assert_allclose(sigmoid(x.T), sigmoid(x).T, rtol=1e-14)
    first = cr.grad(lambda x: sigmoid(x).sum())
    second = cr.grad(lambda x: first(x).sum())(x)
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(first(x), s * (1 - s), rtol=1e-10)
    np.testing.assert_allclose(second, s * (1 - s) * (1 - 2 * s), rtol=1e-8, atol=1e-12)
    x32 = x.astype(np.float32)  # a cotangent of another dtype than what was saved
    np.testing.assert_allclose(cr.grad(lambda x: (sigmoid(x) * s).sum())(x32), s * s * (1 - s), rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_normalisation_is_that_of_numpy(by_numpy, dtype):
    x = draw(dtype, 8, 3, 50, 40) + np.arange(3, dtype=dtype)[:, None, None]

    def normalized(x, gamma, beta):
        running = np.zeros(3, dtype), np.ones(3, dtype)
        y = F.batch_norm(x, *running, gamma, beta, training=True)
        found.append(running)
        return y

    found = []
    arrays = x, 1 + draw(dtype, 3), draw(dtype, 3)
    compare(value_and_gradients(normalized, *arrays), by_numpy(value_and_gradients, normalized, *arrays))
    compare(*found)
    np.testing.assert_allclose(found[0][0], 0.1 * x.mean(axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found[0][1], 0.9 + 0.1 * x.var(axis=(0, 2, 3), ddof=1), rtol=1e-5)
