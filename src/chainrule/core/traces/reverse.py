"""Reverse mode: cotangents travel along the tape from the outputs to the leaves.

Nodes are numbered in the order in which they were made, so the latest node with a waiting cotangent has received all
its contributions: a heap of numbers is the whole schedule. Nothing recurses, and each cotangent is dropped once it is
used.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any

import numpy as np

from chainrule.core.errors import FreedTapeError, GradientError, InPlaceError
from chainrule.core.memory.changes import changes
from chainrule.core.memory.loans import arrays_in, borrowed, look_at_loans
from chainrule.core.memory.packing import Packed
from chainrule.core.memory.sealing import Found, Sealed
from chainrule.core.tensor import Tensor, array_of
from chainrule.kernels import suitable, sums

from .capturing import captured_in, is_captured
from .node import NO_HOOKS, Item, Leaf, Node, Retained
from .tape import EAGER

Array = np.ndarray
Arrive = Callable[[Leaf, Any], None]
LARGE = 2**14
"""Bytes from which on a sum is worth keeping in place: a new array costs more than the addition."""
ALONE = 3
"""What `getrefcount` says of an array that only a list, a local variable and the call itself refer to."""


def walk(
    seeds: Iterable[tuple[Node, Any]],
    arrive: Arrive,
    free: bool,
    reopen: Callable[[Node], Any] | None = None,
    wanted: dict[int, bool] | None = None,
) -> None:
    """Carry the cotangents of `seeds` to the leaves, where `arrive(leaf, cotangent)` receives them.

    With `free`, each node's saved values are dropped once used. `reopen(node)` returns what to use in place of a node's
    saved values, or another node that takes the cotangent instead. With `wanted`, what `leading` returned, no other
    nodes are visited. Raises FreedTapeError if the saved values were
    dropped, and InPlaceError if they have changed since.
    """
    waiting: dict[int, list[Any]] = {}
    heap: list[int] = []
    usable = None
    if borrowed:
        look_at_loans()
    last_change = changes.last
    for node, cotangent in seeds:
        _send(waiting, heap, node, cotangent)
    while heap:
        node, y_bar = waiting.pop(-heappop(heap))
        if type(node) is not Node:
            for hook in getattr(node, "hooks", NO_HOOKS).values():
                y_bar = hook(y_bar)
            if type(node) is Leaf or isinstance(node, Leaf):
                arrive(node, y_bar)
                continue
            if wanted is not None and not wanted.get(node.order):
                continue
            if isinstance(node, Item):
                parent: Any = node.parents[0]
                _send(waiting, heap, parent, _Parts(parent, node.index, y_bar))
                continue
            if isinstance(node, Retained):
                _accumulate(node, y_bar if isinstance(y_bar, Tensor) else np.array(y_bar))
        elif wanted is not None and not wanted.get(node.order):
            continue
        saved = node.saved
        if type(saved) is not tuple or node.order < last_change:
            usable = Usable() if usable is None else usable  # few passes need one
            usable.check(node)
            if type(saved) is Packed:
                saved = saved.opened()
        if reopen is not None:
            saved = reopen(node)
            if isinstance(saved, Node):
                if wanted is not None:
                    wanted |= leading([saved], wanted)
                _send(waiting, heap, saved, y_bar)
                continue
        op = node.op
        adjoints = op.adjoints
        if not adjoints:
            if op.several:
                y_bar = y_bar.whole()
            for parent, x_bar in zip(node.parents, op.pull(y_bar, saved, node.settings), strict=True):
                if parent is not None and (wanted is None or parent.order in wanted):
                    if type(x_bar) is not Array or x_bar.shape != parent.shape or x_bar.dtype is not parent.dtype:
                        x_bar = fit(x_bar, parent.shape, parent.dtype)
                    # `_send`, written out here and below: most tapes spend most of their time there
                    order = parent.order
                    if order in waiting:
                        _add(waiting[order], x_bar)
                    else:
                        waiting[order] = [parent, x_bar]
                        heappush(heap, -order)
        else:
            found = None if op.together is None else op.together(y_bar, saved, node.settings)
            for k, parent in enumerate(node.parents):
                if parent is not None and (wanted is None or parent.order in wanted):
                    x_bar = adjoints[k](y_bar, saved, node.settings) if found is None else found[k]
                    if x_bar.shape != parent.shape or x_bar.dtype is not parent.dtype:
                        x_bar = fit(x_bar, parent.shape, parent.dtype)
                    order = parent.order
                    if order in waiting:
                        _add(waiting[order], x_bar)
                    else:
                        waiting[order] = [parent, x_bar]
                        heappush(heap, -order)
        if free:
            node.saved = None


def leading(starts: Iterable[Node], goals: Iterable[int]) -> dict[int, bool]:
    """Return the orders of the nodes between `starts` and the nodes of the orders `goals`, and whether each goes on.

    A goal goes on if it is on the way to another one.
    """
    ends = set(goals)
    first = min(ends, default=math.inf)  # a node is later than its parents
    found: dict[int, Node] = {}
    waiting = list(starts)
    while waiting:
        node = waiting.pop()
        if node.order >= first and node.order not in found:
            found[node.order] = node
            waiting += [parent for parent in node.parents if parent is not None]
    wanted: dict[int, bool] = {}
    for order in sorted(found):
        goes_on = any(parent is not None and parent.order in wanted for parent in found[order].parents)
        if goes_on or order in ends:
            wanted[order] = goes_on
    return wanted


def gradients(seeds: Iterable[tuple[Node, Any]], free: bool) -> dict[Leaf, Any]:
    """Return the gradient of each leaf that the cotangents of `seeds` reach; no two share memory.

    All or nothing: if the pass fails, no leaf has been touched.
    """
    found: dict[Leaf, Any] = {}
    seeds = list(seeds)
    walk(seeds, found.__setitem__, free)
    seen = set()
    for _, cotangent in seeds:
        seen.add(id(cotangent))
    for leaf, x_bar in found.items():
        if type(x_bar) is np.ndarray:
            # A rule such as that of `a + b` returns one array for both, and that of a sum a read-only view.
            if x_bar.base is not None or id(x_bar) in seen:
                found[leaf] = x_bar.copy()
            seen.add(id(x_bar))
    return found


def _send(waiting: dict[int, list[Any]], heap: list[int], node: Any, cotangent: Any) -> None:
    """Add a cotangent to those waiting for `node`, and schedule the node if it is not scheduled yet."""
    entry = waiting.get(node.order)
    if entry is None:
        waiting[node.order] = [node, cotangent]
        heappush(heap, -node.order)
    elif isinstance(cotangent, _Parts):
        entry[1].merge(cotangent)
    else:
        _add(entry, cotangent)


def _add(entry: list[Any], x_bar: Any) -> None:
    """Add a cotangent to the one in an entry: in place if that is a large array which nothing else refers to."""
    total = entry[1]
    if (
        type(total) is np.ndarray
        and total.nbytes >= LARGE
        and getrefcount(total) == ALONE
        and total.base is None
        and type(x_bar) is np.ndarray
        and total.dtype == x_bar.dtype
        and total.shape == x_bar.shape
    ):
        sums.add_to(total, x_bar)
    else:
        entry[1] = total + x_bar


class _Parts:
    """The cotangents of an operation with several outputs, as they are being collected."""

    def __init__(self, node: Node, index: int, cotangent: Any) -> None:
        self.node = node
        self.parts = {index: cotangent}

    def merge(self, other: "_Parts") -> None:
        self.parts |= other.parts  # each item of a node sends once

    def whole(self) -> tuple[Any, ...]:
        """Return one cotangent for each output, zero if none arrived."""
        shapes = zip(self.node.shape, self.node.dtype, strict=True)
        return tuple(self.parts[k] if k in self.parts else np.zeros(*like) for k, like in enumerate(shapes))


def fit(x_bar: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Give a cotangent the shape and dtype of its variable.

    Here and nowhere else broadcasting is undone, and a real variable gets the real part of a complex cotangent.
    """
    if type(x_bar) is np.ndarray and x_bar.dtype is dtype and x_bar.shape != shape:
        if x_bar.shape[1:] == shape and shape and x_bar.size < suitable.LARGE:  # of a bias, for example
            return np.add.reduce(x_bar)
        if x_bar.shape[-1:] == shape:
            return sums.of_rows(x_bar)
        if x_bar.size == 1 and x_bar.ndim <= len(shape):  # of a sum, for example
            whole = np.empty(shape, dtype)
            whole[...] = x_bar
            return whole
    if not hasattr(x_bar, "shape"):
        x_bar = np.asarray(x_bar)
    if x_bar.dtype.kind == "c" != dtype.kind:
        x_bar = x_bar.real
    if x_bar.size == 1 and x_bar.ndim <= len(shape) and shape != x_bar.shape:
        x_bar = x_bar + np.zeros(shape, dtype)
    if x_bar.shape != shape:
        extra = max(x_bar.ndim - len(shape), 0)
        padded = (1,) * (len(shape) - x_bar.ndim) + x_bar.shape  # from here on, axes count from the right
        stretched = [k + extra for k, n in enumerate(shape) if n == 1 != padded[k + extra]]
        if extra or stretched:
            axes = (*range(extra), *(k + x_bar.ndim - len(padded) for k in stretched))
            x_bar = sums.over(x_bar, axes) if type(x_bar) is np.ndarray else x_bar.sum(axis=axes)
            x_bar = x_bar.reshape([1 if k in stretched else n for k, n in enumerate(padded)][extra:])
        if x_bar.shape != shape:
            x_bar = x_bar + np.zeros(shape, dtype)  # a rule may leave out axes along which its result is constant
    return x_bar if x_bar.dtype == dtype else x_bar.astype(dtype)


