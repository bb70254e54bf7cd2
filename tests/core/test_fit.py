"""`fit` undoes broadcasting: it is the transpose of `np.broadcast_to`, for cotangents that a rule left smaller too."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.core.traces.reverse import fit


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3), st.integers(0, 99))
def test_it_is_the_adjoint_of_broadcasting(shapes, seed):
    """⟨ȳ, broadcast(x)⟩ = ⟨fit(ȳ), x⟩."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shapes.input_shapes[0])
    y_bar = rng.normal(size=shapes.result_shape)
    x_bar = fit(y_bar, x.shape, x.dtype)
    assert x_bar.shape == x.shape
    np.testing.assert_allclose(np.sum(y_bar * x), np.sum(x_bar * x), atol=1e-12)


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3), st.integers(0, 99))
def test_any_cotangent_that_broadcasts_with_the_output_stands_for_its_broadcast(shapes, seed):
    rng = np.random.default_rng(seed)
    small = rng.normal(size=shapes.input_shapes[1])
    shape = shapes.input_shapes[0]
    full = np.broadcast_to(small, np.broadcast_shapes(small.shape, shape))
    np.testing.assert_allclose(fit(small, shape, np.dtype(float)), fit(full, shape, np.dtype(float)))


def test_fewer_axes_than_the_argument():
    np.testing.assert_array_equal(fit(np.arange(3.0), (1, 3), np.dtype(float)), [[0.0, 1.0, 2.0]])


def test_zero_size():
    assert fit(np.zeros((0, 3)), (1, 3), np.dtype(float)).tolist() == [[0.0, 0.0, 0.0]]
    assert fit(np.zeros((4, 0)), (4, 0), np.dtype(np.float32)).dtype == np.float32
