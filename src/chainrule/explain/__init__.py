"""Where a gradient comes from: derivations and formulas. The package itself is the function: `chainrule.explain(f)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.base.callable_module import make_callable
from chainrule.base.lacking import lacking

if TYPE_CHECKING:
    from .derivation import Derivation, Step
    from .entry import explain
    from .why.way import GradientPath, explain_grad

__all__ = ["Derivation", "GradientPath", "Step", "explain", "explain_grad"]
_LAZY = {
    "Derivation": "derivation",
    "GradientPath": "why.way",
    "Step": "derivation",
    "explain": "entry",
    "explain_grad": "why.way",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    return lacking(__name__)(name)


make_callable(__name__, "explain")
