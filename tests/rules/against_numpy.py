"""A function held against NumPy's of the same name: values, derivatives in both modes, second order."""

from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import jvp, vjp

RNG = np.random.default_rng(1)


def apart(*shape: int) -> Any:
    """Numbers of which no two are near each other."""
    size = int(np.prod(shape))
    return ((RNG.permutation(size) + RNG.uniform(0.3, 0.7, size)) * (4 / max(size, 1)) - 2).reshape(shape)


def agree(f: Any, reference: Any, *xs: Any, tolerance: float = 1e-7, second: bool = True) -> None:
    """Assert `f`'s value, its gradients against finite differences of `reference`, both modes, and the second order."""
    y, pullback = vjp(f, *xs)
    expected = np.asarray(reference(*xs))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert np.shape(y) == expected.shape
    y_bar = RNG.uniform(-1, 1, expected.shape)
    x_bars = pullback(y_bar)
    dots = [RNG.uniform(-1, 1, np.shape(x)) for x in xs]
    assert [np.shape(x_bar) for x_bar in x_bars] == [np.shape(x) for x in xs]
    y_dot = jvp(f, xs, dots)[1]
    reverse = sum(np.sum(x_bar * dot) for x_bar, dot in zip(x_bars, dots, strict=True))
    np.testing.assert_allclose(np.sum(y_bar * y_dot), reverse, rtol=1e-9, atol=1e-10)
    step = 1e-6
    up, down = (reference(*(x + s * d for x, d in zip(xs, dots, strict=True))) for s in (step, -step))
    np.testing.assert_allclose(y_dot, (up - down) / (2 * step), rtol=tolerance, atol=tolerance)
    if second:
        along = jvp(lambda *args: vjp(f, *args)[1](y_bar), xs, dots)[1]
        ahead, behind = (vjp(f, *(x + s * d for x, d in zip(xs, dots, strict=True)))[1](y_bar) for s in (step, -step))
        for got, high, low in zip(along, ahead, behind, strict=True):
            np.testing.assert_allclose(value_of(got), (high - low) / (2 * step), rtol=1e-5, atol=1e-6)
