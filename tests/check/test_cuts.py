"""A gradient that is cut off in the code, by `no_grad`, `detach` or a Python number, has the line that cuts it."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.torch.nn import functional as F

X = np.random.default_rng(0).standard_normal((4, 3))


def under_no_grad(x):
    h = np.tanh(x)
    with cr.no_grad():
        size = np.sqrt(np.sum(h * h))
    return h / size


@cr.no_grad()
def size_of(h):
    return np.sqrt(np.sum(h * h))


def under_a_decorator(x):
    h = np.tanh(x)
    return h / size_of(h)


def by_item(x):
    h = np.tanh(x)
    size = np.sqrt(np.sum(h * h)).item()
    return h / size


def by_list(x):
    h = np.tanh(x)
    return h * np.array(h.tolist())


def by_stopping(x):
    h = np.tanh(x)
    return h * np.exp(cr.stop_gradient(h))


FUNCTIONS = {
    under_no_grad: "size = np.sqrt(np.sum(h * h))",
    under_a_decorator: "return np.sqrt(np.sum(h * h))",
    by_item: ".item()",
    by_list: ".tolist()",
    by_stopping: "cr.stop_gradient(h)",
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_line_that_cuts_a_gradient_is_named(function):
    finding = cr.check(function, X).findings[0]
    assert (finding.verdict, finding.code) == ("wrong", "detached")
    assert FUNCTIONS[function] in finding.source.text
    assert "is treated as a constant" in finding.detail["text"]


class Scaled(torch.nn.Module):
    """Two layers, the second of which is scaled by what `scale` makes of the first."""

    def __init__(self, scale):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
        self.scale = scale

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.second(h * self.scale(h))


def of_data(h):
    return torch.sigmoid(h.data)


def of_a_block(h):
    with torch.set_grad_enabled(False):
        return torch.sigmoid(h)


def of_a_number(h):
    return 1 / h.norm().item()


@pytest.mark.parametrize(
    "scale", [of_data, *(pytest.param(f, marks=pytest.mark.slow) for f in (of_a_block, of_a_number))]
)
def test_in_a_module_of_the_torch_door_too(scale):
    model, x, y = Scaled(scale), torch.randn(5, 3), torch.randn(5, 2)
    finding = cr.check(lambda: F.mse_loss(model(x), y)).findings[0]
    assert finding.code == "detached"
    assert finding.source.function == scale.__name__


def test_a_number_that_is_only_looked_at_is_no_mistake():
    def printed(x):
        h = np.tanh(x)
        assert np.sum(h * h).item() > 0
        return h

    assert cr.check(printed, X).ok
