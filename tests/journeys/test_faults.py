"""What goes wrong in long and rough use: many threads, forks, leaks, huge and empty arrays, Ctrl-C."""

import gc
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.random import default_generator
from chainrule.core.traces.modes import modes
from chainrule.core.transforms.checkpoint import recomputing

# Training, again and again


class Training:
    """A small network and its optimiser, on data of its own."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x, self.t = rng.normal(size=(8, 3)), rng.integers(0, 2, 8)
        layers = [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)]
        self.model = nn.Sequential(*layers)
        for parameter in self.model.parameters():
            parameter.data = rng.normal(size=parameter.shape)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.t)
        loss.backward()
        self.optimizer.step()
        return float(loss)

    def run(self, steps: int) -> list[Any]:
        losses = [self.step() for _ in range(steps)]
        return [losses, *(p.data.tolist() for p in self.model.parameters())]


@pytest.mark.slow
def test_eight_threads_train_as_one_would() -> None:
    barrier = threading.Barrier(8)

    def work(seed: int) -> list[Any]:
        training = Training(seed)
        barrier.wait()
        found = training.run(40)
        x = np.linspace(-1.0, 1.0, 5) * seed
        found.append(cr.jacobian(lambda x: np.tanh(np.outer(x, x)).sum(axis=0))(x).tolist())
        found.append(cr.linearize(np.sin, x)[1](x).tolist())
        return found

    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(work, range(8)))
    barrier = threading.Barrier(1)
    assert at_once == [work(seed) for seed in range(8)]


FORKING = """
import multiprocessing
import os
import threading

import numpy as np

import chainrule as cr


def work(k):
    x = cr.tensor(np.linspace(0.0, 1.0, 50) + k, requires_grad=True)
    y = cr.checkpoint(lambda x: np.tanh(x @ np.ones((50, 50))))(x)
    (y * y).sum().backward()
    return x.grad.tolist() + cr.jacobian(np.sin)(np.arange(3.0)).tolist()


if __name__ == "__main__":
    expected = [work(k) for k in range(4)]
    thread = threading.Thread(target=work, args=(0,))
    thread.start()
    thread.join()
    child = os.fork()
    if child == 0:
        os._exit(0 if work(1) == expected[1] else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, range(4)) == expected
    assert work(3) == expected[3]
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_use_computes_the_same(tmp_path: Path) -> None:
    script = tmp_path / "forking.py"
    script.write_text(FORKING, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "equal"), done.stderr


def resident() -> int:
    """Bytes of this process in memory, or 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def unreachable_of_chainrule() -> list[str]:
    """Return the types of chainrule's objects that only the garbage collector can free; other tests leave their own."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return sorted({type(x).__name__ for x in gc.garbage if type(x).__module__.startswith("chainrule")})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_what_only_the_collector_can_free_is_seen() -> None:
    gc.freeze()  # what other tests left is not searched
    gc.disable()
    try:
        loop = cr.tensor([1.0], requires_grad=True)
        loop.grad = None
        loop._link.parents = (loop._link,)  # a node that is its own parent
        del loop
        assert unreachable_of_chainrule() == ["Leaf"]
    finally:
        gc.enable()


@pytest.mark.slow
def test_ten_thousand_training_steps_leave_nothing() -> None:
    training = Training(0)
    training.run(200)  # what is made once and kept
    gc.collect()
    gc.disable()  # reference counts alone must do
    try:
        before = resident()
        training.run(8_000)
        assert resident() - before < 4e6
        tracemalloc.start()
        training.run(100)
        traced = tracemalloc.get_traced_memory()[0]
        training.run(1_900)
        assert tracemalloc.get_traced_memory()[0] - traced < 20_000
        assert unreachable_of_chainrule() == []
    finally:
        tracemalloc.stop()
        gc.enable()


# Deep, wide, huge and empty


@pytest.mark.slow
def test_a_tree_of_100_000_leaves_and_a_chain_over_them() -> None:
    tree = [1.0] * 100_000

    def f(xs: list[Any]) -> Any:
        total: Any = 0.0
        for x in xs:
            total = total + x * x
        return total

    assert cr.grad(f)(tree) == [2.0] * 100_000


HUGE = 10**9


@walked("make", [cr.zeros, cr.ones, cr.randn, cr.rand, lambda *shape: cr.full(shape, 1.0)])
@walked("shape", [(HUGE, HUGE), (HUGE, HUGE, HUGE), (2, -1)])
def test_a_shape_that_cannot_be(make: Callable[..., Any], shape: tuple[int, ...]) -> None:
    with pytest.raises((MemoryError, ValueError), match=rf"^\w+: .*\(got the shape \({shape[0]}, "):
        make(*shape)


def test_results_that_cannot_be() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    wide = np.broadcast_to(x, (HUGE, HUGE))  # costs nothing yet
    with pytest.raises(MemoryError, match="Unable to allocate"):
        wide * 2.0
    with pytest.raises(MemoryError, match=r"jacobian: Unable to allocate .*use chainrule\.vjp, jvp or hvp"):
        cr.jacobian(lambda x: x * x)(np.ones(3 * 10**6))
    (x * 3.0).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0]


