"""Random numbers in compiled functions of PyTorch's names: each call draws those that the function itself would."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as torch
from chainrule.torch import distributions

F = torch.nn.functional
X = torch.tensor(np.linspace(-1, 2, 24).reshape(4, 6).astype(np.float32))
G = torch.Generator()

DRAWN: dict[str, Callable[[Any], Any]] = {
    "dropout": lambda x: F.dropout(x, 0.3),
    "dropout of channels": lambda x: F.dropout2d(x[None, :, :, None], 0.3),
    "dropout of everything": lambda x: F.dropout(x, 1.0),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.3, True),
    "rand": lambda x: x[0, :2] + torch.rand(3, 2),
    "randn_like": lambda x: x + torch.randn_like(x) * torch.exp(0.5 * x),
    "randn of a generator": lambda x: x[0, :3] * torch.randn(3, generator=G),
    "randint": lambda x: torch.randint(0, 50, (7,)) + (x[0, 0] > 5).long(),
    "randperm": lambda x: x[torch.randperm(4)],
    "bernoulli": lambda x: torch.bernoulli(torch.sigmoid(x)),
    "normal": lambda x: x[0, :3] + torch.normal(0.0, 1.0, (3,)),
    "gumbel_softmax": lambda x: F.gumbel_softmax(x),
    "hard gumbel_softmax": lambda x: F.gumbel_softmax(x, hard=True),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "Normal": lambda x: distributions.Normal(x, x.exp()).rsample(),
}


def test_each_call_draws_what_the_function_would() -> None:
    for name, f in DRAWN.items():
        with named(name):
            results = []
            for g in (f, torch.compile(f, fullgraph=True)):
                torch.manual_seed(0)
                G.manual_seed(1)
                results.append([g(X) for _ in range(3)])
            for expected, found in zip(*results, strict=True):
                assert found.dtype == expected.dtype
                np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
            assert name == "dropout of everything" or not np.array_equal(results[0][0].numpy(), results[0][1].numpy())


def test_a_step_with_dropout_is_one_call() -> None:
    pytest.importorskip("llvmlite", reason="one call needs the extra fast")
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters())
    seen: list[Any] = []

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = torch.compile(step, fullgraph=True)
    seen += [float(compiled(X)) for _ in range(3)]
    assert len(set(seen)) == 3


def test_masks_of_integers_are_compiled() -> None:
    i = torch.tensor([[1, 0, 2]])
    for f in (
        lambda i: ~(i != 0),
        lambda i: (i != 0) & (i > 1),
        lambda i: (i == 0) | (i == 2),
        lambda i: (i > 0) ^ (i < 2),
    ):
        assert torch.equal(torch.compile(f, fullgraph=True)(i), f(i))
