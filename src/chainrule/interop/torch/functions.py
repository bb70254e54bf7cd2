"""Classes derived from `torch.autograd.Function`: how they are written, and which of them made a tensor."""

from typing import Any

from chainrule.base.optional import needed


def has_setup_context(function: Any) -> bool:
    """Whether a Function's `forward` comes without `ctx`."""
    base = needed("torch", "check_torch").autograd.Function.setup_context
    return function.setup_context is not base


def functions_behind(outputs: list[Any]) -> list[Any]:
    """Return the classes of the Functions that made some outputs."""
    found: dict[Any, None] = {}
    waiting, seen = [y.grad_fn for y in outputs], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (cls := getattr(type(node), "_forward_cls", None)) is not None:
            found[cls] = None
        waiting += [following for following, _ in node.next_functions]
    return list(found)