class Usable:
    """Whether what nodes saved is still what it was, asked in one backward pass."""

    __slots__ = ("_found", "last_change")

    def __init__(self) -> None:
        if borrowed:
            look_at_loans()
        self.last_change = changes.last
        self._found: Found = {}

    def check(self, node: Node) -> None:
        """Raise where the saved values are gone, or are no longer what they were."""
        saved = node.saved
        if saved is None:
            raise FreedTapeError(
                f"backward: the values saved for {node.name} ({node.source}) were freed by an earlier backward pass; "
                f"call the first one with retain_graph=True, or compute the loss again"
            )
        if type(saved) is Packed:
            return
        is_foreign = getattr(node.op, "foreign", False)
        if is_foreign and self._found:  # its rule is the user's code, which may write to any array
            self._found.clear()
        argument = saved.changed(None if is_foreign else self._found) if type(saved) is Sealed else None
        if argument is None and node.order < self.last_change:
            argument = next((name for name, array in _named_arrays(node) if changes.since(node.order, array)), None)
        if argument is not None:
            parent = dict(zip(node.op.arguments, node.parents, strict=False)).get(argument)
            what = parent.name if isinstance(parent, Leaf) else "a value"
            raise InPlaceError(
                f"backward: {what} was changed in place after {node.name} ({node.source}) saved it as {argument}; "
                f"change it after the backward pass, or give {node.name} a copy"
            )


