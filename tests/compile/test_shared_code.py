"""Programs that differ only in the number of rows run the same machine code, such as an epoch's last, smaller batch."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile.plan import loops
from chainrule.kernels.native import machine


def test_the_last_batch_of_an_epoch_compiles_nothing_new(monkeypatch):
    made = []
    optimised = machine._Machine.optimised
    monkeypatch.setattr(
        machine._Machine, "optimised", lambda self, text, level: made.append(text) or optimised(self, text, level)
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 30)).astype(np.float32), rng.integers(0, 10, 200)
    w, b = rng.normal(size=(30, 100)).astype(np.float32), np.zeros(100, np.float32)
    v = rng.normal(size=(100, 10)).astype(np.float32)

    def loss(w, b, v, x, y):
        hidden = np.maximum(x @ w + b, 0)
        return nn.functional.cross_entropy(hidden @ v, y) + 0.5 / len(x) * np.mean(np.square(hidden))

    step = cr.compile(cr.value_and_grad(loss, argnums=(0, 1, 2)))
    step(w, b, v, x, y)
    made.clear()
    value, gradients = step(w, b, v, x[:137], y[:137])
    assert not made, "machine code was compiled again:\n" + made[0]
    expected, found = cr.value_and_grad(loss, argnums=(0, 1, 2))(w, b, v, x[:137], y[:137])
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for one, other in zip(gradients, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 3, 9, 64, 65])
def test_large_arrays_of_short_rows(columns):
    """Their loops know the length of a row, which no other test's arrays are large enough for."""
    rng = np.random.default_rng(0)
    rows = loops.SMALL // columns + 5
    x, s, w = (rng.normal(size=shape) for shape in ((rows, columns), (rows, 1), columns))

    def f(x, s, w):
        y = (x - w) * s
        return y, y.sum(0), (y * s).sum(1)

    for found, expected in zip(cr.compile(f)(x, s, w), f(x, s, w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
