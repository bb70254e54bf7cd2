"""`checkpoint`: save only a function's inputs, and recompute its intermediate values when they are needed."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError, InPlaceError
from chainrule.core.facts import Facts
from chainrule.core.memory.changes import tick
from chainrule.core.memory.fingerprint import fingerprint
from chainrule.core.memory.loans import borrowed, look_at_loans
from chainrule.core.memory.sealing import sealed_all
from chainrule.core.random import global_generator
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import is_captured
from chainrule.core.traces.forward import Forward
from chainrule.core.traces.modes import Floor, modes
from chainrule.core.traces.node import Item, Leaf, Node
from chainrule.core.traces.reverse import walk
from chainrule.core.traces.tape import Tape
from chainrule.core.tree import flatten, unflatten


class _Runs(threading.local):
    """Per thread: whether a checkpoint is recomputing its function."""

    again: bool = False


_runs = _Runs()


def recomputing() -> bool:
    """Whether this is the second run of a checkpoint's function, where side effects must not happen again.

    Batch normalisation checks this before it updates its running averages.
    """
    return _runs.again


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` with less memory: the backward pass runs it again instead of keeping its intermediate values.

    `f` may take and return pytrees, may use tensors that are not its arguments (a module's parameters), may itself
    contain checkpoints, and has the same derivatives in every transform. It must compute the same when it runs again;
    the global generator is restored for that, but its own generators are not. Its side effects happen twice, except for
    batch normalisation's running averages, which are updated only in the first run.

    Splitting a chain of n equal steps into √n checkpoints needs memory for about 2√n of them, at the price of a second
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
        segment.check_unwritten(flatten((args, kwargs))[0])
        boxes = list(_boxes(outputs))
        for tape in {box._trace for box in boxes if type(box._trace) is Tape}:
            _collapse(segment, tape, boxes)
        return unflatten(structure, outputs)

    return checkpointed


class _Segment:
    """A call that can be repeated, with the boxes of its original arguments."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f = f
        leaves, self.structure = flatten((args, kwargs))
        self.leaves = tuple(map(_copied, leaves))
        self.floor = modes.floor
        self.random_state = global_generator().bit_generator.state
        if borrowed:  # what was written before now is no change
            look_at_loans()
        self.began = tick()

    def check_unwritten(self, leaves: Sequence[Any]) -> None:
        """Raise a GradientError if the function wrote to an argument, since the second run would write again."""
        for x, before in zip(leaves, self.leaves, strict=True):
            if isinstance(x, Tensor) and x is not before and x.is_variable and x._value is not before._value:
                raise GradientError(
                    "checkpoint: the function writes to one of its arguments, and would do so again when it is "
                    "recomputed; let it write to a copy, x.copy(), and return that"
                )

    def run_again(self) -> tuple[Any, int]:
        """Return the result of a second run, on the same tapes, and when it began."""
        args, kwargs = unflatten(self.structure, map(_copied, self.leaves))
        generator = global_generator().bit_generator
        now = generator.state
        before, began = _runs.again, tick()
        try:
            with Floor(self.floor):
                generator.state, _runs.again = self.random_state, True
                return self.f(*args, **kwargs), began
        finally:
            # The generator last: setting its state runs Python code, which may be interrupted.
            _runs.again, generator.state = before, now


def _copied(x: Any) -> Any:
    """Return a box with the same contents: `x[0] = 1` and `x.data = …` change a box, not its contents."""
    if not isinstance(x, Tensor) or x._trace.level < 0:  # a capture knows it as an array
        return x
    box = Tensor.__new__(type(x))
    Tensor.__init__(box, x._value, x._trace, x._link)
    return box


def _boxes(outputs: Sequence[Any]) -> Iterator[Tensor]:
    """Yield every box in the outputs, at every level, in an order that depends only on the function."""
    for y in outputs:
        while isinstance(y, Tensor) and y._trace.level >= 0:
            yield y
            if isinstance(y._trace, Forward):
                yield from _boxes([y._link])
            y = y._value


