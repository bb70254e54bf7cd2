"""A PyTorch module as the subject of a command: converted, with its arguments, loss and target."""

import copy
from collections.abc import Sequence
from inspect import isfunction, signature
from typing import Any

from chainrule import nn
from chainrule.base.optional import is_of_torch


def instance(found: Any, base: type) -> Any:
    """Return an instance of a class of modules, of this package or of PyTorch; anything else unchanged."""
    is_class = isinstance(found, type) and (
        issubclass(found, base) or any(cls.__module__ == "torch.nn.modules.module" for cls in found.__mro__)
    )
    return found() if is_class else found


def built(found: Any, base: type) -> Any:
    """Return the model that a function without arguments makes; anything else unchanged."""
    if not isfunction(found) or signature(found).parameters:
        return found
    made = found()
    return made if isinstance(made, base) or is_module(made) else found


def is_module(found: Any) -> bool:
    """Whether something is a PyTorch module."""
    return is_of_torch(found) and hasattr(found, "named_parameters")


def ours(model: Any, args: Sequence[Any]) -> tuple[Any, tuple[Any, ...]]:
    """Return a PyTorch module as a model of this package, computing in float64, and its arguments as arrays.

    Raises ValueError, with its place, for what cannot be converted.
    """
    from chainrule.interop.torch import from_torch

    given = tuple(map(plain, args))
    try:
        return from_torch(copy.deepcopy(model).double(), given), given
    except TypeError as error:
        raise ValueError(str(error)) from error


def plain(value: Any) -> Any:
    """Return a PyTorch tensor as an array; anything else unchanged."""
    return value.detach().cpu().numpy() if is_of_torch(value) and hasattr(value, "detach") else value


def loss_of_ours(loss: Any) -> Any:
    """Return a loss that is a PyTorch module as this package's of the same name and settings; any other unchanged.

    Raises ValueError for one that it does not have, or not with these settings.
    """
    if not is_module(loss):
        return loss
    name = type(loss).__name__
    kind = getattr(nn, name, None) if type(loss).__module__.startswith("torch.nn") else None
    known = {} if kind is None else signature(kind.function).parameters
    settings = {k: plain(getattr(loss, k)) for k in known if hasattr(loss, k)}
    if "axis" in known:
        settings["axis"] = 1  # where PyTorch has the classes
    other = [
        p.name
        for p in signature(type(loss)).parameters.values()
        if p.name not in known and getattr(loss, p.name, p.default) != p.default
    ]
    if kind is None or other:
        why = f" with {', '.join(other)}" if kind else ""
        raise ValueError(
            f"--loss: chainrule.nn has no {name}{why}; name a function of (output, target) in the file that computes "
            "it with chainrule"
        )
    return kind(**settings)


def loss_of_torch(loss: Any) -> Any:
    """Return PyTorch's function of the name of one of this package's losses; any other loss unchanged."""
    if not getattr(loss, "__module__", "").startswith("chainrule.nn"):
        return loss
    from torch.nn import functional

    return getattr(functional, loss.__name__, loss)
