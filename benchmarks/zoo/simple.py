"""Losses, dropout, broadcasting, statistics."""
# A rule takes every argument of its operation, whether it needs it or not.
# ruff: noqa: ARG001, ARG005

import numpy as np

from .entry import Array, Operation, bug, normal, without

MSE = Operation(
    "mean squared error",
    lambda p, t: np.mean((p - t) ** 2),
    lambda c, p, t: (2 * c * (p - t) / p.size, -2 * c * (p - t) / p.size),
    {"p": normal(4, 3, seed=60), "t": normal(4, 3, seed=61)},
    (
        bug("factor 2 forgotten", "factor", lambda c, p, t: (c * (p - t) / p.size, -c * (p - t) / p.size)),
        bug("mean against sum", "factor", lambda c, p, t: (2 * c * (p - t), -2 * c * (p - t))),
        bug(
            "divided by the batch only", "factor", lambda c, p, t: (2 * c * (p - t) / len(p), -2 * c * (p - t) / len(p))
        ),
        bug(
            "same sign for both",
            "sign other-argument",
            lambda c, p, t: (2 * c * (p - t) / p.size, 2 * c * (p - t) / p.size),
        ),
        bug(
            "gradients in the wrong order",
            "sign other-argument",
            lambda c, p, t: (-2 * c * (p - t) / p.size, 2 * c * (p - t) / p.size),
        ),
        bug("target forgotten", "missing-term", lambda c, p, t: (2 * c * p / p.size, -2 * c * (p - t) / p.size)),
        bug(
            "upstream ignored", "factor missing-term", lambda c, p, t: (2 * (p - t) / p.size, -2 * c * (p - t) / p.size)
        ),
    ),
)

MASK = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 1, 1]])
KEEP = 0.6
_DRAWS = np.random.default_rng(0)

DROPOUT = Operation(
    "dropout",
    lambda x, mask: x * mask / KEEP,
    lambda c, x, mask: c * mask / KEEP,
    {"x": normal(4, 5, seed=62), "mask": MASK},
    (
        bug("mask not applied", "partial", lambda c, x, mask: c / KEEP),
        bug("scale forgotten", "factor", lambda c, x, mask: c * mask),
        bug("mask inverted", "partial unexplained mask other-argument", lambda c, x, mask: c * (1 - mask) / KEEP),
        bug("a new mask", "", lambda c, x, mask: c * (_DRAWS.random(x.shape) < KEEP) / KEEP, "non-deterministic", "x"),
        bug(
            "another mask, the same each time",
            "partial unexplained shifted",
            lambda c, x, mask: c * np.roll(mask, 1, 0) / KEEP,
        ),
        bug("scale twice", "factor", lambda c, x, mask: c * mask / KEEP**2),
    ),
)


def scaled(x: Array, s: Array, t: Array) -> Array:
    return x * s + t


def scaled_rule(c: Array, x: Array, s: Array, t: Array) -> tuple[Array, ...]:
    return c * s, (c * x).sum(0), c.sum(1, keepdims=True)


SCALED = Operation(
    "scale and add",
    scaled,
    scaled_rule,
    {"x": normal(4, 4, seed=63), "s": normal(4, seed=64), "t": normal(4, 1, seed=65)},
    (
        bug(
            "sum over the wrong axis",
            "broadcast-sum",
            lambda c, x, s, t: (c * s, (c * x).sum(1), c.sum(1, keepdims=True)),
        ),
        bug(
            "sum over the wrong axis, kept",
            "broadcast-sum",
            lambda c, x, s, t: (c * s, (c * x).sum(0), c.sum(0)[:, None]),
        ),
        bug("sum missing", "broadcast-sum", lambda c, x, s, t: (c * s, c * x, c.sum(1, keepdims=True)), "shape"),
        bug(
            "axis not kept", "broadcast-sum axes-swapped", lambda c, x, s, t: (c * s, (c * x).sum(0), c.sum(1)), "shape"
        ),
        bug("input forgotten", "missing-term", lambda c, x, s, t: (c * s, c.sum(0), c.sum(1, keepdims=True))),
        bug("scale forgotten", "missing-term", lambda c, x, s, t: (c + 0 * s, (c * x).sum(0), c.sum(1, keepdims=True))),
        bug("mean in place of the sum", "factor", lambda c, x, s, t: (c * s, (c * x).mean(0), c.sum(1, keepdims=True))),
        bug(
            "output for input",
            "output-for-input",
            lambda c, x, s, t: (c * s, (c * scaled(x, s, t)).sum(0), c.sum(1, keepdims=True)),
        ),
        bug(
            "diagonal left out",
            "partial",
            lambda c, x, s, t: (c * s * (1 - np.eye(4)), (c * x).sum(0), c.sum(1, keepdims=True)),
        ),
        bug(
            "padded positions",
            "partial",
            lambda c, x, s, t: (without(c * s, (slice(None), 3)), (c * x).sum(0), c.sum(1, keepdims=True)),
        ),
        bug(
            "upper triangle only",
            "partial",
            lambda c, x, s, t: (np.triu(c * s), (c * x).sum(0), c.sum(1, keepdims=True)),
        ),
    ),
)

VARIANCE = Operation(
    "variance",
    lambda x: x.var(axis=1, ddof=1),
    lambda c, x: 2 * c[:, None] * (x - x.mean(1, keepdims=True)) / (x.shape[1] - 1),
    {"x": normal(3, 6, seed=66)},
    (
        bug(
            "biased against unbiased",
            "factor",
            lambda c, x: 2 * c[:, None] * (x - x.mean(1, keepdims=True)) / x.shape[1],
        ),
        bug("mean forgotten", "missing-term", lambda c, x: 2 * c[:, None] * x / (x.shape[1] - 1)),
        bug("mean over everything", "missing-term", lambda c, x: 2 * c[:, None] * (x - x.mean()) / (x.shape[1] - 1)),
        bug(
            "rows reversed",
            "axes-swapped",
            lambda c, x: 2 * c[::-1, None] * (x - x.mean(1, keepdims=True)) / (x.shape[1] - 1),
        ),
    ),
)


def running(x: Array) -> Array:
    return np.cumsum(x, axis=1)


RUNNING = Operation(
    "running sum",
    running,
    lambda c, x: np.cumsum(c[:, ::-1], axis=1)[:, ::-1],
    {"x": normal(3, 5, seed=67)},
    (
        bug("not reversed", "axes-swapped", lambda c, x: np.cumsum(c, axis=1)[:, ::-1]),
        bug("reversed once", "transposed axes-swapped unexplained", lambda c, x: np.cumsum(c, axis=1)),
        bug("own time step only", "partial", lambda c, x: c + 0 * x),
        bug("off by one in time", "shifted partial", lambda c, x: np.cumsum(c[:, ::-1], axis=1)[:, ::-1] - c),
        bug("over the wrong axis", "axes-swapped unexplained", lambda c, x: np.cumsum(c[::-1], axis=0)[::-1]),
    ),
)

OPERATIONS = (MSE, DROPOUT, SCALED, VARIANCE, RUNNING)
