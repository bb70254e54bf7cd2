r"""The steps of the optimisers, each in one pass over flat arrays of one dtype, and two passes over gradients.

`value` and the states are changed in place, `grad` is read. All settings are numbers, so that a learning rate that
changes compiles nothing anew; they are converted to the arrays' dtype once, as NumPy converts a Python number that
meets a float32 array. `weight_decay` λ adds λ · value to the gradient. `sign` is −1 to go up the gradient and else 1.
The mathematics and its sources are those of the classes in `chainrule.optim`. Nothing checks that lengths agree.
"""

from typing import Any

import numpy as np

from .functions import divide, merged, root
from .jit import kernel

Array = Any
Real = Any


@merged
def _gradient(grad: Real, value: Real, weight_decay: Real, sign: Real) -> Real:
    grad = sign * grad
    return grad if weight_decay == type(weight_decay)(0) else grad + weight_decay * value


@merged
def _average(mean: Real, new: Real, decay: Real, share: Real) -> Real:
    return mean * decay + share * new


# Stochastic gradient descent


@kernel
def sgd(value: Array, grad: Array, lr: float, weight_decay: float, sign: float) -> None:
    """Set value ← value − lr · g."""
    real = value.dtype.type
    lr, weight_decay, sign = real(lr), real(weight_decay), real(sign)
    for i in range(value.size):
        value[i] -= lr * _gradient(grad[i], value[i], weight_decay, sign)


@kernel
def sgd_momentum(
    value: Array,
    grad: Array,
    buffer: Array,
    lr: float,
    momentum: float,
    share: float,
    nesterov: bool,
    weight_decay: float,
    sign: float,
) -> None:
    """Set b ← momentum · b + share · g, value ← value − lr · b; with `nesterov` value ← value − lr (g + momentum · b).

    `share` is 1 − dampening, and 1 in the first step, in which b is 0.
    """
    real = value.dtype.type
    lr, momentum, share, weight_decay, sign = real(lr), real(momentum), real(share), real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        b = _average(buffer[i], g, momentum, share)
        buffer[i] = b
        value[i] -= lr * (g + momentum * b if nesterov else b)


# Adam


@kernel
def adam(
    value: Array,
    grad: Array,
    mean: Array,
    square: Array,
    rate: float,
    beta1: float,
    beta2: float,
    divisor: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    sign: float,
) -> None:
    """Set m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², value ← shrink · value − rate · m / (√v / divisor + eps).

    In step t `rate` is lr / (1 − β₁ᵗ) and `divisor` √(1 − β₂ᵗ). `shrink` is 1 for Adam and 1 − lr · λ for AdamW, whose
    `weight_decay` here is 0.
    """
    real = value.dtype.type
    rate, divisor, eps, shrink = real(rate), real(divisor), real(eps), real(shrink)
    weight_decay, sign = real(weight_decay), real(sign)
    decay1, share1, decay2, share2 = real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        m = _average(mean[i], g, decay1, share1)
        v = _average(square[i], g * g, decay2, share2)
        mean[i] = m
        square[i] = v
        value[i] = shrink * value[i] - divide(rate * m, divide(root(v), divisor) + eps)


@kernel
def adam_amsgrad(
    value: Array,
    grad: Array,
    mean: Array,
    square: Array,
    largest: Array,
    rate: float,
    beta1: float,
    beta2: float,
    divisor: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    sign: float,
) -> None:
    """As `adam`, with the largest v so far in place of v."""
    real = value.dtype.type
    rate, divisor, eps, shrink = real(rate), real(divisor), real(eps), real(shrink)
    weight_decay, sign = real(weight_decay), real(sign)
    decay1, share1, decay2, share2 = real(beta1), real(1 - beta1), real(beta2), real(1 - beta2)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        m = _average(mean[i], g, decay1, share1)
        v = _average(square[i], g * g, decay2, share2)
        mean[i] = m
        square[i] = v
        top = largest[i]
        top = top if v <= top or top != top else v  # NaN counts as the largest, as in np.maximum
        largest[i] = top
        value[i] = shrink * value[i] - divide(rate * m, divide(root(top), divisor) + eps)


