"""`Variable`: the wrapper of older code, which tensors made superfluous."""

from typing import Any

from ..face import Tensor


class _Kind(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=_Kind):
    """Return a tensor that shares the memory of another one; a leaf if it requires a gradient.

    >>> import chainrule.torch as torch
    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = (), requires_grad: bool = False, volatile: bool = False) -> Any:
        """Return the tensor."""
        found = data.detach() if isinstance(data, Tensor) and data.requires_grad else data
        made = found if isinstance(found, Tensor) else Tensor(found)
        return made.detach().requires_grad_() if requires_grad else made
