"""Activations, one number at a time."""
# A rule takes every argument of its operation, whether it needs it or not.
# ruff: noqa: ARG005

import math

import numpy as np

from .entry import Array, Operation, bug, normal, sigmoid, without

X = normal(4, 5, seed=20)
AWAY = np.where(abs(X) < 0.05, 0.3, X)
"""The same numbers, away from the kink of ReLU."""


def slope_of_sigmoid(x: Array) -> Array:
    return sigmoid(x) * (1 - sigmoid(x))


SIGMOID = Operation(
    "sigmoid",
    sigmoid,
    lambda c, x: c * slope_of_sigmoid(x),
    {"x": X},
    (
        bug("input for output", "output-for-input", lambda c, x: c * x * (1 - x)),
        bug("derivative at the output", "output-for-input", lambda c, x: c * slope_of_sigmoid(sigmoid(x))),
        bug("derivative at 0", "wrong-point factor", lambda c, x: c * 0.25),
        bug("factor forgotten", "missing-term", lambda c, x: c * sigmoid(x)),
        bug("the other factor forgotten", "missing-term", lambda c, x: c * (1 - sigmoid(x))),
        bug("sign", "sign", lambda c, x: -c * slope_of_sigmoid(x)),
        bug("upstream ignored", "missing-term", lambda c, x: slope_of_sigmoid(x)),
        bug("upstream transposed", "transposed axes-swapped", lambda c, x: c.T.reshape(x.shape) * slope_of_sigmoid(x)),
        bug(
            "upstream changed in place",
            "",
            lambda c, x: np.multiply(c, slope_of_sigmoid(x), out=c),
            "mutates-input",
            "y_bar",
        ),
    ),
)

TANH = Operation(
    "tanh",
    np.tanh,
    lambda c, x: c * (1 - np.tanh(x) ** 2),
    {"x": X},
    (
        bug("input for output", "output-for-input", lambda c, x: c * (1 - x**2)),
        bug("square forgotten", "missing-term wrong-point", lambda c, x: c * (1 - np.tanh(x))),
        bug("sign in the derivative", "missing-term", lambda c, x: c * (1 + np.tanh(x) ** 2)),
        bug("derivative forgotten", "missing-term wrong-point", lambda c, x: c + 0 * x),
        bug("wrong by a thousandth", "factor", lambda c, x: 1.001 * c * (1 - np.tanh(x) ** 2)),
        bug("last row of a batch", "partial", lambda c, x: without(c, -1) * (1 - np.tanh(x) ** 2)),
        bug("one column doubled", "accumulated-twice", lambda c, x: c * (1 - np.tanh(x) ** 2) * [1, 1, 2, 1, 1]),
        bug("one wrong element", "partial", lambda c, x: without(c * (1 - np.tanh(x) ** 2), (1, 2))),
    ),
)

CUBIC = 0.044715
"""The constant of GELU's tanh form: Hendrycks & Gimpel, arXiv:1606.08415, §2."""


def gelu(x: Array, cubic: float = CUBIC) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3)))


def gelu_rule(c: Array, x: Array, second: float = 1.0, cubic: float = CUBIC, inner: float = 3.0) -> Array:
    t = np.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3))
    slope = math.sqrt(2 / math.pi) * (1 + inner * cubic * x**2)
    return c * (0.5 * (1 + t) + second * 0.5 * x * (1 - t**2) * slope)


GELU = Operation(
    "GELU",
    gelu,
    gelu_rule,
    {"x": X},
    (
        bug("product rule half done", "missing-term detached", lambda c, x: gelu_rule(c, x, second=0)),
        bug("sign of the second term", "missing-term sign", lambda c, x: gelu_rule(c, x, second=-1)),
        bug("derivative at the output", "output-for-input", lambda c, x: gelu_rule(c, gelu(x))),
        bug(
            "derivative of the inner cube",
            "unexplained missing-term other-argument factor",
            lambda c, x: gelu_rule(c, x, inner=1),
        ),
        bug("constant mistyped", "unexplained missing-term", lambda c, x: gelu_rule(c, x, cubic=0.0044715)),
        bug("factor ½ forgotten", "factor", lambda c, x: 2 * gelu_rule(c, x)),
    ),
)

SILU = Operation(
    "SiLU",
    lambda x: x * sigmoid(x),
    lambda c, x: c * (sigmoid(x) + x * slope_of_sigmoid(x)),
    {"x": X},
    (
        bug("first factor held constant", "missing-term detached", lambda c, x: c * x * slope_of_sigmoid(x)),
        bug("second factor held constant", "missing-term detached", lambda c, x: c * sigmoid(x)),
    ),
)

RELU = Operation(
    "leaky ReLU",
    lambda x: np.where(x > 0, x, 0.1 * x),
    lambda c, x: np.where(x > 0, c, 0.1 * c),
    {"x": AWAY},
    (
        bug("slope forgotten", "partial", lambda c, x: np.where(x > 0, c, 0)),
        bug("mask ignored", "partial", lambda c, x: c + 0 * x),
        bug("sides exchanged", "wrong-point mask", lambda c, x: np.where(x > 0, 0.1 * c, c)),
        bug("mask of the wrong sign", "partial sign", lambda c, x: np.where(x > 0, c, -0.1 * c)),
    ),
)

SQUARE = Operation(
    "square",
    lambda x: x * x,
    lambda c, x: 2 * c * x,
    {"x": X},
    (
        bug("factor 2 forgotten", "factor detached", lambda c, x: c * x),
        bug("output for input", "output-for-input", lambda c, x: 2 * c * x * x),
        bug("upstream squared", "factor missing-term", lambda c, x: 2 * c * c * x),
    ),
)

OPERATIONS = (SIGMOID, TANH, GELU, SILU, RELU, SQUARE)