def _named_arrays(node: Node) -> Iterator[tuple[str, Any]]:
    for name, value in zip(node.op.residuals, node.saved or (), strict=False):
        for array in arrays_in(value):
            yield name, array


def _accumulate(node: Node, y_bar: Any) -> None:
    total = y_bar if node.grad is None else node.grad._value + y_bar
    node.grad = Tensor(total if isinstance(total, Tensor) else np.asarray(total), EAGER, None)


def backward(tensor: Tensor, cotangent: Any = None, retain_graph: bool = False, **unknown: Any) -> None:
    """Add the gradient of this tensor with respect to every leaf to the leaf's `grad`.

    `cotangent` has this tensor's shape and weights its elements; it may be omitted if there is only one, and it is
    real. A second pass over the same tape needs `retain_graph=True` in the first. The gradient with respect to a
    complex leaf x + iy is ∂f/∂x - i ∂f/∂y.

    Raises GradientError if the tensor does not require a gradient, if it has several elements or is complex and no
    cotangent was passed, or if the tape was freed or its values changed.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if unknown:
        name = next(iter(unknown))
        hint = {"gradient": "it is called cotangent here", "create_graph": "use chainrule.grad, which nests"}.get(name)
        raise TypeError(f"backward: got the unexpected argument {name!r}" + (f"; {hint}" if hint else ""))
    node = tensor.node
    if node is None:
        raise GradientError(
            "backward: this tensor does not require a gradient: no tensor made with requires_grad=True leads to it, "
            "or it was computed under no_grad or detached"
        )
    if tensor._trace is not EAGER:
        raise GradientError(
            "backward: this tensor belongs to a transform such as cr.grad that is still running; return it from the "
            "function, and the transform will differentiate it"
        )
    if cotangent is None:
        if tensor.size != 1:
            raise GradientError(
                f"backward: expected a scalar loss, got shape {tensor.shape}; reduce it with .sum() or .mean(), or "
                f"pass a cotangent of that shape"
            )
        if tensor.dtype.kind == "c":
            raise GradientError(
                "backward: expected a real loss, got a complex one; take its real part or its absolute value, or pass "
                "the cotangent: 1 gives the derivative of the real part, -1j that of the imaginary part"
            )
        cotangent = np.ones(tensor.shape, tensor.dtype)
    got = np.shape(cotangent)
    if got != tensor.shape:
        raise ValueError(f"backward: expected a cotangent of shape {tensor.shape}, the tensor's own, got {got}")
    if is_captured(cotangent):
        seed = captured_in(cotangent).astype(tensor.dtype)
    else:
        seed = np.array(array_of("backward: cotangent", cotangent, tensor.dtype))
    for leaf, x_bar in gradients([(node, seed)], free=not retain_graph).items():
        _accumulate(leaf, x_bar)


Tensor.backward = backward  # type: ignore[method-assign, assignment]
