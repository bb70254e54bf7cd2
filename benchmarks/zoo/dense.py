"""Linear maps, the embedding, the recurrent cell, the residual block, the Gram matrix."""
# A rule takes every argument of its operation, whether it needs it or not.
# ruff: noqa: ARG001, ARG005

import numpy as np

from .entry import Array, Operation, bug, normal, without


def linear(x: Array, W: Array, b: Array) -> Array:
    return x @ W + b


def linear_rule(c: Array, x: Array, W: Array, b: Array) -> tuple[Array, ...]:
    return c @ W.T, x.T @ c, c.sum(0)


def _scaling_in_place(c: Array, x: Array, W: Array, b: Array) -> tuple[Array, ...]:
    gradients = linear_rule(c, x, W, b)
    x *= 2
    return gradients


LINEAR = Operation(
    "linear",
    linear,
    linear_rule,
    {"x": normal(5, 4, seed=1), "W": normal(4, 3, seed=2), "b": normal(3, seed=3)},
    (
        bug("sign", "sign", lambda c, x, W, b: (c @ W.T, -x.T @ c, c.sum(0))),
        bug("mean against sum", "factor", lambda c, x, W, b: (c @ W.T, x.T @ c / len(x), c.sum(0))),
        bug("mean against sum in the bias", "factor", lambda c, x, W, b: (c @ W.T, x.T @ c, c.mean(0))),
        bug("gradient transposed", "transposed", lambda c, x, W, b: (c @ W.T, c.T @ x, c.sum(0)), "shape"),
        bug("broadcast sum missing", "broadcast-sum", lambda c, x, W, b: (c @ W.T, x.T @ c, c), "shape"),
        bug("sum over the wrong axis", "broadcast-sum", lambda c, x, W, b: (c @ W.T, x.T @ c, c.sum(1)), "shape"),
        bug("summed to a number", "broadcast-sum", lambda c, x, W, b: (c @ W.T, x.T @ c, c.sum()), "shape"),
        bug("last sample left out", "partial", lambda c, x, W, b: (c @ W.T, x[:-1].T @ c[:-1], c.sum(0))),
        bug("only the first sample", "partial", lambda c, x, W, b: (c @ W.T, x.T @ c, c[0])),
        bug("gradient never set", "detached", lambda c, x, W, b: (c @ W.T, np.zeros_like(W), c.sum(0)), "missing"),
        bug("None returned", "", lambda c, x, W, b: (c @ W.T, x.T @ c, None), "missing"),
        bug("too few gradients", "", lambda c, x, W, b: (c @ W.T, x.T @ c), "signature", "*"),
        bug("single precision", "", lambda c, x, W, b: (c @ W.T, (x.T @ c).astype(np.float32), c.sum(0)), "dtype"),
        bug("input changed", "", _scaling_in_place, "mutates-input", "x"),
        bug("rows off by one", "shifted", lambda c, x, W, b: (np.roll(c @ W.T, 1, 0), x.T @ c, c.sum(0))),
        bug("upstream ignored", "missing-term", lambda c, x, W, b: (np.ones_like(c) @ W.T, x.T @ c, c.sum(0))),
        bug("nan from 0/0", "", lambda c, x, W, b: (c @ W.T, x.T @ c, c.sum(0) * 0 / 0), "not-finite"),
    ),
)


SQUARE = Operation(
    "square linear",
    lambda x, W: x @ W,
    lambda c, x, W: (c @ W.T, x.T @ c),
    {"x": normal(4, 4, seed=4), "W": normal(4, 4, seed=5)},
    (
        bug("operand not transposed", "transposed", lambda c, x, W: (c @ W, x.T @ c)),
        bug("operand not transposed, weight", "transposed", lambda c, x, W: (c @ W.T, x @ c)),
        bug("gradient transposed", "transposed", lambda c, x, W: (c @ W.T, c.T @ x)),
        bug("gradients in the wrong order", "other-argument", lambda c, x, W: (x.T @ c, c @ W.T)),
        bug(
            "right only for square shapes",
            "square-only",
            lambda c, x, W: (c @ W.T * len(W) / W.shape[1], x.T @ c),
            place="x",
        ),
    ),
)

TALL = Operation(
    "row mean",
    lambda x: x.mean(axis=1),
    lambda c, x: np.repeat(c[:, None], x.shape[1], 1) / x.shape[1],
    {"x": normal(5, 4, seed=6)},
    (
        bug("rows counted for columns", "square-only factor", lambda c, x: c[:, None] * np.ones_like(x) / len(x)),
        bug("mean against sum", "factor", lambda c, x: c[:, None] * np.ones_like(x)),
        bug("mean over everything", "factor", lambda c, x: c[:, None] * np.ones_like(x) / x.size),
    ),
)


def embedding(table: Array, index: Array) -> Array:
    return table[index]


def embedding_rule(c: Array, table: Array, index: Array) -> Array:
    gradient = np.zeros_like(table)
    np.add.at(gradient, index, c)
    return gradient


def _assigned(c: Array, table: Array, index: Array) -> Array:
    gradient = np.zeros_like(table)
    gradient[index] = c
    return gradient


def _twice_where_repeated(c: Array, table: Array, index: Array) -> Array:
    repeats = np.bincount(index, minlength=len(table))
    return embedding_rule(c, table, index) * np.where(repeats > 1, 2, 1)[:, None]


