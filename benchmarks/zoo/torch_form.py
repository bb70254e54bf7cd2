"""An operation as a `torch.autograd.Function` that computes in NumPy."""

from typing import Any

import numpy as np

from .entry import Bug, Operation, Rule
from .form import Form, checker


def check(operation: Operation, rule: Rule) -> Any:
    return checker("check_torch")(torch_function(operation, rule), *torch_arguments(operation))


def takes(operation: Operation, bug: Bug | None) -> bool:
    return bug is None or not (bug.verdict == "dtype" or summed_by_torch(operation, bug))


def summed_by_torch(operation: Operation, bug: Bug) -> bool:
    """Say whether torch repairs the gradient itself: it sums one that is broadcast, and casts its dtype."""
    if bug.verdict != "shape":
        return False
    y_bar = np.ones(np.shape(operation.forward(*operation.copies())))
    found = operation.gradients(bug.backward, y_bar)
    shapes = [(np.shape(operation.arguments[name]), np.shape(g)) for name, g in found.items()]
    return all(_broadcasts(small, large) for small, large in shapes)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def torch_arguments(operation: Operation) -> list[Any]:
    """Return the arguments as tensors of which gradients are asked."""
    import torch

    tensors = [torch.from_numpy(np.asarray(x)) for x in operation.copies()]
    return [t.requires_grad_() if t.is_floating_point() else t for t in tensors]


def torch_function(operation: Operation, rule: Rule) -> Any:
    """Return the operation as a function on tensors, by an `autograd.Function`."""
    import torch

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.save_for_backward(*args)
            return torch.as_tensor(operation.forward(*(a.detach().numpy() for a in args)))

        @staticmethod
        def backward(ctx: Any, y_bar: Any) -> Any:
            args = [a.detach().numpy() for a in ctx.saved_tensors]
            found = rule(y_bar.detach().numpy(), *args)
            grads = [
                None if g is None else torch.as_tensor(np.ascontiguousarray(g))
                for g in (found if isinstance(found, tuple) else (found,))
            ]
            for k, a in enumerate(ctx.saved_tensors):
                if not a.is_floating_point():
                    grads.insert(k, None)
            return tuple(grads)

    return Planted


TORCH = Form("torch.autograd.Function", check, "check_torch", "torch", takes)
