"""Blocks that change a mode: whatever the order in which they end, and in whatever thread, nothing is left behind."""

import asyncio
import contextlib
import gc
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.core.traces.capturing import observed, running
from chainrule.core.traces.modes import modes
from chainrule.core.transforms.checkpoint import recomputing
from chainrule.doctor.nonfinite import detect_nonfinite
from chainrule.nn.mode import in_mode

Make = Callable[[], AbstractContextManager[Any]]


class World:
    """One thing that a block changes: how to open a block, and what can be seen of it."""

    def __init__(self, block: Make, see: Callable[[], Any]) -> None:
        self.block, self.see = block, see


def no_grad() -> World:
    x = cr.tensor(1.0, requires_grad=True)
    return World(cr.no_grad, lambda: (x * 2.0).requires_grad)


def nonfinite() -> World:
    return World(detect_nonfinite, lambda: (observed.blocks, np.geterr()["divide"]))


def mode() -> World:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2).train(False))
    return World(lambda: in_mode(model, False), lambda: [module.training for module in model.modules()])


def averages() -> World:
    w = cr.tensor([0.0], requires_grad=True)
    ema = optim.EMA([w])
    w.data = [1.0]
    return World(ema.applied, w.tolist)


def shard() -> World:
    loader = data.DataLoader(np.arange(4), batch_size=4)
    return World(lambda: loader.sharded(1, 2), lambda: [x.tolist() for (x,) in loader])


WORLDS = [no_grad, nonfinite, mode, averages, shard]


@pytest.fixture(params=WORLDS, ids=lambda make: make.__name__)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = request.param()
    before = made.see()
    yield made
    assert made.see() == before
    assert (modes.floor, observed.blocks, recomputing(), running.capture) == (0, 0, False, None)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_blocks_end_in_any_order(world: World, order: tuple[int, ...]) -> None:
    outside = world.see()
    blocks = [world.block() for _ in order]
    for block in blocks:
        block.__enter__()
    inside = world.see()
    assert inside != outside
    for k in order[:-1]:
        blocks[k].__exit__(None, None, None)
        assert world.see() == inside or world.see()[1:] == inside[1:]  # `nonfinite` counts
    blocks[order[-1]].__exit__(None, None, None)
    assert world.see() == outside


@pytest.mark.parametrize("first", [0, 1])
def test_an_exception_in_one_of_two(world: World, first: int) -> None:
    outside = world.see()
    blocks = [world.block(), world.block()]
    for block in blocks:
        block.__enter__()
    with contextlib.suppress(ValueError):  # as `with` takes it
        assert blocks[first].__exit__(ValueError, ValueError("inside"), None) is not True
    blocks[1 - first].__exit__(None, None, None)
    assert world.see() == outside


def test_generators_that_overlap(world: World) -> None:
    def inside() -> Iterator[Any]:
        with world.block():
            yield world.see()
            yield world.see()

    outside = world.see()
    first, second, third = inside(), inside(), inside()
    seen = next(first)
    assert seen != outside
    next(second), next(third)
    assert len(list(first)) == 1  # it goes on to its end
    assert world.see() != outside
    second.close()
    with pytest.raises(KeyError):
        third.throw(KeyError("thrown"))
    assert world.see() == outside


def test_a_generator_that_the_collector_closes(world: World) -> None:
    def inside() -> Iterator[Any]:
        own = []
        own.append(own)  # a cycle
        with world.block():
            yield own

    gc.freeze()  # what other tests left is not searched
    outside = world.see()
    stopped, other = inside(), inside()
    next(stopped), next(other)
    cycle = [stopped]
    cycle.append(cycle)
    del stopped, cycle
    gc.collect()
    other.close()
    assert world.see() == outside


def test_a_generator_that_another_thread_closes() -> None:
    world = no_grad()

    def inside() -> Iterator[None]:
        with world.block():
            yield

    outside = world.see()
    stopped, other = inside(), inside()
    next(stopped), next(other)
    thread = threading.Thread(target=stopped.close)
    thread.start()
    thread.join()
    assert world.see() != outside
    other.close()
    assert world.see() == outside


