"""What is done to all gradients before a step.

Clipping is against steps that leave the region where the gradient is worth anything.
"""

import math
from typing import Any, Literal

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.tensor import Tensor, value_of

from .checks import FINITE, NOT_NEGATIVE, choice, number
from .parameters import named

EPS = 1e-6
"""Added to the norm in the quotient, as in PyTorch; a zero gradient stays zero."""


def clip_grad_norm_(params: Any, max_norm: float, on_nonfinite: Literal["raise", "zero", "ignore"] = "raise") -> float:
    r"""Scale all gradients by one factor so that their common norm is at most `max_norm`; return the norm before.

    $\|g\| = \sqrt{\sum_k \|g_k\|^2}$, computed in float64; every $g_k$ is multiplied by
    $\min(1, \mathrm{max\_norm} / (\|g\| + 10^{-6}))$. Parameters without a gradient do not count.

    Where a gradient holds a NaN or an infinity, "raise" raises GradientError with the name of the first such parameter
    and changes nothing; "zero" sets all gradients to zero, so that the next step of SGD changes nothing; "ignore"
    leaves them as they are. With these two the norm is returned as it came out: NaN or infinity.

    Source: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([3.0, 4.0], requires_grad=True)
    >>> (0.5 * w * w).sum().backward()
    >>> optim.clip_grad_norm_([w], max_norm=1.0)
    5.0
    >>> w.grad.numpy()
    array([0.6, 0.8])
    """
    what = "clip_grad_norm_"
    choice(f"{what}: on_nonfinite", on_nonfinite, ("raise", "zero", "ignore"))
    max_norm = number(f"{what}: max_norm", max_norm, NOT_NEGATIVE)
    parameters = _with_gradient(what, params)
    grads = {name: value_of(parameter.grad) for name, parameter in parameters.items()}
    norm = _norm(list(grads.values()))
    if math.isfinite(norm):
        factor = max_norm / (norm + EPS)
        if factor < 1:
            _replace(parameters, {name: factor * grad for name, grad in grads.items()})
    elif on_nonfinite == "raise":
        raise GradientError(f"{what}: {_first_nonfinite(grads)}; chainrule.detect_nonfinite finds where it began")
    elif on_nonfinite == "zero":
        _replace(parameters, {name: np.zeros_like(grad) for name, grad in grads.items()})
    return norm


def clip_grad_value_(params: Any, clip_value: float) -> None:
    """Clip every element of every gradient into [−clip_value, clip_value]; a NaN stays one.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([3.0, -4.0], requires_grad=True)
    >>> (0.5 * w * w).sum().backward()
    >>> optim.clip_grad_value_([w], 1.0)
    >>> w.grad.numpy()
    array([ 1., -1.])
    """
    clip_value = number("clip_grad_value_: clip_value", clip_value, NOT_NEGATIVE)
    parameters = _with_gradient("clip_grad_value_", params)
    clipped = {name: np.clip(value_of(p.grad), -clip_value, clip_value) for name, p in parameters.items()}
    _replace(parameters, clipped)


def scale_grads_(params: Any, factor: float) -> None:
    """Multiply all gradients by a number, as after the loss was scaled, or after gradients were added up.

    Multiply the loss by S before `backward()`, so that small gradients do not vanish in float16, and the gradients by
    1/S before clipping and the step; or add up the gradients of several batches, each weighed by its samples, and
    divide by the samples of all. A gradient that is not finite stays so, for `clip_grad_norm_` to find.

    Source of loss scaling: Micikevicius et al., "Mixed Precision Training" (2018), section 3.2.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([3.0, -4.0], requires_grad=True)
    >>> (1024 * (0.5 * w * w).sum()).backward()
    >>> optim.scale_grads_([w], 1 / 1024)
    >>> w.grad.numpy()
    array([ 3., -4.])
    """
    factor = number("scale_grads_: factor", factor, FINITE)
    parameters = _with_gradient("scale_grads_", params)
    _replace(parameters, {name: factor * value_of(p.grad) for name, p in parameters.items()})


def _with_gradient(what: str, params: Any) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in named(what, params).items() if parameter.grad is not None}


def _replace(parameters: dict[str, Tensor], grads: dict[str, Any]) -> None:
    # Not in place: the gradients of two parameters may be one array, or a read-only view of one number.
    for name, grad in grads.items():
        parameters[name].grad = grad


def _norm(grads: list[Any]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        total = math.sqrt(sum(float(np.square(grad, dtype=np.float64).sum()) for grad in grads))
    if math.isfinite(total):
        return total
    # The squares may have overflowed where the norm itself has not.
    largest = max(float(np.max(np.abs(grad), initial=0.0)) for grad in grads)
    if not math.isfinite(largest):
        return total
    return largest * math.sqrt(sum(float(np.square(np.asarray(grad, np.float64) / largest).sum()) for grad in grads))


def _first_nonfinite(grads: dict[str, Any]) -> str:
    for name, grad in grads.items():
        wrong = int(grad.size - np.isfinite(grad).sum())
        if wrong:
            return f"the gradient of {name} has {wrong} elements of {grad.size} that are NaN or infinite"
    return f"the common norm of {', '.join(grads)} is larger than any float64"
