"""Eight threads at once give what one after the other gives; what is switched in one holds in that one."""

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import chainrule as cr

THREADS = 8


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)`, …, `work(7)`, all beginning at the same moment."""
    barrier = threading.Barrier(THREADS)

    def begin(k: int) -> Any:
        barrier.wait()
        return work(k)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def training(k: int) -> list[Any]:
    """A few steps of a small network, by every way to a gradient."""
    random = np.random.default_rng(k)
    w = cr.tensor(random.normal(size=(5, 5)), requires_grad=True)
    x = random.normal(size=(7, 5))
    found = []
    for _ in range(20):
        w.grad = None
        hidden = cr.checkpoint(lambda x, w=w: np.tanh(x @ w))(x)
        loss = (hidden * hidden).sum() / 7.0
        loss.backward()
        w.data -= 0.1 * w.grad.data
        found.append(float(loss))
    found.append(cr.hvp(lambda x: (np.sin(x) * x).sum(), (x,), (x,)).tolist())
    found.append(cr.grad(lambda t: cr.jvp(lambda s: np.exp(s * t), (t,), (1.0,))[1])(0.1 * k))
    return found


def test_eight_threads_equal_one() -> None:
    assert at_once(training) == [training(k) for k in range(THREADS)]


def test_no_grad_in_one_thread_leaves_the_others_alone() -> None:
    inside, done = threading.Event(), threading.Event()

    def quiet() -> bool:
        with cr.no_grad():
            inside.set()
            assert done.wait(10)
            return bool((cr.tensor(1.0, requires_grad=True) * 2.0).requires_grad)

    def loud() -> bool:
        assert inside.wait(10)
        x = cr.tensor(1.0, requires_grad=True)
        y = x * 2.0
        y.backward()
        done.set()
        return bool(y.requires_grad) and float(x.grad) == 2.0

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(quiet), pool.submit(loud)
        assert second.result()
        assert not first.result()


def test_one_leaf_in_the_tapes_of_many_threads() -> None:
    w = cr.tensor(3.0, requires_grad=True)
    gradients = at_once(lambda k: float(cr.grad(lambda x: x * w * w)(float(k)).detach()))
    assert gradients == [9.0] * THREADS
    at_once(lambda k: [cr.grad(lambda x: x * w)(1.0) for _ in range(100)])
    assert w.grad is None


def test_a_dataclass_first_met_by_eight_threads() -> None:
    for _ in range(20):

        @dataclasses.dataclass
        class Fresh:
            x: Any

        assert [g.x for g in at_once(lambda k, cls=Fresh: cr.grad(lambda p: p.x * p.x)(cls(float(k))))] == [
            2.0 * k for k in range(THREADS)
        ]


def test_an_operation_first_used_by_eight_threads() -> None:
    for _ in range(20):
        operation = cr.custom(lambda x: x * x)
        operation.def_vjp(lambda y_bar, x: y_bar * 2 * x)
        assert at_once(lambda k, f=operation: float(cr.grad(f)(float(k)))) == [2.0 * k for k in range(THREADS)]


def test_writes_in_one_thread_raise_no_alarm_in_another() -> None:
    def work(k: int) -> list[float]:
        x = cr.tensor(np.ones(3), requires_grad=True)
        for _ in range(200):
            loss = (x * x).sum()
            loss.backward()
            x.data += 1.0
        return x.grad.tolist()

    expected = [2.0 * 200 * 201 / 2] * 3
    assert at_once(work) == [expected] * THREADS
