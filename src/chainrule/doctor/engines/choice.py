"""Choosing the engine by a model's library."""

from functools import cache
from typing import Any

from chainrule.base.optional import is_of_torch

from .engine import Engine
from .numpy.engine import OwnEngine
from .torch.engine import TorchEngine


def engine_of(model: Any) -> Engine:
    """Return the engine that runs a model: PyTorch's for its modules, chainrule's for anything else.

    PyTorch is imported only for a PyTorch model.
    """
    return _torch() if is_of_torch(model) else _own()


@cache
def _own() -> Engine:
    return OwnEngine()


@cache
def _torch() -> Engine:
    return TorchEngine()
