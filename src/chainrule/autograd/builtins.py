"""autograd.builtins: `list`, `tuple`, `dict`, `isinstance` and `type` for traced values.

Containers are not boxed here, so the first three make Python's own. They are classes of their own all the same, as in
autograd: libraries register them beside Python's. The last two answer for the value in a box.
"""

import builtins as _python
from typing import Any

from .boxes import DictBox, SequenceBox, getval
from .vector_spaces import (
    ContainerVSpace,
    DictVSpace,
    ListVSpace,
    NamedTupleVSpace,
    SequenceVSpace,
    TupleVSpace,
)

__all__ = [
    "ContainerVSpace",
    "DictBox",
    "DictVSpace",
    "ListVSpace",
    "NamedTupleVSpace",
    "SequenceBox",
    "SequenceVSpace",
    "TupleVSpace",
    "dict",
    "isinstance",
    "list",
    "make_sequence",
    "tuple",
    "type",
]

tuple_, list_, dict_ = _python.tuple, _python.list, _python.dict


class _Container(_python.type):
    """Makes every container of Python's class an instance."""

    def __instancecheck__(cls, x: Any) -> bool:
        return _python.isinstance(x, cls.__mro__[1])

    def __call__(cls, *args: Any, **items: Any) -> Any:
        return cls.__mro__[1](*args, **items)


class tuple(_python.tuple[Any, ...], metaclass=_Container):
    """Makes a tuple."""


class list(_python.list[Any], metaclass=_Container):
    """Makes a list."""


class dict(_python.dict[Any, Any], metaclass=_Container):
    """Makes a dictionary."""


def isinstance(x: Any, cls: Any) -> bool:
    """Whether the value, without its box, is of a class."""
    return _python.isinstance(getval(x), cls)


def type(x: Any) -> Any:
    """Return the class of the value without its box."""
    return _python.type(getval(x))


def make_sequence(seq_type: Any, *args: Any) -> Any:
    """Return a sequence of a class with these items."""
    return seq_type(args)
