"""Clipping the gradient of each sample, as differentially private training does."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.random import source
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import refuse, running
from chainrule.core.tree import flatten

from .checks import NOT_NEGATIVE, POSITIVE, named, number


def clip_per_sample_(
    params: Any,
    gradients: Any,
    max_norm: float,
    noise_multiplier: float = 0.0,
    batch_size: float | None = None,
    generator: Any = None,
) -> Any:
    r"""Set the parameters' gradients to the mean over samples of gradients of norm at most `max_norm`, plus noise.

    `gradients` has, for each parameter, the gradients of all samples, `[B, *shape]`: what
    ``cr.vmap(cr.grad(loss), in_axes=(None, 0, 0))(model, x, y)`` returns, or a list or dict of arrays in the order of
    `params`. With $g_{s}$ the gradient of sample s over all parameters, each parameter gets its part of

    $$\frac{1}{B} \left( \sum_s g_s \min\left(1, \frac{C}{\|g_s\|}\right) + \sigma C\,\mathcal N(0, I) \right)$$

    with C `max_norm` and σ `noise_multiplier`. `batch_size` is the divisor, B by default; if samples are drawn
    independently of each other, as the analysis of privacy wants, it is the expected number. `generator` is a NumPy
    Generator, by default chainrule's. Returns the norms before clipping, `[B]`.

    How private the result is depends on the noise, on how batches are drawn and on the number of steps, and is not
    computed here; nor is the generator one for cryptography.

    Raises GradientError, and changes nothing, if a gradient is not finite, and ValueError for shapes that do not fit.

    Source: Abadi et al., "Deep learning with differential privacy" (2016), algorithm 1.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> from chainrule import optim
    >>> w = cr.tensor([0.0, 0.0], requires_grad=True)
    >>> optim.clip_per_sample_([w], [np.array([[3.0, 4.0], [0.0, 0.5]])], max_norm=1.0)
    array([5. , 0.5])
    >>> w.grad
    tensor([0.3 , 0.65])
    """
    what = "clip_per_sample_"
    max_norm = number(f"{what}: max_norm", max_norm, POSITIVE)
    noise_multiplier = number(f"{what}: noise_multiplier", noise_multiplier, NOT_NEGATIVE)
    if running.capture is not None:
        refuse(f"{what} was called", "compile the function that computes the gradients, and clip outside of it")
    parameters = named(what, params)
    stacks = _matched(what, parameters, gradients)
    count = len(next(iter(stacks.values())))
    divisor = count if batch_size is None else number(f"{what}: batch_size", batch_size, POSITIVE)
    if not divisor:
        raise ValueError(f"{what}: got no samples, and no batch_size to divide by; pass the expected number")
    squares = sum(
        np.square(g, dtype=np.float64).reshape(count, g.size // max(count, 1)).sum(axis=1) for g in stacks.values()
    )
    norms = np.sqrt(squares)
    wrong = np.flatnonzero(~np.isfinite(norms))
    if len(wrong):
        raise GradientError(
            f"{what}: the gradient of sample {wrong[0]} is NaN, infinite or too large ({len(wrong)} of {count} are); "
            "chainrule.detect_nonfinite finds its origin"
        )
    factors = max_norm / np.maximum(norms, max_norm)
    for name, parameter in parameters.items():
        stack = stacks[name]
        total = np.tensordot(factors.astype(stack.dtype), stack, 1)
        if noise_multiplier:
            total = total + noise_multiplier * max_norm * source(generator).standard_normal(total.shape)
        parameter.grad = (total / divisor).astype(parameter.dtype)
    return norms


def _matched(what: str, parameters: Mapping[str, Any], gradients: Any) -> dict[str, Any]:
    """Return the gradients by the names of the parameters, as arrays."""
    leaves = flatten(gradients)[0]
    if hasattr(gradients, "parameters"):  # a module; as leaves it also has buffers
        leaves = list(gradients.parameters())
    if len(leaves) != len(parameters) or not leaves:
        raise ValueError(f"{what}: got gradients for {len(leaves)} parameters, expected {len(parameters)}, one each")
    if isinstance(gradients, Mapping) and set(gradients) == set(parameters):
        leaves = [gradients[name] for name in parameters]
    arrays = [np.asarray(value_of(x)) for x in leaves]
    count = len(arrays[0]) if arrays[0].ndim else 0
    for (name, parameter), array in zip(parameters.items(), arrays, strict=True):
        if array.shape != (count, *parameter.shape):
            raise ValueError(
                f"{what}: the gradients of {name} have shape {array.shape}, expected {(count, *parameter.shape)}: one "
                f"for each sample, as chainrule.vmap(chainrule.grad(loss), in_axes=(None, 0, 0)) returns them"
            )
    return dict(zip(parameters, arrays, strict=True))
