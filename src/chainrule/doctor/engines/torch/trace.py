"""The values and operations of a watched PyTorch pass."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.base.provenance import Source, locate
from chainrule.doctor.engines.trace import Box, Event

Where: TypeAlias = tuple[Any, int] | None
"""A code object and an instruction in it, resolved to a line only on demand."""


def array_of(tensor: Any) -> Any:
    """Return a tensor as an array: bfloat16, which NumPy lacks, as float32; sparse tensors as dense."""
    plain = tensor.detach()
    plain = (plain.to_dense() if plain.is_sparse else plain).cpu()
    return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()


class Held:
    """A tensor that depends on no parameter."""

    __slots__ = ("shape", "tensor")

    def __init__(self, tensor: Any) -> None:
        self.tensor, self.shape = tensor, tuple(tensor.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(array_of(self.tensor), dtype=dtype, copy=copy)


class TorchBox(Box):
    """A PyTorch tensor that depends on a parameter."""

    __slots__ = ("arrived", "kept", "tensor", "where")

    def __init__(self, tensor: Any, where: Where = None) -> None:
        self.tensor, self.where = tensor, where
        self.arrived: Any = None
        """The gradient."""
        self.kept: Any = None
        """The values, if the tensor has been modified in place since."""

    @property
    def now(self) -> Any:
        """The tensor as it was when the box was made."""
        return self.tensor if self.kept is None else self.kept

    @property
    def value(self) -> Any:
        """The values as an array."""
        return array_of(self.now)

    @property
    def gradient(self) -> Any:
        """∂L/∂(value), or None where the loss does not reach it."""
        return None if self.arrived is None else array_of(self.arrived)

    @property
    def tracked(self) -> bool:
        """Whether it depends on a parameter that requires a gradient."""
        return bool(self.tensor.requires_grad)

    @property
    def source(self) -> Source | None:
        """The user's line that made it."""
        return locate(*self.where) if self.where else None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self.tensor.shape)


class TorchEvent(Event):
    """A PyTorch operation."""

    __slots__ = ("again", "where")

    def __init__(self, *parts: Any, where: Where, again: Callable[[Any], Any] | None = None) -> None:
        super().__init__(*parts)
        self.where, self.again = where, again

    @property
    def source(self) -> Source | None:
        """The user's line that called it."""
        return locate(*self.where) if self.where else None

    def slope(self) -> Any:
        """Return the derivative at every element: the gradient of the sum of the operation, run once more."""
        import torch

        if self.again is None or not self.args or not isinstance(self.args[0], TorchBox):
            return None
        with torch.enable_grad():
            x = self.args[0].now.detach().clone().requires_grad_()
            return array_of(torch.autograd.grad(self.again(x).sum(), x)[0])
