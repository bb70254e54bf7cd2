"""Masks of tensors that a compiled function makes itself, the same in each call: they may pick elements."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as torch
from chainrule.core.errors import CaptureError

X = torch.arange(16.0).reshape(4, 4)


def contrastive(x: Any) -> Any:
    labels = torch.cat([torch.arange(2), torch.arange(2)])
    labels = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
    mask = torch.eye(4, dtype=torch.bool)
    labels, x = labels[~mask].view(4, -1), (x @ x.T)[~mask].view(4, -1)
    return torch.cat([x[labels.bool()].view(4, -1), x[~labels.bool()].view(4, -1)], dim=1)


PICKS: dict[str, Callable[[Any], Any]] = {
    "contrastive": contrastive,
    "ones of a shape": lambda x: x[torch.ones_like(x).cumsum(0) > 2],
    "a list": lambda x: x[torch.tensor([0.0, 1.0, 2.0, 3.0]) % 2 == 0],
    "a triangle": lambda x: x[torch.triu(torch.ones(4, 4), 1) == 1],
}


def test_masks_of_tensors_made_inside_pick_elements() -> None:
    for name, f in PICKS.items():
        compiled = torch.compile(f, fullgraph=True)
        for k in range(3):
            with named(name, k):
                assert torch.allclose(compiled(X + k), f(X + k))
        x, y = (X.clone().requires_grad_() for _ in range(2))
        compiled(x).sum().backward()
        f(y).sum().backward()
        assert torch.allclose(x.grad, y.grad)


class Outside(SimpleNamespace):
    """What is changed between calls."""

    def __init__(self) -> None:
        super().__init__(n=0, t=1.0, array=np.arange(4.0, dtype=np.float32), tensor=torch.arange(4.0))
        self.whole = torch.arange(4)

    def change(self, k: int) -> None:
        self.n, self.t = self.n + 1, self.t + 0.5
        self.array[k] = 5 - self.array[k]
        self.tensor[k] = 5 - self.tensor[k]
        self.whole[k] = 5 - self.whole[k]


def written(o: Outside, x: Any) -> Any:
    mask = torch.zeros(4)
    mask += x[0]
    return x[mask > 1]


def written_at(o: Outside, x: Any) -> Any:
    mask = torch.zeros(4)
    mask[1:] = x[0, 1:]
    return x[mask > 1]


def replaced(o: Outside, x: Any) -> Any:
    mask = torch.zeros(4)
    mask.data = x[0] * 1
    return x[mask > 1]


CHANGING: dict[str, Callable[[Outside, Any], Any]] = {
    "full of a number": lambda o, x: x[torch.full((4,), o.t) > 2],
    "a tensor of a number": lambda o, x: x[torch.tensor([o.t, 1.0, 2.0, o.n]) > 1],
    "a number's comparison": lambda o, x: x[torch.arange(4.0) > o.n],
    "an array": lambda o, x: x[torch.from_numpy(o.array) > 2],
    "an array copied": lambda o, x: x[torch.tensor(o.array) > 2],
    "an array as a tensor": lambda o, x: x[torch.Tensor(o.array) > 2],
    "an array taken": lambda o, x: x[torch.as_tensor(o.array) > 2],
    "a tensor outside": lambda o, x: x[o.tensor > 2],
    "whole numbers outside": lambda o, x: x[o.whole.float() > 2],
    "whole numbers": lambda o, x: x[o.whole > 2],
    "whole numbers with a tensor": lambda o, x: x[o.whole + torch.ones(4) > 2],
    "its values": lambda o, x: x[torch.ones(4) * x[0] > 2],
    "written": written,
    "written at": written_at,
    "replaced": replaced,
}


def test_a_mask_that_changes_is_seen_or_refused() -> None:
    for name, f in CHANGING.items():
        o = Outside()
        compiled = torch.compile(lambda x, f=f, o=o: f(o, x), fullgraph=True)
        for k in range(4):
            with named(name, k):
                x = X.flip(0) + k - 5
                try:
                    found = compiled(x)
                except CaptureError:
                    break
                assert torch.equal(found, f(o, x))
                o.change(k)


def test_a_drawn_mask_is_refused() -> None:
    for draw in (torch.rand, torch.randn):
        with pytest.raises(CaptureError, match="as many elements as are true"):
            torch.compile(lambda x, draw=draw: x[draw(4) > 0.5], fullgraph=True)(X)
