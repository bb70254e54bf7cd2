"""`torch.autograd.graph`: hooks at what the graph saves, and its nodes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.memory.packing import packing

from ..face import Tensor, values_of, wrapped
from .hooks import GradFn as Node
from .hooks import RemovableHandle

_refusal: ContextVar[str | None] = ContextVar("refusal", default=None)
"""Why hooks are refused here, if they are."""


class saved_tensors_hooks:
    """A block in which each tensor saved for the backward pass is kept as `pack_hook(tensor)`.

    The backward pass calls `unpack_hook` with what that returned, and uses the tensor that comes back.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda x: x * 4, lambda x: x / 4):
    ...     y = (x**2).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._blocks: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        if (message := _refusal.get()) is not None:
            raise RuntimeError(message)

        def unpack(kept: Any) -> Any:
            found = self.unpack_hook(kept)
            if not isinstance(found, Tensor):
                raise TypeError(f"saved_tensors_hooks: unpack_hook returned {type(found).__name__}, expected a Tensor")
            return np.array(values_of(found))

        self._blocks.append(packing(lambda array: self.pack_hook(wrapped(array)), unpack))
        self._blocks[-1].__enter__()

    def __exit__(self, *error: Any) -> None:
        self._blocks.pop().__exit__(*error)


class save_on_cpu(saved_tensors_hooks):
    """A block that changes nothing: what is saved is on the CPU."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda x: x, lambda x: x)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Raise RuntimeError with this message where `saved_tensors_hooks` is used in the block, in this thread."""
    token = _refusal.set(error_message)
    try:
        yield
    finally:
        _refusal.reset(token)


class GradientEdge(NamedTuple):
    """Where a gradient arrives: an operation, and which of its outputs."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Return where the gradient of a tensor arrives."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(Node(tensor._x.node), 0)


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all") -> Any:
    """Call `fn` once per backward pass, with the gradients of all tensors, or with `mode="any"` of the first."""
    if mode not in ("all", "any"):
        raise ValueError(f"register_multi_grad_hook: got mode={mode!r}, expected 'all' or 'any'")
    found: dict[int, Any] = {}

    def arrived(k: int, grad: Any) -> None:
        if mode == "any":
            if not found:
                fn(grad)
            found[k] = grad
        else:
            found[k] = grad
            if len(found) == len(tensors):
                fn([found[i] for i in range(len(tensors))])
        if len(found) == len(tensors):
            found.clear()

    handles = [x.register_hook(lambda grad, k=k: arrived(k, grad)) for k, x in enumerate(tensors)]
    table: dict[int, Any] = {}

    class Handles(RemovableHandle):
        """What takes all the hooks away."""

        def remove(self) -> None:
            """Take the hooks away."""
            for handle in handles:
                handle.remove()

    return Handles(table, fn)


__all__ = [
    *("GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "register_multi_grad_hook"),
    *("save_on_cpu", "saved_tensors_hooks"),
]
