"""`vmap` over any axes, of trees, nested, and with derivatives inside and around it, against loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr

FUNCTIONS = [
    lambda a, b: np.tanh(a @ b) + a[:, :1],
    lambda a, b: np.einsum("ij,jk->ik", a, b) / (1 + (a**2).sum()),
    lambda a, b: np.where(a > 0, a, np.exp(a)) * b[0].max() + b.sum(axis=0),
    lambda a, b: np.concatenate([a, np.sort(b, axis=0)]) ** 2,
    lambda a, b: cr.softmax(a, axis=1).cumsum(axis=0) - b.mean() * a.reshape((-1,))[2],
    lambda a, b: cr.nn.functional.conv2d(a[None, None], b[None, None, :2, :2], padding=1)[0, 0],
]
functions = st.sampled_from(FUNCTIONS)
axes = st.integers(-3, 2)


def drawn(size, axis, seed):
    """A stack of 3 x 3 matrices with the samples along an axis."""
    rng = np.random.default_rng(seed)
    return np.moveaxis(rng.normal(size=(size, 3, 3)), 0, axis)


def loop(f, a, b, axis_a, axis_b, out):
    """What `vmap` should give; an axis of None is the same matrix throughout."""
    count = (a if axis_a is not None else b).shape[axis_a if axis_a is not None else axis_b]

    def row(x, axis, k):
        return x if axis is None else np.take(x, k, axis)

    rows = [np.asarray(f(row(a, axis_a, k), row(b, axis_b, k))) for k in range(count)]
    return np.stack(rows, axis=out)


@given(functions, axes, axes | st.none(), axes, st.integers(1, 4))
def test_every_axis_of_arguments_and_results(f, axis_a, axis_b, out, size):
    a, b = drawn(size, axis_a, 0), drawn(size, axis_b, 1) if axis_b is not None else drawn(1, 0, 1)[0]
    found = cr.vmap(f, in_axes=(axis_a, axis_b), out_axes=out)(a, b)
    np.testing.assert_allclose(found, loop(f, a, b, axis_a, axis_b, out), rtol=1e-12, atol=1e-12)


@given(functions, axes, axes, axes)
def test_trees_take_an_axis_for_each_leaf(f, first, second, out):
    tree = {"a": [drawn(3, first, 0)], "b": (drawn(3, second, 1),)}
    mapped = cr.vmap(
        lambda tree: {"y": f(tree["a"][0], tree["b"][0]), "sum": tree["b"][0].sum()},
        in_axes=({"a": first, "b": (second,)},),
        out_axes={"y": out, "sum": 0},
    )
    found = mapped(tree)
    expected = loop(f, tree["a"][0], tree["b"][0], first, second, out)
    np.testing.assert_allclose(found["y"], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found["sum"], [np.take(tree["b"][0], k, second).sum() for k in range(3)], rtol=1e-12)


@given(functions, axes, axes)
def test_it_nests_and_the_order_does_not_matter(f, axis, out):
    a, b = drawn(2, axis, 0), drawn(4, axis, 1)
    rows = cr.vmap(cr.vmap(f, in_axes=(None, axis)), in_axes=(axis, None), out_axes=out)(a, b)
    columns = cr.vmap(cr.vmap(f, in_axes=(axis, None)), in_axes=(None, axis), out_axes=1)(a, b)
    expected = np.stack([loop(f, np.take(a, k, axis), b, None, axis, 0) for k in range(2)])
    np.testing.assert_allclose(rows, np.moveaxis(expected, 0, out), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(columns, expected, rtol=1e-12, atol=1e-12)


@given(functions, axes, st.booleans())
def test_gradients_inside_around_and_of_tangents(f, axis, forward):
    a, b = drawn(3, axis, 0), drawn(3, 0, 1)

    def loss(a, b):
        return (f(a, b) ** 2).sum()

    each = cr.grad(loss) if not forward else cr.jacfwd(loss)
    found = cr.vmap(each, in_axes=(axis, 0), out_axes=axis)(a, b)
    expected = loop(cr.grad(loss), a, b, axis, 0, axis)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    around = cr.grad(lambda a: cr.vmap(loss, in_axes=(axis, 0))(a, b).sum())(a)
    np.testing.assert_allclose(around, expected, rtol=1e-9, atol=1e-9)
    dot = np.ones_like(a)
    _, along = cr.jvp(cr.vmap(loss, in_axes=(axis, 0)), (a, b), (dot, np.zeros_like(b)))
    np.testing.assert_allclose(along.sum(), expected.sum(), rtol=1e-9)


@given(st.integers(0, 9), axes)
def test_different_random_numbers_are_those_of_a_loop(seed, axis):
    a = drawn(3, axis, 0)

    def noisy(a):
        return a + cr.randn(3, 3)

    cr.seed(seed)
    found = cr.vmap(noisy, in_axes=axis, randomness="different")(a)
    cr.seed(seed)
    expected = [np.asarray(noisy(np.take(a, k, axis))) for k in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
