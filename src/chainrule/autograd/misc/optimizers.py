"""autograd.misc.optimizers: `sgd`, `rmsprop` and `adam` for structured parameters, as loops of plain functions.

`grad(x, i)` is the gradient at iteration i, and `callback(x, i, gradient)` is called before each step. The parameters
may be nested containers of arrays. `chainrule.optim` has more optimisers, which work in place and are compiled.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..wrap_util import wraps
from .flatten import flatten

__all__ = ["adam", "rmsprop", "sgd", "unflatten_optimizer"]

Gradient = Callable[[Any, int], Any]
PART = 8192
"""How many numbers a step takes at a time: their intermediate results stay in the cache."""


def _stepped(step: Callable[..., tuple[Any, ...]], x: Any, g: Any, *state: Any) -> tuple[Any, ...]:
    """Return `step(x, g, *state)`, the new x and state. Long vectors are computed in parts, and their state in place:
    nobody else has it.
    """
    if len(x) <= PART or not all(type(one) is np.ndarray and one.dtype == np.float64 for one in (x, g, *state)):
        return step(x, g, *state)
    new = (np.empty_like(x), *state)
    for first in range(0, len(x), PART):
        part = slice(first, first + PART)
        for whole, one in zip(new, step(x[part], g[part], *(one[part] for one in state)), strict=True):
            whole[part] = one
    return new


def unflatten_optimizer(optimize: Callable[..., Any]) -> Any:
    """Make an optimiser of vectors one of nested containers."""

    @wraps(optimize)
    def of_containers(grad: Gradient, x0: Any, callback: Any = None, *args: Any, **kwargs: Any) -> Any:
        vector, unflatten = flatten(x0)

        def gradient(x: Any, i: int) -> Any:
            return flatten(grad(unflatten(x), i))[0]

        def called(x: Any, i: int, g: Any) -> None:
            callback(unflatten(x), i, unflatten(g))

        return unflatten(optimize(gradient, vector, called if callback else None, *args, **kwargs))

    return of_containers


@unflatten_optimizer
def sgd(
    grad: Gradient, x: Any, callback: Any = None, num_iters: int = 200, step_size: float = 0.1, mass: float = 0.9
) -> Any:
    """Gradient descent with momentum."""

    def step(x: Any, g: Any, velocity: Any) -> tuple[Any, Any]:
        velocity = mass * velocity - (1.0 - mass) * g
        return x + step_size * velocity, velocity

    velocity = np.zeros(len(x))
    for i in range(num_iters):
        g = grad(x, i)
        if callback:
            callback(x, i, g)
        x, velocity = _stepped(step, x, g, velocity)
    return x


@unflatten_optimizer
def rmsprop(
    grad: Gradient,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 1e-8,
) -> Any:
    """Steps divided by a running root mean square of the gradient."""

    def step(x: Any, g: Any, square: Any) -> tuple[Any, Any]:
        square = square * gamma + g**2 * (1 - gamma)
        return x - step_size * g / (np.sqrt(square) + eps), square

    square = np.ones(len(x))
    for i in range(num_iters):
        g = grad(x, i)
        if callback:
            callback(x, i, g)
        x, square = _stepped(step, x, g, square)
    return x


@unflatten_optimizer
def adam(
    grad: Gradient,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    """Adam (Kingma & Ba 2015).

    >>> x = adam(lambda x, i: 2 * x, np.array([1.0]), num_iters=300, step_size=0.1)
    >>> bool(abs(x[0]) < 1e-3)
    True
    """

    def step(i: int, x: Any, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * (g**2) + b2 * v
        return x - step_size * (m / (1 - b1 ** (i + 1))) / (np.sqrt(v / (1 - b2 ** (i + 1))) + eps), m, v

    m, v = np.zeros(len(x)), np.zeros(len(x))
    for i in range(num_iters):
        g = grad(x, i)
        if callback:
            callback(x, i, g)
        x, m, v = _stepped(functools.partial(step, i), x, g, m, v)
    return x
