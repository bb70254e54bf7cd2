"""`check` and `check_parameters` take functions and modules of the door, as written."""

import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.check import check_parameters
from chainrule.torch import nn
from chainrule.torch.nn import functional as F


class Net(nn.Module):
    """Two layers, with the first one's weight as it is, or cut off."""

    def __init__(self, cut=False):
        super().__init__()
        self.first, self.dropout, self.second = nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3)
        self.cut = cut

    def forward(self, x):
        weight = self.first.weight.detach() if self.cut else self.first.weight  # of a layer that is not called
        return self.second(self.dropout(torch.tanh(F.linear(x, weight, self.first.bias))))


class Held(nn.Module):
    """Calls what a container holds."""

    def __init__(self):
        super().__init__()
        self.box = Net()

    def forward(self, x):
        return self.box.second(self.box.dropout(self.box.first(x)))


@pytest.fixture
def data():
    torch.manual_seed(0)
    return torch.randn(6, 4), torch.randn(6, 3)


def wrong_ones(check):
    return [row.name for row in check.rows if not row.ok]


def test_parameters_of_a_module_are_checked(data):
    x, y = data
    assert check_parameters(Net(), nn.MSELoss(), x, y).ok
    assert check_parameters(Held(), F.mse_loss, x, y).ok
    assert wrong_ones(check_parameters(Net(cut=True), nn.MSELoss(), x, y)) == ["first.weight"]


class KeepsFunction(nn.Module):
    """Calls what a container holds through a function that it keeps, as minGPT's blocks do."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"first": nn.Linear(4, 5), "second": nn.Linear(5, 3)})
        parts = self.parts
        self.both = lambda x: parts.second(torch.tanh(parts.first(x)))

    def forward(self, x):
        return self.both(x)


def test_a_function_that_a_module_keeps_uses_the_copy_under_check(data):
    found = check_parameters(KeepsFunction(), nn.MSELoss(), *data)
    assert found.ok, found
    assert len(found.rows) == 4
    assert all(row.analytic != 0 for row in found.rows)


def test_a_function_that_refers_to_a_module_and_tensors_is_checked(data):
    x, y = data
    model, cut, scale = Net().eval(), Net(cut=True).eval(), torch.ones(3, requires_grad=True)
    report = cr.check(lambda x: F.mse_loss(model(x) * scale, y), x)
    assert report.ok
    assert {row.name for row in report.rows} == {"scale", "x", *(f"model.{n}" for n, _ in model.named_parameters())}
    report = cr.check(lambda: F.mse_loss(cut(x), y))
    assert [(f.argument, f.verdict) for f in report.findings] == [("cut.first.weight", "missing")]


def test_a_function_of_tensors_with_its_own_backward_pass(data):
    x, _ = data
    assert cr.check(torch.sin, x, backward=lambda g, x: g * torch.cos(x)).ok
    assert cr.check(torch.sin, x, backward=lambda g, x: g * torch.sin(x)).verdict == "wrong"


class Cube(torch.autograd.Function):
    """A cube whose slope is wrong by a factor."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x**2


class Around(torch.autograd.Function):
    """A right function that calls the wrong one."""

    @staticmethod
    def forward(x, scale):
        return scale * Cube.apply(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.inputs = inputs

    @staticmethod
    def backward(ctx, g):
        x, scale = ctx.inputs
        return 3 * scale * g * x**2, None


def test_the_function_to_blame_is_named(data):
    x, _ = data
    first = nn.Linear(4, 3)
    finding = cr.check(lambda x: torch.tanh(Cube.apply(first(x))).sum(), x).findings[0]
    assert (finding.operation, finding.code) == ("Cube.backward", "factor")
    assert finding.source.text.strip() == "def backward(ctx, g):"
    assert (finding.detail["written"], finding.detail["wanted"]) == ("g * 2 * x ** 2", "g * 3 * x ** 2")
    assert cr.check(lambda x: torch.tanh(Around.apply(first(x), 0.5)).sum(), x).ok


@pytest.mark.slow
def test_a_path_that_is_cut_is_named_where_all_else_is_right(data):
    x, _ = data
    first = nn.Linear(4, 3)

    def gated(x):
        h = first(x)
        gate = torch.sigmoid(h.detach())
        return (h * gate).sum()

    finding = cr.check(gated, x).findings[0]
    assert finding.verdict == "wrong"
    assert finding.source.text.strip() == "gate = torch.sigmoid(h.detach())"


def test_a_module_of_pytorch_is_sent_to_check_torch(torch):
    with pytest.raises(TypeError, match="check_torch"):
        check_parameters(torch.nn.Linear(4, 3), torch.nn.MSELoss(), torch.zeros(2, 4), torch.zeros(2, 3))
