"""Buffers of a plan: used again, changed in place where nobody reads them later, and no more of them over time."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import optim
from chainrule.compile.plan.memory import ALIGNMENT, Pool, aligned

from .worlds import World, batches, network


def test_a_pool_gives_out_what_came_back() -> None:
    pool = Pool()
    first = pool.take((10, 10), np.float32)
    second = pool.take((10, 10), np.float32)
    assert not np.may_share_memory(first, second)
    pool.give_back(first)
    third = pool.take((100,), np.float32)
    assert np.may_share_memory(first, third)
    total = pool.total
    assert total >= 800
    pool.give_back(second[:5])  # a view gives all of it back
    assert np.may_share_memory(pool.take((20, 5), np.float32), second)
    assert pool.total == total


@walked("shape", [(), (0,), (3,), (0, 4), (7, 5)])
@walked("dtype", [np.float16, np.float64, np.bool_, np.int64])
def test_a_pool_gives_out_any_shape(shape: tuple[int, ...], dtype: Any) -> None:
    x = Pool().take(shape, dtype)
    assert (x.shape, x.dtype) == (shape, dtype)
    assert x.flags.c_contiguous
    assert x.flags.writeable


def test_a_pool_does_not_give_a_large_buffer_for_a_small_array() -> None:
    pool = Pool()
    pool.give_back(large := pool.take((10**6,), np.float64))
    assert not np.may_share_memory(pool.take((3,), np.float64), large)


def test_memory_is_aligned() -> None:
    for nbytes in (1, 63, 64, 1000):
        x = aligned(nbytes)
        assert x.size == nbytes
        assert x.ctypes.data % ALIGNMENT == 0


def _plan(f: Any, *arrays: Any) -> Any:
    compiled = cr.compile(f)
    for _ in range(2):
        got = compiled(*arrays)
    np.testing.assert_allclose(got, f(*arrays))
    return compiled.plan


N = 4000
"""Enough elements for a buffer to count."""


def _chain(x: Any) -> Any:
    for k in range(10):
        x = np.cumsum(x) + k
    return x


def test_a_chain_needs_few_buffers() -> None:
    plan = _plan(_chain, np.ones(N))
    sizes = sum(v.nbytes for step in plan.steps for v in step.outputs)
    assert sizes >= 20 * 8 * N * 0.5
    assert plan.pool.total <= 4 * 8 * N + 4096


def test_what_is_read_later_is_kept() -> None:
    def f(x: Any) -> Any:
        kept = [np.cumsum(x * k) for k in range(1, 6)]
        total = kept[0]
        for y in kept[1:]:
            total = np.cumsum(total) * y
        return total + kept[0] + kept[2]

    plan = _plan(f, np.linspace(0, 1, 50))
    assert len(plan.steps) > 5


def test_views_keep_their_buffer_alive() -> None:
    def f(x: Any) -> Any:
        y = np.cumsum(x)
        part, turned = y[1:3], y.T
        for _ in range(4):
            x = np.cumsum(x) * 2  # would take the buffer of y if it were free
        return x + part.sum() + turned[0].sum() + turned.reshape(-1)[3]

    _plan(f, np.linspace(0, 1, 20).reshape(4, 5))


def test_views_of_views_of_what_a_loop_made() -> None:
    def f(x: Any) -> Any:
        y = (np.tanh(x) * 2).reshape(5, 4)
        z = y[1:].T.reshape(-1)
        other = np.tanh(x) + 1
        return (other * 3).sum() + z * np.sin(other.reshape(-1)[:16])

    _plan(f, np.linspace(0, 1, 20).reshape(4, 5))


def test_inputs_are_not_written_to() -> None:
    compiled = cr.compile(lambda x: np.tanh(x * 2) + 1)
    x = np.linspace(0, 1, 6)
    kept = x.copy()
    for _ in range(3):
        compiled(x)
    np.testing.assert_array_equal(x, kept)
    x.flags.writeable = False
    np.testing.assert_allclose(compiled(x), np.tanh(kept * 2) + 1)


def test_in_place_where_the_operand_is_broadcast_as_well() -> None:
    def f(x: Any) -> Any:
        row = np.sin(x[0])
        y = np.sin(x)
        return np.sin(y + row) + np.sin(row * 2)[None] + np.cos(y)

    _plan(f, np.linspace(0, 1, 12).reshape(3, 4))


def test_two_results_that_end_in_one_loop() -> None:
    def f(x: Any) -> Any:
        a, b = np.sin(x), np.cos(x)
        return np.stack([a * b + a, a - b * 2, b + a])

    _plan(f, np.linspace(0, 1, 12))


def test_a_value_that_is_clipped_in_place_and_read_before() -> None:
    """The gradient is returned, and clipped afterwards."""
    w = cr.tensor([3.0, 4.0], requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        (w * w * x).sum().backward()
        before = w.grad * 1
        optim.clip_grad_norm_([w], 1.0)
        return before, w.grad * 1

    compiled = cr.compile(f)
    for k in (1.0, 2.0, 3.0):
        for a, b in zip(compiled(np.full(2, k)), f(np.full(2, k)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy())


def test_gradients_that_are_one_array_are_clipped_once_each() -> None:
    """Two parameters whose gradients are the same value: a change in place must not reach both."""
    a, b = (cr.tensor([3.0, 4.0], requires_grad=True) for _ in range(2))

    def f(x: Any) -> Any:
        a.grad = b.grad = None
        ((a + b) * x).sum().backward()
        optim.scale_grads_([a, b], 0.5)
        return a.grad * 1, b.grad * 1

    compiled = cr.compile(f)
    for k in (1.0, 2.0):
        for y in compiled(np.full(2, k)):
            assert y.numpy().tolist() == [0.5 * k] * 2


def test_gradients_kept_outside_change_only_with_the_next_call() -> None:
    world = World(network())
    step = cr.compile(world.step)
    (x, y), (u, v) = batches(2)
    step(x, y)
    kept = {n: p.grad.numpy().copy() for n, p in world.model.named_parameters()}
    np.exp(np.ones(1000)).sum()
    for name, p in world.model.named_parameters():
        np.testing.assert_array_equal(p.grad.numpy(), kept[name])
    step(u, v)
    assert any(not np.array_equal(p.grad.numpy(), kept[n]) for n, p in world.model.named_parameters())


def test_a_gradient_that_an_entry_gradient_was_added_to() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> None:
        (w * x).sum().backward()

    compiled = cr.compile(f)
    for k in range(1, 5):
        compiled(np.ones(2))
        assert w.grad.numpy().tolist() == [k, k]
    w.grad = np.asarray([10.0, 20.0])
    compiled(np.ones(2))
    assert w.grad.numpy().tolist() == [11.0, 21.0]
    f(np.ones(2))
    assert w.grad.numpy().tolist() == [12.0, 22.0]
    compiled(np.ones(2))
    assert w.grad.numpy().tolist() == [13.0, 23.0]


@pytest.mark.slow
def test_memory_is_flat_over_two_thousand_replays(machine_code: None) -> None:
    world = World(network())
    world.optimizer = optim.Adam(world.model.parameters(), lr=0.001)
    step = cr.compile(world.step)
    x, y = batches(1)[0]
    for _ in range(50):
        step(x, y)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            step(x, y)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000


@pytest.mark.slow
def test_objects_are_as_many_after_replays() -> None:
    w = cr.tensor(np.ones(3), requires_grad=True)
    compiled = cr.compile(lambda x: (w * x).sum())
    for _ in range(10):
        compiled(np.ones(3)).backward()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        compiled(np.ones(3)).backward()
    gc.collect()
    assert len(gc.get_objects()) - before < 50


@walked("view", [lambda v: v[0:1], lambda v: v[:, 0:1], lambda v: v[2], lambda v: v.reshape(-1)[:4]])
def test_what_a_loop_reads_in_two_ways_is_not_written_to(view: Any) -> None:
    """The row that is added to all rows was overwritten by the first of them."""

    def f(a: Any, b: Any) -> Any:
        v = a @ b
        return np.tanh(v + view(v))

    rng = np.random.default_rng(0)
    compiled = cr.compile(f)
    for _ in range(2):
        a, b = rng.normal(size=(4, 5)), rng.normal(size=(5, 4))
        np.testing.assert_allclose(compiled(a, b), f(a, b), rtol=1e-12)
