"""Hooks at a tensor, which see its gradient in a backward pass and may replace it, and `grad_fn`."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.memory.packing import opened
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.node import Leaf, Node, hooked
from chainrule.core.traces.tape import EAGER

from ..face import Tensor, unwrapped, wrapped

_next = itertools.count().__next__


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away, and so does the end of a `with` block."""

    def __init__(self, hooks: dict[int, Any], hook: Any, first: bool = False) -> None:
        self.id = _next()
        self._hooks = hooks
        hooks[self.id] = hook
        if first:
            for key in [key for key in hooks if key != self.id]:
                hooks[key] = hooks.pop(key)
        changes.settings += 1

    def remove(self) -> None:
        """Take the hook away."""
        self._hooks.pop(self.id, None)
        changes.settings += 1

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _as_node_hook(hook: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    def called(y_bar: Any) -> Any:
        found = hook(wrapped(y_bar))
        if found is None:
            return y_bar
        new = unwrapped(found)
        if np.shape(new) != np.shape(y_bar):
            raise RuntimeError(f"register_hook: the hook changed the shape {np.shape(y_bar)} to {np.shape(new)}")
        return new if isinstance(y_bar, Engine) or new.requires_grad else np.asarray(new._value)

    return called


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(grad)` when the gradient of this tensor is computed; what it returns replaces the gradient.

    Raises RuntimeError for a tensor that does not require a gradient.
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return RemovableHandle(hooked(self._x._link), _as_node_hook(hook))


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(tensor)` after a backward pass has added to this leaf's gradient."""
    if not self.requires_grad or not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    table = vars(self).setdefault("_after", {})
    followed[id(self)] = self
    return RemovableHandle(table, hook)


followed: dict[int, Tensor] = {}
"""The leaves with hooks to call after a backward pass."""


_ROLES = {"self": 0, "input": 0, "mat1": 0, "other": 1, "exponent": 1, "mat2": 1, "weight": 1}
"""Which argument PyTorch's names for saved tensors mean."""


class GradFn:
    """The operation that made a tensor, as `grad_fn` shows it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def name(self) -> str:
        """Return the name, `MulBackward0`."""
        if isinstance(self._node, Leaf):
            return "AccumulateGrad"
        parts = self._node.name.split("_")
        return "".join(part.capitalize() for part in parts) + "Backward0"

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """The operations that made the inputs."""
        # A number is the second argument there, also in `2 * x`.
        parents = sorted(self._node.parents, key=lambda one: one is None)
        return tuple((None if one is None else GradFn(one), 0) for one in parents)

    def __getattr__(self, name: str) -> Any:
        role = name.removeprefix("_saved_")
        if role == name:
            raise AttributeError(f"{self.name()!r} object has no attribute {name!r}")
        node = self._node
        if node.saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Specify retain_graph=True if you need to backward through the graph a second time"
            )
        arguments = node.op.arguments
        key = "y" if role == "result" else arguments[_ROLES[role]] if _ROLES.get(role, 9) < len(arguments) else None
        saved = dict(zip(node.op.residuals, opened(node.saved), strict=False))
        if saved.get(key) is None:
            kept = [k for k, value in saved.items() if value is not None]
            raise AttributeError(f"{self.name()!r} object has no attribute {name!r}: {node.name} saved {kept}")
        parent = node if key == "y" else node.parents[arguments.index(key)]
        return wrapped(Engine(np.asarray(saved[key]), EAGER, parent))

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self._node))}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and self._node is other._node

    def __hash__(self) -> int:
        return id(self._node)


def _grad_fn(self: Tensor) -> Any:
    """The operation that made this tensor, or None for a leaf."""
    return None if self.is_leaf or self._x.node is None else GradFn(self._x.node)


setattr(Tensor, "grad_fn", property(_grad_fn))  # noqa: B010
setattr(Tensor, "register_hook", register_hook)  # noqa: B010
setattr(Tensor, "register_post_accumulate_grad_hook", register_post_accumulate_grad_hook)  # noqa: B010
