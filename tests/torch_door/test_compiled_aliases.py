"""Compiled functions of tensors that are the same, or views of each other, and results that are arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as door

Made = tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]], list[Any]]
"""A function, its arguments in each call, and the tensors that it may change."""


def _start(t):
    return t.arange(6.0).reshape(2, 3)


def _is_argument(t) -> Made:
    w, other = _start(t), _start(t)

    def f(x):
        before = w * 2
        x.mul_(3)
        return before + w

    return f, lambda k: (other if k % 2 else w,), [w, other]


def _view_is_argument(t) -> Made:
    w = _start(t)
    row = w[0]

    def f(x):
        x.add_(1)
        return w * 2

    return f, lambda _: (row,), [w, row]


def _view_at_times(t) -> Made:
    w, other = _start(t), _start(t)

    def f(x):
        x.add_(1)
        return w.sum() + x

    return f, lambda k: ((other, w)[k % 2][1],), [w, other]


def _two_arguments(t) -> Made:
    w = _start(t)

    def f(x, y):
        x.add_(1)
        return y * 2

    return f, lambda k: ((w[0], w), (w, w), (w, w[1]), (_start(t), w))[k % 4], [w]


def _in_a_list(t) -> Made:
    w = _start(t)

    def f(some, x):
        some[0].add_(x)
        return some[1] * some[0]

    return f, lambda _: ([w, w], t.ones(3)), [w]


def _returned(t) -> Made:
    w = _start(t)
    return lambda x: x.add_(1), lambda _: (w,), [w]


def _returned_in_a_dict(t) -> Made:
    w = _start(t)
    return lambda x, y: {"y": y * x, "x": x}, lambda _: (w, t.ones(3)), [w]


def _from_outside(t) -> Made:
    w = _start(t)

    def arguments(k):
        w.add_(k)
        return (t.ones(3),)

    return lambda x: (x * 2, w), arguments, []


CASES = (
    *(_is_argument, _view_is_argument, _view_at_times, _two_arguments, _in_a_list, _returned, _returned_in_a_dict),
    _from_outside,
)


def _plain(x):
    if isinstance(x, dict | list | tuple):
        return [_plain(one) for one in (x.values() if isinstance(x, dict) else x)]
    return x.numpy().tolist()


@pytest.mark.filterwarnings("ignore:compile. .* has been captured")
def test_the_same_tensors_in_several_places(torch) -> None:
    def noted(t, wrap):
        f, arguments, watched = case(t)
        run, found = wrap(f), []
        for k in range(7):
            args = arguments(k)
            result = run(*args)
            parts = list(result.values()) if isinstance(result, dict) else [result]
            found.append([_plain(result), [any(x is y for x in args) for y in parts], _plain(watched)])
            if watched and any(result is x for x in args):  # what is written to it later reaches the argument
                result[0, 0] = -1
                found.append(_plain(watched))
        return found

    for case in CASES:
        with named(case.__name__):
            expected = noted(torch, lambda f: f)
            assert noted(door, lambda f: f) == expected
            assert noted(door, lambda f: door.compile(f, fullgraph=True)) == expected


def test_a_tensor_from_outside_that_is_returned_is_as_it_is_now() -> None:
    import chainrule as cr

    w = cr.tensor([1.0, 2.0])
    compiled = cr.compile(lambda x: (x * 2, w))
    for _ in range(3):
        w += 1
        np.testing.assert_array_equal(compiled(np.ones(2))[1].numpy(), w.numpy())
