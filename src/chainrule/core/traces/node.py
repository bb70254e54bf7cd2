"""The nodes of a tape: operations and leaves, as `check`, `explain` and `doctor` read them."""

from collections.abc import Mapping
from types import CodeType
from typing import Any

from chainrule.base.provenance import Source, locate
from chainrule.core.errors import GradientError
from chainrule.core.memory.changes import tick

NO_SETTINGS: Mapping[str, Any] = {}
NO_HOOKS: dict[int, Any] = {}
"""The hooks of a leaf without any; nothing is added to it."""


class Node:
    """An operation on a tape.

    `op` is its record; `parents` has a node for each argument, or None for a constant; `saved` has what the record's
    rules ask for (named by `op.residuals`), and is None once a backward pass has freed it; `order` is when the node was
    made, always later than its parents.
    """

    grad: Any
    """The gradient kept here: for leaves, and for nodes with `retain_grad()`."""
    hooks: dict[int, Any]
    """Functions that a backward pass calls with the cotangent: for leaves, items and nodes made `Hooked`."""

    __slots__ = ("_code", "_offset", "dtype", "grad", "hooks", "op", "order", "parents", "saved", "settings", "shape")

    def __init__(
        self,
        op: Any,
        parents: tuple["Node | None", ...],
        saved: Any,
        settings: Mapping[str, Any],
        shape: tuple[Any, ...],
        dtype: Any,
        order: int,
        code: CodeType | None,
        offset: int,
    ) -> None:
        self.op = op
        self.parents = parents
        self.saved = saved
        self.settings = settings
        self.shape = shape
        self.dtype = dtype
        self.order = order
        self._code = code
        self._offset = offset

    @property
    def source(self) -> Source | None:
        """The line of the user's code that made this node."""
        return None if self._code is None else locate(self._code, self._offset)

    @property
    def name(self) -> str:
        """The operation's name."""
        return str(self.op.name)

    def __repr__(self) -> str:
        return f"<{self.name} {self.shape} {self.dtype}>"


class Retained(Node):
    """An operation whose cotangent is kept; `retain_grad()` turns a node into one."""

    __slots__ = ()


class Hooked(Node):
    """An operation whose cotangent is shown to hooks; `hooked` turns a node into one."""

    __slots__ = ()


class Item(Node):
    """One output of an operation that has several; its only parent is that operation's node."""

    __slots__ = ("index",)

    def __init__(self, parent: Node, index: int) -> None:
        super().__init__(
            parent.op,
            (parent,),
            (),
            {},
            parent.shape[index],
            parent.dtype[index],
            tick(),
            parent._code,
            parent._offset,
        )
        self.index = index


class Leaf(Node):
    """The start of a tape: a value that requires a gradient. `changed` is when it was last changed or replaced."""

    __slots__ = ("changed", "label")

    def __init__(self, shape: tuple[int, ...], dtype: Any, label: str | None = None) -> None:
        self.op = None  # `super().__init__`, written out
        self.parents = ()
        self.saved = ()
        self.settings = NO_SETTINGS
        self.shape = shape
        self.dtype = dtype
        self.order = tick()
        self._code = None
        self._offset = 0
        self.grad = None
        self.hooks = NO_HOOKS
        self.changed = 0
        self.label = label

    @property
    def name(self) -> str:
        """The name given to the tensor."""
        return self.label or "leaf"


def keep_grad(node: Node) -> None:
    """Make `node` keep its cotangent in the next backward pass."""
    if isinstance(node, Item):
        raise GradientError(
            f"retain_grad: one of several outputs of {node.name} cannot keep its gradient; use a function of it"
        )
    if type(node) is Node:
        node.__class__ = Retained
        node.grad = None


def hooked(node: Node) -> dict[int, Any]:
    """Return the hooks of a node, each `hook(cotangent)`, in a dict to add to; what one returns is passed on."""
    if type(node) is Node:
        node.__class__ = Hooked
    found: dict[int, Any] = getattr(node, "hooks", NO_HOOKS)
    if found is NO_HOOKS:
        found = node.hooks = {}
    return found
