"""Where a gradient comes from: derivations and formulas. The package itself is the function: `chainrule.explain(f)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.core.callable_module import make_callable

if TYPE_CHECKING:
    from .derivation import Derivation, Step
    from .explain import explain as explain_
    from .why import GradientPath, explain_grad

__all__ = ["Derivation", "GradientPath", "Step", "explain_", "explain_grad"]
_LAZY = {"Derivation": "derivation", "Step": "derivation", "GradientPath": "why", "explain_grad": "why"}


def __getattr__(name: str) -> Any:
    if name == "explain_":
        return import_module(f"{__name__}.explain").explain
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


make_callable(__name__, "explain_")