@walked("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
@walked("name", ["sum", "prod", "mean", "max", "min", "var", "std", "any", "all", "argmax"])
def test_empty_axes_as_in_numpy(name: str, shape: tuple[int, ...]) -> None:
    for axis in (None, *range(len(shape))):
        expected, got = (outcome(getattr(np, name), x, axis) for x in (np.ones(shape), cr.ones(*shape)))
        assert type(expected) is type(got), f"{name} of {shape} along {axis}: {expected!r}, {got!r}"
        if not isinstance(expected, Exception):
            np.testing.assert_array_equal(got, expected)


def outcome(function: Callable[..., Any], x: Any, axis: int | None) -> Any:
    """The result, or the error."""
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        try:
            return np.asarray(function(x, axis=axis))
        except ValueError as error:
            return error


@walked("shape", [(0,), (0, 3), (3, 0)])
def test_gradients_of_nothing(shape: tuple[int, ...]) -> None:
    x = cr.zeros(*shape, requires_grad=True)
    (np.tanh(x) * x + x.sum(axis=0)).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == shape
    assert cr.hessian(lambda x: (x * x).sum())(np.zeros(shape)).shape == shape * 2
    assert cr.linearize(lambda x: x * x, np.zeros(shape))[1](np.zeros(shape)).shape == shape


# Ctrl-C


def checked_gradient() -> None:
    """A later gradient is right."""
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    cr.checkpoint(lambda x: (x * x * x).sum())(x).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 12.0]
    assert cr.grad(cr.grad(lambda x: x**3))(2.0) == 12.0
    assert cr.hvp(lambda x: (x**3).sum(), (np.ones(2),), (np.ones(2),)).tolist() == [6.0, 6.0]


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: cr.grad(f)(2.0),
    "grad of grad": lambda f: cr.grad(cr.grad(f))(2.0),
    "jvp": lambda f: cr.jvp(f, (2.0,), (1.0,)),
    "linearize": lambda f: cr.linearize(f, 2.0)[1](1.0),
    "jacrev": lambda f: cr.jacrev(lambda x: f(x * 1.0))(np.ones(3)),
    "jacfwd": lambda f: cr.jacfwd(lambda x: f(x * 1.0))(np.ones(3)),
    "hessian": lambda f: cr.hessian(f)(2.0),
    "checkpoint": lambda f: cr.grad(cr.checkpoint(f))(2.0),
    "no_grad": lambda f: cr.no_grad()(f)(2.0),
    "backward": lambda f: f(cr.tensor(2.0, requires_grad=True)).backward(),
}


def interrupted(when: str) -> Callable[[Any], Any]:
    """A function that is interrupted while it runs, or while a rule of it does."""
    runs = []

    @cr.custom
    def operation(x: Any) -> Any:
        runs.append(1)
        if when == "function" or (when == "second run" and len(runs) > 1):
            raise KeyboardInterrupt
        return x * x

    @operation.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        raise KeyboardInterrupt

    @operation.def_jvp
    def push(primals: Any, tangents: Any) -> Any:
        raise KeyboardInterrupt

    def f(x: Any) -> Any:
        default_generator().standard_normal()
        return operation(x) * x

    return f


@walked("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@walked("when", ["function", "rule", "second run"])
def test_an_interrupt_leaves_no_state_behind(transform: Callable[[Any], Any], when: str) -> None:
    floor = modes.floor
    if transform is TRANSFORMS["no_grad"] and when != "function":
        transform(interrupted(when))  # needs no rule and no second run
    else:
        with pytest.raises(KeyboardInterrupt):
            transform(interrupted(when))
    assert (modes.floor, recomputing()) == (floor, False)
    checked_gradient()


def test_an_interrupted_backward_pass_adds_nothing_and_can_be_repeated() -> None:
    stop = [True]
    operation = cr.custom(lambda x: x * x)

    @operation.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        if stop.pop():
            raise KeyboardInterrupt
        return y_bar * 2 * x

    x = cr.tensor(3.0, requires_grad=True)
    other = cr.tensor(2.0, requires_grad=True)
    loss = operation(x) + other * x
    with pytest.raises(KeyboardInterrupt):
        loss.backward(retain_graph=True)
    assert x.grad is None
    assert other.grad is None
    stop.append(False)
    loss.backward()
    assert (float(x.grad), float(other.grad)) == (8.0, 3.0)  # type: ignore[arg-type]


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Sets off a KeyboardInterrupt some seconds later, wherever the program is then.

    In a callback of the collector (hypothesis has one) or of a weak reference Python itself swallows it and reports it
    as unraisable, which pytest would take for a fault.
    """
    report = sys.unraisablehook

    def unraisable(what: Any) -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):
            report(what)

    monkeypatch.setattr(sys, "unraisablehook", unraisable)

    def ring(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_block_that_was_left_half_made_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    cr.no_grad.__new__(cr.no_grad)  # as an interrupt inside of `__init__` leaves it
    with pytest.raises(TypeError):
        cr.no_grad(*"wrong")
    gc.collect()
    assert reported == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="only the main thread has signals"
)
def test_interrupts_at_any_moment(alarm: Callable[[float], None]) -> None:
    training = Training(0)

    def work() -> None:
        # Python swallows an interrupt that falls into a weak reference's callback: then the work ends by itself.
        for _ in range(200):
            training.step()
            with cr.no_grad():
                cr.checkpoint(lambda x: np.tanh(x * x))(1.0)
            cr.grad(cr.grad(cr.checkpoint(lambda x: np.tanh(x * x) * default_generator().random())))(1.0)
            cr.jacobian(lambda x: np.tanh(x) * x)(np.ones(3))

    floating = np.geterr()
    for k in range(150):
        floor = modes.floor
        try:
            alarm(1e-3 + k * 7e-6)
            work()
        except KeyboardInterrupt:
            np.seterr(**floating)  # an interrupt on the way into the end of NumPy's own errstate leaves that open
        assert (modes.floor, recomputing()) == (floor, False) == (0, False)
        checked_gradient()
    assert np.isfinite(training.step())
