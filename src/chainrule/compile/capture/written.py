"""Arguments that a function writes into: each replay writes the same into those that it is called with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import CaptureError
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in

from .arguments import CallArguments, taken_apart


def written_into(
    call: CallArguments, boxes: Sequence[Any], values: Sequence[Any], args: Any, kwargs: Any
) -> list[tuple[int, Any]]:
    """Return the places of the leaves that have other values after the call than before, with those values.

    `boxes` were the leaves of the arguments, `values` what they stood for. Raises a CaptureError where the function has
    put something else into a list or dict that it was given.
    """
    parts = [taken_apart(x) for x in (*args, *kwargs.values())]
    leaves = [leaf for some, _ in parts for leaf in some]
    if len(leaves) != len(boxes) or [structure for _, structure in parts] != call.structures:
        raise CaptureError(_refusal("changed the number of elements"))
    found = []
    for k, value in values:
        left = leaves[k]
        box = captured_in(left)
        if left is boxes[k] and box is not None and box._link is value:
            continue
        if left is not boxes[k] and not (isinstance(left, Tensor) and isinstance(call.leaves[k], Tensor)):
            raise CaptureError(_refusal("replaced an element"))
        if box is not None and box._link is value:
            continue
        found.append((k, left))
    others = (k for k in range(len(boxes)) if k not in {place for place, _ in values})
    if any(leaves[k] is not boxes[k] for k in others):
        raise CaptureError(_refusal("replaced an element"))
    return found


def _refusal(what: str) -> str:
    return (
        f"compile: the function {what} of a list or dict that was passed to it, which a replay would not repeat; make "
        f"a new one inside, and return it"
    )


def write_back(leaf: Any, values: Any) -> None:
    """Write values into an argument: an array, or a tensor."""
    if isinstance(leaf, Tensor):
        leaf._value[...] = values
        leaf.mark_changed()
    else:
        leaf[...] = values


def overlap(leaves: Sequence[Any], written: Sequence[int], outside: Sequence[Any] = ()) -> bool:
    """Whether an argument that is written into shares memory with another, or with an array from outside."""
    arrays = [x._value if isinstance(x, Tensor) else x for x in (*leaves, *outside)]
    arrays = [x if isinstance(x, np.ndarray) else None for x in arrays]
    return any(
        other is not None and k != place and np.may_share_memory(arrays[place], other)
        for place in written
        for k, other in enumerate(arrays)
    )
