"""`torch._dynamo`: what scripts say to PyTorch's compiler. `torch.compile` here is chainrule's."""

from typing import Any

from . import config as config


def reset() -> None:
    """Do nothing: compiled functions keep nothing that is shared."""


def disable(fn: Any = None, recursive: bool = True) -> Any:
    """Return the function, or a decorator that does: only what is passed to `torch.compile` is compiled."""
    return (lambda function: function) if fn is None else fn
