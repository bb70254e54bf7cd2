"""How long a tape lives: exactly as long as somebody needs it. And: how deep and wide it may be."""

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr

LONG = 100_000
ROWS = 100_000
"""Elements of an array in a memory test: its 800 kB stand out from everything else."""
ARRAY = 8 * ROWS


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    """Reference counts alone must free a tape. What other tests left is not searched: that takes 0.25 s."""
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


def allocated(before: int = 0) -> int:
    return tracemalloc.get_traced_memory()[0] - before


@pytest.fixture
def traced_memory(no_garbage_collector: None) -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


# Depth and width


def chain(x: Any, steps: int = LONG) -> Any:
    for _ in range(steps):
        x = x * 1.00001
    return x


@pytest.mark.slow
def test_a_chain_of_100_000_operations() -> None:
    assert 10 * sys.getrecursionlimit() < LONG
    np.testing.assert_allclose(cr.grad(chain)(1.0), 1.00001**LONG)
    x = cr.tensor(1.0, requires_grad=True)
    chain(x).backward()
    np.testing.assert_allclose(float(x.grad), 1.00001**LONG)
    np.testing.assert_allclose(cr.jvp(chain, (1.0,), (1.0,))[1], 1.00001**LONG)


@pytest.mark.slow
def test_a_long_chain_at_two_levels() -> None:
    def power(x: Any) -> Any:
        y = x
        for _ in range(4_999):
            y = y * x
        return y

    np.testing.assert_allclose(cr.grad(cr.grad(power))(1.0), 5_000 * 4_999)
    np.testing.assert_allclose(cr.jvp(cr.grad(power), (1.0,), (1.0,))[1], 5_000 * 4_999)


@pytest.mark.slow
def test_an_unused_chain_is_dropped_without_recursion() -> None:
    x = cr.tensor(1.0, requires_grad=True)
    y = chain(x)
    del y


@pytest.mark.slow
def test_a_value_used_100_000_times() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    total: Any = 0.0
    products = [x * float(k) for k in range(LONG)]
    for product in products:
        total = total + product
    total.backward()
    assert float(x.grad) == LONG * (LONG - 1) / 2


def test_an_operation_of_very_many_arguments() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    np.stack([x] * 10_000).sum().backward()
    assert float(x.grad) == 10_000


# Freeing


def test_dropping_the_loss_frees_the_tape(traced_memory: None) -> None:
    x = cr.tensor(np.ones(ROWS), requires_grad=True)
    before = allocated()
    loss = np.tanh(np.tanh(x)).sum()
    results = [weakref.ref(value) for node in history(loss) for value in node.saved if isinstance(value, np.ndarray)]
    assert len(results) == 2
    assert allocated(before) > 2 * ARRAY
    del loss
    assert [result() for result in results] == [None, None]
    assert allocated(before) < ARRAY / 10


def history(y: Any) -> Iterator[Any]:
    """The nodes that lead to a tensor."""
    stack, seen = [y.node], set()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack += [p for p in node.parents if p is not None]


RUNS: dict[str, Callable[[Any], Any]] = {
    "forward only": lambda x: chain(np.tanh(x) * x, 10).sum(),
    "backward": lambda x: chain(np.tanh(x) * x, 10).sum().backward(),
    "a retained graph": lambda x: (x * x).sum().backward(retain_graph=True),
    "a retained gradient": lambda x: retained(x),
    "grad": lambda x: cr.grad(lambda x: (x * x).sum())(x),
    "grad of grad": lambda x: cr.grad(lambda y: (cr.grad(lambda x: (x * x * x).sum())(y) * y).sum())(np.ones(ROWS)),
    "vjp": lambda x: cr.vjp(lambda x: x * x, np.ones(ROWS))[1](np.ones(ROWS)),
    "jvp of grad": lambda x: cr.hvp(lambda x: (x * x * x).sum(), (np.ones(ROWS),), (np.ones(ROWS),)),
    "checkpoint": lambda x: cr.checkpoint(lambda x: (np.tanh(x) * x).sum())(x).backward(),
    "an error": lambda x: refused(x),
    "in place": lambda x: written(x),
}
QUICK = ("backward", "jvp of grad")


