"""Weights that are computed from others: weight norm, spectral norm, parametrizations, as PyTorch's."""

import copy
import warnings

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.torch as door

LAYERS = {
    "linear": (lambda t: t.nn.Linear(4, 3), (5, 4)),
    "conv": (lambda t: t.nn.Conv2d(2, 3, 2), (2, 2, 4, 4)),
    "transposed": (lambda t: t.nn.ConvTranspose1d(2, 3, 2), (2, 2, 4)),
}
NORMS = {
    "weight": lambda u, layer: u.weight_norm(layer),
    "weight along 1": lambda u, layer: u.weight_norm(layer, dim=1),
    "weight as a whole": lambda u, layer: u.weight_norm(layer, dim=None),
    "spectral": lambda u, layer: u.spectral_norm(layer),
    "spectral in 3 steps": lambda u, layer: u.spectral_norm(layer, n_power_iterations=3),
    "new weight": lambda u, layer: u.parametrizations.weight_norm(layer),
    "new weight along -1": lambda u, layer: u.parametrizations.weight_norm(layer, dim=-1),
    "new spectral": lambda u, layer: u.parametrizations.spectral_norm(layer),
}


def pair(torch, layer: str, norm: str) -> tuple:
    """Return the same normalized layer, with the same state, in both libraries."""
    made = []
    for lib in (torch, door):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            made.append(NORMS[norm](lib.nn.utils, LAYERS[layer][0](lib)))
    theirs, ours = made
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@walked("norm", NORMS)
@walked("layer", LAYERS)
def test_values_and_gradients_are_pytorchs(torch, layer: str, norm: str) -> None:
    theirs, ours = pair(torch, layer, norm)
    x = np.random.default_rng(0).normal(size=LAYERS[layer][1]).astype(np.float32)
    for mode in (True, True, False):
        for lib, module in ((torch, theirs), (door, ours)):
            module.train(mode).zero_grad()
            module(lib.tensor(x)).tanh().sum().backward()
        for (name, a), b in zip(theirs.named_parameters(), ours.parameters(), strict=True):
            np.testing.assert_allclose(door.values_of(b.grad), a.grad.numpy(), 1e-4, 1e-5, err_msg=name)
        for name, a in theirs.state_dict().items():
            np.testing.assert_allclose(door.values_of(ours.state_dict()[name]), a.numpy(), 1e-4, 1e-5, err_msg=name)
    assert repr(ours) == repr(theirs)
    np.testing.assert_allclose(door.values_of(ours.weight), theirs.weight.detach().numpy(), 1e-4, 1e-5)


@walked("norm", ["weight", "spectral", "new weight", "new spectral"])
def test_a_normalized_layer_is_trained_copied_and_made_plain_again(norm: str) -> None:
    layer = NORMS[norm](door.nn.utils, door.nn.Linear(4, 3)).eval()
    x = door.tensor(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    before = layer(x)
    before.sum().backward()
    door.optim.SGD(layer.parameters(), 0.1).step()
    before = layer(x)
    twin = copy.deepcopy(layer)
    utils = door.nn.utils
    if norm.startswith("new"):
        utils.parametrize.remove_parametrizations(layer, "weight")
    else:
        {"weight": utils.remove_weight_norm, "spectral": utils.remove_spectral_norm}[norm](layer)
    assert type(layer) is door.nn.Linear
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    for one in (layer, twin):
        np.testing.assert_allclose(door.values_of(one(x)), door.values_of(before), 1e-6, 1e-6)
    assert isinstance(twin, door.nn.Linear)
    assert len(twin.state_dict()) > 2


@pytest.mark.parametrize("norm", NORMS)
def test_the_checker_sees_through_a_normalized_layer(norm: str) -> None:
    model = door.nn.Sequential(NORMS[norm](door.nn.utils, door.nn.Linear(4, 3)), door.nn.Tanh()).double().eval()
    assert cr.check(model, np.random.default_rng(0).normal(size=(2, 4))).ok


def test_a_parametrization_of_ones_own(torch) -> None:
    def made(lib):
        class Symmetric(lib.nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).transpose(-1, -2)

            def right_inverse(self, x):
                return x.triu()

        class Scaled(lib.nn.Module):
            def forward(self, x):
                return x * 2

            def right_inverse(self, x):
                return x / 2

        parametrize = lib.nn.utils.parametrize
        layer = lib.nn.Linear(3, 3)
        layer.load_state_dict({"weight": lib.tensor(np.eye(3) + 0.5), "bias": lib.tensor(np.zeros(3))})
        parametrize.register_parametrization(layer, "weight", Symmetric())
        parametrize.register_parametrization(layer, "weight", Scaled())
        parametrize.register_parametrization(layer, "bias", Scaled())
        assert parametrize.is_parametrized(layer)
        assert parametrize.is_parametrized(layer, "bias")
        assert parametrize.type_before_parametrizations(layer) is lib.nn.Linear
        layer.weight = lib.ones(3, 3)
        with parametrize.cached():
            assert layer.weight is layer.weight
        parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
        return layer

    ours, theirs = made(door), made(torch)
    assert repr(ours) == repr(theirs)
    for name, a in theirs.state_dict().items():
        np.testing.assert_allclose(door.values_of(ours.state_dict()[name]), a.numpy(), err_msg=name)
    np.testing.assert_allclose(door.values_of(ours.weight), theirs.weight.detach().numpy())


def test_two_weights_of_a_layer_are_normalized_each(torch) -> None:
    made = []
    for lib in (torch, door):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            layer = lib.nn.GRUCell(3, 2)
            for name in ("weight_ih", "weight_hh"):
                lib.nn.utils.weight_norm(layer, name)
        made.append(layer)
    theirs, ours = made
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(
        door.values_of(ours(door.tensor(x))), theirs(torch.tensor(x)).detach().numpy(), 1e-5, 1e-6
    )
    door.nn.utils.remove_weight_norm(ours, "weight_ih")
    assert sorted(name for name, _ in ours.named_parameters()) == sorted(
        ["weight_ih", "bias_ih", "bias_hh", "weight_hh_g", "weight_hh_v"]
    )


def test_wrong_calls_say_what_is_wrong() -> None:
    utils, layer = door.nn.utils, door.nn.Linear(2, 2)
    for norm in (utils.weight_norm, utils.spectral_norm, utils.parametrizations.spectral_norm):
        with pytest.raises(ValueError, match="no parameter 'other'"):
            norm(layer, "other")
    for removed in (utils.remove_weight_norm, utils.remove_spectral_norm):
        with pytest.raises(ValueError, match="not found"):
            removed(layer)
    with pytest.raises(ValueError, match="does not have a parametrization"):
        utils.parametrize.remove_parametrizations(layer, "weight")
    with pytest.raises(ValueError, match="may not change the shape"):
        utils.parametrize.register_parametrization(layer, "weight", door.nn.Flatten(0))
    with pytest.raises(ValueError, match="positive"):
        utils.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(RuntimeError, match="two weight_norm"):
        utils.weight_norm(utils.weight_norm(layer))
