"""The derivative of a function of one number: its options for arrays and for stopping early."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.check.measuring.directional import derivative


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_arrays_are_weighed_and_summed(weights):
    weights = np.array(weights)
    found = derivative(lambda t: np.sin(t * np.arange(1, len(weights) + 1)), weights=weights)
    assert found.value == pytest.approx(float(np.sum(weights * np.arange(1, len(weights) + 1))), abs=1e-9)


def test_what_does_not_move_adds_no_rounding():
    large = np.array([1e12, 0.0])
    found = derivative(lambda t: large + np.array([0.0, np.sin(t)]), weights=np.ones(2))
    assert found.value == pytest.approx(1, abs=1e-11)


def test_it_stops_when_settled_and_keeps_the_sweep():
    calls = []
    found = derivative(lambda t: calls.append(t) or t**3 + t, settled=lambda e: True)
    assert len(calls) == 3
    assert [h for h, _ in found.sweep] == [2.0**-6]


def test_steps_at_which_the_function_is_not_defined_are_passed_over():
    found = derivative(lambda t: float("nan") if abs(t) > 1e-4 else np.exp(t))
    assert found.value == pytest.approx(1, abs=1e-7)
