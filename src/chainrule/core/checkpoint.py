"""`checkpoint`: save a function's inputs instead of everything in between, and compute that again when it is needed."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .changes import tick
from .errors import GradientError, InPlaceError
from .forward import Forward
from .node import Item, Leaf, Node
from .random import default_generator
from .reverse import walk
from .tape import Tape, modes
from .tensor import Tensor
from .tree import flatten, unflatten


class _Runs(threading.local):
    """Per thread: whether a checkpoint is running its function again."""

    again: bool = False


_runs = _Runs()


def recomputing() -> bool:
    """Whether this is the second run of a checkpoint's function, where side effects must not happen again.

    Batch normalisation asks, before it moves its running averages.
    """
    return _runs.again


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with less memory: the backward pass runs it a second time instead of keeping what it computed.

    `f` may take and return pytrees, may use tensors that it does not take as arguments (a module's parameters), may
    itself contain checkpoints, and gives the same derivatives in every transform. It must compute the same when it
    runs again; the default generator is put back to where it stood, generators of its own are not. What it does besides
    happens twice, except for batch normalisation's running averages, which move in the first run alone.

    Cutting a chain of n equal steps into √n checkpoints needs memory for about 2√n of them, at the price of a second
    forward pass (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

    >>> import chainrule as cr
    >>> import numpy as np
    >>> block = cr.checkpoint(lambda x: np.tanh(np.sin(x)))
    >>> float(cr.grad(block)(0.0))
    1.0
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        segment = _Segment(f, args, kwargs)
        outputs, structure = flatten(f(*args, **kwargs))
        boxes = list(_boxes(outputs))
        for tape in {box._trace for box in boxes if type(box._trace) is Tape}:
            _collapse(segment, tape, boxes)
        return unflatten(structure, outputs)

    return checkpointed


class _Segment:
    """A call that can be made again, with the boxes that its arguments were the first time."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f = f
        leaves, self.structure = flatten((args, kwargs))
        self.leaves = tuple(map(_copied, leaves))
        self.floor = modes.floor
        self.random_state = default_generator().bit_generator.state
        self.began = tick()

    def run_again(self) -> tuple[Any, int]:
        """Return the result of a second run, on the same tapes, and when it began."""
        args, kwargs = unflatten(self.structure, map(_copied, self.leaves))
        generator, floor = default_generator().bit_generator, modes.floor
        now = generator.state
        before, began = _runs.again, tick()
        try:
            generator.state, modes.floor, _runs.again = self.random_state, self.floor, True
            return self.f(*args, **kwargs), began
        finally:
            # The generator last: setting its state runs code, which an interrupt may end.
            modes.floor, _runs.again, generator.state = floor, before, now


def _copied(x: Any) -> Any:
    """Return a box with the same contents: `x[0] = 1` and `x.data = …` change a box, not what is in it."""
    if not isinstance(x, Tensor) or x._trace.level < 0:  # what a capture knows as an array
        return x
    box = Tensor.__new__(type(x))
    Tensor.__init__(box, x._value, x._trace, x._link)
    return box


def _boxes(outputs: Sequence[Any]) -> Iterator[Tensor]:
    """Yield every box in the outputs, at every level, in an order that depends on the function alone."""
    for y in outputs:
        while isinstance(y, Tensor) and y._trace.level >= 0:
            yield y
            if isinstance(y._trace, Forward):
                yield from _boxes([y._link])
            y = y._value


def _collapse(segment: _Segment, tape: Tape, boxes: list[Tensor]) -> None:
    """Replace what the segment recorded on one tape by a single node, in place in its output boxes."""
    places = [k for k, box in enumerate(boxes) if box._trace is tape and _is_new(box._link, segment.began)]
    if not places:
        return
    links = [boxes[k]._link for k in places]
    border = _border(links, segment.began)
    last = max(links, key=lambda node: node.order)
    operation = _Rerun(segment, places, border, _signature(links))
    shapes, dtypes = tuple(n.shape for n in links), tuple(n.dtype for n in links)
    node = Node(operation, tuple(border), (segment.leaves,), {}, shapes, dtypes, tick(), last._code, last._offset)
    for item, k in enumerate(places):
        boxes[k]._link = Item(node, item)


def _signature(links: Sequence[Node]) -> list[Any]:
    return [(link.name, link.shape, link.dtype) for link in links]


def _is_new(link: Any, began: int) -> bool:
    return isinstance(link, Node) and link.order > began


def _inside(links: Sequence[Node], began: int) -> Iterator[Node]:
    """Yield the nodes made since `began` that lead to `links`."""
    stack, seen = list(links), {node.order for node in links}
    while stack:
        node = stack.pop()
        yield node
        for parent in node.parents:
            if parent is not None and parent.order > began and parent.order not in seen:
                seen.add(parent.order)
                stack.append(parent)


def _border(links: Sequence[Node], began: int) -> list[Node]:
    """Return the older nodes that those made since `began` stand on."""
    found = {}
    for node in _inside(links, began):
        if isinstance(node, Leaf):
            raise GradientError("checkpoint: the function made a tensor with requires_grad=True; make it outside")
        found.update({p.order: p for p in node.parents if p is not None and p.order <= began})
    return list(found.values())


class _Rerun:
    """The operation of a checkpoint's node: its rule runs the segment again and walks what that records."""

    name = "checkpoint"
    kind = "general"
    several = True
    variadic = False
    adjoints: tuple[Any, ...] = ()
    arguments: tuple[str, ...] = ()
    residuals: tuple[str, ...] = ("an argument",)

    def __init__(self, segment: _Segment, places: list[int], border: list[Node], signature: list[Any]) -> None:
        self.segment, self.places, self.signature = segment, places, signature
        self.border = [node.order for node in border]
        self.leaves = [node for node in border if isinstance(node, Leaf)]

    def pull(self, y_bar: tuple[Any, ...], _saved: Any, _settings: Any) -> tuple[Any, ...]:
        for leaf in self.leaves:
            if leaf.changed > self.segment.began:
                raise InPlaceError(
                    f"backward: {leaf.name} was changed after a checkpoint used it, which would now compute something "
                    f"else; change it after the backward pass"
                )
        result, began = self.segment.run_again()
        boxes = list(_boxes(flatten(result)[0]))
        links = [boxes[k]._link for k in self.places] if len(boxes) > max(self.places) else []
        if not all(_is_new(link, began) for link in links) or _signature(links) != self.signature:
            raise GradientError("checkpoint: the function took another path when it ran again; it must not change")
        stand_ins: dict[int, Leaf] = {}
        for node in _inside(links, began):
            node.parents = tuple(
                _stand_in(stand_ins, p) if p is not None and p.order <= began else p for p in node.parents
            )
        if set(stand_ins) - set(self.border):
            raise GradientError("checkpoint: the function used other tensors when it ran again; it must not change")
        found: dict[Leaf, Any] = {}
        walk(zip(links, y_bar, strict=True), found.__setitem__, free=True)
        return tuple(self._cotangent(found, stand_ins.get(order)) for order in self.border)

    def _cotangent(self, found: dict[Leaf, Any], leaf: Leaf | None) -> Any:
        return 0.0 if leaf is None or leaf not in found else found[leaf]


def _stand_in(stand_ins: dict[int, Leaf], node: Node) -> Leaf:
    if node.order not in stand_ins:
        stand_ins[node.order] = Leaf(node.shape, node.dtype)
        stand_ins[node.order].order = node.order
    return stand_ins[node.order]
