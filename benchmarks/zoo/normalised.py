"""Softmax and its loss, layer norm, batch norm: rules with sums inside."""
# A rule takes every argument of its operation, whether it needs it or not.
# ruff: noqa: ARG001, ARG005

import numpy as np

from .entry import Array, Operation, bug, normal, softmax


def softmax_rule(c: Array, x: Array) -> Array:
    y = softmax(x)
    return y * (c - (c * y).sum(-1, keepdims=True))


def _softmax_over(c: Array, y: Array, axis: int) -> Array:
    return y * (c - (c * y).sum(axis, keepdims=True))


SOFTMAX = Operation(
    "softmax",
    softmax,
    softmax_rule,
    {"x": normal(4, 6, seed=30)},
    (
        bug("sum left out", "missing-term", lambda c, x: softmax(x) * c),
        bug(
            "only the diagonal of the Jacobian", "partial missing-term", lambda c, x: c * softmax(x) * (1 - softmax(x))
        ),
        bug("sum over the wrong axis", "axes-swapped missing-term", lambda c, x: _softmax_over(c, softmax(x), 0)),
        bug("softmax over the wrong axis", "axes-swapped unexplained", lambda c, x: _softmax_over(c, softmax(x, 0), 0)),
        bug(
            "mean in place of the sum",
            "missing-term",
            lambda c, x: softmax(x) * (c - (c * softmax(x)).mean(-1, keepdims=True)),
        ),
        bug("input for output", "output-for-input", lambda c, x: _softmax_over(c, x, -1)),
        bug("upstream ignored", "detached missing-term", lambda c, x: softmax_rule(np.ones_like(c), x), "missing"),
        bug("sign of the sum", "missing-term", lambda c, x: softmax(x) * (c + (c * softmax(x)).sum(-1, keepdims=True))),
    ),
)


def cross_entropy(z: Array, t: Array) -> Array:
    shifted = z - z.max(-1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(z)), t])


def hot(z: Array, t: Array) -> Array:
    return np.eye(z.shape[-1])[t]


def cross_entropy_rule(c: Array, z: Array, t: Array) -> Array:
    return c * (softmax(z) - hot(z, t)) / len(z)


CROSS_ENTROPY = Operation(
    "softmax cross-entropy",
    cross_entropy,
    cross_entropy_rule,
    {"z": normal(5, 4, seed=31), "t": np.array([0, 2, 1, 0, 2])},
    (
        bug("mean against sum", "factor", lambda c, z, t: c * (softmax(z) - hot(z, t))),
        bug("target minus output", "sign", lambda c, z, t: c * (hot(z, t) - softmax(z)) / len(z)),
        bug("one-hot target forgotten", "missing-term", lambda c, z, t: c * softmax(z) / len(z)),
        bug("target off by one", "shifted", lambda c, z, t: c * (softmax(z) - hot(z, t + 1)) / len(z)),
        bug("logits for probabilities", "output-for-input", lambda c, z, t: c * (z - hot(z, t)) / len(z)),
        bug("softmax twice", "output-for-input", lambda c, z, t: c * (softmax(softmax(z)) - hot(z, t)) / len(z)),
        bug("divided by the classes", "square-only factor", lambda c, z, t: c * (softmax(z) - hot(z, t)) / z.shape[1]),
        bug("upstream ignored", "factor missing-term", lambda c, z, t: (softmax(z) - hot(z, t)) / len(z)),
        bug("last sample left out", "partial", lambda c, z, t: cross_entropy_rule(c, z, t) * [[1], [1], [1], [1], [0]]),
        bug("true class only", "partial", lambda c, z, t: cross_entropy_rule(c, z, t) * hot(z, t)),
        bug(
            "softmax over the batch",
            "unexplained axes-swapped",
            lambda c, z, t: c * (softmax(z, 0) - hot(z, t)) / len(z),
        ),
    ),
)

EPS = 1e-5


def hat(x: Array, axis: int) -> Array:
    return (x - x.mean(axis, keepdims=True)) / deviation(x, axis)


def deviation(x: Array, axis: int) -> Array:
    return np.sqrt(x.var(axis, keepdims=True) + EPS)


def norm_dx(c: Array, x: Array, axis: int, mean: float = 1.0, variance: float = 1.0, over: int | None = None) -> Array:
    """Return the gradient of x̂ over an axis, with the weights of its two sums."""
    over = axis if over is None else over
    x_hat = hat(x, axis)
    sums = mean * c.mean(over, keepdims=True) + variance * x_hat * (c * x_hat).mean(over, keepdims=True)
    return (c - sums) / deviation(x, axis)


