"""Convolution and pooling, by loops that are easy to read."""
# A rule takes every argument of its operation, whether it needs it or not.
# ruff: noqa: ARG001, ARG005

import numpy as np

from .entry import Array, Operation, bug, normal, without


def conv(x: Array, W: Array, b: Array) -> Array:
    """Correlate without padding: [N, C, H, W] and [K, C, h, w] give [N, K, H − h + 1, W − w + 1]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,kcij->nkhw", windows, W) + b[:, None, None]


def conv_dx(c: Array, x: Array, W: Array, assign: bool = False) -> Array:
    gradient = np.zeros_like(x)
    _, _, h, w = W.shape
    for i in range(c.shape[2]):
        for j in range(c.shape[3]):
            part = np.einsum("nk,kcij->ncij", c[:, :, i, j], W)
            if assign:
                gradient[:, :, i : i + h, j : j + w] = part
            else:
                gradient[:, :, i : i + h, j : j + w] += part
    return gradient


def conv_dw(c: Array, x: Array, W: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,nkhw->kcij", windows, c)


def conv_rule(c: Array, x: Array, W: Array, b: Array) -> tuple[Array, ...]:
    return conv_dx(c, x, W), conv_dw(c, x, W), c.sum((0, 2, 3))


def _changed(k: int, value: Array, c: Array, *a: Array) -> tuple[Array, ...]:
    grads = conv_rule(c, *a)
    return (*grads[:k], value, *grads[k + 1 :])


def _border(x: Array) -> Array:
    mask = np.zeros(x.shape)
    mask[:, :, 1:-1, 1:-1] = 1
    return mask


CONV = Operation(
    "conv2d",
    conv,
    conv_rule,
    {"x": normal(2, 2, 5, 4, seed=40), "W": normal(2, 2, 3, 3, seed=41), "b": normal(2, seed=42)},
    (
        bug(
            "kernel turned round",
            "axes-swapped",
            lambda c, x, W, b: _changed(0, conv_dx(c, x, W[:, :, ::-1, ::-1]), c, x, W, b),
        ),
        bug(
            "channels exchanged",
            "axes-swapped",
            lambda c, x, W, b: _changed(1, conv_dw(c, x, W).swapaxes(0, 1), c, x, W, b),
        ),
        bug(
            "kernel transposed",
            "axes-swapped",
            lambda c, x, W, b: _changed(1, conv_dw(c, x, W).swapaxes(2, 3), c, x, W, b),
        ),
        bug(
            "windows assigned, not added",
            "partial",
            lambda c, x, W, b: _changed(0, conv_dx(c, x, W, assign=True), c, x, W, b),
        ),
        bug("first image only", "partial", lambda c, x, W, b: _changed(1, conv_dw(c[:1], x[:1], W), c, x, W, b)),
        bug(
            "bias not summed over the batch",
            "broadcast-sum",
            lambda c, x, W, b: _changed(2, c.sum((2, 3)), c, x, W, b),
            "shape",
        ),
        bug(
            "bias averaged over the image", "factor", lambda c, x, W, b: _changed(2, c.mean((2, 3)).sum(0), c, x, W, b)
        ),
        bug("border cropped", "partial", lambda c, x, W, b: _changed(0, conv_dx(c, x, W) * _border(x), c, x, W, b)),
        bug(
            "padding off by one", "shifted", lambda c, x, W, b: _changed(0, np.roll(conv_dx(c, x, W), 1, 2), c, x, W, b)
        ),
        bug(
            "kernel gradient reversed",
            "axes-swapped",
            lambda c, x, W, b: _changed(1, conv_dw(c, x, W)[..., ::-1], c, x, W, b),
        ),
        bug("averaged over the batch", "factor", lambda c, x, W, b: _changed(1, conv_dw(c, x, W) / len(x), c, x, W, b)),
        bug(
            "operand's channels exchanged",
            "axes-swapped transposed",
            lambda c, x, W, b: _changed(0, conv_dx(c, x, W.swapaxes(0, 1)), c, x, W, b),
        ),
    ),
)


def blocks(x: Array) -> Array:
    n, m = x.shape
    return x.reshape(n // 2, 2, m // 2, 2).swapaxes(1, 2).reshape(n // 2, m // 2, 4)


def unblocked(a: Array) -> Array:
    n, m, _ = a.shape
    return a.reshape(n, m, 2, 2).swapaxes(1, 2).reshape(2 * n, 2 * m)


def pool(x: Array) -> Array:
    """Return the largest of each 2 × 2 block."""
    return blocks(x).max(-1)


def pool_rule(c: Array, x: Array, chosen: Array | None = None) -> Array:
    place = blocks(x).argmax(-1) if chosen is None else chosen
    return unblocked(np.eye(4)[place] * c[..., None])


POOL = Operation(
    "max pool",
    pool,
    pool_rule,
    {"x": np.random.default_rng(43).permutation(24).reshape(4, 6) / 5.0},
    (
        bug(
            "to the first of each window", "wrong-point partial", lambda c, x: pool_rule(c, x, 0 * blocks(x).argmax(-1))
        ),
        bug("to the smallest", "wrong-point", lambda c, x: pool_rule(c, x, blocks(x).argmin(-1))),
        bug("to the whole window", "partial", lambda c, x: unblocked(np.repeat(c[..., None], 4, -1))),
        bug("off by one", "shifted", lambda c, x: np.roll(pool_rule(c, x), 1, 1)),
        bug("last row of windows lost", "partial", lambda c, x: pool_rule(without(c, -1), x)),
        bug("divided by the window", "factor", lambda c, x: pool_rule(c, x) / 4),
    ),
)

OPERATIONS = (CONV, POOL)
