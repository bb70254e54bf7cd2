"""Random compositions of chainrule's operations: their gradients are right, so that no alarm may be raised."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

Step = Callable[[Any], Any]

ELEMENTWISE: dict[str, Step] = {
    "tanh": cr.tanh,
    "sigmoid": cr.sigmoid,
    "softplus": cr.softplus,
    "gelu": cr.gelu,
    "silu": cr.silu,
    "sin": np.sin,
    "square": np.square,
    "exp of a part": lambda x: np.exp(0.3 * cr.tanh(x)),
    "log": lambda x: np.log1p(x * x),
    "sqrt": lambda x: np.sqrt(1 + x * x),
    "reciprocal": lambda x: 1 / (2 + np.cos(x)),
    "relu": cr.relu,
    "abs": np.abs,
    "leaky relu": cr.leaky_relu,
    "clip": lambda x: np.clip(x, -1, 1),
    "maximum": lambda x: np.maximum(x, 0.5 * x + 0.1),
}
ARRANGING: dict[str, Step] = {
    "softmax": cr.softmax,
    "log softmax": cr.log_softmax,
    "centre": lambda x: x - x.mean(axis=-1, keepdims=True),
    "normalise": lambda x: x / np.sqrt(1 + (x * x).sum(axis=-1, keepdims=True)),
    "transpose": lambda x: x.T,
    "flip": lambda x: x[::-1],
    "roll": lambda x: np.roll(x, 1, axis=0),
    "gram": lambda x: 0.2 * (x @ x.T) @ x,
    "cumulative sum": lambda x: 0.5 * np.cumsum(x, axis=0),
    "sort": lambda x: np.sort(x, axis=-1),
    "largest": lambda x: x + x.max(axis=-1, keepdims=True),
    "gather": lambda x: x[np.array([0, 0, 1])],
    "join": lambda x: cr.concatenate([x, 0.5 * x[:1]]),
}
STEPS = {**ELEMENTWISE, **ARRANGING}


def composition(seed: int) -> tuple[str, Callable[..., Any], list[Any]]:
    """Return a random function in words, the function, and arguments, every other time in float32."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.choice(list(STEPS), size=rng.integers(1, 6))]
    dtype = np.float32 if seed % 2 else np.float64
    x = rng.standard_normal((int(rng.integers(2, 5)), int(rng.integers(2, 5)))).astype(dtype)
    if seed % 10 == 0:
        x.flat[0] = 0.0
    w = rng.standard_normal(x.shape[-1:]).astype(dtype)

    def f(x: Any, w: Any) -> Any:
        y = x * w + x
        for name in names:
            y = STEPS[name](y)
        return y

    return f"{np.dtype(dtype)} {' → '.join(names)}, seed {seed}", f, [x, w]


def alarms(count: int) -> list[str]:
    """Return the compositions, of so many, of which the checker says that something is wrong."""
    found = []
    for seed in range(count):
        words, f, args = composition(seed)
        try:
            report = cr.check(f, *args, seed=seed)
        except Exception as error:  # an alarm as well, said by name
            found.append(f"{words}: raised {type(error).__name__}: {error}")
            continue
        if not report.ok:
            found.append(f"{words}: {report.verdict}")
    return found
