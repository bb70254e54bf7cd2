"""A function may go through a dict in its order: another order of the same keys is another call."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.errors import CaptureError


def weighed(values: Any) -> Any:
    return sum((k + 1) * x for k, x in enumerate(values))


@pytest.mark.slow
@given(st.lists(st.permutations("abc"), min_size=4, max_size=8))
def test_keys_in_any_order(orders: list[list[str]]) -> None:
    arrays = {key: np.arange(3.0) ** k + k for k, key in enumerate("abc")}
    compiled = cr.compile(lambda first, **others: weighed(first.values()) + 10 * weighed(others.values()))
    for order in orders:
        items = {key: arrays[key] for key in order}
        found = compiled(items, **dict(reversed(items.items())))
        np.testing.assert_array_equal(found, weighed(items.values()) + 10 * weighed(list(items.values())[::-1]))


def test_nested_dicts_and_their_classes() -> None:
    @dataclass
    class Held:
        items: dict[str, Any]

    compiled = cr.compile(lambda tree: weighed(tree[0]["held"][0].items.values()))
    for kind in (dict, OrderedDict):
        for order in [*permutations("abc")] * 2:
            items = kind((key, np.full(2, float(ord(key)))) for key in order)
            np.testing.assert_array_equal(compiled([{"held": (Held(items),)}]), weighed(items.values()))


def test_numbers_and_texts_among_them() -> None:
    compiled = cr.compile(lambda x, **settings: x * weighed(v for v in settings.values() if not isinstance(v, str)))
    for settings in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}, {"a": 3.0, "b": 4.0}, {"b": 4.0, "a": 3.0}) * 2:
        np.testing.assert_array_equal(compiled(np.ones(2), t="t", **settings), weighed(settings.values()))


def test_results_have_the_order_of_the_call() -> None:
    compiled = cr.compile(lambda tree: {key: x + 1 for key, x in tree.items()})
    for order in ("ab", "ba") * 3:
        assert list(compiled({key: np.ones(2) for key in order})) == list(order)


def test_what_runs_later_is_refused() -> None:
    def made(x: Any) -> Any:
        yield x

    async def awaited(x: Any) -> Any:
        return x

    for f in (made, lambda x: map(np.tanh, [x]), lambda x: (x, iter([x]))):
        with pytest.raises(CaptureError, match="runs later, and only once; return a list"):
            cr.compile(f)(np.ones(2))
    with pytest.raises(CaptureError, match="a coroutine, which runs later"):
        cr.compile(awaited)(np.ones(2))
