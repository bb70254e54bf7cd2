r"""Layer normalisation and RMS normalisation of the rows of [R, n], and their backward passes.

$\hat x = (x - \mu) / \sigma$ and $y = \gamma \odot \hat x + \beta$, with the biased variance
$\sigma^2 = \frac{1}{n} \sum_k (x_k - \mu)^2 + \text{eps}$; RMS normalisation is without μ and β. The formulas of the
backward pass are those of `chainrule.rules.norm`.

What is kept for it is $\hat x$ [R, n] and σ [R], as the records do, and not x, μ and σ: of x or $\hat x$ one array has
to live until then in either case, this one lets x be freed or overwritten, and the backward pass has nothing to compute
again. The mean is subtracted before squares are formed, since the difference of two large sums would lose the variance
of rows far from 0. Every array is of one dtype, float32 or float64, in C order; nothing checks this.
"""

import math
from typing import Any

import numpy as np

from .jit import inline, kernel

Array = Any


@inline
def _finish_layer_norm(
    i: int, total: Any, gamma: Array, beta: Array, eps: Any, y: Array, x_hat: Array, sigma: Array
) -> None:
    """Normalise row i of `x_hat`, which holds x and has the sum `total`."""
    real = x_hat.dtype.type
    n = x_hat.shape[1]
    mean = real(total / real(n))
    square = real(0)
    for j in range(n):
        centred = x_hat[i, j] - mean
        x_hat[i, j] = centred
        square += centred * centred
    sigma[i] = math.sqrt(square / real(n) + eps)
    inverse = real(1) / sigma[i]
    for j in range(n):
        h = x_hat[i, j] * inverse
        x_hat[i, j] = h
        y[i, j] = gamma[j] * h + beta[j]


@inline
def _finish_rms_norm(i: int, square: Any, gamma: Array, eps: Any, y: Array, x_hat: Array, sigma: Array) -> None:
    """Normalise row i of `x_hat`, which holds x and has the sum of squares `square`."""
    real = x_hat.dtype.type
    sigma[i] = math.sqrt(square / real(x_hat.shape[1]) + eps)
    inverse = real(1) / sigma[i]
    for j in range(x_hat.shape[1]):
        h = x_hat[i, j] * inverse
        x_hat[i, j] = h
        y[i, j] = gamma[j] * h


@kernel
def layer_norm(x: Array, gamma: Array, beta: Array, eps: float, y: Array, x_hat: Array, sigma: Array) -> None:
    """Set y, x̂ and σ for the rows of x."""
    eps = x.dtype.type(eps)
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            x_hat[i, j] = x[i, j]
            total += x[i, j]
        _finish_layer_norm(i, total, gamma, beta, eps, y, x_hat, sigma)


@kernel
def add_layer_norm(
    x: Array, r: Array, gamma: Array, beta: Array, eps: float, added: Array, y: Array, x_hat: Array, sigma: Array
) -> None:
    """Set `added` to x + r, and y, x̂ and σ for its rows."""
    eps = x.dtype.type(eps)
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            s = x[i, j] + r[i, j]
            added[i, j] = s
            total += s
        for j in range(x.shape[1]):
            x_hat[i, j] = added[i, j]
        _finish_layer_norm(i, total, gamma, beta, eps, y, x_hat, sigma)


@kernel
def layer_norm_backward(
    y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array, gamma_bar: Array, beta_bar: Array
) -> None:
    """Set `x_bar` [R, n], `gamma_bar` [n] and `beta_bar` [n]."""
    real = y_bar.dtype.type
    n = y_bar.shape[1]
    gamma_bar[:] = 0
    beta_bar[:] = 0
    for i in range(y_bar.shape[0]):
        mean, product = real(0), real(0)
        for j in range(n):
            g = gamma[j] * y_bar[i, j]
            mean += g
            product += g * x_hat[i, j]
            gamma_bar[j] += y_bar[i, j] * x_hat[i, j]
            beta_bar[j] += y_bar[i, j]
        mean /= real(n)
        product /= real(n)
        inverse = real(1) / sigma[i]
        for j in range(n):
            x_bar[i, j] = (gamma[j] * y_bar[i, j] - mean - x_hat[i, j] * product) * inverse


