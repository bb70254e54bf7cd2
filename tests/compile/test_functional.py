"""The losses of `benchmarks/functional.py`: as written for JAX, each trains as one compiled step of trees."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr

from ..from_benchmarks import peers

module = peers("functional")

CALLS = {"two of four experts": 3}
"""Sorting is NumPy's own, between calls of machine code."""


def descended(f: Any, *trees: Any) -> Any:
    """Return what a function makes of the leaves of trees of dicts and lists."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: descended(f, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, list):
        return [descended(f, *parts) for parts in zip(*trees, strict=True)]
    return f(*trees)


@pytest.mark.slow
@pytest.mark.parametrize("name", module.PROBLEMS)
def test_a_step_compiles_and_learns_as_eager_code(name: str) -> None:
    problem = module.PROBLEMS[name](np)

    def step(params: Any, *batch: Any) -> Any:
        value, grads = cr.value_and_grad(problem.loss)(params, *batch)
        return value, descended(lambda p, g: p - np.float32(1e-2) * g, params, grads)

    compiled = cr.compile(step)
    mine = theirs = problem.params
    for _ in range(4):
        found, mine = compiled(mine, *problem.batch)
        expected, theirs = step(theirs, *problem.batch)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert len(compiled.plan.calls) <= CALLS.get(name, 1)
    assert len(compiled.plans) == 1
