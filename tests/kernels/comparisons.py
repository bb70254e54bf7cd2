"""Kernels of rows and of optimisers against their references, on arrays of any size."""

import numpy as np

from chainrule.kernels import cross_entropy, functions, normalization, optimizers, softmax
from chainrule.kernels.native.tasks import run_once

from . import references

COMPARISONS = {}


def comparison(f):
    COMPARISONS[f.__name__] = f
    return f


def agree(what, got, expected, ulps=8):
    """Assert that results are equal up to some units in the last place of the largest, or of 1 where all are smaller;
    `expected` is of float64.
    """
    for k, (a, b) in enumerate(zip(got, expected, strict=True)):
        b = np.asarray(b)
        slack = ulps * np.finfo(a.dtype).eps
        size = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=slack, atol=slack * size, err_msg=f"{what}: result {k}")


class Draws:
    """Random arrays of one dtype, and the same numbers in float64 for the references."""

    def __init__(self, dtype, seed=0):
        self.dtype, self.rng = np.dtype(dtype), np.random.default_rng(seed)

    def normal(self, *shape, scale=1.0):
        return (scale * self.rng.standard_normal(shape)).astype(self.dtype)

    def positive(self, *shape):
        return np.abs(self.normal(*shape)) + self.dtype.type(0.01)

    def empty(self, *shape):
        return np.full(shape, np.nan, self.dtype)


def wide(*arrays):
    return [array.astype(np.float64) for array in arrays]


@comparison
def compare_functions(dtype, rows, columns):
    x = Draws(dtype).normal(rows * columns, scale=4)
    for name, reference in references.FUNCTIONS.items():
        f = getattr(functions, name)
        agree(name, [np.array([f(each) for each in x], x.dtype)], [reference(*wide(x))], ulps=8)


@comparison
def compare_softmax(dtype, rows, columns):
    draw = Draws(dtype)
    x, y_bar = draw.normal(rows, columns, scale=5), draw.normal(rows, columns)
    y, x_bar = draw.empty(rows, columns), draw.empty(rows, columns)
    x[0, 0] = x[-1] = -np.inf
    softmax.softmax(x, y)
    agree("softmax", [y], [references.softmax(*wide(x))], ulps=16)
    softmax.softmax_backward(y_bar, y, x_bar)
    agree("softmax, backward", [x_bar], [references.softmax_backward(*wide(y_bar, y))], ulps=8)


def losses_and_gradient(*arrays):
    """The row of a bad class, or −1: what a compiled program calls."""
    return run_once(cross_entropy.task("losses_and_gradient", *arrays))


@comparison
def compare_cross_entropy(dtype, rows, columns):
    draw = Draws(dtype)
    z, weights = draw.normal(rows, columns, scale=5), draw.positive(rows)
    classes = draw.rng.integers(0, columns, rows)
    losses, z_bar, y_hat = draw.empty(rows), draw.empty(rows, columns), draw.empty(rows, columns)
    expected = references.losses(*wide(z), classes)
    gradient = references.gradient_of_losses(*wide(z), classes, *wide(weights))
    assert losses_and_gradient(z, classes, weights, losses, z_bar) == -1
    agree("losses and gradient", [losses, z_bar], [expected, gradient], ulps=16)
    losses[:] = z_bar[:] = np.nan
    assert cross_entropy.losses_and_probabilities(z, classes.astype(np.int32), losses, y_hat) == -1
    agree("losses and probabilities", [losses, y_hat], [expected, references.softmax(*wide(z))], ulps=16)
    assert cross_entropy.gradient(y_hat, classes, weights, z_bar) == -1
    agree("gradient", [z_bar], [gradient], ulps=16)
    for bad in (-1, columns):
        classes[-1] = bad
        written = [losses, z_bar, y_hat]
        for array in written:
            array[:] = 7
        assert losses_and_gradient(z, classes, weights, losses, z_bar) == rows - 1
        assert cross_entropy.losses_and_probabilities(z, classes.astype(np.int32), losses, y_hat) == rows - 1
        assert cross_entropy.gradient(y_hat, classes, weights, z_bar) == rows - 1
        assert all((array == 7).all() for array in written), "a class out of range: nothing is written"


