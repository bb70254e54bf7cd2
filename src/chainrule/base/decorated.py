"""A block around a whole function, including each step of a generator, and coroutines."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any


def in_blocks(block: Callable[[], AbstractContextManager[Any]], f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` run inside `block()`.

    A generator, synchronous or not, is inside only while it runs itself, not while its caller does.
    """

    @functools.wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        with block():
            return f(*args, **kwargs)

    @functools.wraps(f)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with block():
            return await f(*args, **kwargs)

    @functools.wraps(f)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = f(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, inner)
        while True:
            try:
                with block():
                    item = step()
            except StopIteration as stop:
                return stop.value
            try:
                step = functools.partial(inner.send, (yield item))
            except GeneratorExit:
                with block():
                    inner.close()
                raise
            except BaseException as error:
                step = functools.partial(inner.throw, error)

    @functools.wraps(f)
    async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = f(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(inner.asend, None)
        while True:
            try:
                with block():
                    item = await step()
            except StopAsyncIteration:
                return
            try:
                step = functools.partial(inner.asend, (yield item))
            except GeneratorExit:
                with block():
                    await inner.aclose()
                raise
            except BaseException as error:
                step = functools.partial(inner.athrow, error)

    if inspect.iscoroutinefunction(f):
        return coroutine
    if inspect.isasyncgenfunction(f):
        return async_generator
    return generator if inspect.isgeneratorfunction(f) else function
