"""Writes into a tensor: everything that shares its memory sees them, and gradients pass through them."""

import contextlib
from typing import Any

import numpy as np

from chainrule.core.memory.alias import Owner, View, alias_of
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import is_captured, running
from chainrule.core.traces.modes import modes
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.derivatives import no_grad
from chainrule.rules.arrays.in_place import is_rebound, overwrite
from chainrule.rules.arrays.shape import broadcast_to

from .dtypes import cast
from .values import index_parts

_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def _allowed(target: Any) -> Any:
    """Return the context of a write: through `x.data` and its views a leaf with a gradient may be written to."""
    return no_grad() if target._through is not None or _shows_a_leaf(target._x) else contextlib.nullcontext()


def _leaf_in_capture(target: Any) -> Any:
    """Return the leaf from outside whose values a write replaces, at this point of every replay, or None."""
    if running.capture is None or (target._through is None and modes.floor <= EAGER.level):
        return None
    x = target._x if target._through is None else target._through._x
    return x if isinstance(x, Engine) and x._trace is EAGER and isinstance(x._link, Leaf) else None


def _is_array(x: Any) -> bool:
    """Whether a value is NumPy's own; what stands for random numbers in a capture only says so."""
    return isinstance(x, np.ndarray) and not isinstance(x, Engine)


def _shows_a_leaf(x: Any) -> bool:
    """Whether a constant shares the memory of a leaf with a gradient: a view of what `x.data` or `x.detach()` gave."""
    if x._link is not None:
        return False
    alias = alias_of(x)
    if type(alias) is View:
        alias = alias_of(alias.root)
    origin = alias.origin if type(alias) is Owner else None
    return origin is not None and isinstance(origin._link, Leaf)


def assign(target: Any, what: str, value: Any, unsafe: bool = False, shared: bool = False) -> Any:
    """Write a value into a tensor, broadcast to its shape and in its dtype, and return the tensor.

    `shared` says that the value is another tensor's, which may be written to later.

    Raises RuntimeError for a shape that does not fit and, unless `unsafe`, for a dtype of a higher category.
    """
    x = target._x
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    if not unsafe and _CATEGORY[value.dtype.kind] > _CATEGORY[x.dtype.kind]:
        raise RuntimeError(f"{what}: result type {value.dtype} can't be cast to the tensor's dtype, {x.dtype}")
    if value.shape != x.shape:
        try:
            fits = np.broadcast_shapes(value.shape, x.shape) == x.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"{what}: output with shape {list(x.shape)} doesn't match the shape {list(value.shape)} of the values"
            )
    leaf = _leaf_in_capture(target)
    if leaf is not None and is_captured(value):
        leaf.data = broadcast_to(cast(value, x.dtype), x.shape)
    elif _is_array(x):
        np.copyto(x, value_of(value), casting="unsafe")
    elif is_rebound(x):
        new = cast(value.copy() if shared else value, x.dtype)
        new = new if new.shape == x.shape else broadcast_to(new, x.shape)
        target._x = new if isinstance(new, Engine) else Engine(np.asarray(new), EAGER, None)
    else:
        with _allowed(target):
            overwrite(x, what, lambda: value, "unsafe", shared)
    return target


def set_item(target: Any, index: Any, value: Any) -> None:
    """Write a value at an index of a tensor."""
    x = target._x
    parts = index_parts(index)
    if _is_array(x):
        x[parts] = value_of(value)
        return
    with _allowed(target):
        x[parts] = cast(value, x.dtype) if hasattr(value, "dtype") else value
