"""The contents of a computational graph, read from a tape or a recording: vertices in order of creation."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.errors import FreedTapeError, GradientError
from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Item, Leaf, Node
from chainrule.core.traces.tape import EAGER
from chainrule.explain.derive.rests import Rests, cleared
from chainrule.explain.derive.subject import Recording
from chainrule.observe.backward import pull_back
from chainrule.observe.entry import Entry
from chainrule.present.unicode_math import SUBSCRIPT

from .values import UNKNOWN, fill_in, kept_argument

Kind = Literal["operation", "parameter", "input", "constant", "output", "earlier"]


@dataclass(eq=False)
class Link:
    """One use of a value; `gradient` is what this use alone contributes.

    `local` is the local gradient, by which the incoming one is multiplied, if all three are numbers.
    """

    source: "Vertex"
    argument: str
    gradient: Any = None
    local: float | None = None


@dataclass(eq=False)
class Vertex:
    """An operation, or a value that no operation made.

    A `parameter` is a value whose gradient is requested, an `input` an array without one, a `constant` a number.
    `value` is None if the tape did not keep it; `gradient` is the sum over all uses. `forward` and `backward` number
    the operations in the order in which the two passes reach them, from 1; 0 if a pass does not.
    """

    kind: Kind
    name: str
    shape: tuple[int, ...]
    value: Any = None
    gradient: Any = None
    inputs: list[Link] = field(default_factory=list)
    op: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Source | None = None
    module: str = ""
    forward: int = 0
    backward: int = 0


def read_tensor(loss: Tensor) -> list[Vertex]:
    """Return the vertices of a tensor's tape; the last one is its output.

    Raises GradientError if there is no tape, and FreedTapeError if an earlier backward pass has freed it.
    """
    node = _node_of(loss)
    nodes = _below(node)
    for one in nodes:
        if one.saved is None:
            raise FreedTapeError(
                f"graph: the values saved for {one.name} ({one.source}) were freed by an earlier backward pass; call "
                f"cr.graph(loss) before loss.backward(), or cr.graph(f, *args) with the function that computes it"
            )
    entries = _entries(nodes)
    fill_in(entries, loss)
    last = entries[-1]
    if loss.size == 1:
        with np.errstate(all="ignore"):
            pull_back(entries, last)
    return _vertices(entries, last, loss.name or "L")


def read_recording(recording: Recording) -> list[Vertex]:
    """Return the vertices of a recorded run."""

    def called(x: Any) -> str:
        is_target = recording.inside_target is not None and np.array_equal(x, recording.inside_target)
        return "y" if is_target else recording.name_of_constant(x)

    return _vertices(recording.entries, recording.loss, "L", called)


def _node_of(loss: Tensor) -> Node:
    if loss._trace is not EAGER:
        raise GradientError(
            "graph: this tensor belongs to a transform such as cr.grad that is still running; pass the function "
            "itself: cr.graph(f, *args)"
        )
    node = loss.node
    if node is None:
        raise GradientError(
            "graph: this tensor has no tape: it does not depend on any tensor made with requires_grad=True, or it was "
            "computed under no_grad or detached; use cr.graph(f, *args) with the function that computes it"
        )
    return node


def _below(root: Node) -> list[Node]:
    """Return `root` and the nodes it depends on, in order of creation."""
    found: dict[int, Node] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.order not in found:
            found[node.order] = node
            stack.extend(p for p in node.parents if p is not None)
    return [found[order] for order in sorted(found)]


def _entries(nodes: Sequence[Node]) -> list[Entry]:
    """Return the tape as the entries of a recording, without the values."""
    made: dict[int, Entry] = {}
    for node in nodes:
        if isinstance(node, Leaf):
            entry = Entry(None, (), {}, UNKNOWN, node, name=node.label or "", is_parameter=True)
        elif isinstance(node, Item):
            parent: Any = node.parents[0]
            entry = Entry(node.op, (made[parent.order],), {"part": node.index}, UNKNOWN, node)
        else:
            inputs = tuple(
                kept_argument(node, k) if parent is None else made[parent.order]
                for k, parent in enumerate(node.parents)
            )
            value = tuple(np.broadcast_to(0.0, s) for s in node.shape) if node.op.several else UNKNOWN
            entry = Entry(node.op, inputs, node.settings, value, node)
        made[node.order] = entry
    return list(made.values())


# From entries to vertices


def _vertices(
    entries: Sequence[Entry], last: Entry, output: str, called: Callable[[Any], str] = lambda _: ""
) -> list[Vertex]:
    made: dict[int, Vertex] = {}
    found: list[Vertex] = []
    reached = _reached(last)
    names = _Names({entry.name for entry in entries if entry.is_leaf and entry.name})
    rests = Rests(entries)
    arrived = {
        (id(user), k): cleared(x_bar, rests.gradient(entry)) for entry in entries for user, k, x_bar in entry.arrived
    }
    for entry in entries:
        if id(entry) in reached:
            vertex = made[id(entry)] = _vertex(entry)
            vertex.value = cleared(vertex.value, rests.value(entry))
            vertex.gradient = cleared(vertex.gradient, rests.gradient(entry))
            sources = [_source(entry, k, made, found, called, names) for k in range(len(entry.inputs))]
            slopes = _slopes(entry)
            vertex.inputs = [
                Link(source, _argument(entry, k), arrived.get((id(entry), k)), slopes.get(k))
                for k, source in enumerate(sources)
                if source is not None
            ]
            found.append(vertex)
    end = made[id(last)]
    found.append(
        Vertex("output", output, end.shape, end.value, end.gradient, [Link(end, "", end.gradient)], module=end.module)
    )
    _number(found)
    return found


def _reached(last: Entry) -> set[int]:
    seen, stack = {id(last)}, [last]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Entry) and id(x) not in seen:
                seen.add(id(x))
                stack.append(x)
    return seen


def _vertex(entry: Entry) -> Vertex:
    shape = entry.shape if entry.node is None else entry.node.shape
    value = None if entry.value is UNKNOWN or isinstance(entry.value, tuple) else entry.value
    common: Any = {"shape": shape, "value": value, "gradient": entry.gradient, "module": entry.module}
    if entry.is_leaf:
        return Vertex("parameter" if entry.tracked else "input", entry.name, **common)
    part = entry.settings.get("part") if len(entry.inputs) == 1 else None
    name = entry.op.name if part is None or entry.inputs[0].op is not entry.op else f"[{part}]"
    return Vertex("operation", name, op=entry.op, settings=entry.settings, source=entry.source, **common)


def _argument(entry: Entry, k: int) -> str:
    names: tuple[str, ...] = entry.op.arguments
    return names[min(k, len(names) - 1)]


def _slopes(entry: Entry) -> dict[int, float]:
    """Return the local gradients of an operation that makes a number, for those arguments that are numbers."""
    node: Any = entry.node
    if node is None or entry.is_leaf or isinstance(node, Item) or entry.op.several or entry.gradient is None:
        return {}
    if np.shape(entry.gradient) != ():
        return {}
    one = np.ones(())
    with np.errstate(all="ignore"):
        pulled = None if entry.op.adjoints else entry.op.pull(one, node.saved, node.settings)
        wanted = [k for k, parent in enumerate(node.parents) if parent is not None and parent.shape == ()]
        found = {
            k: entry.op.adjoints[k](one, node.saved, node.settings) if pulled is None else pulled[k] for k in wanted
        }
    return {k: float(np.asarray(x)) for k, x in found.items() if np.shape(x) == () and np.isrealobj(x)}


class _Names:
    """Names for arrays whose own are not known: the second one that a rule calls x is x₂."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = Counter(taken)

    def another(self, name: str) -> str:
        """Return a name that no other value has."""
        self._taken[name] += 1
        count = self._taken[name]
        return name if count == 1 else f"{name}{str(count).translate(SUBSCRIPT)}"