def retained(x: Any) -> None:
    y = x * x
    y.retain_grad()
    y.sum().backward()


def refused(x: Any) -> None:
    with pytest.raises(ValueError, match="must return a scalar"):
        cr.grad(lambda y: x * y)(np.ones(ROWS))


def written(x: Any) -> None:
    loss = (x * x).sum()
    x.data[0] = 5.0
    with pytest.raises(cr.InPlaceError):
        loss.backward()


@pytest.mark.parametrize(
    "run",
    [pytest.param(run, id=name, marks=[] if name in QUICK else [pytest.mark.slow]) for name, run in RUNS.items()],
)
def test_nothing_is_left_behind(run: Callable[[Any], Any], traced_memory: None) -> None:
    def once() -> None:
        x = cr.tensor(np.ones(ROWS), requires_grad=True)
        run(x)

    once()  # what is made once and kept: compiled rules, registered classes
    gc.collect()
    before = allocated()
    once()
    assert allocated(before) < ARRAY / 10, "a reference cycle holds an array"
    before = gc.collect()
    assert before < 200  # pytest.raises itself makes some


def test_no_reference_cycle_after_backward(no_garbage_collector: None) -> None:
    x = cr.tensor(np.ones(3), requires_grad=True)
    loss = (x * x).sum()
    node = loss.node
    loss.backward()
    seen = [weakref.ref(x), weakref.ref(loss), weakref.ref(x.grad)]
    assert x.grad is not None
    del x, loss, node
    assert [reference() for reference in seen] == [None, None, None]


def test_backward_frees_saved_values_as_it_goes(traced_memory: None) -> None:
    steps = 20
    x = cr.tensor(np.ones(ROWS), requires_grad=True)
    before = allocated()
    y = x
    for _ in range(steps):
        y = np.tanh(y)
    loss = y.sum()
    del y
    held = allocated(before)
    assert held > steps * ARRAY * 0.9
    tracemalloc.reset_peak()
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak < held + 6 * ARRAY  # no second copy of the tape
    assert allocated(before) < 3 * ARRAY  # the gradient, though the loss is still here
    assert all(node.saved is None for node in history(loss) if node.op is not None)


def test_cotangents_are_dropped_once_used(traced_memory: None) -> None:
    x = cr.tensor(np.ones(ROWS), requires_grad=True)
    before = allocated()
    loss = chain(x, 50).sum()  # saves scalars only
    tracemalloc.reset_peak()
    loss.backward()
    assert tracemalloc.get_traced_memory()[1] - before < 6 * ARRAY


def test_only_what_the_rules_need_is_saved(traced_memory: None) -> None:
    x = cr.tensor(np.ones(ROWS), requires_grad=True)
    c = np.ones(ROWS)
    before = allocated()
    y = x + c
    z = y - c
    del y
    assert allocated(before) < 1.5 * ARRAY  # z itself
    del z
    w = x * c
    assert w.node.saved[w.node.op.residuals.index("a")] is None  # c has no gradient, so x is not needed
    assert w.node.saved[w.node.op.residuals.index("b")] is c


# Twice over one tape


def test_a_second_backward_over_a_freed_tape() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(cr.FreedTapeError, match=r"were freed by an earlier backward pass.*retain_graph=True"):
        loss.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_retain_graph() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    for k in range(1, 4):
        loss.backward(retain_graph=True)
        assert x.grad.tolist() == [2.0 * k, 4.0 * k]
    loss.backward()
    with pytest.raises(cr.FreedTapeError):
        loss.backward()


def test_two_losses_over_a_shared_part() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    shared = x * x
    first, second = shared.sum(), (shared * shared).sum()
    first.backward()
    gradient = x.grad.tolist()
    with pytest.raises(cr.FreedTapeError, match="multiply"):
        second.backward()
    assert x.grad.tolist() == gradient  # nothing was added before the error
