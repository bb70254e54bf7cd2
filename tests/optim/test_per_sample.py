"""Clipping the gradient of each sample: against the loop, its noise, and its errors."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim


def linear() -> tuple[nn.Module, Any, Any, Any]:
    cr.seed(0)
    rng = np.random.default_rng(0)
    model, x, y = nn.Linear(3, 2), rng.normal(size=(6, 3)) * 2, rng.integers(0, 2, 6)
    each = cr.vmap(cr.grad(lambda m, x, y: nn.functional.cross_entropy(m(x), y)), in_axes=(None, 0, 0))
    return model, x, y, each(model, x, y)


def test_it_is_the_mean_of_clipped_gradients() -> None:
    model, x, y, gradients = linear()
    norms = optim.clip_per_sample_(model.parameters(), gradients, 0.5)
    total: Any = 0.0
    for k in range(6):
        model.zero_grad()
        nn.functional.cross_entropy(model(x[k]), y[k]).backward()
        np.testing.assert_allclose(norms[k], optim.clip_grad_norm_(model.parameters(), 0.5), rtol=1e-5)
        total = total + np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    assert (norms > 0.5).any()
    optim.clip_per_sample_(model.parameters(), gradients, 0.5)
    found = np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    np.testing.assert_allclose(found, total / 6, rtol=1e-5)
    optim.clip_per_sample_(model.parameters(), [p.numpy() for p in gradients.parameters()], 0.5, batch_size=12)
    np.testing.assert_allclose(
        np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]), total / 12, rtol=1e-5
    )


def test_the_noise_has_its_standard_deviation_and_its_generator() -> None:
    w = cr.tensor(np.zeros(20_000), requires_grad=True)
    zero = np.zeros((4, 20_000))
    for _ in range(2):
        optim.clip_per_sample_([w], [zero], 2.0, noise_multiplier=3.0, generator=np.random.default_rng(0))
        np.testing.assert_allclose(w.grad.numpy().std(), 3.0 * 2.0 / 4, rtol=0.02)
    again = w.grad.numpy().copy()
    cr.seed(0)
    optim.clip_per_sample_([w], {"w": zero}, 2.0, noise_multiplier=3.0)
    np.testing.assert_array_equal(w.grad.numpy(), again)
    single = cr.tensor(np.zeros(3, np.float32), requires_grad=True)
    optim.clip_per_sample_([single], [np.ones((2, 3), np.float32)], 1.0, noise_multiplier=1.0)
    assert single.grad.dtype == np.float32


def test_no_samples_need_a_batch_size() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    empty = np.zeros((0, 2))
    assert optim.clip_per_sample_([w], [empty], 1.0, batch_size=4).shape == (0,)
    np.testing.assert_array_equal(w.grad.numpy(), 0.0)
    with pytest.raises(ValueError, match="no samples, and no batch_size"):
        optim.clip_per_sample_([w], [empty], 1.0)


@walked(
    ("gradients", "settings", "error", "said"),
    [
        ([np.ones((3, 4))], {}, ValueError, r"shape \(3, 4\), expected \(3, 2\): one for each sample"),
        ([np.ones((3, 2))] * 2, {}, ValueError, "gradients for 2 parameters, expected 1"),
        ([np.array([[1.0, 2.0], [np.nan, 1.0]])], {}, cr.GradientError, "sample 1 is NaN"),
        ([np.ones((3, 2))], {"max_norm": 0}, ValueError, "max_norm: expected a finite number greater than 0"),
        ([np.ones((3, 2))], {"noise_multiplier": -1}, ValueError, "noise_multiplier: expected"),
        ([np.ones((3, 2))], {"batch_size": 0}, ValueError, "batch_size: expected"),
    ],
)
def test_wrong_arguments_change_nothing(gradients: Any, settings: Any, error: type[Exception], said: str) -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(error, match=f"clip_per_sample_: .*{said}"):
        optim.clip_per_sample_([w], gradients, **{"max_norm": 1.0, **settings})
    assert w.grad is None


def test_a_compiled_function_refuses_it() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(cr.CaptureError, match="clip_per_sample_ was called"):
        cr.compile(lambda g: optim.clip_per_sample_([w], [g], 1.0))(np.ones((3, 2)))
