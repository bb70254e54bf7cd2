"""Activation functions, and softmax with its relatives; PyTorch's `dim` is accepted for `axis`."""

from typing import Any

import numpy as np  # noqa: F401 - for the examples of the functions below, which belong to this module

from chainrule.rules import activation
from chainrule.rules import softmax as softmax_rules
from chainrule.rules.shape import reshape

from ..inputs import accepts_dim
from .arguments import arrayed

glu = accepts_dim(activation.glu)
softmax = accepts_dim(softmax_rules.softmax)
log_softmax = accepts_dim(softmax_rules.log_softmax)
logsumexp = accepts_dim(softmax_rules.logsumexp)


def prelu(input: Any, weight: Any) -> Any:
    """Return `input` where positive, else `weight` times it: one weight, or one for each channel of `[B, C, …]`.

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
