"""Activation functions, including the softmax family; PyTorch's `dim` is accepted for `axis`."""

from typing import Any

import numpy as np

from chainrule.core.operands.meanings import caller, warn
from chainrule.rules.arrays.shape import reshape
from chainrule.rules.network import activation
from chainrule.rules.network import softmax as softmax_rules

from ..inputs import accepts_dim
from .arguments import arrayed

glu = accepts_dim(activation.glu)


@accepts_dim
def softmax(input: Any, axis: int | None = None) -> Any:
    """Return non-negative weights that sum to 1 along `axis`, by default the last one.

    Without `axis`, PyTorch may take axis 0 or 1 instead: in that case there is a `PyTorchMeaningWarning`.

    >>> import numpy as np
    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    return softmax_rules.softmax(input, _named("softmax", input, axis))


@accepts_dim
def log_softmax(input: Any, axis: int | None = None) -> Any:
    """Return the logarithm of `softmax(input, axis)`, accurate for inputs of any size."""
    return softmax_rules.log_softmax(input, _named("log_softmax", input, axis))


def _named(name: str, input: Any, axis: int | None) -> int:
    """Return the axis, by default the last one; warn if PyTorch would take another."""
    if axis is None and np.ndim(input) > 2 and caller(4):  # not by a module, which may have been created long ago
        implicit = 0 if np.ndim(input) == 3 else 1
        warn(
            f"{name}: no axis is named; the last one is taken, and PyTorch takes {implicit} of {np.ndim(input)}: write "
            f"axis=-1 or axis={implicit}"
        )
    return -1 if axis is None else axis


logsumexp = accepts_dim(softmax_rules.logsumexp)


def prelu(input: Any, weight: Any) -> Any:
    """Return `input` where positive, else `weight` times it: one weight, or one per channel of `[B, C, …]`.

    Source: He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (2015), equation 1.

    >>> import numpy as np
    >>> prelu(np.array([[-1.0, -1.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2]])
    """
    input, weight = arrayed(input), arrayed(weight)
    if weight.size != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.shape != (channels,):
            raise ValueError(f"prelu: expected weight [1] or [{channels}], one for each channel, got {weight.shape}")
        weight = reshape(weight, (channels, *[1] * (input.ndim - 2)))
    elif weight.ndim:
        weight = reshape(weight, ())
    return activation.prelu(input, weight)
