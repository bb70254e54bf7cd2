"""What the kernels are held against: the same mathematics on whole arrays of float64, in NumPy."""

import math

import numpy as np

# Functions of an element


def sigmoid(z):
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))


def normal_cdf(z):
    return np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), otypes=[z.dtype])(z)


FUNCTIONS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "normal_cdf": normal_cdf,
    "log1p_exp": lambda x: np.logaddexp(x, 0),
    "sigmoid": sigmoid,
    "gelu": lambda z: z * normal_cdf(z),
    "gelu_tanh": lambda z: z * sigmoid(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)),
    "silu": lambda z: z * sigmoid(z),
}


# Softmax and cross-entropy


def softmax(x):
    top = np.max(x, axis=1, keepdims=True, initial=-np.inf)
    powers = np.exp(x - np.where(top == -np.inf, x.dtype.type(0), top))
    total = powers.sum(axis=1, keepdims=True)
    return powers / np.where(total == 0, x.dtype.type(1), total)


def softmax_backward(y_bar, y):
    return y * (y_bar - np.sum(y_bar * y, axis=1, keepdims=True))


def losses(z, classes):
    top = np.max(z, axis=1, keepdims=True)
    shifted = z - np.where(top == -np.inf, z.dtype.type(0), top)
    total = np.exp(shifted).sum(axis=1)
    return np.log(np.where(total == 0, z.dtype.type(1), total)) - shifted[np.arange(len(z)), classes]


def gradient_of_losses(z, classes, weights):
    """The gradient of the sum of weights times losses."""
    z_bar = softmax(z) * weights[:, None]
    z_bar[np.arange(len(z)), classes] -= weights
    return z_bar


# Normalisation: y, x̂ and σ, and the cotangents of x, γ and β


def layer_norm(x, gamma, beta, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    sigma = np.sqrt((centred * centred).mean(axis=1) + eps)
    x_hat = centred / sigma[:, None]
    return gamma * x_hat + beta, x_hat, sigma


def layer_norm_backward(y_bar, gamma, x_hat, sigma):
    g = gamma * y_bar
    x_bar = g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)
    return x_bar / sigma[:, None], (y_bar * x_hat).sum(axis=0), y_bar.sum(axis=0)


def rms_norm(x, gamma, eps):
    sigma = np.sqrt((x * x).mean(axis=1) + eps)
    x_hat = x / sigma[:, None]
    return gamma * x_hat, x_hat, sigma


def rms_norm_backward(y_bar, gamma, x_hat, sigma):
    g = gamma * y_bar
    return (g - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / sigma[:, None], (y_bar * x_hat).sum(axis=0)


# The steps of the optimisers, in place and with the arguments of `chainrule.kernels.optimizers`


def averaged(mean, new, decay):
    mean *= decay
    mean += (1 - decay) * new


def decayed(value, grad, weight_decay, sign):
    return sign * grad + weight_decay * value if weight_decay else sign * grad


def sgd(value, grad, lr, weight_decay, sign):
    value -= lr * decayed(value, grad, weight_decay, sign)


def sgd_momentum(value, grad, buffer, lr, momentum, share, nesterov, weight_decay, sign):
    g = decayed(value, grad, weight_decay, sign)
    buffer *= momentum
    buffer += share * g
    value -= lr * (g + momentum * buffer if nesterov else buffer)


def adam(value, grad, mean, square, *settings):
    adam_amsgrad(value, grad, mean, square, np.zeros_like(square), *settings)


def adam_amsgrad(value, grad, mean, square, largest, rate, beta1, beta2, divisor, eps, weight_decay, shrink, sign):
    g = decayed(value, grad, weight_decay, sign)
    averaged(mean, g, beta1)
    averaged(square, g * g, beta2)
    np.maximum(largest, square, out=largest)
    value *= shrink
    value -= rate * mean / (np.sqrt(largest) / divisor + eps)


def rmsprop(value, grad, square, lr, alpha, eps, weight_decay, sign):
    rmsprop_momentum(value, grad, square, np.zeros_like(value), lr, alpha, eps, 0.0, weight_decay, sign)


def rmsprop_momentum(value, grad, square, buffer, lr, alpha, eps, momentum, weight_decay, sign):
    g = decayed(value, grad, weight_decay, sign)
    averaged(square, g * g, alpha)
    buffer *= momentum
    buffer += g / (np.sqrt(square) + eps)
    value -= lr * buffer


def rmsprop_centered(value, grad, square, mean, lr, alpha, eps, weight_decay, sign):
    buffer = np.zeros_like(value)
    rmsprop_centered_momentum(value, grad, square, mean, buffer, lr, alpha, eps, 0.0, weight_decay, sign)


def rmsprop_centered_momentum(value, grad, square, mean, buffer, lr, alpha, eps, momentum, weight_decay, sign):
    g = decayed(value, grad, weight_decay, sign)
    averaged(square, g * g, alpha)
    averaged(mean, g, alpha)
    buffer *= momentum
    buffer += g / (np.sqrt(square - mean * mean) + eps)
    value -= lr * buffer


def adagrad(value, grad, total, rate, eps, weight_decay, sign):
    g = decayed(value, grad, weight_decay, sign)
    total += g * g
    value -= rate * g / (np.sqrt(total) + eps)
