"""Correct functions at random: compositions of chainrule's records, at smooth points, on kinks and close to them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

UNARY: dict[str, Callable[[Any], Any]] = {
    "relu": cr.relu,
    "leaky_relu": cr.leaky_relu,
    "elu": cr.elu,
    "gelu": cr.gelu,
    "silu": cr.silu,
    "softplus": cr.softplus,
    "sigmoid": cr.sigmoid,
    "tanh": np.tanh,
    "sin": np.sin,
    "exp of tanh": lambda x: np.exp(np.tanh(x)),
    "log1p of square": lambda x: np.log1p(x * x),
    "sqrt of 1 + square": lambda x: np.sqrt(1 + x * x),
    "abs": np.abs,
    "square": np.square,
    "clip": lambda x: np.clip(x, -1, 1),
    "maximum with 0.5": lambda x: np.maximum(x, 0.5),
    "softmax": lambda x: cr.softmax(x, axis=-1),
    "log_softmax": lambda x: cr.log_softmax(x, axis=-1),
    "sort": lambda x: np.sort(x, axis=-1),
    "cumsum": lambda x: np.cumsum(x, axis=0) / 3,
    "normalised": lambda x: (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 0.1),
    "minus row maximum": lambda x: x - x.max(axis=-1, keepdims=True),
    "where positive": lambda x: np.where(x > 0, x * x, -0.5 * x),
    "transposed twice": lambda x: (x.T * 2).T,
    "reversed": lambda x: x[::-1] - x[:, ::-1],
}
ENDS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "sum": lambda x: x.sum(),
    "mean of squares": lambda x: (x**2).mean(),
    "logsumexp": lambda x: cr.logsumexp(x, axis=-1),
    "maximum": lambda x: x.max(axis=0),
    "norm": lambda x: np.sqrt((x * x).sum() + 0.01),
}


def random_function(seed: int) -> tuple[Callable[..., Any], tuple[Any, ...], str]:
    """Return a function of x and w, the arguments, and what they are in words."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.choice(list(UNARY), rng.integers(1, 5))]
    end = str(rng.choice(list(ENDS)))
    dtype = np.float32 if rng.random() < 0.4 else np.float64
    rows, columns = (int(n) for n in rng.integers(1, 5, 2))
    x, w = rng.standard_normal((rows, columns)), rng.standard_normal((columns, columns))
    near = ("nothing", "zeros", "tiny numbers", "equal numbers")[rng.integers(4)]
    chosen = rng.random(x.shape) < 0.4
    if near == "zeros":
        x[chosen] = 0
    elif near == "tiny numbers":
        x[chosen] *= 10.0 ** rng.uniform(-12, -2)
    elif near == "equal numbers":
        x[chosen] = x.flat[0]
    mixed = rng.random() < 0.5

    def f(x: Any, w: Any) -> Any:
        y = x
        for k, name in enumerate(names):
            y = UNARY[name](y)
            if k == 0:
                y = y @ w if mixed else y + w[0]
        return ENDS[end](y)

    words = f"{', '.join(names)}; {end}; {np.dtype(dtype)} {list(x.shape)}, near {near}{', with @' if mixed else ''}"
    return f, (x.astype(dtype), w.astype(dtype)), words
