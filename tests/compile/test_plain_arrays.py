"""Plain arrays that a compiled function finds outside of itself and hands to whatever takes arrays: they may change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.tensor import value_of


def _of_constant(f: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, x: f(a) * x


def _of_constants(f: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, x: f(a, a * 2) * x


def _against_constant(f: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, x: f(x, a)


def _of_classes(f: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, x: f(a[:, 0].astype(np.int64) % 5) * x


def _swept() -> dict[str, Callable[[Any, Any], Any]]:
    """Return functions of a plain array `a` from the closure and an argument `x`, both [2, 3]."""
    F = nn.functional
    unary = ["relu", "gelu", "silu", "softmax", "log_softmax", "tanh", "sigmoid", "softplus", "elu", "normalize"]
    unary = [name for name in unary if hasattr(F, name)]
    losses = ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"]
    swept: dict[str, Callable[[Any, Any], Any]] = {
        **{f"F.{name}": _of_constant(getattr(F, name)) for name in unary},
        **{f"F.{name}": _against_constant(getattr(F, name)) for name in losses},
        **{f"F.{name} of two constants": _of_constants(getattr(F, name)) for name in losses},
        **{f"np.{name}": _of_constant(getattr(np, name)) for name in ("sum", "mean", "var", "sort", "exp")},
        **{f"cr.{name}": _of_constant(getattr(cr, name)) for name in ("exp", "tanh", "relu", "softmax")},
        "F.cross_entropy with probabilities": lambda a, x: F.cross_entropy(x, a),
        "F.cross_entropy with a weight": lambda a, x: F.cross_entropy(x, np.array([0, 1]), weight=a[0]),
        "F.layer_norm": lambda a, x: F.layer_norm(x, (3,), a[0], a[1]),
        "F.linear": lambda a, x: F.linear(x, a.T, a[:, 0]),
        "F.attention": lambda a, x: F.scaled_dot_product_attention(x, a, x),
        "where": lambda a, x: np.where(a > 1.5, x, a),
        "maximum": lambda a, x: np.maximum(x, a),
        "power": lambda a, x: (a + 1) ** x,
        "gradient of a power": lambda a, x: cr.grad(lambda y: ((a + 1) ** y).sum())(x),
        "einsum": lambda a, x: np.einsum("ij,kj->ik", x, a),
        "stack": lambda a, x: np.stack([x, a]),
        "concatenate": lambda a, x: np.concatenate([x, a, a * 2]),
        "take": lambda a, x: np.take(x, a[0].astype(np.int64) % 3),
        "take_along_axis": lambda a, x: np.take_along_axis(x, a.astype(np.int64) % 3, 1),
        "searchsorted": lambda a, x: x * np.searchsorted(np.sort(a[0]), 1.5),
        "pad": lambda a, x: np.pad(a, 1).sum() * x,
        "clip": lambda a, x: np.clip(x, a.min(), a.max()),
        "at.set": lambda a, x: cr.tensor(x).at[0].set(a[0]),
        "cr.grad of a constant": lambda a, x: cr.grad(lambda y: (y**2).sum())(a) * x,
        "cr.jvp": lambda a, x: cr.jvp(np.sin, (x,), (a,))[1],
        "cr.tensor(dtype)": lambda a, x: cr.tensor(a, dtype=np.float32) * x,
        "chainrule.numpy": lambda a, x: cr.numpy.array([a, a * 2]).sum() * x,
        "chainrule.numpy.asarray": lambda a, x: cr.numpy.asarray(a) * x,
        "nn.Linear": _of_constant(nn.Linear(3, 3)),
        "nn.Embedding": _of_classes(nn.Embedding(5, 3)),
        "nn.Dropout in evaluation": _of_constant(nn.Dropout(0.5).eval()),
        "no_grad": lambda a, x: _without_gradient(a) * x,
    }
    return swept


def _without_gradient(a: Any) -> Any:
    with cr.no_grad():
        return np.tanh(a)


SWEPT = _swept()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SWEPT)
def test_a_plain_array_of_the_closure_may_change(name: str, dtype: Any) -> None:
    def run(compiles: bool) -> list[Any]:
        a = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], dtype)

        def f(x: Any) -> Any:
            return SWEPT[name](a, x)

        g = cr.compile(f) if compiles else f
        found = []
        for k in range(3):
            x = np.linspace(0.1, 0.9, 6).reshape(2, 3)
            found.append(np.asarray(value_of(g(x)), np.float64).round(5).tolist())
            a += 1.0 + k
        return found

    np.testing.assert_allclose(run(True), run(False), rtol=1e-5, atol=1e-5)


def test_an_array_made_inside_that_is_written_into_after_its_use() -> None:
    def f(x: Any) -> Any:
        mask, found = np.ones(3), []
        for k in range(3):
            found.append(x * mask)
            mask[k] = 0
        mask[0] = 7
        return found, x + mask, mask

    compiled = cr.compile(f)
    for scale in (1.0, 2.0):
        x = scale * np.arange(1.0, 4.0)
        found, expected = compiled(x), f(x)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])
