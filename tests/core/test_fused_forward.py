"""A fused record with a rule of forward mode: it is used where it can be, and its composite elsewhere."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.kinds import Fused
from chainrule.core.tensor import Tensor

CALLS = []


class ProductOfSines(Fused, register=False):
    r"""y = \sin(a) \sin(b)"""

    @staticmethod
    def composite(a, b, *, factor):
        CALLS.append("composite")
        return factor * np.sin(a) * np.sin(b)

    @staticmethod
    def primal(a, b, *, factor=1.0):
        return factor * np.sin(a) * np.sin(b)

    @staticmethod
    def vjp(y_bar, a, b, *, factor):
        return y_bar * factor * np.cos(a) * np.sin(b), y_bar * factor * np.sin(a) * np.cos(b)

    @staticmethod
    def jvp(a, a_dot, b, b_dot, y, *, factor):
        CALLS.append("jvp")
        assert not any(isinstance(x, Tensor) for x in (a, a_dot, b, b_dot, y))
        return factor * (np.cos(a) * np.sin(b) * a_dot + np.sin(a) * np.cos(b) * b_dot)


X = np.array([0.3, -1.2, 2.0])
Z = np.array([1.0, 0.5, -0.7])


def fast(a, b=Z):
    return ProductOfSines.apply(a, b, factor=2.0)


def slow(a, b=Z):
    return 2 * np.sin(a) * np.sin(b)


@pytest.fixture(autouse=True)
def forget():
    CALLS.clear()


def test_plain_arrays_go_to_the_rule():
    y, y_dot = cr.jvp(fast, (X, Z), (Z, X))
    np.testing.assert_allclose(y_dot, cr.jvp(slow, (X, Z), (Z, X))[1], rtol=1e-14)
    np.testing.assert_allclose(y, slow(X))
    assert CALLS == ["jvp"]


def test_an_argument_that_does_not_move_has_the_tangent_zero():
    np.testing.assert_allclose(cr.jvp(fast, (X,), (Z,))[1], cr.jvp(slow, (X,), (Z,))[1], rtol=1e-14)
    assert CALLS == ["jvp"]


def test_a_stack_of_tangents_goes_to_the_rule_one_by_one():
    np.testing.assert_allclose(cr.jacfwd(fast)(X), cr.jacfwd(slow)(X), rtol=1e-14)
    assert set(CALLS) == {"jvp"}


def test_linearize_calls_the_rule_again():
    _, push = cr.linearize(fast, X)
    _, other = cr.linearize(slow, X)
    np.testing.assert_allclose(push(Z), other(Z), rtol=1e-14)
    np.testing.assert_allclose(push(X), other(X), rtol=1e-14)
    assert CALLS == ["jvp", "jvp"]


def test_a_tangent_that_is_differentiated_goes_through_the_composite():
    _, push = cr.linearize(fast, X)
    _, other = cr.linearize(slow, X)
    got, expected = (cr.grad(lambda t, f=f: (f(t) ** 2).sum())(Z) for f in (push, other))
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    assert set(CALLS) == {"composite"}


@walked("outer", [cr.grad, lambda f: lambda x: cr.jvp(f, (x,), (Z,))[1], cr.jacfwd, cr.hessian])
def test_derivatives_of_forward_mode_go_through_the_composite(outer):
    got, expected = (outer(lambda x, f=f: (cr.jvp(f, (x,), (Z,))[1] ** 2).sum())(X) for f in (fast, slow))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert "composite" in CALLS
