"""What is changed between calls of a compiled function: a replay sees it, or the capture has refused it by name.

Each function is run as it is and compiled, on worlds of their own, and what it returns has to be the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
import chainrule.torch as torch
from chainrule.core.errors import CaptureError
from chainrule.core.tensor import value_of

from .changes import ARRAY, CHANGES, Net, Pair, Settings, forward_of_layer_class


def _run(make: Callable[[], Pair], compiles: bool) -> list[Any]:
    f, change = make()
    g = cr.compile(f) if compiles else f
    found = []
    for k in range(4):
        found.append(np.asarray(value_of(g(np.arange(3.0) + k + 1))).round(6).tolist())
        change(k)
    return found


@walked("name", CHANGES)
def test_a_change_is_seen(name: str) -> None:
    np.testing.assert_equal(_run(CHANGES[name], True), _run(CHANGES[name], False))


def test_forward_of_a_layer_class_of_the_package() -> None:
    undo: list[Any] = []
    results = []
    for compiles in (True, False):
        try:
            results.append(_run(lambda: forward_of_layer_class(undo), compiles))
        finally:
            undo.pop()()
    assert results[0] == results[1]


def _iterator() -> Iterator[float]:
    yield from (1.0, 2.0, 3.0, 4.0)


WRITES: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any]]] = {
    "an item of an array": (ARRAY, lambda a, x: (a.__setitem__(0, 5.0), x)[1]),
    "an operator on an array": (ARRAY, lambda a, x: (a.__iadd__(1.0), x)[1]),
    "np.add with out=": (ARRAY, lambda a, x: (np.add(a, 1.0, out=a), x)[1]),
    "np.copyto": (ARRAY, lambda a, x: (np.copyto(a, 1.0), x)[1]),
    "fill": (ARRAY, lambda a, x: (a.fill(3.0), x)[1]),
    "a row": (lambda: np.ones((2, 3)), lambda a, x: (a[0].fill(3.0), x)[1]),
    "an attribute": (Settings, lambda t, x: (setattr(t, "scale", 3), x * t.scale)[1]),
    "an item of a dict": (lambda: {"w": 1.0}, lambda t, x: (t.__setitem__("w", 3), x * t["w"])[1]),
    "a list": (list, lambda t, x: (t.append(1), x * len(t))[1]),
    "an iterator": (_iterator, lambda t, x: x * next(t)),
    "a list's iterator": (lambda: iter([1.0, 2.0]), lambda t, x: x * next(t)),
}


@walked("name", WRITES)
def test_what_a_replay_would_not_repeat_is_refused_by_name(name: str) -> None:
    make, f = WRITES[name]
    thing = make()
    with pytest.raises(CaptureError, match=r"compile: .*\bthing\b.*; "):
        cr.compile(lambda x: f(thing, x))(np.ones(3))


def test_an_array_that_is_only_an_operand_may_change_without_another_capture() -> None:
    a, i = np.ones(3), np.array([0, 1])
    f = cr.compile(lambda x: (x * a)[i])
    for k in range(40):
        a[0] = k
        i[0] = k % 3
        assert f(np.ones(3)).tolist() == [a[i[0]], 1.0]
    assert len(f.plans) == 1


def test_what_the_function_does_not_read_makes_no_other_plan() -> None:
    model, trainer = Net(), Settings()

    def f(x: Any) -> Any:
        return model(x) * trainer.scale

    g = cr.compile(f)
    for k in range(40):
        model.epoch = k
        trainer.seen = k
        trainer.scale = 1.0
        g(np.ones(3))
    assert sum(map(len, g.plans.values())) == 1


def test_arrays_are_themselves_again_after_a_capture() -> None:
    a, table = np.ones(3), {"a": np.ones(3)}
    before = a, table["a"]

    def f(x: Any) -> Any:
        return x * a.sum() * table["a"]

    cr.compile(f)(np.ones(3))
    assert a is before[0]
    assert table["a"] is before[1]
    with pytest.raises(ZeroDivisionError):
        cr.compile(lambda x: (x * a, 1 // 0))(np.ones(3))
    assert a is before[0]


def test_what_changes_at_every_call_is_named() -> None:
    trainer = Settings(inner=Settings())
    f = cr.compile(lambda x: x * float(trainer.inner.scale))

    def calls() -> None:
        for k in range(30):
            trainer.inner.scale = float(k)
            assert f(np.ones(3)).tolist() == [k, k, k]

    with pytest.warns(UserWarning, match=r"trainer\.inner\.scale"):
        calls()


class Masked(torch.nn.Module):
    """A module with whole numbers in a buffer and in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([1, 0, 2]))
        self.numbers = torch.tensor([1, 2, 3])

    def forward(self, x: Any) -> Any:
        return x * self.mask.float() + self.numbers * x


class Outer(torch.nn.Module):
    """A module around such modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.several = Masked(), torch.nn.ModuleList([Masked()])

    def forward(self, x: Any) -> Any:
        return self.several[0](self.one(x))


def test_tensors_of_whole_numbers_that_are_written_to_are_noticed() -> None:
    outer, x = Outer(), torch.tensor([1.0, 2.0, 3.0])
    compiled = torch.compile(outer.forward, fullgraph=True)
    steps: list[Callable[[], Any]] = [
        lambda: None,
        lambda: outer.one.mask.fill_(5),
        lambda: outer.several[0].mask.add_(1),
        lambda: outer.one.numbers.mul_(2),
        lambda: outer.several[0].numbers.__setitem__(1, 7),
        lambda: setattr(outer.one, "mask", torch.tensor([3, 2, 1])),
        lambda: outer.load_state_dict({name: value + 1 for name, value in outer.state_dict().items()}),
    ]
    for k, change in enumerate(steps):
        with named(k):
            change()
            for _ in range(2):
                assert torch.equal(compiled(x), outer(x))


def test_a_write_to_whole_numbers_outside_is_refused() -> None:
    seen = torch.tensor([0, 0])

    def f(x: Any) -> Any:
        seen.add_(1)
        return x * seen

    with pytest.raises(CaptureError):
        torch.compile(f, fullgraph=True)(torch.ones(2))
    assert seen.tolist() == [0, 0]