# RMSprop. One kernel for each set of states: LLVM vectorises no loop that may or may not touch an array.


@kernel
def rmsprop(
    value: Array, grad: Array, square: Array, lr: float, alpha: float, eps: float, weight_decay: float, sign: float
) -> None:
    """Set v ← α v + (1 − α) g², value ← value − lr · g / (√v + eps)."""
    real = value.dtype.type
    lr, decay, share, eps = real(lr), real(alpha), real(1 - alpha), real(eps)
    weight_decay, sign = real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        v = _average(square[i], g * g, decay, share)
        square[i] = v
        value[i] -= lr * divide(g, root(v) + eps)


@kernel
def rmsprop_momentum(
    value: Array,
    grad: Array,
    square: Array,
    buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    sign: float,
) -> None:
    """Set v as `rmsprop` does, b ← momentum · b + g / (√v + eps), value ← value − lr · b."""
    real = value.dtype.type
    lr, decay, share, eps, momentum = real(lr), real(alpha), real(1 - alpha), real(eps), real(momentum)
    weight_decay, sign = real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        v = _average(square[i], g * g, decay, share)
        square[i] = v
        b = buffer[i] * momentum + divide(g, root(v) + eps)
        buffer[i] = b
        value[i] -= lr * b


@kernel
def rmsprop_centered(
    value: Array,
    grad: Array,
    square: Array,
    mean: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    sign: float,
) -> None:
    """As `rmsprop`, with m ← α m + (1 − α) g and √(v − m²) in place of √v."""
    real = value.dtype.type
    lr, decay, share, eps = real(lr), real(alpha), real(1 - alpha), real(eps)
    weight_decay, sign = real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        v = _average(square[i], g * g, decay, share)
        m = _average(mean[i], g, decay, share)
        square[i] = v
        mean[i] = m
        value[i] -= lr * divide(g, root(v - m * m) + eps)


@kernel
def rmsprop_centered_momentum(
    value: Array,
    grad: Array,
    square: Array,
    mean: Array,
    buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    sign: float,
) -> None:
    """As `rmsprop_centered` and `rmsprop_momentum` together."""
    real = value.dtype.type
    lr, decay, share, eps, momentum = real(lr), real(alpha), real(1 - alpha), real(eps), real(momentum)
    weight_decay, sign = real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        v = _average(square[i], g * g, decay, share)
        m = _average(mean[i], g, decay, share)
        square[i] = v
        mean[i] = m
        b = buffer[i] * momentum + divide(g, root(v - m * m) + eps)
        buffer[i] = b
        value[i] -= lr * b


# Adagrad


@kernel
def adagrad(value: Array, grad: Array, total: Array, rate: float, eps: float, weight_decay: float, sign: float) -> None:
    """Set s ← s + g², value ← value − rate · g / (√s + eps); in step t `rate` is lr / (1 + (t − 1) · lr_decay)."""
    real = value.dtype.type
    rate, eps, weight_decay, sign = real(rate), real(eps), real(weight_decay), real(sign)
    for i in range(value.size):
        g = _gradient(grad[i], value[i], weight_decay, sign)
        s = total[i] + g * g
        total[i] = s
        value[i] -= divide(rate * g, root(s) + eps)


# Gradients


@kernel
def sum_of_squares(x: Array) -> float:
    """Return Σ x², squared and added in float64. NaN and infinity stay what they are."""
    total = 0.0
    for i in range(x.size):
        wide = np.float64(x[i])
        total += wide * wide
    return total


@kernel
def scale(x: Array, factor: float) -> None:
    """Set x ← factor · x."""
    factor = x.dtype.type(factor)
    for i in range(x.size):
        x[i] *= factor


