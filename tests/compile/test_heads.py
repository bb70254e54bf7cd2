"""Attention in compiled programs: as tasks, with heads that are read and written where the layers around want them."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.nn import functional as F

BATCH, ROWS, HEADS, WIDTH = 2, 40, 3, 8


def split(x: Any) -> Any:
    return x.reshape(*x.shape[:-1], HEADS, -1).transpose(0, 2, 1, 3)


def joined(x: Any) -> Any:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def attend(q: Any, k: Any, v: Any, causal: bool = True) -> Any:
    return F.scaled_dot_product_attention(q, k, v, causal=causal, method="blockwise")


WAYS = {
    "heads of rows": lambda q, k, v: joined(attend(split(q), split(k), split(v))),
    "negative axes": lambda q, k, v: (
        attend(split(q), split(k), split(v), False).transpose(0, -2, -3, -1).reshape(BATCH, ROWS, -1)
    ),
    "read in two ways": lambda q, k, v: joined(y := attend(split(q), split(k), split(v))) + 2 * y.sum(),
    "heads of their own": lambda q, k, v: attend(*(x.reshape(BATCH, HEADS, ROWS, WIDTH) for x in (q, k, v))).reshape(
        BATCH, ROWS, -1
    ),
    "columns outside": lambda q, k, v: (
        attend(*(split(x).swapaxes(-1, -2).copy().swapaxes(-1, -2) for x in (q, k, v)))
        .transpose(3, 1, 2, 0)
        .reshape(BATCH, ROWS, -1)
    ),
    "the same three times": lambda q, k, v: joined(attend(x := split(q * k * v), x, x)),
    "no rows of vectors": lambda q, k, v: attend(q[..., :3], k[..., :3], v[..., :3]),
}


def arrays(dtype: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(BATCH, ROWS, HEADS * WIDTH)).astype(dtype) for _ in range(3)]


COMPILED_ANEW = pytest.param("no rows of vectors", marks=pytest.mark.slow)
"""Its kernels are those that Numba compiles."""


@pytest.mark.parametrize("way", [*(way for way in WAYS if way not in COMPILED_ANEW.values), COMPILED_ANEW])
def test_compiled_is_eager(way: str) -> None:
    def f(*given: Any) -> Any:
        return cr.value_and_grad(lambda *x: (WAYS[way](*x) ** 2).sum(), (0, 1, 2))(*given)

    compiled, given = cr.compile(f), arrays(np.float32)
    for _ in range(2):
        value, grads = compiled(*given)
        expected, each = f(*(x.astype(np.float64) for x in given))
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        for a, b in zip(grads, each, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())
        given = [x[::-1].copy() for x in given]


def test_nothing_is_copied_between_heads_and_layers(machine_code: None) -> None:
    rng = np.random.default_rng(1)
    given = [*arrays(np.float32), *(rng.normal(size=(24, 24)).astype(np.float32) for _ in range(4))]

    def loss(q: Any, k: Any, v: Any, *weights: Any) -> Any:
        heads = WAYS["heads of rows"](*(x @ w for x, w in zip((q, k, v), weights, strict=False)))
        return (heads @ weights[3]).sum()

    compiled = cr.compile(lambda *x: cr.grad(loss, (3, 4, 5, 6))(*x))
    compiled(*given)
    steps = compiled.plan.steps
    assert {s.name for s in steps if s.run is not None and "attention" in s.name.lower()} == {
        "blockwise_attention", "BlockwiseAttention.vjp",
    }  # fmt: skip
    assert [s.name for s in steps if s.run is not None and s.name == "reshape"] == []
    assert len(compiled.plan.calls) == 1
