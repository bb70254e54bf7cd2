"""What a capture must see besides operations: effects, values that change between calls, and settings that are read.

A capture is a trace of level −1, below the eager tape, so every operation on boxes of its values is recorded
automatically. Three things are not: side effects of Python code (an optimiser's step, a running average), arrays that
it reads but did not get as arguments (parameters, buffers), and settings that it reads (a module's `training`). Code
that does any of these reports it here; without a capture these functions only check one variable.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np


class _Running(threading.local):
    """Per thread: the current capture, if any, and the calls of `vmap` that are running, the outermost first."""

    capture: Any = None
    maps: tuple[Any, ...] = ()


running = _Running()


class _Observed:
    """How many open blocks observe each operation as it runs, while which compiled functions run uncompiled."""

    blocks: int = 0


observed = _Observed()


def effect(f: Callable[..., Any], *args: Any, writes: Iterable[Any] | None = None) -> None:
    """Call `f` with the arrays in `args`; inside a capture not now, but at this point of every replay.

    `writes` lists the arrays and tensors that `f` changes in place, if known: operations that do not read them may be
    moved past the call.
    """
    if running.maps and mapped_in(args) is not None:
        if writes is None or tuple(writes):
            running.maps[-1].refuse("a running average or another array outside of the function would be written to")
        plain(lambda *row: effect(f, *row, writes=()), *args)
    elif running.capture is None:
        f(*map(_opened, args))
    else:
        running.capture.effect(f, args, writes)


def as_array(x: Any) -> Any:
    """Convert anything but an array or a tensor to an array.

    Unlike `np.asarray`, it leaves arrays alone: in a capture, an array of the user's reports when it is looked at.
    """
    return x if isinstance(x, np.ndarray) or _is_box(x) else np.asarray(x)


def state(array: Any, holder: tuple[dict[str, Any], str] | None = None) -> Any:
    """Return an array that changes in place between calls in a form that every replay reads again.

    `holder` is a dict and the array's key in it, by which a replay notices when it was replaced.
    """
    return array if running.capture is None else running.capture.state(array, holder)


def picked_from(x: Any) -> Any:
    """Return an array from which an index of a capture picks, in a form that every replay reads again."""
    return x if running.capture is None else running.capture.picked_from(x)


def forgetting(tensors: Iterable[Any]) -> None:
    """Tell a capture that the gradients of these are about to be cleared, so their previous values do not matter."""
    if running.capture is not None:
        running.capture.forgets(tensors)


def reads_layout(only_if_written: bool = False) -> None:
    """Tell a capture that it matters where elements lie in memory; `only_if_written`: if a tensor is written into."""
    if running.capture is not None:
        running.capture.reads_layout(only_if_written)


def _is_box(x: Any) -> bool:
    return hasattr(x, "_trace")


def _opened(x: Any) -> Any:
    while _is_box(x):
        x = x._value
    return x


def captured_in(x: Any) -> Any:
    """Return the capture's own box inside `x`, or None if there is none."""
    while _is_box(x):
        if x._trace.level < -1:  # at −1 is the box of a plain array, which contains the capture's
            return x
        x = x._value
    return None


def is_captured(x: Any) -> bool:
    """Whether the values of `x` belong to a capture and must not be looked at."""
    return running.capture is not None and captured_in(x) is not None


def known(x: Any) -> Any:
    """Return the array in `x`, but leave values that a capture does not know, or rows of `vmap`, in their box."""
    if running.maps and mapped_in(x) is not None:
        return constant_of(x)
    if running.capture is not None and _is_box(x):
        if getattr(x, "_link", None) is not None:
            x = running.capture.seen(x)  # a parameter, which differs from call to call
        elif captured_in(x) is None:
            running.capture.looks(x)
    return x if is_captured(x) else _opened(x)


def plain(f: Callable[..., Any], *args: Any, stacks: bool = False) -> Any:
    """Return `f(*args)` for plain arrays, as constants for every derivative; in a capture, each replay makes the call.

    For checks and preparations that look at the values of targets, indices or masks. Inside `vmap` it is called for
    each row, or once with all rows if `f` says that it takes `stacks`: more axes in front.
    """
    if running.maps and (trace := mapped_in(args)) is not None:
        return trace.plainly(f, replaced(args, constant_of), stacks)
    if running.capture is None:
        return f(*[x if type(x) is np.ndarray else _opened(x) for x in args])
    args = replaced(args, running.capture.seen)
    if any(True for _ in boxes_in(args)):
        return running.capture.call(f, args)
    return f(*map(_opened, args))


def refuse(what: str, step: str) -> NoReturn:
    """Report that a capture cannot continue; only called during one."""
    running.capture.refuse(what, step)
    raise AssertionError


def example(x: Any) -> Any:
    """Return the array in `x`; in a capture, its values in the captured call.

    Only for choosing between algorithms if a replay with the wrong one raises an error. Inside `vmap` it is the first
    row, for its shape and dtype.
    """
    if running.maps and (trace := mapped_in(x)) is not None:
        return trace.like(x)
    box = captured_in(x) if running.capture is not None else None
    return _opened(x) if box is None else box.held


def mapped_in(tree: Any) -> Any:
    """Return the innermost `vmap` whose rows are in nested tuples, lists and dicts, or None."""
    if hasattr(type(tree), "is_mapped"):  # a box; to ask for its class would ask this again
        while _is_box(tree):
            if type(tree).is_mapped:
                return tree._trace
            if captured_in(tree) is tree:  # a capture's own box is innermost, and must not be looked into
                return None
            tree = tree._value
    elif isinstance(tree, tuple | list):
        found = [trace for trace in map(mapped_in, tree) if trace is not None]
        return max(found, key=lambda trace: trace.level, default=None)
    elif isinstance(tree, dict):
        return mapped_in(tuple(tree.values()))
    return None


def constant_of(x: Any) -> Any:
    """Return a value without the boxes of derivatives: an array, or rows of `vmap`."""
    if not _is_box(x) or captured_in(x) is x:
        return x
    inner = constant_of(x._value)
    return type(x)(inner, x._trace, None) if type(x).is_mapped else inner


def every_value(x: Any) -> Any:
    """Return what `example` does, but inside `vmap` all rows, along more axes in front."""
    return _opened(constant_of(x)) if running.maps and mapped_in(x) is not None else example(x)


def may_hold(condition: Any) -> bool:
    """Whether a condition holds anywhere, or may do so in another call or row."""
    return is_captured(condition) or mapped_in(condition) is not None or bool(np.any(condition))


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
    """Return nested tuples, lists and dicts with `replace` applied to every leaf."""
    if isinstance(tree, tuple | list):
        items = [replaced(item, replace) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return {key: replaced(item, replace) for key, item in tree.items()}
    return replace(tree)
