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


class _Uninitialized(Tensor):
    """What a lazy layer has before its first input: neither shape nor values."""

    _x: Any = None

    @property
    def shape(self) -> Any:
        """Refused: it is not known yet."""
        raise RuntimeError(
            f"shape: {type(self).__name__} of a lazy module has no shape yet; call the module with an input first"
        )

    def __repr__(self, **_: Any) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter of a lazy layer before its first input."""

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        Parameter.__init__(self, None, requires_grad)


class UninitializedBuffer(_Uninitialized):
    """A buffer of a lazy layer before its first input."""

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        Tensor.__init__(self)


register(Parameter, lambda p: ([p._x], None), lambda _, parts: wrapped(parts[0]))
