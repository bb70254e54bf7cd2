"""`Parameter` and `Buffer`: the tensors that a module registers."""

from typing import Any

import numpy as np

from chainrule.core.tree import register
from chainrule.nn.parameter import Parameter as EngineParameter

from ..face import Tensor, values_of, wrapped


class Parameter(Tensor):
    """A leaf that a module registers and an optimiser updates.

    >>> import chainrule.torch as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        array = np.zeros(0, np.float32) if data is None else values_of(data)
        if array.dtype.kind != "f":
            if requires_grad:
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            self._x = array
        else:
            self._x = EngineParameter(array, requires_grad)

    def __repr__(self, **_: Any) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that belongs to a module's state without being trained."""

    def __init__(self, data: Any, *, persistent: bool = True) -> None:
        self._x = wrapped(values_of(data))._x
        self.persistent = persistent


register(Parameter, lambda p: ([p._x], None), lambda _, parts: wrapped(parts[0]))
UninitializedParameter = Parameter