# The references, with the same arguments


def _averaged(mean: Array, new: Array, decay: float) -> None:
    mean *= decay
    mean += (1 - decay) * new


def _decayed(value: Array, grad: Array, weight_decay: float, sign: float) -> Array:
    return sign * grad + weight_decay * value if weight_decay else sign * grad


def sgd_reference(value: Array, grad: Array, lr: float, weight_decay: float, sign: float) -> None:
    """See `sgd`."""
    value -= lr * _decayed(value, grad, weight_decay, sign)


def sgd_momentum_reference(
    value: Array,
    grad: Array,
    buffer: Array,
    lr: float,
    momentum: float,
    share: float,
    nesterov: bool,
    weight_decay: float,
    sign: float,
) -> None:
    """See `sgd_momentum`."""
    g = _decayed(value, grad, weight_decay, sign)
    buffer *= momentum
    buffer += share * g
    value -= lr * (g + momentum * buffer if nesterov else buffer)


def adam_reference(
    value: Array,
    grad: Array,
    mean: Array,
    square: Array,
    rate: float,
    beta1: float,
    beta2: float,
    divisor: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    sign: float,
) -> None:
    """See `adam`."""
    largest = np.zeros_like(square)
    settings = (rate, beta1, beta2, divisor, eps, weight_decay, shrink, sign)
    adam_amsgrad_reference(value, grad, mean, square, largest, *settings)


def adam_amsgrad_reference(
    value: Array,
    grad: Array,
    mean: Array,
    square: Array,
    largest: Array,
    rate: float,
    beta1: float,
    beta2: float,
    divisor: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    sign: float,
) -> None:
    """See `adam_amsgrad`."""
    g = _decayed(value, grad, weight_decay, sign)
    _averaged(mean, g, beta1)
    _averaged(square, g * g, beta2)
    np.maximum(largest, square, out=largest)
    value *= shrink
    value -= rate * mean / (np.sqrt(largest) / divisor + eps)


def rmsprop_reference(
    value: Array, grad: Array, square: Array, lr: float, alpha: float, eps: float, weight_decay: float, sign: float
) -> None:
    """See `rmsprop`."""
    buffer = np.zeros_like(value)
    rmsprop_momentum_reference(value, grad, square, buffer, lr, alpha, eps, 0.0, weight_decay, sign)


def rmsprop_momentum_reference(
    value: Array,
    grad: Array,
    square: Array,
    buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    sign: float,
) -> None:
    """See `rmsprop_momentum`."""
    g = _decayed(value, grad, weight_decay, sign)
    _averaged(square, g * g, alpha)
    buffer *= momentum
    buffer += g / (np.sqrt(square) + eps)
    value -= lr * buffer


def rmsprop_centered_reference(
    value: Array,
    grad: Array,
    square: Array,
    mean: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    sign: float,
) -> None:
    """See `rmsprop_centered`."""
    buffer = np.zeros_like(value)
    rmsprop_centered_momentum_reference(value, grad, square, mean, buffer, lr, alpha, eps, 0.0, weight_decay, sign)


def rmsprop_centered_momentum_reference(
    value: Array,
    grad: Array,
    square: Array,
    mean: Array,
    buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    sign: float,
) -> None:
    """See `rmsprop_centered_momentum`."""
    g = _decayed(value, grad, weight_decay, sign)
    _averaged(square, g * g, alpha)
    _averaged(mean, g, alpha)
    buffer *= momentum
    buffer += g / (np.sqrt(square - mean * mean) + eps)
    value -= lr * buffer


def adagrad_reference(
    value: Array, grad: Array, total: Array, rate: float, eps: float, weight_decay: float, sign: float
) -> None:
    """See `adagrad`."""
    g = _decayed(value, grad, weight_decay, sign)
    total += g * g
    value -= rate * g / (np.sqrt(total) + eps)