def _collapse(segment: _Segment, tape: Tape, boxes: list[Tensor]) -> None:
    """Replace the segment's record on one tape by a single node, in place in its output boxes."""
    places = [k for k, box in enumerate(boxes) if box._trace is tape and _is_new(box._link, segment.began)]
    if not places:
        return
    links = [boxes[k]._link for k in places]
    border = _border(links, segment.began)
    last = max(links, key=lambda node: node.order)
    operation = _Rerun(segment, places, border, _signature(links), [_Result(boxes[k]) for k in places])
    shapes, dtypes = tuple(n.shape for n in links), tuple(n.dtype for n in links)
    saved = sealed_all((segment.leaves,), [("an argument", segment.leaves)])
    node = Node(operation, tuple(border), saved, {}, shapes, dtypes, tick(), last._code, last._offset)
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
    """Return the older nodes that those made since `began` depend on."""
    found = {}
    for node in _inside(links, began):
        if isinstance(node, Leaf):
            raise GradientError("checkpoint: the function made a tensor with requires_grad=True; make it outside")
        found.update({p.order: p for p in node.parents if p is not None and p.order <= began})
    return list(found.values())


class _Result:
    """A digest of a segment's result, enough to notice that the second run gives another.

    Every byte is compared first. If they differ, it may be due to rounding (a product on several threads), so up to
    `KEPT` evenly spread elements and the mean magnitude of all are compared as numbers.
    """

    KEPT = 1024

    def __init__(self, box: Tensor) -> None:
        self.known = not is_captured(box)
        if self.known:
            values = np.asarray(_innermost(box))
            self.seen, self.some = fingerprint(values), self._some(values)

    def _some(self, values: Any) -> Any:
        flat = values.reshape(-1) if values.flags.c_contiguous else values.ravel()
        some = flat[np.linspace(0, flat.size - 1, min(flat.size, self.KEPT)).astype(np.intp)]
        with np.errstate(all="ignore"):
            size = np.mean(np.abs(flat), dtype=np.float64) if flat.size else 0.0
        return np.append(some.astype(np.float64), size)

    def like(self, box: Tensor) -> bool:
        """Whether this is that result again."""
        if not self.known:
            return True
        values = np.asarray(_innermost(box))
        if fingerprint(values) == self.seen:
            return True
        tolerance = float(np.sqrt(np.finfo(values.dtype).eps))
        some = self._some(values)
        scale = np.max(np.abs(self.some[np.isfinite(self.some)]), initial=0.0)
        return bool(np.allclose(some, self.some, rtol=tolerance, atol=tolerance * scale, equal_nan=True))


def _innermost(box: Any) -> Any:
    while isinstance(box, Tensor):
        box = box._value
    return box


class _Rerun(Facts):
    """The operation of a checkpoint's node: its rule runs the segment again and traverses what that records."""

    name = "checkpoint"
    kind = "general"
    several = True
    variadic = False
    adjoints: tuple[Any, ...] = ()
    arguments: tuple[str, ...] = ()
    residuals: tuple[str, ...] = ("an argument",)

    def __init__(
        self,
        segment: _Segment,
        places: list[int],
        border: list[Node],
        signature: list[Any],
        results: "list[_Result]",
    ) -> None:
        self.segment, self.places, self.signature = segment, places, signature
        self.results = results
        self.border = [node.order for node in border]
        self.leaves = [node for node in border if isinstance(node, Leaf)]

    def pull(self, y_bar: tuple[Any, ...], _saved: Any, _settings: Any) -> tuple[Any, ...]:
        for leaf in self.leaves:
            if leaf.changed > self.segment.began:
                raise InPlaceError(
                    f"backward: {leaf.name} was changed after a checkpoint used it, so the checkpoint would now "
                    f"compute something else; change it after the backward pass"
                )
        result, began = self.segment.run_again()
        boxes = list(_boxes(flatten(result)[0]))
        links = [boxes[k]._link for k in self.places] if len(boxes) > max(self.places) else []
        if not all(_is_new(link, began) for link in links) or _signature(links) != self.signature:
            raise GradientError("checkpoint: the function took another path when rerun; it must be deterministic")
        stand_ins: dict[int, Leaf] = {}
        for node in _inside(links, began):
            node.parents = tuple(
                _stand_in(stand_ins, p) if p is not None and p.order <= began else p for p in node.parents
            )
        if set(stand_ins) - set(self.border):
            raise GradientError("checkpoint: the function used other tensors when rerun; it must be deterministic")
        if not all(before.like(boxes[k]) for before, k in zip(self.results, self.places, strict=True)):
            raise InPlaceError(
                "backward: a checkpoint's function computed other values when it ran again: an array that it uses was "
                "changed in place, or it draws random numbers from its own generator; pass what changes as an "
                "argument, and change it after the backward pass"
            )
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