EMBEDDING = Operation(
    "embedding",
    embedding,
    embedding_rule,
    {"table": normal(6, 3, seed=7), "index": np.array([1, 4, 1, 0, 4, 4])},
    (
        bug("assigned, not added", "partial", _assigned),
        bug("repeated rows twice", "accumulated-twice", _twice_where_repeated),
        bug("index off by one", "shifted", lambda c, t, i: embedding_rule(c, t, i + 1)),
        bug("padding row dropped", "partial", lambda c, t, i: without(embedding_rule(c, t, i), 0)),
        bug("divided by the count", "factor partial", lambda c, t, i: _by_count(c, t, i)),
        bug("last token left out", "partial", lambda c, t, i: embedding_rule(c[:-1], t, i[:-1])),
    ),
)


def _by_count(c: Array, table: Array, index: Array) -> Array:
    repeats = np.bincount(index, minlength=len(table))
    return embedding_rule(c, table, index) / np.maximum(repeats, 1)[:, None]


def cell(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    return np.tanh(x @ Wx + h @ Wh + b)


def cell_rule(
    c: Array, x: Array, h: Array, Wx: Array, Wh: Array, b: Array, slope: Array | None = None
) -> tuple[Array, ...]:
    dz = c * (1 - cell(x, h, Wx, Wh, b) ** 2 if slope is None else slope)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, h.T @ dz, dz.sum(0)


def _preactivation(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    return x @ Wx + h @ Wh + b


def _changed(k: int, value: Array, grads: tuple[Array, ...]) -> tuple[Array, ...]:
    return (*grads[:k], value, *grads[k + 1 :])


CELL = Operation(
    "RNN cell",
    cell,
    cell_rule,
    {
        "x": normal(3, 4, seed=8, scale=0.3),
        "h": normal(3, 4, seed=9, scale=0.3),
        "Wx": normal(4, 4, seed=10, scale=0.3),
        "Wh": normal(4, 4, seed=11, scale=0.3),
        "b": normal(4, seed=12, scale=0.3),
    },
    (
        bug("activation derivative forgotten", "missing-term", lambda c, *a: cell_rule(c, *a, slope=1.0)),
        bug("input for output", "output-for-input", lambda c, *a: cell_rule(c, *a, slope=1 - _preactivation(*a) ** 2)),
        bug(
            "derivative at the output",
            "output-for-input",
            lambda c, *a: cell_rule(c, *a, slope=1 - np.tanh(cell(*a)) ** 2),
        ),
        bug(
            "derivative applied twice",
            "accumulated-twice",
            lambda c, *a: cell_rule(c, *a, slope=(1 - cell(*a) ** 2) ** 2),
        ),
        bug("recurrent path cut", "detached", lambda c, *a: _changed(1, 0 * a[1], cell_rule(c, *a)), "missing"),
        bug(
            "state and input exchanged",
            "other-argument",
            lambda c, *a: _changed(3, cell_rule(c, *a)[2], cell_rule(c, *a)),
        ),
        bug(
            "recurrent weight not transposed",
            "transposed",
            lambda c, *a: _changed(1, (c * (1 - cell(*a) ** 2)) @ a[3], cell_rule(c, *a)),
        ),
        bug(
            "bias sum over the wrong axis",
            "broadcast-sum",
            lambda c, *a: _changed(4, (c * (1 - cell(*a) ** 2)).sum(1), cell_rule(c, *a)),
            "shape",
        ),
        bug("everything twice", "factor accumulated-twice", lambda c, *a: tuple(2 * g for g in cell_rule(c, *a))),
        bug("weights updated before use", "wrong-point", lambda c, *a: _updated(c, *a)),
    ),
)


def _updated(c: Array, x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, ...]:
    grads = cell_rule(c, x, h, Wx, Wh, b)
    dz = c * (1 - cell(x, h, Wx, Wh, b) ** 2)
    return (dz @ (Wx - 0.1 * grads[2]).T, *grads[1:])


def residual(x: Array, W: Array) -> Array:
    return x + np.tanh(x @ W)


def residual_rule(c: Array, x: Array, W: Array, skip: float = 1.0, branch: float = 1.0) -> tuple[Array, Array]:
    dz = c * (1 - np.tanh(x @ W) ** 2)
    return skip * c + branch * dz @ W.T, x.T @ dz


RESIDUAL = Operation(
    "residual block",
    residual,
    residual_rule,
    {"x": normal(3, 4, seed=13), "W": normal(4, 4, seed=14)},
    (
        bug("skip path cut", "detached", lambda c, x, W: residual_rule(c, x, W, skip=0)),
        bug("branch cut", "detached", lambda c, x, W: residual_rule(c, x, W, branch=0)),
        bug("skip path twice", "accumulated-twice", lambda c, x, W: residual_rule(c, x, W, skip=2)),
        bug("skip path subtracted", "missing-term sign", lambda c, x, W: residual_rule(c, x, W, skip=-1)),
    ),
)

GRAM = Operation(
    "Gram matrix",
    lambda x: x @ x.T,
    lambda c, x: (c + c.T) @ x,
    {"x": normal(4, 3, seed=15)},
    (
        bug("one of two uses", "detached", lambda c, x: c @ x),
        bug("the other of two uses", "detached", lambda c, x: c.T @ x),
        bug("upstream taken for symmetric", "detached", lambda c, x: 2 * c @ x),
    ),
)

OPERATIONS = (LINEAR, SQUARE, TALL, EMBEDDING, CELL, RESIDUAL, GRAM)
