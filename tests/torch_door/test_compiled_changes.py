"""What is changed in a module between calls of `torch.compile`, the next call sees."""

import copy
import io
from collections import OrderedDict

import numpy as np
import pytest

import chainrule.torch as door
from chainrule.torch import nn


def networks():
    return {
        "dropout": nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)),
        "nested": nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.5)))),
        "batch norm": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ELU()),
        "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5), 2),
        "lstm": nn.LSTM(4, 4, 2, dropout=0.5),
    }


def first(x):
    return x[0] if isinstance(x, tuple) else x


X = door.tensor(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))


def held(model, run):
    """Compare a compiled call with the module's own, from the same random numbers and moments."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    door.manual_seed(3)
    expected = first(model(X)).detach().numpy()
    after = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(before)
    door.manual_seed(3)
    np.testing.assert_allclose(first(run(X)).detach().numpy(), expected, 1e-5, 1e-6)
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value.detach().numpy(), after[name].numpy(), 1e-5, 1e-6)


def compiled(model):
    return {"module": door.compile(model), "function": door.compile(lambda x: model(x))}


@pytest.mark.parametrize("how", ["module", "function"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "encoder")) for name in networks()]
)
def test_the_mode_of_each_part(name, how):
    door.manual_seed(0)
    model = networks()[name]
    run = compiled(model)[how]
    held(model, run)
    acting = (nn.Dropout, nn.BatchNorm1d, nn.LSTM, nn.TransformerEncoder)
    for part in [m for m in model.modules() if isinstance(m, acting) or m is model]:
        part.train(not part.training)
        held(model, run)
    model.eval()
    held(model, run)
    held(model, run)


def scaled(module, inputs, output):
    return output * 2


CHANGES = {
    "a setting": lambda m: setattr(m[1], "p", 0.9),
    "a layer": lambda m: m.__setitem__(0, nn.Linear(4, 4)),
    "a parameter": lambda m: setattr(m[0], "weight", nn.Parameter(door.ones(4, 4))),
    "no bias": lambda m: setattr(m[0], "bias", None),
    "tied": lambda m: setattr(m[2], "weight", m[0].weight),
    "its own forward": lambda m: setattr(m[0], "forward", lambda x: x * 3),
    "a table": lambda m: setattr(m, "_modules", OrderedDict([("0", m[2]), ("1", nn.Tanh())])),
    "order": lambda m: m._modules.update({"0": m[2], "2": m[0]}),
    "another order": lambda m: m._modules.move_to_end("0"),
    "one popped": lambda m: m._modules.pop("2"),
    "a parameter in a table": lambda m: m[0]._parameters.update(bias=nn.Parameter(door.ones(4))),
    "one inserted": lambda m: m.insert(1, nn.Tanh()),
    "one more": lambda m: m.append(nn.Tanh()),
    "one less": lambda m: m.__delitem__(0),
    "a moment": lambda m: setattr(m[3], "running_mean", door.ones(4)),
    "frozen": lambda m: m[0].requires_grad_(False),
    "a normalised weight": lambda m: nn.utils.parametrizations.weight_norm(m[0]),
    "a hook": lambda m: m[2].register_forward_hook(scaled),
    "a hook before": lambda m: m[2].register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,)),
}


@pytest.mark.parametrize("how", ["module", pytest.param("function", marks=pytest.mark.slow)])
def test_changes_of_a_module(how):
    for change in CHANGES.values():
        door.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4), nn.BatchNorm1d(4))
        run = compiled(model)[how]
        for _ in range(2):
            held(model, run)
        change(model)
        for _ in range(2):
            held(model, run)


class Own(nn.Module):
    def forward(self, x):
        return x + 1


def test_a_hook_that_is_replaced_and_removed():
    model = nn.Sequential(nn.Linear(4, 4), Own())
    run = door.compile(model)
    for part in model:
        for factor in (2, 3):
            handle = part.register_forward_hook(lambda module, inputs, output, factor=factor: output * factor)
            held(model, run)
            handle.remove()
        held(model, run)


@pytest.mark.parametrize("others", [False, True])
def test_a_refused_capture_leaves_a_module_as_it_was(others, monkeypatch):
    monkeypatch.setattr("chainrule.compile.replay.others_run", lambda: others)

    class Looks(nn.Module):
        def forward(self, x):
            return x * float(x.sum())

    normed = nn.utils.spectral_norm(nn.Linear(4, 4))
    model = nn.Sequential(normed, Looks())
    run = door.compile(model)
    with pytest.warns(UserWarning, match="runs uncompiled"):
        run(X)
    for value in model.state_dict().values():
        assert np.isfinite(value.detach().numpy()).all()


def test_a_generator_that_starts_again():
    generator = door.Generator().manual_seed(5)
    draw = door.compile(lambda x: x + door.randn(3, generator=generator))
    numbers = [draw(door.zeros(3)).numpy() for _ in range(3)]
    for seed in (5, 5):
        generator.manual_seed(seed)
        for expected in numbers:
            np.testing.assert_array_equal(draw(door.zeros(3)).numpy(), expected)


def test_copies_and_files_of_a_module_notice_changes_too():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 4))
    file = io.BytesIO()
    door.save(model, file)
    file.seek(0)
    for made in (copy.deepcopy(model), copy.copy(model), door.load(file, weights_only=False)):
        run = door.compile(made)
        held(made, run)
        made[1].eval()
        held(made, run)
        made._modules["2"] = nn.Tanh()
        held(made, run)


def test_layers_that_are_given_another_class():
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

    class Tripled(Doubled):
        def forward(self, x):
            return 3 * x

    model = nn.Sequential(Doubled(), nn.ReLU())
    run = door.compile(model, fullgraph=True)
    for mine, act in ((Doubled, nn.ReLU), (Tripled, nn.ReLU), (Tripled, nn.Softsign), (Doubled, nn.ReLU)):
        model[0].__class__, model[1].__class__ = mine, act
        np.testing.assert_allclose(run(X).numpy(), model(X).numpy(), 1e-6)