@kernel
def layer_norm_adjoint_x(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array) -> None:
    """Set `x_bar` alone."""
    real = y_bar.dtype.type
    n = y_bar.shape[1]
    for i in range(y_bar.shape[0]):
        mean, product = real(0), real(0)
        for j in range(n):
            g = gamma[j] * y_bar[i, j]
            mean += g
            product += g * x_hat[i, j]
        mean /= real(n)
        product /= real(n)
        inverse = real(1) / sigma[i]
        for j in range(n):
            x_bar[i, j] = (gamma[j] * y_bar[i, j] - mean - x_hat[i, j] * product) * inverse


@kernel
def adjoint_gamma(y_bar: Array, x_hat: Array, gamma_bar: Array) -> None:
    """Set `gamma_bar` alone, of either normalisation."""
    gamma_bar[:] = 0
    for i in range(y_bar.shape[0]):
        for j in range(y_bar.shape[1]):
            gamma_bar[j] += y_bar[i, j] * x_hat[i, j]


@kernel
def rms_norm(x: Array, gamma: Array, eps: float, y: Array, x_hat: Array, sigma: Array) -> None:
    """Set y, x̂ and σ for the rows of x."""
    eps = x.dtype.type(eps)
    for i in range(x.shape[0]):
        square = x.dtype.type(0)
        for j in range(x.shape[1]):
            x_hat[i, j] = x[i, j]
            square += x[i, j] * x[i, j]
        _finish_rms_norm(i, square, gamma, eps, y, x_hat, sigma)


@kernel
def add_rms_norm(
    x: Array, r: Array, gamma: Array, eps: float, added: Array, y: Array, x_hat: Array, sigma: Array
) -> None:
    """Set `added` to x + r, and y, x̂ and σ for its rows."""
    eps = x.dtype.type(eps)
    for i in range(x.shape[0]):
        square = x.dtype.type(0)
        for j in range(x.shape[1]):
            s = x[i, j] + r[i, j]
            added[i, j] = s
            square += s * s
        for j in range(x.shape[1]):
            x_hat[i, j] = added[i, j]
        _finish_rms_norm(i, square, gamma, eps, y, x_hat, sigma)


@kernel
def rms_norm_backward(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array, gamma_bar: Array) -> None:
    """Set `x_bar` [R, n] and `gamma_bar` [n]."""
    real = y_bar.dtype.type
    n = y_bar.shape[1]
    gamma_bar[:] = 0
    for i in range(y_bar.shape[0]):
        product = real(0)
        for j in range(n):
            product += gamma[j] * y_bar[i, j] * x_hat[i, j]
            gamma_bar[j] += y_bar[i, j] * x_hat[i, j]
        product /= real(n)
        inverse = real(1) / sigma[i]
        for j in range(n):
            x_bar[i, j] = (gamma[j] * y_bar[i, j] - x_hat[i, j] * product) * inverse


@kernel
def rms_norm_adjoint_x(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array) -> None:
    """Set `x_bar` alone."""
    real = y_bar.dtype.type
    n = y_bar.shape[1]
    for i in range(y_bar.shape[0]):
        product = real(0)
        for j in range(n):
            product += gamma[j] * y_bar[i, j] * x_hat[i, j]
        product /= real(n)
        inverse = real(1) / sigma[i]
        for j in range(n):
            x_bar[i, j] = (gamma[j] * y_bar[i, j] - x_hat[i, j] * product) * inverse


# The references


def layer_norm_reference(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y, x̂ and σ."""
    centred = x - x.mean(axis=1, keepdims=True)
    sigma = np.sqrt((centred * centred).mean(axis=1) + eps)
    x_hat = centred / sigma[:, None]
    return gamma * x_hat + beta, x_hat, sigma


def layer_norm_backward_reference(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, γ and β."""
    g = gamma * y_bar
    x_bar = g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)
    return x_bar / sigma[:, None], (y_bar * x_hat).sum(axis=0), y_bar.sum(axis=0)


def rms_norm_reference(x: Array, gamma: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y, x̂ and σ."""
    sigma = np.sqrt((x * x).mean(axis=1) + eps)
    x_hat = x / sigma[:, None]
    return gamma * x_hat, x_hat, sigma


def rms_norm_backward_reference(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> tuple[Array, Array]:
    """Return the cotangents of x and γ."""
    g = gamma * y_bar
    return (g - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / sigma[:, None], (y_bar * x_hat).sum(axis=0)
