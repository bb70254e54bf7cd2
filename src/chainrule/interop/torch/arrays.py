"""Sharing memory between PyTorch tensors and chainrule arrays."""

from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.errors import GradientError
from chainrule.core.memory.loans import lend_to_write
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.tape import EAGER

Torch = Any
"""A PyTorch tensor or module."""


def tensor_from_torch(t: Torch) -> Tensor:
    """Return a chainrule tensor that shares the memory of a PyTorch tensor, by DLPack; nothing is copied.

    Shape, dtype and strides stay. What one side writes in place the other side reads; after PyTorch has written, call
    `x.mark_changed()` if a backward pass is still to use the old values.

    Raises GradientError if `t` requires a gradient, which would end here, TypeError for a dtype or a layout that
    NumPy does not have (bfloat16, sparse), ValueError for a tensor that is not in the CPU's memory.

    >>> import torch
    >>> t = torch.zeros(3)
    >>> x = tensor_from_torch(t)
    >>> t[0] = 5
    >>> x
    tensor([5., 0., 0.], dtype=float32)
    """
    torch = needed("torch", "tensor_from_torch")
    if not isinstance(t, torch.Tensor):
        raise TypeError(f"tensor_from_torch: expected a torch.Tensor, got {type(t).__name__}")
    if t.requires_grad:
        raise GradientError(
            "tensor_from_torch: this tensor requires a gradient, which would end here; pass t.detach() if that is "
            "meant, or make the whole function an operation of chainrule with from_torch_function"
        )
    check_torch_tensor("tensor_from_torch", t)
    return Tensor(np.from_dlpack(t.resolve_neg()), EAGER, None)


def tensor_to_torch(x: Any) -> Torch:
    """Return a PyTorch tensor that shares the memory of a chainrule tensor or a NumPy array; nothing is copied.

    Shape, dtype and strides stay. What one side writes in place the other side reads; after PyTorch has written, call
    `x.mark_changed()` if a backward pass is still to use the old values.

    Raises GradientError if `x` requires a gradient, which would end here, TypeError for a dtype that PyTorch does
    not have, ValueError for memory that cannot be shared: read-only, or with a negative stride.

    >>> import torch
    >>> import chainrule as cr
    >>> x = cr.zeros(3)
    >>> tensor_to_torch(x)[0] = 5
    >>> x
    tensor([5., 0., 0.])
    """
    torch = needed("torch", "tensor_to_torch")
    if isinstance(x, Tensor) and x.requires_grad:
        raise GradientError(
            "tensor_to_torch: this tensor requires a gradient, which would end here; pass x.detach() if that is meant, "
            "or make the whole function one of PyTorch with as_torch_function"
        )
    array = value_of(x)
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"tensor_to_torch: expected a tensor of chainrule or an array, got {type(array).__name__}, which has no "
            "memory of its own; use torch.tensor(value)"
        )
    # PyTorch aborts the process at a negative stride, and writes to read-only memory.
    if any(stride < 0 for stride in array.strides):
        raise ValueError(
            f"tensor_to_torch: the strides {array.strides} are negative, which PyTorch does not have; pass "
            "np.ascontiguousarray(x)"
        )
    if not array.flags.writeable:
        raise ValueError("tensor_to_torch: this array is read-only, and PyTorch would write to it; pass a copy")
    check_numpy_dtype("tensor_to_torch", array.dtype)
    return torch.from_dlpack(lend_to_write(array) if isinstance(x, Tensor) else array)


def check_torch_tensor(what: str, t: Torch) -> None:
    """Raise an error starting with `what` unless NumPy can access this tensor's memory."""
    torch = needed("torch", what)
    if t.layout is not torch.strided:
        raise TypeError(f"{what}: got a tensor with the layout {t.layout}, expected a dense one; pass t.to_dense()")
    if t.dtype is torch.bfloat16:
        raise TypeError(f"{what}: got bfloat16, which NumPy does not have; pass t.float()")
    if t.device.type != "cpu":
        raise ValueError(
            f"{what}: got a tensor on {t.device}; chainrule computes in the CPU's memory: pass t.cpu(), and move the "
            "result back with .to(device)"
        )


def check_numpy_dtype(what: str, dtype: Any) -> None:
    """Raise a TypeError starting with `what` unless PyTorch has this dtype."""
    if dtype.kind not in "fiubc" or dtype.itemsize > (16 if dtype.kind == "c" else 8) or not dtype.isnative:
        raise TypeError(
            f"{what}: got dtype {dtype}, which PyTorch does not have; convert it first, as .astype(np.float64)"
        )


def array_of(what: str, t: Torch) -> Any:
    """Return a read-only array in the memory of a tensor of PyTorch, whether or not it requires a gradient."""
    check_torch_tensor(what, t)
    array = t.detach().resolve_conj().resolve_neg().numpy().view()
    array.flags.writeable = False
    return array


def copied_to_torch(what: str, array: Any) -> Torch:
    """Return a PyTorch tensor with a copy of an array, so that later writes only affect its own memory."""
    array = np.asarray(value_of(array))
    check_numpy_dtype(what, array.dtype)
    return needed("torch", what).from_numpy(np.array(array, order="C"))
