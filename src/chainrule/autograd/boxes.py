"""Traced values under autograd's names: `isbox`, `getval`, and classes that `isinstance` accepts for them.

autograd wraps a traced value in a box of a class that depends on its type. Here every traced array is a `Tensor`, and
lists, tuples and dictionaries stay what they are, with tensors inside. The classes here stand in for autograd's.
"""

from functools import wraps
from typing import Any

import numpy as np

from chainrule.core.operands.subclasses import as_plain
from chainrule.core.tensor import Tensor, value_of

__all__ = ["ArrayBox", "Box", "DictBox", "SequenceBox", "getval", "isbox"]


def isbox(x: Any) -> bool:
    """Whether a value is being traced."""
    return isinstance(x, Tensor)


def getval(x: Any) -> Any:
    """Return the plain value of a traced one, and anything else as it is.

    >>> getval(2.0)
    2.0
    """
    return value_of(x) if isinstance(x, Tensor) else x


def holds_box(x: Any) -> bool:
    """Whether a value is traced, or a container that holds traced values."""
    if isinstance(x, list | tuple):
        return any(map(holds_box, x))
    if isinstance(x, dict):
        return any(map(holds_box, x.values()))
    return isinstance(x, Tensor)


class _Boxes(type):
    """Makes `isinstance(x, ArrayBox)` a question about the value."""

    kinds: tuple[type, ...] = ()

    def __call__(cls, value: Any, *_: Any) -> Any:
        """Return the value, which gets its box where it is traced. Libraries call this in `type_mappings`."""
        return value

    def __instancecheck__(cls, x: Any) -> bool:
        if isinstance(x, Tensor):
            return Tensor in cls.kinds
        return bool(cls.kinds) and isinstance(x, cls.kinds) and holds_box(x)


def _let_boxes_decide(cls: Any) -> None:
    """Make a class of arrays leave functions of traced values to them, as NumPy does with autograd's boxes.

    A class that computes universal functions itself would take a traced value for an array of objects.
    """
    own = vars(cls).get("__array_ufunc__")
    if own is None or hasattr(own, "__wrapped__"):
        return

    @wraps(own)
    def of_arrays(self: Any, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        return own(self, ufunc, method, *inputs, **settings)

    cls.__array_ufunc__ = of_arrays


class _Mappings(dict[type, Any]):
    """What makes the box of a class's values. A class that is entered is registered with `Box`."""

    def __setitem__(self, value_type: type, maker: Any) -> None:
        Box.register(value_type)
        super().__setitem__(value_type, maker)


class Box(metaclass=_Boxes):
    """Any traced value.

    `type_mappings` has what a library has entered: for a class, a function that is called with each value that is
    about to be traced, and raises an error if it is not to be.
    """

    kinds: tuple[type, ...] = (Tensor, list, tuple, dict)
    type_mappings: dict[type, Any] = _Mappings()

    @classmethod
    def register(cls, value_type: type) -> None:
        """Let values of a class be differentiated: subclasses of arrays, which are then treated as arrays.

        Raises TypeError for another class: autograd boxes its values, while here it is taken apart into arrays.
        """
        if issubclass(value_type, np.ndarray):
            as_plain(value_type)
            _let_boxes_decide(value_type)
        elif not issubclass(value_type, np.generic | float | complex | list | tuple | dict):
            raise TypeError(
                f"Box.register: {value_type.__name__} is not an array class; make it a dataclass, whose fields "
                f"are then differentiated, or register it with chainrule.core.tree.register"
            )


class ArrayBox(Box):
    """A traced array or number."""

    kinds = (Tensor,)


class SequenceBox(Box):
    """A list or tuple with traced values inside."""

    kinds = (list, tuple)


class DictBox(Box):
    """A dictionary with traced values inside."""

    kinds = (dict,)
