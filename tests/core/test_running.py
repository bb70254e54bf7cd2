"""Whether a transform is running, and losses of one element."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.traces.running import is_transforming


def test_a_transform_says_that_it_runs():
    seen = []

    def f(x):
        seen.append(is_transforming())
        return x * 2.0

    assert not is_transforming()
    cr.grad(f)(1.0)
    cr.jvp(f, (1.0,), (1.0,))
    f(1.0)
    with pytest.raises(ZeroDivisionError):
        cr.grad(lambda x: 1 / 0)(1.0)
    assert seen == [True, True, False]
    assert not is_transforming()


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_one_number_in_an_array_is_a_loss(shape):
    x = np.array([1.0, 2.0])
    value, gradient = cr.value_and_grad(lambda x: (x**2).sum().reshape(shape))(x)
    assert value.shape == shape
    np.testing.assert_array_equal(gradient, 2 * x)
    with pytest.raises(ValueError, match=r"must return a scalar, got shape \(2,\)"):
        cr.grad(lambda x: x**2)(x)
