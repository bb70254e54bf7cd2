"""What another thread does while this one captures: it is not the function's doing, and goes on undisturbed."""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.core.random import default_generator
from chainrule.kernels.pool import crew

FIXED = np.random.default_rng(5)


class Other:
    """A thread that does one thing each time it is asked, and has done it when `ask` returns."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act, self.found = act, []
        self._asked, self._done, self._ends = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Other":
        self._thread.start()
        vars(threading.current_thread())["other"] = self
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._asked.set()
        self._thread.join()

    def _run(self) -> None:
        while self._asked.wait() and not self._ends:
            self._asked.clear()
            self.found.append(self.act())
            self._done.set()

    def ask(self) -> None:
        """Let the other thread act now."""
        self._done.clear()
        self._asked.set()
        assert self._done.wait(30)


def ask_other() -> None:
    """Ask by a way that no capture follows: what a function reaches by names it looks at, and this changes."""
    vars(threading.current_thread())["other"].ask()


model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))


def train_and_back() -> None:
    model.train(False)
    model(np.ones((2, 3)))
    model.train(True)


def step() -> float:
    w = cr.tensor(np.ones(3), requires_grad=True)
    with cr.no_grad():
        w * 2.0
    (w * w).sum().backward()
    return float(w.grad.numpy().sum())


ACTS: dict[str, Callable[[], Any]] = {
    "the default generator": lambda: cr.randn(3),
    "the default generator itself": lambda: default_generator().random(3),
    "dropout": lambda: nn.Dropout(0.5)(np.ones(3)),
    "seed": lambda: cr.seed(3),
    "a backward pass": step,
    "a transform": lambda: cr.grad(np.tanh)(1.0),
    "another capture": lambda: cr.compile(lambda x: np.sin(x) + cr.randn(3))(np.ones(3)),
}
ONCE: dict[str, Callable[[], Any]] = {
    "a generator that the function uses": lambda: cr.randn(2, generator=FIXED),
    "numpy.random": lambda: np.random.rand(3),  # noqa: NPY002
    "random": random.random,
    "a generator that the function uses, by itself": lambda: FIXED.random(3),
}


def draws(x: Any) -> Any:
    return x * cr.rand(3) + cr.randn(3, generator=FIXED) + nn.functional.dropout(x, 0.5)


@walked("act", ACTS.values(), ids=ACTS)
def test_at_every_capture(act: Callable[[], Any]) -> None:
    with Other(act) as other:

        def f(x: Any) -> Any:
            y = draws(x)
            ask_other()
            return y + 1.0

        compiled = cr.compile(f)
        compiled(np.ones(3))
        assert len(other.found) == 1
        assert len(compiled.plans) == 1


@walked("act", ONCE.values(), ids=ONCE)
def test_where_it_cannot_be_told_apart_it_is_tried_again(act: Callable[[], Any]) -> None:
    with Other(act) as other:

        def f(x: Any) -> Any:
            y = draws(x)
            if not other.found:
                other.ask()
            return y + 1.0

        cr.compile(f)(np.ones(3))


@walked("act", [*list(ONCE.values())[1:], cr.seed, lambda: default_generator().random(3)])
def test_the_functions_own_draws_are_still_noticed(act: Callable[..., Any]) -> None:
    with Other(lambda: None):

        def f(x: Any) -> Any:
            ask_other()
            act(1) if act is cr.seed else act()
            return x + FIXED.bit_generator.state["state"]["state"] * 0

        with pytest.raises(cr.CaptureError, match=r"drew random numbers|cr\.seed was called"):
            cr.compile(f)(np.ones(3))


def test_the_numbers_of_the_other_thread_go_on() -> None:
    """A capture puts no generator back that another thread has drawn from: it would draw the same numbers twice."""
    cr.seed(0)
    expected = [cr.rand(3).tolist() for _ in range(3)]
    cr.seed(0)
    first = cr.rand(3).tolist()
    with Other(lambda: cr.rand(3).tolist()) as other:

        def f(x: Any) -> Any:
            ask_other()
            return np.tanh(x)

        cr.compile(f)(np.ones(3))
        assert [first, *other.found, cr.rand(3).tolist()] == expected


def test_replays_draw_what_they_would_have_drawn() -> None:
    cr.seed(0)
    x = np.ones(3)
    expected = [x * cr.rand(3).numpy() + nn.functional.dropout(x, 0.5) for _ in range(3)]
    cr.seed(0)
    compiled = cr.compile(lambda x: x * cr.rand(3) + nn.functional.dropout(x, 0.5))
    for one in expected:
        np.testing.assert_allclose(np.asarray(compiled(x)), one)


def test_the_mode_of_a_model_that_another_thread_switches_for_a_moment() -> None:
    with Other(train_and_back) as other:

        def f(x: Any) -> Any:
            y = model(x)
            ask_other()
            return y * 2.0

        compiled = cr.compile(f)
        compiled(np.ones((4, 3)))
        assert other.found


def test_two_threads_that_capture_at_once() -> None:
    """Each has its own capture, whatever the order in which they begin and end."""
    begun, ended = threading.Event(), threading.Event()
    found: list[Any] = []

    def inner() -> None:
        def g(x: Any) -> Any:
            begun.set()
            assert ended.wait(30)
            return np.cos(x) * cr.rand(3)

        found.append(cr.compile(g)(np.zeros(3)))

    thread = threading.Thread(target=inner)

    def f(x: Any) -> Any:
        if not thread.is_alive() and not found:
            thread.start()
            assert begun.wait(30)
        return np.sin(x)

    np.testing.assert_allclose(cr.compile(f)(np.ones(3)), np.sin(1.0))
    ended.set()
    thread.join()
    assert np.all((np.asarray(found[0]) >= 0) & (np.asarray(found[0]) < 1))
    assert step() == 6.0  # the eager tape is what it was


def test_threads_of_the_kernels_own_are_not_others() -> None:
    """They draw nothing and write no variable, so a capture restores generators and refuses writes as if alone."""
    crew.gather()
    drop = cr.compile(nn.Dropout(0.5))
    cr.seed(3)
    compiled = [drop(np.ones(64)) for _ in range(3)]
    cr.seed(3)
    np.testing.assert_array_equal(compiled, [nn.Dropout(0.5)(np.ones(64)) for _ in range(3)])

    class Scale:
        value = 2.0

    def writes(x: Any) -> Any:
        setattr(Scale, "value", 3.0)  # noqa: B010 - as a library would
        return x * Scale.value

    with pytest.raises(cr.CaptureError, match="value"):
        cr.compile(writes)(1.0)
