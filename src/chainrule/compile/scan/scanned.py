"""`scan` in a captured function: from trees to the operation and back."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.compile.capture.capture import Capture
from chainrule.compile.capture.looked import Looked
from chainrule.compile.capture.looked import plain as unwatched
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import example
from chainrule.core.tree import flatten, unflatten

from .body import Traced, in_floats
from .operation import Scan, needs_carries


def scanned(
    capture: Any, f: Callable[..., Any], init: Any, entries: tuple[Sequence[Any], Any], n: int, reverse: bool
) -> tuple[Any, Any]:
    """Return what `scan` returns, computed by one instruction of the program."""
    leaves, structure = entries
    starts, tree = flatten(init)
    carry = [_array(x) for x in starts]
    xs = [_array(x) for x in leaves]
    first = -1 if reverse else 0
    rows = [_example(capture, x)[first] for x in xs]
    for _ in range(2):
        traced = Traced(capture, f, init, [_example(capture, x) for x in carry], rows, structure)
        made = traced.dtypes[: len(carry)]
        if all(x.dtype == dtype for x, dtype in zip(carry, made, strict=True)):
            break
        carry = [x if x.dtype == dtype else x.astype(dtype) for x, dtype in zip(carry, made, strict=True)]
    arrays = [*map(in_floats, carry), *xs, *traced.read]
    loop = Scan(traced.body, len(carry), len(xs), n, reverse, needs_carries(arrays))
    last, ys, _ = loop.results(loop.apply(*arrays))
    found = [y if y.dtype == dtype else y.astype(dtype) for y, dtype in zip((*last, *ys), traced.dtypes, strict=True)]
    return unflatten(tree, found[: len(carry)]), unflatten(traced.y[1], found[len(carry) :])


def _array(x: Any) -> Any:
    return x if isinstance(x, Tensor | np.ndarray) else np.asarray(x)


def _example(capture: Any, x: Any) -> Any:
    return unwatched(x) if type(x) is Looked else np.asarray(example(capture.seen(x)))


Capture.scan = scanned