def layer_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return hat(x, -1) * gamma + beta


def layer_norm_rule(c: Array, x: Array, gamma: Array, beta: Array, **terms: float) -> tuple[Array, ...]:
    return norm_dx(c * gamma, x, -1, **terms), (c * hat(x, -1)).sum(0), c.sum(0)


def _with_dx(dx: Array, c: Array, x: Array, axis: int) -> tuple[Array, ...]:
    return dx, (c * hat(x, axis)).sum(0), c.sum(0)


NORM_ARGUMENTS = {
    "x": normal(5, 6, seed=32),
    "gamma": 1 + 0.3 * normal(6, seed=33),
    "beta": normal(6, seed=34),
}

LAYER_NORM = Operation(
    "layer norm",
    layer_norm,
    layer_norm_rule,
    NORM_ARGUMENTS,
    (
        bug("mean term left out", "missing-term", lambda c, *a: layer_norm_rule(c, *a, mean=0)),
        bug("variance term left out", "missing-term detached", lambda c, *a: layer_norm_rule(c, *a, variance=0)),
        bug(
            "statistics taken as constants",
            "detached missing-term",
            lambda c, *a: layer_norm_rule(c, *a, mean=0, variance=0),
        ),
        bug("gamma forgotten", "missing-term", lambda c, x, g, b: _with_dx(norm_dx(c, x, -1), c, x, -1)),
        bug(
            "deviation forgotten",
            "factor",
            lambda c, x, g, b: _with_dx(norm_dx(c * g, x, -1) * deviation(x, -1), c, x, -1),
        ),
        bug(
            "raw input in dγ", "output-for-input", lambda c, x, g, b: (norm_dx(c * g, x, -1), (c * x).sum(0), c.sum(0))
        ),
        bug(
            "output in dγ",
            "output-for-input",
            lambda c, x, g, b: (norm_dx(c * g, x, -1), (c * layer_norm(x, g, b)).sum(0), c.sum(0)),
        ),
        bug("sums over the batch", "axes-swapped missing-term", lambda c, *a: layer_norm_rule(c, *a, over=0)),
        bug(
            "dγ and dβ exchanged",
            "other-argument",
            lambda c, x, g, b: (norm_dx(c * g, x, -1), c.sum(0), (c * hat(x, -1)).sum(0)),
        ),
        bug("dβ averaged", "factor", lambda c, x, g, b: (norm_dx(c * g, x, -1), (c * hat(x, -1)).sum(0), c.mean(0))),
        bug(
            "dγ not summed",
            "broadcast-sum",
            lambda c, x, g, b: (norm_dx(c * g, x, -1), c * hat(x, -1), c.sum(0)),
            "shape",
        ),
        bug("unbiased variance", "missing-term factor", lambda c, *a: layer_norm_rule(c, *a, variance=6 / 5)),
    ),
)


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return hat(x, 0) * gamma + beta


def batch_norm_rule(c: Array, x: Array, gamma: Array, beta: Array, **terms: float) -> tuple[Array, ...]:
    return norm_dx(c * gamma, x, 0, **terms), (c * hat(x, 0)).sum(0), c.sum(0)


BATCH_NORM = Operation(
    "batch norm",
    batch_norm,
    batch_norm_rule,
    NORM_ARGUMENTS,
    (
        bug("mean term left out", "missing-term", lambda c, *a: batch_norm_rule(c, *a, mean=0)),
        bug("variance term left out", "missing-term detached", lambda c, *a: batch_norm_rule(c, *a, variance=0)),
        bug(
            "statistics taken as constants",
            "detached missing-term",
            lambda c, *a: batch_norm_rule(c, *a, mean=0, variance=0),
        ),
        bug("sums over the features", "axes-swapped missing-term", lambda c, *a: batch_norm_rule(c, *a, over=1)),
        bug("gamma forgotten", "missing-term factor", lambda c, x, g, b: _with_dx(norm_dx(c, x, 0), c, x, 0)),
        bug(
            "divided by the variance",
            "factor",
            lambda c, x, g, b: _with_dx(norm_dx(c * g, x, 0) / deviation(x, 0), c, x, 0),
        ),
        bug("sign of the variance term", "missing-term sign", lambda c, *a: batch_norm_rule(c, *a, variance=-1)),
        bug(
            "sum over the wrong axis in dβ",
            "broadcast-sum",
            lambda c, x, g, b: (norm_dx(c * g, x, 0), (c * hat(x, 0)).sum(0), c.sum(1)),
            "shape",
        ),
    ),
)

OPERATIONS = (SOFTMAX, CROSS_ENTROPY, LAYER_NORM, BATCH_NORM)
