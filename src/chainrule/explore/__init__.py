"""Walking through the backward pass of a network. The package itself is the function: `chainrule.explore(f)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.base.callable_module import make_callable

if TYPE_CHECKING:
    from .explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
_LAZY = {"Explorer": "explorer", "explore": "explorer"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


make_callable(__name__, "explore")
