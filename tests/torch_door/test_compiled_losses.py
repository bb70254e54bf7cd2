"""Losses and norms in a compiled step: what they check of values is checked at each replay."""

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as torch
import chainrule.torch.nn.functional as F

LOSSES = {
    "nll_loss": lambda x, y: F.nll_loss(F.log_softmax(x, 1), y, ignore_index=0),
    "nll_loss of pixels": lambda x, y: F.nll_loss(F.log_softmax(x, 1)[..., None], y[:, None], ignore_index=0),
    "nll_loss with weights": lambda x, y: F.nll_loss(F.log_softmax(x, 1), y, weight=torch.tensor([1.0, 2, 3, 4, 5])),
    "binary_cross_entropy": lambda x, y: F.binary_cross_entropy(x.sigmoid(), (x > 0).float()),
    "gaussian_nll_loss": lambda x, y: F.gaussian_nll_loss(x, x * 2, (x - 1).exp().clamp(max=0.1) - 1e-7),
    "triplet_margin_loss": lambda x, y: F.triplet_margin_loss(x, x + 1, x - 1, p=2),
    "norm": lambda x, y: ((x.norm(2, dim=1) - 1) ** 2).mean() + x.norm() + torch.linalg.vector_norm(x, 3),
    "pairwise_distance": lambda x, y: F.pairwise_distance(x, x * x).sum() + torch.cdist(x, x + 1).sum(),
    "normalize": lambda x, y: F.normalize(x).sum() + F.cosine_similarity(x, x * x).sum(),
}


def of(loss, compiled):
    w = torch.full((4, 5), 0.3, requires_grad=True)

    def step(x, y):
        found = loss(x * w, y)
        found.backward()
        gradient = w.grad
        w.grad = None
        return found.detach(), gradient

    step = torch.compile(step, fullgraph=True) if compiled else step
    return [
        [part.numpy() for part in step(torch.linspace(-2.0, k, 20).reshape(4, 5), torch.tensor([0, 1, 2, k]))]
        for k in (3, 4)
    ]


def test_each_loss_is_the_same_compiled():
    for name, loss in LOSSES.items():
        with named(name):
            for found, expected in zip(of(loss, True), of(loss, False), strict=True):
                np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
                np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-6)


def test_the_norm_of_zero_has_no_gradient_in_a_compiled_function():
    w = torch.zeros(3, requires_grad=True)

    @torch.compile(fullgraph=True)
    def gradient(x):
        return torch.autograd.grad((w * x).norm(), w)[0]

    np.testing.assert_array_equal(gradient(torch.ones(3)).numpy(), [0, 0, 0])
    np.testing.assert_array_equal(gradient(torch.ones(3)).numpy(), [0, 0, 0])


def test_booleans_scattered_are_reduced_as_pytorch_does():
    x = torch.tensor([True, False, True])
    for reduce, expected in (("sum", [True, False]), ("prod", [False, False]), ("amax", [True, False])):
        with named(reduce):
            found = torch.zeros(2, dtype=torch.bool).scatter_reduce(0, torch.zeros(3, dtype=torch.long), x, reduce)
            assert found.tolist() == expected
            assert found.dtype is torch.bool
    with pytest.raises(RuntimeError, match="mean of booleans"):
        x.scatter_reduce(0, torch.zeros(3, dtype=torch.long), x, "mean")


def test_dropped_features_need_channels_only_where_something_is_dropped():
    assert F.feature_alpha_dropout(torch.ones(3), 0.5).tolist() == [1, 1, 1]
    assert F.feature_alpha_dropout(torch.ones(3), 0.0, training=True).tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.feature_alpha_dropout(torch.ones(3), 0.5, training=True)
