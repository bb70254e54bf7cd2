"""`torch.autograd.forward_ad`: dual tensors, which carry a tangent through each operation."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.forward import Forward
from chainrule.core.traces.tape import next_level

from ..face import Tensor, wrapped

_levels: list[Forward] = []
"""The open level; PyTorch has one, too."""


class UnpackedDualTensor(NamedTuple):
    """A value and its tangent, which is None for a tensor that does not depend on a dual one."""

    primal: Any
    tangent: Any


class dual_level:
    """A block in which dual tensors can be made.

    >>> import chainrule.torch as torch
    >>> from chainrule.torch.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     forward_ad.unpack_dual(x**2).tangent
    tensor([2., 0.])
    """

    def __enter__(self) -> int:
        enter_dual_level()
        return 0

    def __exit__(self, *_: object) -> None:
        exit_dual_level()


def enter_dual_level() -> int:
    """Open the level; there is one at a time."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment; use torch.func.jvp, which nests")
    _levels.append(Forward(next_level()))
    return 0


def exit_dual_level(*, level: Any = None) -> None:
    """Close the level: what was computed in it keeps its values and loses its tangents."""
    if not _levels:
        raise RuntimeError("Trying to exit a forward AD level that was not entered")
    _levels.pop()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: Any = None) -> Tensor:
    """Return a tensor with a tangent of its shape and dtype."""
    if not _levels:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists: use dual_level()")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"make_dual: Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if tangent.shape != tensor.shape:
        raise RuntimeError(f"make_dual: the tangent has shape {list(tangent.shape)}, expected {list(tensor.shape)}")
    made = wrapped(Engine(tensor._x, _levels[-1], tangent.to(tensor.dtype)._x))
    made.__dict__["_tangent"] = tangent
    return made  # type: ignore[no-any-return]


def unpack_dual(tensor: Tensor, *, level: Any = None) -> UnpackedDualTensor:
    """Return the value and the tangent of a tensor."""
    x = tensor._x
    if not isinstance(x, Engine) or not isinstance(x._trace, Forward):
        return UnpackedDualTensor(tensor, None)
    if not _levels or x._trace is not _levels[-1] or x._link is None:
        return UnpackedDualTensor(wrapped(x._value), None)
    kept = tensor.__dict__.get("_tangent")
    return UnpackedDualTensor(wrapped(x._value), kept if kept is not None else wrapped(_tensor(x._link)))


def _tensor(link: Any) -> Any:
    return link if isinstance(link, Engine) else np.asarray(link)


__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]
