"""Clipping and scaling of all gradients before a step.

Clipping prevents steps so large that they leave the region where the gradient is meaningful.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import running

from .checks import FINITE, NOT_NEGATIVE, choice, named, number
from .flat import joined

EPS = 1e-6
"""Added to the norm in the denominator, as in PyTorch; a zero gradient stays zero."""


def clip_grad_norm_(params: Any, max_norm: float, on_nonfinite: Literal["raise", "zero", "ignore"] = "raise") -> float:
    r"""Scale all gradients by one factor so that their joint norm is at most `max_norm`; return the norm before
    scaling.

    $\|g\| = \sqrt{\sum_k \|g_k\|^2}$ is computed in float64, and every $g_k$ is multiplied by $\min(1,
    \mathrm{max\_norm} / (\|g\| + 10^{-6}))$. Parameters without a gradient are ignored.

    If a gradient contains a NaN or an infinity, "raise" raises GradientError with the name of the first such parameter
    and changes nothing; "zero" sets all gradients to zero, so that the next step of plain SGD changes nothing; "ignore"
    leaves them as they are. The last two return the norm as computed: NaN or infinity.

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
    if running.capture is not None:
        norm_before: float = captured(ClipNorm(list(parameters), max_norm, on_nonfinite), parameters)
        return norm_before
    grads = {name: value_of(parameter.grad) for name, parameter in parameters.items()}
    norm = _norm(list(grads.values()))
    if math.isfinite(norm):
        factor = max_norm / (norm + EPS)
        if factor < 1:
            _replace(parameters, {name: factor * grad for name, grad in grads.items()})
    elif on_nonfinite == "raise":
        _raise_nonfinite(grads)
    elif on_nonfinite == "zero":
        _replace(parameters, {name: np.zeros_like(grad) for name, grad in grads.items()})
    return norm


def clip_grad_value_(params: Any, clip_value: float) -> None:
    """Clip every element of every gradient to [−clip_value, clip_value]; a NaN stays NaN.

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
    if running.capture is not None:
        captured(ClipValue(clip_value), parameters)
        return
    clipped = {name: np.clip(value_of(p.grad), -clip_value, clip_value) for name, p in parameters.items()}
    _replace(parameters, clipped)


def scale_grads_(params: Any, factor: float) -> None:
    """Multiply all gradients by a number, to undo loss scaling or to average accumulated gradients.

    Multiply the loss by S before `backward()`, so that small gradients do not underflow in float16, and the gradients
    by 1/S before clipping and the step; or accumulate the gradients of several batches, each weighted by its number of
    samples, and divide by the total number. A gradient that is not finite stays so, for `clip_grad_norm_` to find.

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
    if running.capture is not None:
        captured(Scale(factor), parameters)
        return
    _replace(parameters, {name: factor * value_of(p.grad) for name, p in parameters.items()})


class ClipNorm:
    """`clip_grad_norm_` in a compiled program: called with the gradients, it changes them in place.

    As `on_nonfinite` it also takes "scale", PyTorch's way: the factor is 0 for an infinite norm, and NaN for NaN.
    """

    name = "clip_grad_norm_"

    def __init__(self, names: list[str], max_norm: float, on_nonfinite: str) -> None:
        self.names, self.max_norm, self.on_nonfinite = names, max_norm, on_nonfinite
        self._for: Any = None
        self._flat: Any = None

    def __call__(self, *grads: Any) -> Any:
        """Return the norm before clipping, as an array without axes."""
        if self._for is None or any(a is not b for a, b in zip(self._for, grads, strict=True)):
            self._for, self._flat = grads, joined(grads)
        pieces = list(grads) if self._flat is None else [self._flat]
        norm = _norm(pieces)
        if math.isfinite(norm):
            factor = self.max_norm / (norm + EPS)
            if factor < 1:
                _scale(pieces, factor)
        elif self.on_nonfinite == "raise":
            _raise_nonfinite(dict(zip(self.names, grads, strict=True)))
        elif self.on_nonfinite == "zero":
            for grad in grads:
                grad[...] = 0
        elif self.on_nonfinite == "scale":
            _scale(pieces, np.divide(self.max_norm, norm + EPS))
        return np.float64(norm)

    def tasks(self, grads: Sequence[Any], norm: Any) -> list[Any] | None:
        """Return the same in machine code, or None where there is none; what is not finite is left to Python."""
        from chainrule.kernels import clipping

        if not clipping.fits(grads):
            return None
        whole, factor = joined(grads), np.ones(1)
        pieces = [g.reshape(-1) for g in grads] if whole is None else [whole]
        made = clipping.clipped_norm(pieces, self.max_norm, EPS, norm, factor)

        def rescue() -> None:
            factor[0] = 1.0
            norm[...] = self(*grads)

        made[len(pieces)].rescue = rescue
        return made


class ClipValue:
    """`clip_grad_value_` in a compiled program."""

    name = "clip_grad_value_"

    def __init__(self, clip_value: float) -> None:
        self.clip_value = clip_value

    def __call__(self, *grads: Any) -> None:
        """Clip the gradients in place."""
        for grad in grads:
            np.clip(grad, -self.clip_value, self.clip_value, out=grad)

    def tasks(self, grads: Sequence[Any], _: Any) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import clipping

        return clipping.clipped([g.reshape(-1) for g in grads], self.clip_value) if clipping.fits(grads) else None


class Scale:
    """`scale_grads_` in a compiled program."""

    name = "scale_grads_"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, *grads: Any) -> None:
        """Multiply the gradients in place."""
        _scale(grads, self.factor)

    def tasks(self, grads: Sequence[Any], _: Any) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import clipping

        return clipping.scaled([g.reshape(-1) for g in grads], self.factor) if clipping.fits(grads) else None


def captured(change: Any, parameters: dict[str, Tensor]) -> Any:
    """Record a change of all gradients in the current capture; return its result."""
    changed, result = running.capture.change(change, [p.grad for p in parameters.values()])
    for parameter, grad in zip(parameters.values(), changed, strict=True):
        parameter.grad = grad
    return result


def _scale(grads: Sequence[Any], factor: float) -> None:
    with np.errstate(invalid="ignore"):
        for grad in grads:
            grad *= grad.dtype.type(factor)


def _raise_nonfinite(grads: dict[str, Any]) -> NoReturn:
    raise GradientError(f"clip_grad_norm_: {_first_nonfinite(grads)}; chainrule.detect_nonfinite finds its origin")


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
    # The squares may overflow where the norm itself does not.
    largest = max(float(np.max(np.abs(grad), initial=0.0)) for grad in grads)
    if not math.isfinite(largest):
        return total
    return largest * math.sqrt(sum(float(np.square(np.asarray(grad, np.float64) / largest).sum()) for grad in grads))


def _first_nonfinite(grads: dict[str, Any]) -> str:
    for name, grad in grads.items():
        wrong = int(grad.size - np.isfinite(grad).sum())
        if wrong:
            return f"the gradient of {name} is NaN or infinite in {wrong} of {grad.size} elements"
    return f"the joint norm of {', '.join(grads)} overflows float64"
