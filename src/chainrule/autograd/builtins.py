"""autograd.builtins: `list`, `tuple`, `dict`, `isinstance` and `type` for traced values.

Containers are not boxed here, so the first three are Python's own. The last two answer for the value in a box.
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

tuple = tuple_ = _python.tuple
list = list_ = _python.list
dict = dict_ = _python.dict


def isinstance(x: Any, cls: Any) -> bool:
    """Whether the value, without its box, is of a class."""
    return _python.isinstance(getval(x), cls)


def type(x: Any) -> Any:
    """Return the class of the value without its box."""
    return _python.type(getval(x))


def make_sequence(seq_type: Any, *args: Any) -> Any:
    """Return a sequence of a class with these items."""
    return seq_type(args)
