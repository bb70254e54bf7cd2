"""What code says of itself to a capture, and that it costs nothing where there is none."""

from collections import deque, namedtuple
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import CaptureError
from chainrule.core.traces import capturing
from chainrule.core.traces.capturing import (
    boxes_in,
    captured_in,
    effect,
    example,
    forgetting,
    is_captured,
    known,
    plain,
    replaced,
    running,
    state,
)

Pair = namedtuple("Pair", "a b")


def inside(f: Any, *arrays: Any) -> list[Any]:
    """Return what `f` returned of captured arrays while it was captured."""
    found: SimpleQueue[Any] = SimpleQueue()  # a list would be refused: a replay would not append to it

    def g(*boxes: Any) -> Any:
        found.put(f(*boxes))
        return boxes[0] * 1

    cr.compile(g)(*arrays)
    return [found.get() for _ in range(found.qsize())]


# Logs are deques: a list that grows is state of the function, and a new plan would be made at each call.


def test_without_a_capture_everything_happens_at_once() -> None:
    log: deque[Any] = deque()
    x = cr.tensor([1.0, 2.0])
    effect(lambda a, b: log.append((a, b)), x, 3, writes=())
    assert log[0][0] is x._value
    array = np.ones(2)
    assert state(array) is array
    assert state(array, ({"a": array}, "a")) is array
    forgetting([x])
    assert plain(np.add, x, 1).tolist() == [2.0, 3.0]
    assert isinstance(plain(np.add, x, 1), np.ndarray)
    assert example(x) is x._value
    assert known(x) is x._value
    assert known(3) == 3
    assert not is_captured(x)
    assert captured_in(x) is None
    assert running.capture is None


def test_captured_values_are_told_from_others() -> None:
    constant = cr.tensor([1.0])

    def f(x: Any) -> Any:
        return is_captured(x), is_captured(x + 1), is_captured(constant), is_captured(np.ones(1)), captured_in(x) is x

    ((box, made, other, plain_array, _),) = inside(f, np.ones(2))
    assert (box, made, other, plain_array) == (True, True, False, False)


def test_the_innermost_box_is_found_inside_transforms() -> None:
    def f(x: Any) -> Any:
        seen = []
        cr.grad(lambda y: (seen.append((is_captured(y), captured_in(y) is captured_in(x))), (y * y).sum())[1])(x)
        return seen[0]

    assert inside(f, np.ones(2)) == [(True, True)]


def test_an_effect_happens_at_each_replay_and_not_at_the_capture() -> None:
    log: SimpleQueue[float] = SimpleQueue()

    def f(x: Any) -> Any:
        runs.put(1)
        effect(lambda v: log.put(float(v)), x.sum(), writes=())
        assert log.empty()
        return x * 2

    runs: SimpleQueue[int] = SimpleQueue()
    compiled = cr.compile(f)
    for calls in range(3):
        compiled(np.full(2, float(calls)))
        assert log.get_nowait() == 2.0 * calls
        assert log.empty()
    assert runs.qsize() == 1


def test_an_effect_sees_values_as_they_were_at_its_place() -> None:
    log: deque[list[float]] = deque()
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> Any:
        effect(lambda v: log.append(v.tolist()), w, writes=())
        w.data = x
        effect(lambda v: log.append(v.tolist()), w, writes=())
        return x * 1

    compiled = cr.compile(f)
    compiled(np.full(2, 5.0))
    compiled(np.full(2, 6.0))
    assert list(log) == [[1.0, 2.0], [5.0, 5.0], [5.0, 5.0], [6.0, 6.0]]


def test_effects_keep_their_order() -> None:
    log: deque[str] = deque()

    def f(x: Any) -> Any:
        effect(lambda: log.append("a"), writes=())
        effect(lambda _: log.append("b"), np.sin(x), writes=())
        effect(lambda: log.append("c"))
        return x * 1

    compiled = cr.compile(f)
    compiled(np.ones(2))
    compiled(np.ones(2))
    assert list(log) == ["a", "b", "c"] * 2


def test_state_is_read_anew() -> None:
    array = np.ones(2)
    compiled = cr.compile(lambda x: x * state(array))
    assert compiled(np.ones(2)).tolist() == [1.0, 1.0]
    array[:] = 3.0
    assert compiled(np.ones(2)).tolist() == [3.0, 3.0]


def test_state_that_is_replaced_in_its_holder_makes_a_new_plan() -> None:
    from chainrule.core.memory.changes import changes

    holder = {"a": np.ones(2)}
    compiled = cr.compile(lambda x: x * state(holder["a"], (holder, "a")))
    compiled(np.ones(2))
    holder["a"] = np.full(2, 4.0)
    changes.replaced += 1  # as whoever replaces it says
    assert compiled(np.ones(2)).tolist() == [4.0, 4.0]


def test_a_plain_call_is_made_at_each_replay() -> None:
    compiled = cr.compile(lambda x: plain(lambda a, k: np.sort(a) * k, x, 2.0) + 1)
    for x in ([3.0, 1.0], [1.0, 0.0]):
        np.testing.assert_allclose(compiled(np.asarray(x)), np.sort(x) * 2 + 1)


def test_a_plain_call_of_constants_is_made_once() -> None:
    calls: SimpleQueue[int] = SimpleQueue()

    def f(x: Any) -> Any:
        return x * plain(lambda: (calls.put(1), 2.0)[1])

    compiled = cr.compile(f)
    for _ in range(3):
        compiled(np.ones(2))
    assert calls.qsize() == 1


def test_a_plain_call_may_return_several_arrays() -> None:
    def f(x: Any) -> Any:
        largest, smallest = plain(lambda a: (a.max(keepdims=True), a.min(keepdims=True)), x)
        return (x - smallest) / (largest - smallest)

    compiled = cr.compile(f)
    for x in ([0.0, 1.0, 4.0], [2.0, 3.0, 4.0]):
        np.testing.assert_allclose(compiled(np.asarray(x)), f(np.asarray(x)))


def test_an_example_is_the_first_call() -> None:
    assert [y.tolist() for y in inside(lambda x: np.array(example(x)), np.asarray([1.0, 2.0]))] == [[1.0, 2.0]]


def test_known_leaves_what_it_does_not_know() -> None:
    ((first, second),) = inside(lambda x: (is_captured(known(x)), known(cr.tensor([2.0])).tolist()), np.ones(1))
    assert first
    assert second == [2.0]


def test_boxes_are_found_in_trees() -> None:
    def f(x: Any) -> Any:
        return len(list(boxes_in({"a": [x, 1, (x * 2, None)], "b": np.ones(2)})))

    assert inside(f, np.ones(2)) == [2]


def test_leaves_of_trees_are_replaced() -> None:
    tree = {"a": [1, (2, 3)], "b": Pair(4, [5])}
    assert replaced(tree, lambda x: x * 10) == {"a": [10, (20, 30)], "b": Pair(40, [50])}
    assert isinstance(replaced(tree, lambda x: x)["b"], Pair)


def test_the_capture_ends_with_an_exception() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cr.compile(f)(np.ones(2))
    assert running.capture is None
    with pytest.raises(CaptureError):
        cr.compile(lambda x: float(x.sum()))(np.ones(2))
    assert capturing.running.capture is None
    assert float((cr.tensor([1.0]) * 2).sum()) == 2.0
