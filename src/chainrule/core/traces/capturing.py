"""What a capture has to see besides operations: effects, values that change between calls, and who was asked.

A capture is a trace of level −1, below the eager tape, so everything that runs on boxes of its values is recorded by
itself. Three things do not: what Python code does to the world (an optimiser's step, a running average), arrays that it
reads but did not get as arguments (parameters, buffers), and settings that it looks at (a module's `training`). Code
that does them says so here; without a capture these functions cost a look at one variable.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np


class _Running(threading.local):
    """Per thread: the capture that is running, if any."""

    capture: Any = None


running = _Running()


class _Observed:
    """How many blocks look at each operation as it runs: compiled functions run as they are written then."""

    blocks: int = 0


observed = _Observed()


def effect(f: Callable[..., Any], *args: Any, writes: Iterable[Any] | None = None) -> None:
    """Call `f` with the arrays in `args`; inside a capture not now, but at this point of every replay.

    `writes` lists the arrays and tensors that `f` changes in place, where that is known: what does not read them may be
    moved past the call.
    """
    if running.capture is None:
        f(*map(_opened, args))
    else:
        running.capture.effect(f, args, writes)


def as_array(x: Any) -> Any:
    """Return anything but an array or a tensor as an array.

    Unlike `np.asarray` it leaves an array what it is: in a capture one of the user's tells when it is looked at.
    """
    return x if isinstance(x, np.ndarray) or _is_box(x) else np.asarray(x)


def state(array: Any, holder: tuple[dict[str, Any], str] | None = None) -> Any:
    """Return an array that changes in place between calls as something that every replay reads anew.

    `holder` is a dict and the key under which the array stands there: a replay sees when it was replaced.
    """
    return array if running.capture is None else running.capture.state(array, holder)


def forgetting(tensors: Iterable[Any]) -> None:
    """Tell a capture that the gradients of these are about to be forgotten: what they were before does not matter."""
    if running.capture is not None:
        running.capture.forgets(tensors)


def _is_box(x: Any) -> bool:
    return hasattr(x, "_trace")


def _opened(x: Any) -> Any:
    while _is_box(x):
        x = x._value
    return x


def captured_in(x: Any) -> Any:
    """Return the capture's own box inside `x`, or None where there is none."""
    while _is_box(x):
        if x._trace.level < -1:  # at −1 stands the box of a plain array, which has the capture's in it
            return x
        x = x._value
    return None


def is_captured(x: Any) -> bool:
    """Whether the values of `x` are those of a capture, which nothing may look at."""
    return running.capture is not None and captured_in(x) is not None


def known(x: Any) -> Any:
    """Return the array in `x`, but leave what a capture does not know in its box."""
    if running.capture is not None and _is_box(x):
        if getattr(x, "_link", None) is not None:
            x = running.capture.seen(x)  # a parameter, which differs from call to call
        elif captured_in(x) is None:
            running.capture.looks(x)
    return x if is_captured(x) else _opened(x)


def plain(f: Callable[..., Any], *args: Any) -> Any:
    """Return `f(*args)` of plain arrays, constants for every derivative; in a capture a call that each replay makes.

    For checks and preparations that look at values: of targets, indices, masks.
    """
    if running.capture is not None:
        args = replaced(args, running.capture.seen)
        if any(True for _ in boxes_in(args)):
            return running.capture.call(f, args)
    return f(*map(_opened, args))


def refuse(what: str, step: str) -> NoReturn:
    """Say that a capture cannot follow; only called while one runs."""
    running.capture.refuse(what, step)
    raise AssertionError


def example(x: Any) -> Any:
    """Return the array in `x`; in a capture, its values in the call that is captured.

    Only to choose between ways of computing of which a replay that takes the wrong one raises an error.
    """
    box = captured_in(x) if running.capture is not None else None
    return _opened(x) if box is None else box.held


def boxes_in(tree: Any) -> Iterator[Any]:
    """Yield the capture's boxes in nested tuples, lists and dicts."""
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from boxes_in(item)
    elif isinstance(tree, dict):
        yield from boxes_in(tuple(tree.values()))
    elif (box := captured_in(tree)) is not None:
        yield box


def replaced(tree: Any, replace: Callable[[Any], Any]) -> Any:
    """Return nested tuples, lists and dicts with `replace` of every leaf."""
    if isinstance(tree, tuple | list):
        items = [replaced(item, replace) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return {key: replaced(item, replace) for key, item in tree.items()}
    return replace(tree)
