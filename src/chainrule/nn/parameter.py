"""`Parameter`: the tensor that a module registers and an optimiser updates."""

from typing import Any, Self

import numpy as np

from chainrule.core.creation import tensor
from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER, check_real


class Parameter(Tensor):
    """A leaf of the eager tape, with a copy of `data`: an array, a tensor, a number or nested lists.

    The floating-point dtype of the data is kept unless `dtype` says otherwise; the layers of `chainrule.nn` make their
    parameters float32. The module that it is assigned to names it, unless `name` was given. `p.data = array` replaces
    the values.

    Raises TypeError for data that are not floating-point.

    >>> import numpy as np
    >>> p = Parameter(np.zeros((2, 3)))
    >>> p.requires_grad, p.grad is None
    (True, True)
    >>> p.data = np.ones(3)
    Traceback (most recent call last):
    ValueError: data: expected shape (2, 3), the tensor's own, got (3,)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None, name: str | None = None) -> None:
        array = tensor(data, dtype=dtype)._value
        check_real("Parameter", array.dtype)
        super().__init__(array, EAGER, Leaf(array.shape, array.dtype, name) if requires_grad else None)
        self._label = name

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch the gradient on or off, in place; switching it off freezes the parameter and clears its gradient."""
        if requires_grad != self.requires_grad:
            self._link = Leaf(self.shape, self.dtype, self._label) if requires_grad else None
            changes.replaced += 1
        return self

    def rename(self, name: str) -> None:
        """Set the name that reports and errors use."""
        self._label = name
        if isinstance(self._link, Leaf):
            self._link.label = name

    def convert(self, dtype: Any) -> None:
        """Convert the values and the gradient in place; tapes recorded earlier keep the old dtype."""
        dtype = np.dtype(dtype)
        check_real("Parameter", dtype)
        if dtype == self.dtype:
            return
        grad = self.grad
        self._value = self._value.astype(dtype)
        changes.replaced += 1
        if self._link is not None:
            self._link = Leaf(self.shape, dtype, self._label)
            self.grad = grad

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the values and the name, without the gradient, as PyTorch does."""
        return Parameter, (np.asarray(self._value), self.requires_grad, None, self._label)
