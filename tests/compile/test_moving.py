"""Large arguments that are read where they lie, and results that are written in place: in any mixture of both."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compile.quick import MISSED, never
from chainrule.kernels.native.entry import is_known

pytestmark = pytest.mark.skipif(not is_known(), reason="objects lie in memory in another way here")

N = 48
"""Of an [N, N] array in float64, which is large enough to be moved."""
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "x": lambda x, y: x,
    "y": lambda x, y: y,
    "rows of x": lambda x, y: x[::2],
    "x turned": lambda x, y: x.T,
    "x in a row": lambda x, y: x.reshape(-1),
    "a loop": lambda x, y: np.tanh(x) + y,
    "the loop turned": lambda x, y: (np.tanh(x) + y).T,
    "a part of the loop": lambda x, y: (np.tanh(x) + y)[3:],
    "the loop in a row": lambda x, y: (np.tanh(x) + y).reshape(-1),
    "a product": lambda x, y: x @ y,
    "a product of a product": lambda x, y: (x @ y) @ x,
    "a sum": lambda x, y: (x @ y).sum(),
    "joined": lambda x, y: np.concatenate([x, y * 2]),
    "split": lambda x, y: np.split(x * y, 2)[1],
    "a constant": lambda x, y: np.arange(N * N, dtype=float).reshape(N, N),
    "sums": lambda x, y: (x * y).sum(axis=0),
}


@given(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=40, deadline=None)
def test_results_are_those_of_the_function_and_the_callers_own(names: list[str], twice: bool) -> None:
    def f(x: Any, y: Any) -> Any:
        return [VALUES[name](x, y) for name in names]

    compiled, kept, answered = cr.compile(f), [], 0
    for k in range(5):
        x = np.random.default_rng(k).normal(size=(N, N))
        args = (x, x) if twice and k % 2 else (x, np.random.default_rng(k + 9).normal(size=(N, N)))
        before = [a.copy() for a in args]
        quick = never if compiled._last is None else compiled._last.quick
        found = quick(args)
        answered += found is not MISSED
        found = compiled(*args) if found is MISSED else found
        kept.append((found, f(*args)))
        for a, b in zip(args, before, strict=True):
            np.testing.assert_array_equal(a, b)
    for found, expected in kept:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    arrays = [a for found, _ in kept for a in found if isinstance(a, np.ndarray) and a.flags.writeable and a.size > 1]
    assert not any(np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    assert answered in (0, 3, 4)  # all calls but the first ones, or none of a plan that has no tasks