def test_tasks_that_take_turns(world: World) -> None:
    outside = world.see()

    async def task(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        with world.block():
            for _ in range(turns):
                await asyncio.sleep(0)
                assert world.see() != outside

    async def all_of_them() -> None:
        await asyncio.gather(*(task(turns) for turns in (1, 4, 2, 3)))
        assert world.see() == outside

    asyncio.run(all_of_them())


def test_a_task_does_not_see_the_no_grad_of_another() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    turns: list[str] = []

    async def quiet() -> None:
        with cr.no_grad():
            turns.append("quiet")
            await asyncio.sleep(0)
            assert not (x * x).requires_grad
            await asyncio.sleep(0)
        assert (x * x).requires_grad

    async def loud() -> None:
        for _ in range(4):
            turns.append("loud")
            y = x * x
            await asyncio.sleep(0)
            y.backward()
        assert float(x.grad) == 16.0

    async def both() -> None:
        await asyncio.gather(quiet(), loud())

    asyncio.run(both())
    assert turns[:2] == ["quiet", "loud"]


def test_a_task_begun_inside_is_inside_until_the_block_is_left() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    seen: list[bool] = []

    async def child() -> None:
        for _ in range(3):
            seen.append(bool((x * x).requires_grad))
            await asyncio.sleep(0)

    async def parent() -> None:
        with cr.no_grad():
            task = asyncio.create_task(child())
            await asyncio.sleep(0)
        await task

    asyncio.run(parent())
    assert seen == [False, True, True]


def test_an_async_generator_that_is_dropped() -> None:
    x = cr.tensor(2.0, requires_grad=True)

    async def inside() -> Any:
        with cr.no_grad():
            yield 1
            yield 2

    async def main() -> bool:
        gc.freeze()
        async for _ in inside():
            break
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return bool((x * x).requires_grad)

    assert asyncio.run(main())


def test_threads_have_their_own() -> None:
    """Where Python hands a thread the context of the one that starts it (3.14t does), it starts with that one's."""
    x = cr.tensor(2.0, requires_grad=True)
    found: list[bool] = []
    with cr.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert found == [not getattr(sys.flags, "thread_inherit_context", 0)]


def test_one_object_for_several_blocks() -> None:
    x, block = cr.tensor(2.0, requires_grad=True), cr.no_grad()
    with block:
        with block:
            pass
        assert not (x * x).requires_grad
    assert (x * x).requires_grad
    block.__exit__(None, None, None)  # once too often does nothing


def test_a_block_that_is_entered_and_forgotten() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    cr.no_grad().__enter__()
    assert (x * x).requires_grad


def test_transforms_begun_inside_overlapping_blocks_work_as_usual() -> None:
    first, second = cr.no_grad(), cr.no_grad()
    first.__enter__()
    second.__enter__()
    assert cr.grad(lambda x: x * x)(3.0) == 6.0
    first.__exit__(None, None, None)
    assert cr.grad(lambda x: x * x)(3.0) == 6.0
    second.__exit__(None, None, None)

    def f(x: Any) -> Any:
        first, second = cr.no_grad(), cr.no_grad()
        first.__enter__()
        y = x * x
        second.__enter__()
        first.__exit__(None, None, None)
        z = x * x
        second.__exit__(None, None, None)
        return x * y * z

    assert cr.grad(f)(2.0) == 16.0
    assert cr.jvp(f, (2.0,), (1.0,))[1] == 16.0


def test_decorated_functions_of_every_kind() -> None:
    x = cr.tensor(2.0, requires_grad=True)

    def on() -> bool:
        return bool((x * x).requires_grad)

    @cr.no_grad()
    def plain(a: int, *, b: int) -> tuple[int, bool]:
        """A docstring."""
        return a + b, on()

    @cr.no_grad()
    def generator() -> Any:
        sent = yield on()
        try:
            yield sent, on()
        except KeyError:
            yield "caught", on()
        return "end", on()

    @cr.no_grad()
    async def coroutine() -> bool:
        await asyncio.sleep(0)
        return on()

    @cr.no_grad()
    async def async_generator() -> Any:
        sent = yield on()
        try:
            yield sent, on()
        except KeyError:
            yield "caught", on()

    assert plain(1, b=2) == (3, False)
    assert (plain.__name__, plain.__doc__) == ("plain", "A docstring.")
    running_ = generator()
    assert (next(running_), on()) == (False, True)
    assert (running_.send("sent"), on()) == (("sent", False), True)
    assert (running_.throw(KeyError), on()) == (("caught", False), True)
    with pytest.raises(StopIteration) as end:
        next(running_)
    assert end.value.value == ("end", False)
    closed = generator()
    next(closed)
    closed.close()

    async def main() -> None:
        assert not await coroutine()
        steps = async_generator()
        assert (await steps.asend(None), on()) == (False, True)
        assert (await steps.asend("sent"), on()) == (("sent", False), True)
        assert (await steps.athrow(KeyError), on()) == (("caught", False), True)
        with pytest.raises(StopAsyncIteration):
            await steps.asend(None)
        other = async_generator()
        await other.asend(None)
        await other.aclose()
        assert on()

    asyncio.run(main())


def test_averages_come_off_after_the_last_block() -> None:
    w = cr.tensor([0.0], requires_grad=True)
    ema = optim.EMA([w])
    w.data = [1.0]
    first, second = ema.applied(), ema.applied()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert w.tolist() == [0.0]
    second.__exit__(None, None, None)
    assert w.tolist() == [1.0]


def test_warnings_are_back_after_overlapping_blocks() -> None:
    first, second = detect_nonfinite(), detect_nonfinite()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.log(np.zeros(1))
    second.__exit__(None, None, None)
    with pytest.warns(RuntimeWarning):
        np.log(np.zeros(1))


def test_checkpoints_run_again_in_the_mode_of_the_first_run() -> None:
    x = cr.tensor(2.0, requires_grad=True)
    f = cr.checkpoint(lambda x: x * x * x)
    y = f(x)
    first, second = cr.no_grad(), cr.no_grad()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    y.backward()  # under no_grad: the second run must record all the same
    assert float(x.grad) == 12.0
    assert not f(x).requires_grad
    second.__exit__(None, None, None)
    assert f(x).requires_grad


def test_a_compiled_function_sees_the_mode_of_its_task() -> None:
    x = cr.tensor(np.ones(3), requires_grad=True)
    compiled = cr.compile(lambda x: (x * x).sum())

    async def quiet() -> None:
        with cr.no_grad():
            await asyncio.sleep(0)
            assert not compiled(x).requires_grad

    async def loud() -> None:
        assert compiled(x).requires_grad
        await asyncio.sleep(0)
        assert compiled(x).requires_grad

    async def both() -> None:
        await asyncio.gather(quiet(), loud(), quiet())

    asyncio.run(both())
