"""Backward passes that are recorded themselves: `create_graph` for the tape of `backward()`.

A node saved plain arrays. Each is the value of an argument or of the output, so it is put back into a box with the link
it had, and the rule, which is written in chainrule's own operations, is then recorded like any other code. A fused
operation is replaced by its composite. An argument that its rules did not save has no influence on the gradient, so
zeros stand for it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.memory.packing import opened
from chainrule.core.tensor import Tensor

from .capturing import refuse, running
from .node import Item, Node, hooked
from .reverse import leading, walk
from .tape import EAGER


def reopened(node: Node) -> Any:
    """Return what a node saved, in boxes that are linked to where it came from; or the node of its composite."""
    op = node.op
    if getattr(op, "reopens", False):  # it takes care of its own saved values
        return node.saved
    if getattr(op, "foreign", False):
        raise GradientError(
            f"create_graph: {node.name} is a custom operation, whose rule is not recorded on this tape; use "
            f"chainrule.grad of chainrule.grad instead"
        )
    saved = dict(zip(op.residuals, opened(node.saved) or (), strict=False))
    if op.composite is not None:
        return _composite(node, saved)
    if op.variadic:
        return tuple(
            [_boxed(x, parent) for x, parent in zip(value, node.parents, strict=True)]
            if name == op.arguments[0]
            else _boxed(value, node if name == "y" else None)
            for name, value in saved.items()
        )
    links: dict[str, Any] = dict(zip(op.arguments, node.parents, strict=False))
    if not op.several:
        links["y"] = node
    elif saved.get("y") is not None:
        saved["y"] = tuple(_boxed(part, Item(node, k)) for k, part in enumerate(saved["y"]))
    return tuple(_boxed(value, links.get(name)) for name, value in saved.items())


def _boxed(value: Any, link: Any) -> Any:
    if not isinstance(value, np.ndarray | np.generic):
        if running.capture is not None and link is not None and value is not None and not isinstance(value, tuple):
            refuse("create_graph=True", "use torch.func.grad or chainrule.grad, which nest")  # the link would be lost
        return value
    return Tensor(value, EAGER, link)


def _composite(node: Node, saved: dict[str, Any]) -> Any:
    """Return the node of a fused operation's composite, recorded now.

    `regain` returns arguments with which the composite has the derivatives of the call; where there are none, `anew` is
    the composite written with what was kept. An argument that neither needs is zeros: any number will do.
    """
    op = node.op
    dtype = node.dtype[0] if op.several else node.dtype
    kept = {**saved, "y_shape": node.shape, "y_dtype": dtype}
    regained = op.regain(**kept) if hasattr(op, "regain") else saved
    args: dict[str, Any] = {}
    for name, parent in zip(op.arguments, node.parents, strict=False):
        value = (regained or {}).get(name)
        if value is None:
            value = np.zeros((), dtype) if parent is None else np.zeros(parent.shape, parent.dtype)
        args[name] = _boxed(value, parent)
    if regained is None:
        return op.anew(kept, **args, **node.settings)._link
    return op.composite(*args.values(), **node.settings)._link


def differentiable(seeds: Sequence[tuple[Node, Any]], targets: Sequence[Node]) -> dict[int, Any]:
    """Return the cotangents at `targets`, by their `order`, as tensors that can be differentiated again."""
    found: dict[int, Any] = {}

    def reopen(node: Node) -> Any:
        return reopened(node)

    with _Watching(targets, found):
        wanted = leading([node for node, _ in seeds], [node.order for node in targets])
        walk(seeds, lambda leaf, x_bar: found.__setitem__(leaf.order, x_bar), False, reopen, wanted)
    return found


def gradients_at(seeds: Sequence[tuple[Node, Any]], targets: Sequence[Node], free: bool) -> dict[int, Any]:
    """Return the cotangents at `targets`, leaves or not, by their `order`."""
    found: dict[int, Any] = {}
    with _Watching(targets, found):
        wanted = leading([node for node, _ in seeds], [node.order for node in targets])
        walk(seeds, lambda leaf, x_bar: found.__setitem__(leaf.order, x_bar), free, wanted=wanted)
    return found


class _Watching:
    """Hooks at nodes that note the cotangents passing through, for the duration of a block."""

    def __init__(self, nodes: Sequence[Node], found: dict[int, Any]) -> None:
        self.nodes, self.found = nodes, found

    def __enter__(self) -> None:
        for node in self.nodes:
            hooked(node)[id(self)] = self._noting(node.order)

    def _noting(self, order: int) -> Any:
        def note(y_bar: Any) -> Any:
            self.found[order] = y_bar
            return y_bar

        return note

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.hooks.pop(id(self), None)
