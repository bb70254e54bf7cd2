"""chainrule with PyTorch, JAX and scikit-learn. Each is optional, and imported when one of these functions is called.

Models, tensors and functions go over by `chainrule.interop.torch` and `chainrule.interop.jax`; the estimators are in
`chainrule.interop.sklearn`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.base.lacking import lacking

if TYPE_CHECKING:
    from . import jax as jax
    from . import torch as torch
    from .jax.check import check_jax
    from .torch.check import check_torch

__all__ = ["check_jax", "check_torch"]

_MODULES = {"check_jax": "jax.check", "check_torch": "torch.check", "jax": "jax", "torch": "torch"}
"""What is imported when it is asked for: the estimators need neither, and the checker takes longer than they do."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        return lacking(__name__)(name)
    module = import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name) if name in __all__ else module


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
