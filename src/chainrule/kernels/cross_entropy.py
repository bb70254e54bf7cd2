r"""Softmax and cross-entropy with class indices, along the rows of [R, K].

$L_i = \log \sum_k e^{z_{ik}} - z_{i t_i}$ and $\bar z_{ij} = w_i (\hat y_{ij} - [j = t_i])$, $\hat y$ being the softmax
of z and $w_i$ the weight of a row: 1/R where the loss is the mean. Numba checks no bounds, and a class out of range
would read and write elsewhere: the kernels that take classes look at all of them first, and return the first row whose
class is not in 0 … K − 1, having written nothing, or −1. Floats are of one dtype, float32 or float64, classes any
integers, every array in C order; nothing checks this.
"""

import math
from typing import Any

import numpy as np

from .jit import inline, kernel
from .softmax import row_of_exponentials, softmax_reference

Array = Any


@inline
def _first_out_of_range(classes: Array, count: int) -> int:
    for i in range(classes.size):
        if classes[i] < 0 or classes[i] >= count:
            return i
    return -1


@kernel
def losses_and_gradient(z: Array, classes: Array, weights: Array, losses: Array, z_bar: Array) -> int:
    """Set the losses [R], without weights, and `z_bar` to the gradient of Σ wᵢ Lᵢ; return the bad row or −1."""
    bad = _first_out_of_range(classes, z.shape[1])
    if bad >= 0:
        return bad
    for i in range(z.shape[0]):
        top, total = row_of_exponentials(z, i, z_bar)
        c = classes[i]
        losses[i] = math.log(total) - (z[i, c] - top)
        factor = weights[i] / total
        for j in range(z.shape[1]):
            z_bar[i, j] *= factor
        z_bar[i, c] -= weights[i]
    return -1


@kernel
def losses_and_probabilities(z: Array, classes: Array, losses: Array, y_hat: Array) -> int:
    """Set the losses [R] and `y_hat` to the softmax of z; return the bad row or −1."""
    bad = _first_out_of_range(classes, z.shape[1])
    if bad >= 0:
        return bad
    one = z.dtype.type(1)
    for i in range(z.shape[0]):
        top, total = row_of_exponentials(z, i, y_hat)
        losses[i] = math.log(total) - (z[i, classes[i]] - top)
        inverse = one / total
        for j in range(z.shape[1]):
            y_hat[i, j] *= inverse
    return -1


@kernel
def gradient(y_hat: Array, classes: Array, weights: Array, z_bar: Array) -> int:
    """Set `z_bar` to the gradient, given the softmax of z; return the bad row or −1."""
    bad = _first_out_of_range(classes, y_hat.shape[1])
    if bad >= 0:
        return bad
    for i in range(y_hat.shape[0]):
        weight = weights[i]
        for j in range(y_hat.shape[1]):
            z_bar[i, j] = y_hat[i, j] * weight
        z_bar[i, classes[i]] -= weight
    return -1


# The references


def losses_reference(z: Array, classes: Array) -> Array:
    """Return the losses."""
    top = np.max(z, axis=1, keepdims=True)
    shifted = z - np.where(top == -np.inf, z.dtype.type(0), top)
    total = np.exp(shifted).sum(axis=1)
    return np.log(np.where(total == 0, z.dtype.type(1), total)) - shifted[np.arange(len(z)), classes]


def gradient_reference(z: Array, classes: Array, weights: Array) -> Array:
    """Return the gradient of Σ wᵢ Lᵢ."""
    z_bar = softmax_reference(z) * weights[:, None]
    z_bar[np.arange(len(z)), classes] -= weights
    return z_bar
