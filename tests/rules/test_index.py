"""Indexing, changes of elements, and order: values are NumPy's, gradients go back to where elements came from."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from tests.named import walked

import chainrule as cr
from chainrule.rules.arrays import gather, index, order


def gradient_of_taking(shape, where, y_bar):
    """What `np.add.at` makes of a cotangent."""
    x_bar = np.zeros(shape)
    np.add.at(x_bar, where, y_bar)
    return x_bar


def assert_takes(take, x, where, reference=None):
    """`take(x)` must be `x[where]`, in value, both modes and second order."""
    y, pullback = cr.vjp(take, x)
    expected = np.asarray(x)[where] if reference is None else reference
    assert np.shape(y) == np.shape(expected)
    np.testing.assert_array_equal(y, expected)
    y_bar = np.random.default_rng(1).normal(size=np.shape(y))
    (x_bar,) = pullback(y_bar)
    np.testing.assert_allclose(x_bar, gradient_of_taking(x.shape, where, y_bar), rtol=1e-12, atol=1e-12)
    x_dot = np.random.default_rng(2).normal(size=x.shape)
    np.testing.assert_array_equal(cr.jvp(take, (x,), (x_dot,))[1], x_dot[where])
    if x.size:
        hv = cr.hvp(lambda x: (take(x) ** 3).sum() / 6, (x,), (x_dot,))
        counts = gradient_of_taking(x.shape, where, 1.0)
        np.testing.assert_allclose(hv, counts * x * x_dot, rtol=1e-12, atol=1e-12)


@st.composite
def arrays_and_indices(draw):
    shape = draw(nps.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    x = np.random.default_rng(0).normal(size=shape)
    kind = draw(st.sampled_from(["basic", "advanced", "mixed", "mask"]))
    if kind == "basic":
        return x, draw(nps.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        axes = draw(st.integers(1, len(shape)))
        return x, draw(nps.arrays(bool, shape[:axes]))
    if kind == "advanced":
        return x, draw(nps.integer_array_indices(shape, result_shape=nps.array_shapes(max_dims=2, min_side=0)))
    mixed = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        number = st.integers(-n, n - 1)
        mixed.append(
            draw(st.one_of(st.slices(n), number, st.lists(number, min_size=3, max_size=3), st.just(slice(None))))
        )
    if draw(st.booleans()):
        mixed.insert(draw(st.integers(0, len(mixed))), None)
    return x, (*mixed, ...) if draw(st.booleans()) else tuple(mixed)


@given(arrays_and_indices())
def test_any_index_takes_and_gives_back(drawn):
    x, where = drawn
    assert_takes(lambda x: x[where], x, where)


@given(arrays_and_indices(), st.booleans())
def test_setting_and_adding_at_any_index(drawn, scalar):
    x, where = drawn
    taken = x[where]
    v = np.float64(0.5) if scalar else np.random.default_rng(3).normal(size=np.shape(taken))
    changed, added = x.copy(), x.copy()
    changed[where] = v
    np.add.at(added, where, v)

    y, pullback = cr.vjp(lambda x, v: index.At(x)[where].set(v), x, v)
    np.testing.assert_array_equal(y, changed)
    y_bar = np.arange(1.0, x.size + 1).reshape(x.shape)
    x_bar, v_bar = pullback(y_bar)
    untouched = np.ones(x.shape)
    untouched[where] = 0
    np.testing.assert_array_equal(x_bar, untouched * y_bar)
    # An element of y shows x or one of the values: together they receive all of the cotangent.
    assert x_bar.sum() + v_bar.sum() == pytest.approx(y_bar.sum())
    x_dot, v_dot = np.cos(x), np.sin(v)
    y_dot = cr.jvp(lambda x, v: index.At(x)[where].set(v), (x, v), (x_dot, v_dot))[1]
    assert (y_bar * y_dot).sum() == pytest.approx((x_bar * x_dot).sum() + (v_bar * v_dot).sum())

    y, pullback = cr.vjp(lambda x, v: index.At(x)[where].add(v), x, v)
    np.testing.assert_allclose(y, added, rtol=1e-12)
    x_bar, v_bar = pullback(y_bar)
    np.testing.assert_array_equal(x_bar, y_bar)
    np.testing.assert_allclose(v_bar, y_bar[where].sum() if scalar else y_bar[where], rtol=1e-12)


FIXED = {
    "newaxis": ((2, 3), (None, 1)),
    "ellipsis": ((2, 3, 2), (..., 1)),
    "backwards": ((5,), slice(None, None, -2)),
    "empty-tuple": ((), ()),
    "list": ((3, 2), [2, 0, 2, 2]),
    "empty-list": ((3, 2), []),
    "rows": ((4, 3), np.array([0, -1, 3, 0])),
    "rows-2d": ((4, 3), np.array([[0, 1], [1, 1]])),
    "vector": ((4,), np.array([3, 3, -4])),
    "separated": ((3, 2, 3), (np.array([0, 2, 0]), slice(None), np.array([1, 1, 1]))),
    "number-and-list": ((3, 2, 3), (1, slice(None), [0, 0])),
    "mask": ((2, 2), np.array([[True, False], [True, True]])),
    "mask-and-list": ((3, 2), (np.array([True, False, True]), [1, 0])),
    "true": ((2,), True),
    "zero-size": ((0, 3), (slice(None), 1)),
    "zero-size-rows": ((3, 0), np.array([1, 1])),
}


@walked("name", FIXED)
def test_an_index_of_each_kind(name):
    shape, where = FIXED[name]
    assert_takes(lambda x: x[where], np.random.default_rng(0).normal(size=shape), where)


def test_indexing_a_read_only_view_with_negative_strides():
    x = np.arange(24.0).reshape(4, 6)[::-1, ::-2]
    x.flags.writeable = False
    for where in ((slice(None, None, -1), 1), [0, -1, 0], x > 9):
        assert_takes(lambda x, where=where: x[where], x, where)
    y, pullback = cr.vjp(lambda x: index.At(x)[1:].set(0.0), x)
    assert y[1:].max() == 0
    np.testing.assert_array_equal(pullback(x)[0][0], x[0])


def test_tensors_are_indices():
    x = cr.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    rows, one = cr.tensor(np.array([1, 1, -1])), cr.tensor(np.array(2))
    y = x[rows] + x[one]
    np.testing.assert_array_equal(y.numpy(), x.numpy()[[1, 1, 3]] + x.numpy()[2])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.array([[0], [2], [3], [1]]) * np.ones(3))
    assert x[x > 4.5].tolist() == [5, 6, 7, 8, 9, 10, 11]


def test_iteration_gives_rows_that_carry_gradients():
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[3, 4], [1, 2]])


def test_changing_an_index_array_later_does_not_change_the_gradient():
    x, rows = cr.tensor(np.arange(3.0), requires_grad=True), np.array([0, 0])
    y = x[rows].sum()
    rows[:] = 2
    y.backward()
    assert x.grad.tolist() == [2, 0, 0]


def test_single_precision_stays():
    x = np.ones((4, 2), np.float32)
    for where in ([0, 0], np.array([[1, 1], [2, 1]]), (slice(2), 1), (np.array([0, 0]), np.array([1, 1]))):
        y, pullback = cr.vjp(lambda x, where=where: x[where], x)
        assert y.dtype == pullback(y)[0].dtype == np.float32
    assert index.At(x)[0].set(np.arange(2.0)).dtype == np.float32


def test_many_repeated_rows_add_up():
    rows = np.random.default_rng(0).integers(-50, 50, 1000)
    y_bar = np.random.default_rng(1).normal(size=(1000, 7))
    got = index.accumulated(y_bar, (50, 7), (rows,))
    np.testing.assert_allclose(got, gradient_of_taking((50, 7), rows, y_bar), rtol=1e-12, atol=1e-12)
    assert index.accumulated(np.arange(3), (2,), (np.array([1, 1, 0]),)).tolist() == [2, 1]


@walked("where", [3, -4, (0, 2), [0, 3], (slice(None), [2])])
@walked("box", [np.asarray, cr.tensor])
def test_an_index_out_of_range_is_named(where, box):
    with pytest.raises(IndexError, match=r"getitem: index -?\d is out of bounds for axis \d .*float64\[3, 2\]"):
        index.getitem(box(np.zeros((3, 2))), where)


def test_a_float_is_no_index():
    with pytest.raises(IndexError, match=r"getitem: .*integer"):
        cr.tensor([1.0, 2.0])[cr.tensor([0.0])]
    with pytest.raises(IndexError, match=r"getitem: .*integer"):
        cr.tensor([1.0, 2.0])[1.0]


# x.at


CHANGES = {
    "subtract": lambda x, v: x - v,
    "multiply": lambda x, v: x * v,
    "divide": lambda x, v: x / v,
    "power": lambda x, v: x**v,
    "min": np.minimum,
    "max": np.maximum,
}


@walked("name", CHANGES)
def test_each_change_is_the_function_of_its_name(name):
    x, v = np.array([0.5, 2.0, 3.0]), np.array([1.5, 2.5])
    where = [2, 0]
    change = lambda x, v: (getattr(index.At(x)[where], name)(v) ** 2).sum()  # noqa: E731
    direct = lambda x, v: (CHANGES[name](x[where], v) ** 2).sum() + x[1] ** 2  # noqa: E731
    np.testing.assert_allclose(change(x, v), direct(x, v))
    for got, expected in zip(cr.grad(change, (0, 1))(x, v), cr.grad(direct, (0, 1))(x, v), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_get_and_apply():
    x = cr.tensor([1.0, 2.0, 3.0])
    assert x.at[1:].get().tolist() == [2, 3]
    assert x.at[1:].apply(lambda v: v * v).tolist() == [1, 4, 9]
    assert x.tolist() == [1, 2, 3]


def test_a_change_of_an_element_named_twice():
    x = cr.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="at: the index names an element twice"):
        x.at[[0, 0]].multiply(2.0)
    assert x.at[[0, 0]].subtract(2.0).tolist() == [-3, 2]
    y, pullback = cr.vjp(lambda v: index.At(np.zeros(2))[[0, 0, 1]].set(v), np.array([1.0, 2.0, 3.0]))
    assert y.tolist() == [2, 3]
    assert pullback(np.array([np.inf, 1.0]))[0].tolist() == [0, np.inf, 1]


def test_values_with_axes_of_length_one_too_many():
    x, v = np.zeros((2, 3)), np.array([[1.0, 2.0, 3.0]])
    y, pullback = cr.vjp(lambda v: index.At(x)[0].set(v), v)
    np.testing.assert_array_equal(y, [[1, 2, 3], [0, 0, 0]])
    np.testing.assert_array_equal(pullback(y)[0], v)
    with pytest.raises(ValueError, match=r"index_add: .*v float64\[1, 3\]"):
        index.At(x)[0].add(v)


def test_integers_take_no_fractions():
    with pytest.raises(TypeError, match=r"index_set: float64 cannot be written into int64.*astype"):
        cr.tensor(np.arange(3)).at[0].set(0.5)
    assert cr.tensor(np.arange(3)).at[0].add(5).tolist() == [5, 1, 2]


def test_second_order_through_changes():
    def f(x, v):
        return (index.At(x * x)[[0, 2]].set(v**3) ** 2).sum()

    def direct(x, v):
        return (v**6).sum() + x[1] ** 4

    x, v = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0])
    got = cr.hvp(f, (x, v), (x, v))
    expected = cr.hvp(direct, (x, v), (x, v))
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12)


# x[index] = value


def test_assignment_is_seen_by_views_and_earlier_uses_keep_the_old_value():
    x = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = cr.tensor(10.0, requires_grad=True)
    y = x * x
    before = y * y
    row = y[1:]
    y[1] = v * x[0]
    assert y.tolist() == [1, 10, 9]
    assert row.tolist() == [10, 9]
    (y.sum() + before.sum()).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2 + 10 + 4, 4 * 8, 6 + 4 * 27])
    assert v.grad.item() == 1


def test_assignment_in_place_with_an_operator():
    def f(x):
        y = 1 * x
        for i, j in itertools.pairwise(range(4)):
            y[j] += y[i]
        y[::2] *= 2.0
        return (y**2).sum()

    x = np.array([1.0, -2.0, 0.5, 3.0])
    scale = np.array([2.0, 1.0, 2.0, 1.0])
    np.testing.assert_allclose(cr.grad(f)(x), np.cumsum((2 * np.cumsum(x) * scale**2)[::-1])[::-1], rtol=1e-12)
    np.testing.assert_allclose(cr.jvp(f, (x,), (x,))[1], 2 * f(cr.tensor(x)).item(), rtol=1e-12)


def test_assignment_into_a_constant_makes_it_carry_the_gradient():
    v = cr.tensor(2.0, requires_grad=True)
    x = cr.tensor(np.zeros(3))
    x[1] = v
    assert x.requires_grad
    (x * 3.0).sum().backward()
    assert v.grad.item() == 3
    numbers = cr.tensor(np.arange(3))
    numbers[numbers > 1] = 7
    assert numbers.tolist() == [0, 1, 7]


def test_assignment_into_a_leaf_says_what_to_do_and_an_argument_is_a_copy():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.GradientError, match=r"x\.at\[index\]\.set\(value\).*cr\.no_grad\(\)"):
        x[0] = 5.0
    assert x.tolist() == [1, 2]

    def f(x):
        x[0] = 5.0
        return x.sum()

    given_array = np.array([1.0, 2.0])
    assert cr.grad(f)(given_array).tolist() == [0, 1]
    with pytest.raises(cr.GradientError, match=r"inside cr\.no_grad\(\) this would cut x off"):
        cr.grad(cr.no_grad()(f))(given_array)
    assert given_array.tolist() == [1, 2]


def test_assignment_into_a_leaf_without_gradients_writes_its_values():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with cr.no_grad():
        x[0] = 5.0
    assert x.tolist() == [5, 2]
    assert x.requires_grad
    with pytest.raises(cr.InPlaceError, match="changed in place"):
        y.backward()


def test_assignment_into_scalars():
    x = cr.tensor(2.0, requires_grad=True)
    y = x * x
    y[...] = 3 * x
    y.backward()
    assert (y.item(), x.grad.item()) == (6, 3)
    with cr.no_grad():
        x[()] = 5.0
    assert x.item() == 5


def test_assignment_in_second_order():
    def f(x):
        y = x * 1.0
        y[1:] = y[:-1] * y[1:]
        return (y**2).sum()

    x, x_dot = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 2.0])
    direct = lambda x: x[0] ** 2 + ((x[:-1] * x[1:]) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(cr.hvp(f, (x,), (x_dot,)), cr.hvp(direct, (x,), (x_dot,)), rtol=1e-12)
    np.testing.assert_allclose(cr.hessian(f)(x), cr.hessian(direct)(x), rtol=1e-12)


def test_assignment_without_gradients_does_not_cut_a_result_off():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    with cr.no_grad(), pytest.raises(cr.GradientError, match="cut x off from its gradient"):
        y[0] = 1.0
    assert y.tolist() == [1, 4]
    with cr.no_grad():
        z = x * x
        z[0] = 7.0
    assert z.tolist() == [7, 4]


def test_a_failed_assignment_changes_nothing():
    y = cr.tensor([1.0, 2.0], requires_grad=True) * 1.0
    with pytest.raises(ValueError, match="index_set: "):
        y[:] = np.ones(3)
    with pytest.raises(IndexError, match="index_set: index 2 is out of bounds"):
        y[2] = 1.0
    assert y.tolist() == [1, 2]
    assert y.node.name == "multiply"


# Gathering


@given(nps.array_shapes(min_dims=1, max_dims=3, max_side=4), st.data())
def test_take_and_take_along_axis(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    n = shape[axis]
    x = np.random.default_rng(0).normal(size=shape)
    picks = data.draw(nps.arrays(int, nps.array_shapes(max_dims=2, max_side=3), elements=st.integers(-n, n - 1)))
    np.testing.assert_array_equal(gather.take(x, picks, axis), np.take(x, picks, axis))
    assert_takes(lambda x: gather.take(x, picks, axis), x, (slice(None),) * (axis % len(shape)) + (picks,))
    along = data.draw(nps.arrays(int, shape, elements=st.integers(0, n - 1)))
    got = cr.grad(lambda x: (gather.take_along_axis(x, along, axis) ** 2).sum())(x)
    expected = np.zeros(shape)
    for place in np.ndindex(shape):
        source = list(place)
        source[axis] = along[place]
        expected[tuple(source)] += 2 * x[tuple(source)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_array_equal(gather.take_along_axis(x, along, axis), np.take_along_axis(x, along, axis))


@pytest.mark.parametrize("mode", ["wrap", "clip"])
def test_take_with_indices_out_of_range(mode):
    x, picks = np.arange(6.0).reshape(2, 3), np.array([-5, 4, 1, 100])
    for axis in (None, 0, 1):
        np.testing.assert_array_equal(gather.take(x, picks, axis, mode), np.take(x, picks, axis, mode=mode))
    with pytest.raises(ValueError, match="take: got mode='no', expected 'raise', 'wrap' or 'clip'"):
        gather.take(x, picks, mode="no")
    with pytest.raises(IndexError, match="getitem: index 100 is out of bounds"):
        gather.take(x, 100)


def test_numpys_gathering_functions_on_tensors():
    a = np.arange(12.0).reshape(3, 4)
    x = cr.tensor(a)
    which = np.array([2, 0, 1, 2])
    condition = np.array([True, False, True])
    pairs = [
        (np.choose(which, x), np.choose(which, a)),
        (np.choose(cr.tensor(which), [x[0], 5.0, x]), np.choose(which, [a[0], 5.0, a])),
        (np.compress(condition, x, axis=0), np.compress(condition, a, axis=0)),
        (np.extract(a > 5, x), np.extract(a > 5, a)),
        (np.take(x, [[1, 2]], axis=1), np.take(a, [[1, 2]], axis=1)),
        (np.argwhere(x > 7), np.argwhere(a > 7)),
        (np.flatnonzero(x), np.flatnonzero(a)),
        (np.searchsorted(x[1], [5.5, -1.0], side="right"), np.searchsorted(a[1], [5.5, -1.0], side="right")),
    ]
    for got, expected in pairs:
        assert isinstance(got, cr.Tensor)
        np.testing.assert_array_equal(got.numpy(), expected)
    for got, expected in zip(np.nonzero(x), np.nonzero(a), strict=True):
        np.testing.assert_array_equal(got.numpy(), expected)


def test_choose_and_extract_send_gradients_to_what_they_chose():
    which = np.array([1, 0, 1])
    x_bar, y_bar = cr.grad(lambda x, y: (gather.choose(which, [x, y]) ** 2).sum(), (0, 1))(
        np.array([1.0, 2.0, 3.0]), np.array([4.0])
    )
    assert x_bar.tolist() == [0, 4, 0]
    assert y_bar.tolist() == [16]
    assert cr.grad(lambda x: gather.extract(x > 1.5, x).sum())(np.array([1.0, 2.0, 3.0])).tolist() == [0, 1, 1]


def test_put_along_axis_assigns():
    def f(x):
        y = x * 1.0
        np.put_along_axis(y, np.array([[1], [0]]), x[:, :1] * 10.0, axis=1)
        return y

    y, pullback = cr.vjp(f, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert y.tolist() == [[1, 10], [30, 4]]
    assert pullback(np.array([[1.0, 2.0], [3.0, 4.0]]))[0].tolist() == [[21, 0], [30, 4]]


@walked(
    ("indices", "error", "message"),
    [
        (np.zeros(2, int), ValueError, r"take_along_axis: expected indices with 2 axes, got shape \(2,\)"),
        (np.zeros((2, 1)), IndexError, r"take_along_axis: expected indices that are integers, got float64"),
        (np.full((2, 1), 3), IndexError, r"getitem: index 3 is out of bounds for axis 1"),
    ],
)
def test_take_along_axis_refuses(indices, error, message):
    with pytest.raises(error, match=message):
        gather.take_along_axis(np.zeros((2, 3)), indices, axis=1)


# Order


@given(nps.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), st.data())
def test_sorting_is_a_permutation_and_its_gradient_the_inverse(shape, data):
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    x = np.random.default_rng(data.draw(st.integers(0, 5))).normal(size=shape)
    y, pullback = cr.vjp(lambda x: order.sort(x, axis), x)
    np.testing.assert_array_equal(y, np.sort(x, axis))
    np.testing.assert_array_equal(pullback(y)[0], x)
    np.testing.assert_array_equal(order.argsort(x, axis), np.argsort(x, axis))


def test_partition_and_second_order_of_sort():
    x = np.array([3.0, -1.0, 2.0, 0.0])
    y, pullback = cr.vjp(lambda x: order.partition(x, 2), x)
    assert y[2] == 2.0
    np.testing.assert_array_equal(pullback(y)[0], x)
    weights = np.arange(4.0)
    hv = cr.hvp(lambda x: (order.sort(x) ** 3 * weights).sum(), (x,), (np.ones(4),))
    np.testing.assert_allclose(hv, 6 * x * np.array([3, 0, 2, 1]))


def test_order_on_tensors():
    x = cr.tensor([3.0, 1.0, 2.0], requires_grad=True)
    assert np.sort(x).tolist() == [1, 2, 3]
    assert not np.argsort(x).requires_grad
    assert x[np.argsort(x)].tolist() == [1, 2, 3]
    assert np.argpartition(x, 0)[0].item() == 1
    assert np.partition(x, 0)[0].item() == 1
    assert order.sort(np.array([1.0, 1.0, 0.0]), stable=True).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="sort: axis 1 is out of bounds"):
        order.sort(x, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(50, 130), (7, 3, 67), (9,)])
def test_many_rows_are_added_as_numpy_adds_them_to_the_last_bit(dtype, shape):
    rng = np.random.default_rng(0)
    count = 40_000 // max(math.prod(shape[1:]), 1)
    for rows in (rng.integers(-shape[0], shape[0], (count, 1)), rng.integers(0, shape[0], (count, 1)).astype(np.uint8)):
        x = rng.standard_normal((*rows.shape, *shape[1:])).astype(dtype)
        expected = np.zeros(shape, dtype)
        np.add.at(expected, rows, x)
        np.testing.assert_array_equal(index.accumulated(x, shape, (rows,)), expected)
        swapped = x.swapaxes(0, 1).copy().swapaxes(0, 1)
        np.testing.assert_array_equal(index.accumulated(swapped, shape, (rows,)), expected)
