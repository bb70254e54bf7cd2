"""autograd.numpy.numpy_wrapper: the names of `autograd.numpy`, and `wrap_namespace`."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as _np

from chainrule.core.operands.protocols import functions as _functions
from chainrule.core.operands.protocols import ufuncs as _ufuncs

from ..extend import primitive as _primitive
from . import functions as _door
from .functions import array_from_args, concatenate_args, make_diagonal, metadata

__all__ = ["array_from_args", "concatenate_args", "make_diagonal", "metadata", "wrap_namespace"]


def wrap_namespace(old: Mapping[str, Any], new: MutableMapping[str, Any]) -> None:
    """Put the names of a module into another namespace, each function as a primitive; chainrule's own stay as they are.

    The primitives need derivatives, by `defvjp`. Names of one function stay names of one.
    """
    wrapped: dict[int, Any] = {}
    for name, value in old.items():
        if not callable(value) or isinstance(value, type):
            if isinstance(value, float | int | type | None):
                new[name] = value
            continue
        if (isinstance(value, _np.ufunc) and value in _ufuncs) or value in _functions:
            new[name] = value
            continue
        new[name] = wrapped.setdefault(id(value), _primitive(value))


def __getattr__(name: str) -> Any:
    return getattr(_door, name)
