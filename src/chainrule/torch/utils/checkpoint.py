"""`torch.utils.checkpoint`: compute again in the backward pass instead of keeping values."""

from typing import Any

from ..autograd.function import Function
from ..autograd.gradients import backward
from ..autograd.modes import enable_grad, is_grad_enabled
from ..face import Tensor


def checkpoint(
    function: Any, *args: Any, use_reentrant: Any = None, preserve_rng_state: bool = True, **kwargs: Any
) -> Any:
    """Return `function(*args)`; its values are computed a second time in the backward pass.

    The function may use parameters: they receive their gradients as well. It must not draw random numbers.
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    probe = next((x for x in args if isinstance(x, Tensor) and x.requires_grad), None)
    if probe is None:
        return function(*args, **kwargs)

    class Again(Function):
        """One call."""

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            """Return the value without recording it."""
            ctx.inputs = inputs
            return function(*inputs, **kwargs)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            """Compute the value again, and its gradients."""
            detached = [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in ctx.inputs]
            with enable_grad():
                y = function(*detached, **kwargs)
            outputs = y if isinstance(y, tuple) else (y,)
            pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if isinstance(y, Tensor) and y.requires_grad]
            backward([y for y, _ in pairs], [g for _, g in pairs])
            return tuple(x.grad if isinstance(x, Tensor) else None for x in detached)

    return Again.apply(*args)
