"""`torch.compile` of code that cannot be compiled: it runs as it is, after a warning, as PyTorch's does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as torch
from chainrule.core.errors import CaptureError

REFUSED: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x * x.mean().item(),
    "branch": lambda x: x if x.sum() > 0 else -x,
    "mask": lambda x: x[x > 0],
    "unique": torch.unique,
    "numpy": lambda x: torch.tensor(np.sort(x.numpy())),
    "text": lambda x: x * len(str(x)),
}


def test_what_python_looks_at_runs_as_it_is_after_one_warning() -> None:
    x = torch.tensor([[1.0, -2.0], [0.5, 4.0]])
    for name, f in REFUSED.items():
        with named(name):
            compiled = torch.compile(f)
            with pytest.warns(UserWarning, match="torch.compile: runs uncompiled, since") as said:
                assert torch.equal(compiled(x), f(x))
            assert said[0].filename == __file__
            for _ in range(4):  # another warning would be an error
                assert torch.equal(compiled(x), f(x))
            with pytest.raises(CaptureError):
                torch.compile(f, fullgraph=True)(x)


READ_AFTERWARDS: dict[str, Callable[[Any], Any]] = {
    "a number of a counter": lambda norm: float(norm.num_batches_tracked),
    "an item of a counter": lambda norm: norm.num_batches_tracked.item(),
    "a counter": lambda norm: norm.num_batches_tracked,
    "an array of a buffer": lambda norm: float(norm.running_mean.numpy()[0]),
}


def test_a_buffer_that_a_module_has_changed_is_read_as_it_is_then() -> None:
    batches = [torch.tensor(np.arange(6.0).reshape(3, 2) ** k) for k in range(1, 5)]
    for name, read in READ_AFTERWARDS.items():
        with named(name):
            norm, other = torch.nn.BatchNorm1d(2).double(), torch.nn.BatchNorm1d(2).double()
            compiled = torch.compile(lambda x, read=read, norm=norm: norm(x).sum() + read(norm))
            with pytest.warns(UserWarning, match="looked at after the function had changed it"):
                found = [float(compiled(x)) for x in batches]
            assert found == pytest.approx([float(other(x).sum() + read(other)) for x in batches])


class Counting(torch.nn.Module):
    """A module that counts its calls, and looks at a value."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.linear(x) * (1 if x.sum() > 0 else 2)


def test_a_module_that_falls_back_trains_and_counts_each_call_once(alone: None) -> None:
    module = Counting()
    model = torch.compile(module)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, losses = torch.ones(3, 2), []
    for k in range(5):
        optimizer.zero_grad()
        if k == 0:
            with pytest.warns(UserWarning, match="runs uncompiled"):
                loss = (model(x) ** 2).mean()
        else:
            loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert module.calls == 5


def test_a_compiled_function_inside_another_leaves_it_to_that_one() -> None:
    inner = torch.compile(lambda x: x if x.sum() > 0 else -x)
    x = torch.ones(2)
    with pytest.warns(UserWarning, match="runs uncompiled") as said:
        assert torch.equal(torch.compile(lambda x: inner(x) * 2)(x), 2 * x)
    reasons = [str(one.message) for one in said]
    assert len(reasons) == 2  # once for the whole, and once for the inner one, which then runs by itself
    with pytest.raises(CaptureError):
        torch.compile(lambda x: inner(x) * 2, fullgraph=True)(x)
