"""Copies as tasks: any views, of any type, give what NumPy's assignment gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.kernels.native.copies import axes_of, cleared, copied, is_movable
from chainrule.kernels.native.tasks import run_all

DTYPES = [np.float32, np.float64, np.float16, np.bool_, np.int8, np.int64]


@st.composite
def views(draw, shape):
    """A view of that shape of a larger array: axes in any order, with gaps, some of them backwards."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    lengths = [n * abs(s) + draw(st.integers(0, 2)) for n, s in zip(shape, steps, strict=True)]
    whole = np.zeros([lengths[k] for k in order])
    view = whole.transpose(np.argsort(order))
    view = view[(*(slice(None, None, s) for s in steps), ...)]
    return view[(*(slice(0, n) for n in shape), ...)], whole


@st.composite
def problems(draw):
    shape = draw(st.lists(st.integers(1, 5), max_size=4))
    return draw(views(shape)), draw(views(shape)), draw(st.sampled_from(DTYPES))


def typed(pair, dtype, values):
    view, whole = pair
    made = values(whole.shape).astype(dtype)
    start = (view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // 8 * made.itemsize
    strides = [s // 8 * made.itemsize for s in view.strides]
    return np.ndarray(view.shape, made.dtype, made, start, strides), made


@given(problems())
def test_a_copy_is_numpys_assignment(problem):
    one, other, dtype = problem
    rng = np.random.default_rng(0)
    source, _ = typed(one, dtype, lambda shape: 9 * rng.normal(size=shape))
    target, whole = typed(other, dtype, lambda shape: rng.normal(size=shape))
    expected = whole.copy()
    expected_view = np.ndarray(target.shape, whole.dtype, expected, _start(target, whole), target.strides)
    expected_view[...] = source
    assert is_movable(source, target)
    run_all([copied(source, target)])()
    np.testing.assert_array_equal(whole, expected)
    expected_view[...] = 0
    run_all([cleared(target)])()
    np.testing.assert_array_equal(whole, expected)


def _start(view, whole):
    return view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]


def test_axes_that_follow_on_from_one_another_are_one():
    x = np.zeros((2, 3, 4, 5))
    assert axes_of(x) == [(120, 1)]
    assert axes_of(x[:, :, :2]) == [(6, 20), (10, 1)]
    assert axes_of(x.transpose(2, 3, 0, 1)) == [(20, 1), (6, 20)]
    assert axes_of(np.zeros(())) == [(1, 1)]


@walked("made", [np.zeros(3, complex), np.zeros(0), np.array([None])])
def test_what_there_is_no_code_for(made):
    assert not is_movable(made)
    assert not is_movable(np.zeros(3), made)


def test_a_large_copy_is_cut():
    source, target = np.arange(2.0**21).reshape(2**11, 2**10), np.empty((2**11, 2**10))
    task = copied(source[:, ::2], target[:, ::2])
    assert task.parts > 1
    run_all([task])()
    np.testing.assert_array_equal(target[:, ::2], source[:, ::2])
