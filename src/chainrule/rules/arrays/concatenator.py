"""`r_` and `c_`: arrays concatenated by indexing."""

from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor

from .join import column_stack, concatenate
from .shape import atleast_1d, shaped


class Concatenator:
    """Joins the items in its brackets: arrays, tensors, numbers, and slices `start:stop:step`.

    An imaginary step is a number of points, as in NumPy.
    """

    def __init__(self, name: str, join: Any) -> None:
        self._name = name
        self._join = join

    def __getitem__(self, items: Any) -> Array:
        if not any(isinstance(item, Tensor) for item in (items if isinstance(items, tuple) else (items,))):
            return getattr(np, self._name)[items]
        parts = [self._part(item) for item in (items if isinstance(items, tuple) else (items,))]
        # A Python number has no dtype of its own: it takes that of the arrays next to it.
        dtype = np.result_type(*(getattr(part, "dtype", part) for part in parts))
        return self._join([atleast_1d(part if hasattr(part, "dtype") else np.asarray(part, dtype)) for part in parts])

    def _part(self, item: Any) -> Any:
        if isinstance(item, str):
            raise TypeError(
                f"{self._name}: got the directive {item!r}, which is not supported; use concatenate or stack"
            )
        if isinstance(item, slice):
            return np.r_[item]
        return item if type(item) in (int, float) else shaped(item)


r_ = Concatenator("r_", concatenate)
"""Along axis 0: `r_[0.0, x, 1:4]`."""
c_ = Concatenator("c_", column_stack)
"""Along axis 1, vectors as columns: `c_[x, y]`."""
