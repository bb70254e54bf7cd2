"""Sequences between two ends that are tensors: values as NumPy's, derivatives, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

from .against_numpy import agree, apart

ENDS = (np.array([0.5, 1.0]), np.array([[2.0], [3.5], [4.0]]))


@walked("num", [0, 1, 2, 5])
@walked("endpoint", [True, False])
@walked("function", [np.linspace, np.logspace, np.geomspace])
def test_between_numbers(function, num, endpoint):
    f = lambda start, stop: function(start, stop, num, endpoint=endpoint)  # noqa: E731
    agree(f, f, np.array(0.7), np.array(2.3), tolerance=1e-6)


@walked("axis", [0, 1, -1])
@walked("function", [np.linspace, np.logspace, np.geomspace])
def test_between_arrays(function, axis):
    f = lambda start, stop: function(start, stop, 4, axis=axis)  # noqa: E731
    agree(f, f, *ENDS, tolerance=1e-5)


def test_the_base_is_differentiable():
    f = lambda base: np.logspace(0.5, 2.0, 3, base=base)  # noqa: E731
    agree(f, f, np.array(2.0))
    agree(f, f, np.array([2.0, 3.0]))


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(2, 20))
def test_the_ends_are_exact(start, stop, num):
    y = np.linspace(cr.tensor(start), stop, num).numpy()
    assert y[0] == start
    assert y[-1] == stop
    np.testing.assert_allclose(y, np.linspace(start, stop, num), rtol=1e-13, atol=1e-12)


def test_negative_ends_of_a_geometric_sequence():
    f = lambda start, stop: np.geomspace(start, stop, 4)  # noqa: E731
    agree(f, f, np.array(-1.0), np.array(-8.0), tolerance=1e-6)


def test_the_step_is_returned_and_differentiable():
    _, step = np.linspace(cr.tensor(0.0), 1.0, 5, retstep=True)
    assert float(step) == 0.25
    assert float(cr.grad(lambda stop: np.linspace(0.0, stop, 5, retstep=True)[1])(2.0)) == 0.25


def test_dtypes():
    assert np.linspace(cr.tensor(0.0, dtype=np.float32), 1.0, 3).dtype == np.float32
    assert np.linspace(cr.tensor(0.0), 1.0, 3, dtype=np.float32).dtype == np.float32
    assert np.logspace(cr.tensor(0.0), 1.0, 3, dtype=np.float32).dtype == np.float32
    assert np.geomspace(cr.tensor(1.0), 2.0, 3, dtype=np.float32).dtype == np.float32


def test_full_like():
    like = apart(2, 3)
    agree(lambda v: np.full_like(cr.tensor(like), v), lambda v: np.full_like(like, v), np.array(1.5))
    agree(lambda v: np.full_like(cr.tensor(like), v), lambda v: np.full_like(like, v), apart(3))
    assert np.full_like(cr.tensor(like), 2, dtype=np.float32, shape=(4,)).dtype == np.float32


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-8.0, 8.0)])
def test_ends_without_a_ratio_are_refused(ends):
    with pytest.raises(ValueError, match="geomspace: expected ends"):
        np.geomspace(cr.tensor(ends[0]), ends[1])