@comparison
def compare_layer_norm(dtype, rows, columns):
    draw, eps = Draws(dtype), 1e-5
    x, y_bar = draw.normal(rows, columns) + draw.dtype.type(3), draw.normal(rows, columns)
    gamma, beta = draw.normal(columns), draw.normal(columns)
    y, x_hat, x_bar = (draw.empty(rows, columns) for _ in range(3))
    sigma, gamma_bar, beta_bar = draw.empty(rows), draw.empty(columns), draw.empty(columns)
    expected = references.layer_norm(*wide(x, gamma, beta), eps)
    normalization.layer_norm(x, gamma, beta, eps, y, x_hat, sigma)
    agree("layer_norm", [y, x_hat, sigma], expected, ulps=32)
    expected = references.layer_norm_backward(*wide(y_bar, gamma, x_hat, sigma))
    normalization.layer_norm_backward(y_bar, gamma, x_hat, sigma, x_bar, gamma_bar, beta_bar)
    agree("layer_norm, backward", [x_bar, gamma_bar, beta_bar], expected, ulps=16 + rows)
    x_bar[:] = gamma_bar[:] = np.nan
    normalization.layer_norm_adjoint_x(y_bar, gamma, x_hat, sigma, x_bar)
    normalization.adjoint_gamma(y_bar, x_hat, gamma_bar)
    agree("layer_norm, each adjoint", [x_bar, gamma_bar], expected[:2], ulps=16 + rows)


@comparison
def compare_rms_norm(dtype, rows, columns):
    draw, eps = Draws(dtype), 1e-5
    x, y_bar, gamma = draw.normal(rows, columns), draw.normal(rows, columns), draw.normal(columns)
    y, x_hat, x_bar = (draw.empty(rows, columns) for _ in range(3))
    sigma, gamma_bar = draw.empty(rows), draw.empty(columns)
    normalization.rms_norm(x, gamma, eps, y, x_hat, sigma)
    agree("rms_norm", [y, x_hat, sigma], references.rms_norm(*wide(x, gamma), eps), ulps=16)
    expected = references.rms_norm_backward(*wide(y_bar, gamma, x_hat, sigma))
    normalization.rms_norm_adjoint_x(y_bar, gamma, x_hat, sigma, x_bar)
    normalization.adjoint_gamma(y_bar, x_hat, gamma_bar)
    agree("rms_norm, each adjoint", [x_bar, gamma_bar], expected, ulps=16 + rows)


# The states of each step, and settings: lr, or what it makes of it, and the others, weight decay and sign last.
STEPS = {
    "sgd": ("", [(0.1, 0.0, 1.0), (0.1, 0.2, -1.0)]),
    "sgd_momentum": (
        "buffer",
        [(0.1, 0.9, 1.0, False, 0.0, 1.0), (0.1, 0.9, 1.0, True, 0.01, 1.0), (0.1, 0.5, 0.3, False, 0.1, -1.0)],
    ),
    "adam": (
        "mean square",
        [
            (0.01, 0.9, 0.999, 0.03, 1e-8, 0.0, 1.0, 1.0),
            (0.01, 0.5, 0.7, 0.9, 1e-2, 0.1, 1.0, -1.0),
            (0.01, 0.9, 0.999, 1.0, 1e-8, 0.0, 0.99, 1.0),
        ],
    ),
    "adam_amsgrad": ("mean square largest", [(0.01, 0.9, 0.999, 0.03, 1e-8, 0.1, 0.99, -1.0)]),
    "rmsprop": ("square", [(0.01, 0.99, 1e-8, 0.0, 1.0), (0.01, 0.5, 1e-2, 0.1, -1.0)]),
    "rmsprop_momentum": ("square buffer", [(0.01, 0.99, 1e-8, 0.9, 0.1, -1.0)]),
    "rmsprop_centered": ("square mean", [(0.01, 0.99, 1e-2, 0.0, 1.0), (0.01, 0.9, 1e-2, 0.1, -1.0)]),
    "rmsprop_centered_momentum": ("square mean buffer", [(0.01, 0.99, 1e-2, 0.9, 0.1, -1.0)]),
    "adagrad": ("total", [(0.1, 1e-10, 0.0, 1.0), (0.1, 1e-2, 0.1, -1.0)]),
}


def arrays_of_step(dtype, size, states, seed=0):
    """Value, gradient and states; no mean is larger than a root of the mean square can be."""
    draw = Draws(dtype, seed)
    made = {name: draw.positive(size) for name in states.split()}
    if "mean" in made:
        made["mean"] *= np.sqrt(made["square"]) * draw.dtype.type(0.1)
    return [draw.normal(size), draw.normal(size), *made.values()]


@comparison
def compare_optimizers(dtype, rows, columns):
    for name, (states, several) in STEPS.items():
        for settings in several:
            arrays = arrays_of_step(dtype, rows * columns, states)
            expected = wide(*arrays)
            getattr(references, name)(*expected, *settings)
            getattr(optimizers, name)(*arrays, *settings)
            agree(f"{name} {settings}", arrays, expected, ulps=8)
