"""Every operation, compiled: a record that is added is tested by being there."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.rules
from chainrule.core.operation import REGISTRY
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import vjp

from ..rules.calls import Call, cases_of, written

PACKAGE = chainrule.rules.__name__.partition(".")[0]
OPERATIONS = {name: op for name, op in sorted(REGISTRY.items()) if op.__module__.startswith(f"{PACKAGE}.")}
SHAPED_BY_VALUES = tuple(name for name, op in OPERATIONS.items() if op.is_shaped_by_values)


def _calls(name: str, one: Any) -> list[Call]:
    """Two calls of a case, with other numbers where they move: what the first froze shows in the second."""
    first, second = (Call.drawn(OPERATIONS[name], one, np.random.default_rng(seed)) for seed in (0, 1))
    args = [y if k in first.moving else x for k, (x, y) in enumerate(zip(first.args, second.args, strict=True))]
    return [first, replace(second, args=tuple(args))]


@walked("name", SHAPED_BY_VALUES)
def test_results_whose_shape_depends_on_values_are_refused(name: str) -> None:
    with pytest.raises(cr.CaptureError, match=f"{name} made an array whose shape depends on values"):
        cr.compile(lambda x: OPERATIONS[name].apply(x))(np.arange(3.0))


def _agree(got: Any, expected: Any, where: str) -> None:
    got, expected = cr.core.tree.flatten(got)[0], cr.core.tree.flatten(expected)[0]
    assert len(got) == len(expected), where
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(value_of(a)), np.asarray(value_of(b))
        assert (a.shape, a.dtype) == (b.shape, b.dtype), where
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=where)


def _hold(name: str, one: Any) -> None:
    """Hold a case, compiled, against the operation: its values, and its gradients."""
    first, *_ = calls = _calls(name, one)
    where = f"{name} {written(one)}"

    def value(*inputs: Any) -> Any:
        return first(*inputs)

    def gradient(*inputs: Any) -> Any:
        y, pull = vjp(first, *inputs)
        return pull(tuple(np.cos(part) for part in y))

    is_smooth = OPERATIONS[name].kind != "constant" and first.moving and first(*first.inputs)
    for f in [value, gradient] if is_smooth else [value]:
        compiled = cr.compile(f)
        for call in calls:
            _agree(compiled(*call.inputs), f(*call.inputs), where)


FIRST = 2
"""How many cases of each operation are in the default half."""
NAMES = sorted(set(OPERATIONS) - set(SHAPED_BY_VALUES))


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_the_operation(name: str) -> None:
    for one in cases_of(OPERATIONS[name])[:FIRST]:
        _hold(name, one)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if len(cases_of(OPERATIONS[name])) > FIRST])
def test_so_are_they_in_all_other_cases(name: str) -> None:
    for one in cases_of(OPERATIONS[name])[FIRST:]:
        _hold(name, one)