def _source(
    entry: Entry, k: int, made: dict[int, Vertex], found: list[Vertex], called: Callable[[Any], str], names: _Names
) -> Vertex | None:
    """Return the vertex that an argument comes from, created here for a constant; None if there is nothing to show."""
    x = entry.inputs[k]
    if isinstance(x, Entry):
        return made[id(x)]
    if x is None or (x is UNKNOWN and entry.op.kind == "fused"):  # an optional argument that is, or may be, omitted
        return None
    if x is UNKNOWN or np.ndim(x) == 0:
        name = "" if entry.op.kind in ("linear", "bilinear", "elementwise") else _argument(entry, k)
        constant = Vertex("constant", name, (), value=None if x is UNKNOWN else x)
    elif id(x) in made:
        return made[id(x)]
    else:
        # The letters of arithmetic, a and b, would be taken for the program's.
        letter = "c" if entry.op.kind in ("linear", "bilinear", "elementwise") else _argument(entry, k)
        name = called(x) or names.another(letter)
        constant = made[id(x)] = Vertex("input", name, np.shape(x), value=np.asarray(x))
    found.append(constant)
    return constant


def _number(vertices: Sequence[Vertex]) -> None:
    operations = [v for v in vertices if v.op is not None]
    for k, vertex in enumerate(operations, 1):
        vertex.forward = k
    pulled = [v for v in reversed(operations) if v.gradient is not None]
    for k, vertex in enumerate(pulled, 1):
        vertex.backward = k
