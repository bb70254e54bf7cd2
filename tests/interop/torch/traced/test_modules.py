"""A traced model calls the same submodules as the model it was traced from: everything that looks names them."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch import from_torch

X = np.random.default_rng(0).normal(size=(2, 3, 6, 6))


@pytest.fixture(scope="module")
def network(torch):
    """A network of blocks, one activation of which is called twice, and its traced counterpart."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
            self.act, self.drop = torch.nn.ReLU(), torch.nn.Identity()

        def forward(self, x):
            return self.act(self.norm(self.conv(self.act(x))) + self.drop(x))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.layers = torch.nn.Conv2d(3, 4, 3), torch.nn.Sequential(Block(), Block())
            self.norm, self.head = torch.nn.LayerNorm(4), torch.nn.Linear(4, 5)

        def forward(self, x):
            x = self.layers(self.stem(x)).mean((2, 3))
            return self.head(self.norm(x)), x

    torch.manual_seed(0)
    module = Net().double()
    return module, from_torch(module, X)


def total(model):
    """A loss of both outputs."""
    y, x = model(X)
    return (y**2).mean() + x.mean()


@pytest.mark.slow
def test_it_prints_as_the_model_does(network):
    module, model = network
    shown = [line.strip() for line in repr(model).splitlines() if "traced from PyTorch" not in line]
    assert shown == [line.strip() for line in repr(module).splitlines()]


@pytest.mark.slow
def test_the_summary_has_the_shape_of_every_submodule(network):
    rows = {layer.path: (layer.kind, layer.shape) for layer in nn.summary(network[1], X).layers}
    assert rows["layers.1.conv"] == ("Conv2d", (2, 4, 4, 4))
    assert rows["layers"] == ("Sequential", (2, 4, 4, 4))
    assert rows["layers.0.drop"] == ("Identity", None)  # it computes nothing
    assert rows["head"] == ("Linear", (2, 5))


@pytest.mark.slow
def test_hooks_see_each_call(network):
    model, seen = network[1], []
    handle = model.layers._modules["0"].act.register_forward_hook(lambda module, args, y: seen.append((args, y)))
    model(X)
    handle.remove()
    assert len(seen) == 2
    assert all(np.array_equal(np.maximum(x.numpy(), 0), y.numpy()) for (x,), y in seen)


@pytest.mark.slow
def test_buffers_follow_as_in_pytorch(torch, network):
    module, model = network
    module(torch.from_numpy(X))
    before = model.layers._modules["0"].norm.running_mean.copy()
    model(X)
    after = model.layers._modules["0"].norm.running_mean
    assert np.array_equal(after, before) is False
    fresh = from_torch(module, X)
    assert np.allclose(
        fresh.layers._modules["0"].norm.running_mean, module.layers[0].norm.running_mean.numpy(), atol=1e-12
    )


@pytest.mark.parametrize("subject", ["model", "argument"])
def test_derivations_and_graphs_name_the_submodule_of_each_step(network, subject):
    model = network[1]
    asked = (model, X) if subject == "model" else (total, model)
    more = {"loss": lambda y: (y[0] ** 2).mean() + y[1].mean()} if subject == "model" else {}
    derivation = cr.explain(*asked, **more, level="brief")
    assert derivation.ok
    steps = {step.module for step in derivation.forward}
    assert {"stem", "layers.0.conv", "layers.1.norm", "layers.1.act", "norm", "head"} <= steps
    assert "layers.0" in steps  # the sum of a block
    assert {row.role for row in derivation.symbols if row.name.endswith("weight")} == {"parameter"}
    page = cr.graph(*asked, **more).to_html()
    assert "layers.1.conv" in page


@pytest.mark.slow
def test_the_doctor_names_the_submodule(network):
    module, _ = network
    model = from_torch(module, X)
    model.layers._modules["1"].conv.weight.data[...] *= 1e308

    def loss(y, labels):
        return nn.functional.cross_entropy(y[0], labels)

    diagnosis = cr.doctor(model, loss, [(X, np.array([0, 1]))], try_remedies=False)
    assert diagnosis.verdicts[0].layer == "layers.1.norm"  # where the squares of the convolution's outputs overflow


def test_a_model_passed_as_an_argument_is_a_model():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    derivation = cr.explain(lambda model: (model(np.ones((2, 4))) ** 2).sum(), model)
    assert [step.module for step in derivation.forward] == ["0", "1", "2", ""]
    assert {row.role for row in derivation.symbols if row.name} == {"parameter"}
