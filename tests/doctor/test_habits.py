"""What threads in forums are about: a wrong axis, targets that are no probabilities, layers in a list."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.doctor.examine.case import Case
from chainrule.doctor.examine.mixing import mixing
from chainrule.doctor.report.words import TEXT

RNG = np.random.default_rng(0)
X = RNG.standard_normal((128, 8)).astype(np.float32)
Y = (X @ RNG.normal(size=(8, 3))).argmax(axis=1)
CE = nn.CrossEntropyLoss()


def batches(x=X, y=Y, size=32):
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


def mlp(out=3):
    cr.seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, out))


def asked(model, loss, given, lr=0.01, **options):
    options = {"steps": 20, "try_remedies": False, **options}
    return cr.doctor(model, loss, given, optim.Adam(model.parameters(), lr=lr), **options)


def key(found):
    return found.verdicts[0].key


class Calling(nn.Module):
    """A model followed by a function."""

    def __init__(self, inner, function):
        super().__init__()
        self.inner, self.function = inner, function

    def forward(self, x):
        return self.function(self.inner(x))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_log_softmax_by_hand_is_normalised_over_the_classes(axis):
    model = Calling(mlp(), lambda z: np.log(cr.softmax(z, axis=axis)))
    found = asked(model, nn.NLLLoss(), batches())
    assert (key(found) == "loss-mismatch axis") == (axis == 0), found.codes


def test_targets_of_a_binary_loss_are_probabilities():
    for low in (0, 1):  # labels 0 and 1, and 1 and 2
        y = ((Y > 0) + low).astype(np.float32)[:, None]
        found = asked(mlp(1), nn.BCEWithLogitsLoss(), batches(y=y))
        assert (key(found) == "loss-mismatch no shares") == (low == 1), found.codes


@pytest.mark.slow
def test_batches_of_one_class_each():
    y = np.random.default_rng(1).integers(0, 3, len(X))
    rows = [np.flatnonzero(y == k)[:32] for k in (0, 1, 2)]
    found = asked(nn.Linear(8, 3), CE, [(X[r], y[r]) for r in rows] * 2)
    assert key(found) == "noise-dominates sorted", found.codes
    assert "shuffle the samples" in found.verdicts[0].evidence
    assert key(asked(nn.Linear(8, 3), CE, batches(y=y))) != "noise-dominates sorted"


def test_what_one_sample_is_told_by_the_others():
    def case(function):
        return Case(Calling(mlp(), function), CE, [((x,), y) for x, y in batches()])

    assert mixing(case(lambda z: z), 0) == 0
    assert mixing(case(lambda z: cr.softmax(z, axis=0)), 0) > 0.01
    assert mixing(case(lambda z: z.reshape(3, -1).T), 0) > 0.1
    assert mixing(Case(mlp(), CE, [((X[:32],), Y[:32])]), 0) == 0  # there is no other batch to take samples from
    norm = nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3))
    assert mixing(Case(norm, CE, case(lambda z: z).batches), 0) == 0  # it has moments of its own in evaluation mode


@pytest.mark.slow
def test_a_model_that_mixes_samples_is_named():
    found = asked(Calling(nn.Linear(8, 3), lambda z: np.roll(z, 1, axis=0)), CE, batches(), steps=40)
    assert key(found) == "loss-at-chance mixed", found.codes
    assert found.verdicts[0].evidence.startswith("the answers for some samples change by")


@pytest.mark.slow
def test_layers_in_a_plain_list_are_named(torch):
    class Hidden(torch.nn.Module):
        def __init__(self, container):
            super().__init__()
            self.layers = container([torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)])
            self.scales = {"first": torch.ones(8, requires_grad=True)}
            self.out = torch.nn.Linear(8, 3)

        def forward(self, x):
            for layer in self.layers:
                x = torch.sigmoid(layer(x) * 1e-3) * self.scales["first"]
            return self.out(x)

    torch.manual_seed(0)
    given = [(torch.tensor(x), torch.tensor(y)) for x, y in batches()]
    model = Hidden(list)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    found = cr.doctor(model, torch.nn.CrossEntropyLoss(), given, optimizer, steps=20, try_remedies=False)
    assert (key(found), found.verdicts[0].layer) == ("gradient-cut unregistered", "layers[0]")
    from chainrule.doctor.engines.choice import engine_of

    named = [name for name, _ in engine_of(model).unregistered(model)]
    assert named == ["layers[0].weight", "layers[0].bias", "layers[1].weight", "layers[1].bias", "scales['first']"]
    assert [name for name, _ in engine_of(model).unregistered(Hidden(torch.nn.ModuleList))] == ["scales['first']"]


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_a_segmentation_is_normalised_over_its_classes(torch, axis):
    said = "healthy" if axis == 1 else "loss-mismatch inner axis"
    torch.manual_seed(0)
    x = torch.tensor(RNG.normal(size=(32, 1, 6, 5)).astype(np.float32))
    y = torch.bucketize(x[:, 0], torch.tensor([-0.5, 0.5]))
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 1), torch.nn.LogSoftmax(dim=axis)
    )
    given = [(x[k : k + 8], y[k : k + 8]) for k in range(0, 32, 8)]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    found = cr.doctor(model, torch.nn.NLLLoss(), given, optimizer, steps=10, try_remedies=said != "healthy")
    assert key(found) == said, found.codes
    if said != "healthy":
        axis = axis % 4
        assert f"over axis {axis} of the outputs" in found.verdicts[0].evidence
        assert found.winner.helped
        assert "dim=1" in found.winner.diff


def test_every_sentence_of_these_is_in_both_languages():
    for name in ("loss-mismatch inner axis", "loss-mismatch no shares", "gradient-cut unregistered"):
        assert TEXT[name].keys() == {"en", "ko"}


class Scaled(nn.Module):
    """A residual block behind a scale that starts at zero."""

    def __init__(self, trained):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(12, 16), nn.GELU(), nn.Linear(16, 12))
        self.scale = nn.Parameter(np.zeros(12, np.float32), requires_grad=trained)

    def forward(self, x):
        return x + self.scale * self.block(x)


def test_layers_behind_a_zero_that_stays_are_named():
    cr.seed(0)
    given = batches()
    found = asked(nn.Sequential(nn.Linear(8, 12), Scaled(False), nn.Linear(12, 3)), CE, given)
    assert key(found) == "gradient-cut silent"
    assert (found.codes, found.verdicts[0].layer) == (["gradient-cut"], "1.block.0")
    assert "1.block.2.weight" in found.verdicts[0].text("en")
    assert asked(nn.Sequential(nn.Linear(8, 12), Scaled(True), nn.Linear(12, 3)), CE, given).ok


def test_steps_that_end_in_infinity_come_before_flat_units():
    cr.seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    model[0].bias.data = np.full(16, 4.0, np.float32)
    y = X[:, :1] * 50

    def trained(lr):
        return cr.doctor(
            model, nn.MSELoss(), batches(y=y), optim.SGD(model.parameters(), lr=lr), steps=20, try_remedies=False
        )

    assert trained(1e-3).codes[0] == "saturated"
    assert trained(30.0).codes == ["learning-rate-too-high", "saturated"]


def test_units_that_are_flat_at_first_are_no_matter_where_the_loss_falls_far():
    class Density(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, x):
            return x[:, 1:] - self.net(x[:, :1])

    cr.seed(0)
    model = Density()
    model.net[0].bias.data = np.full(8, 4.0, np.float32)
    x = np.stack([X[:, 0], np.full(128, 20.0, np.float32)], axis=1)
    found = asked(model, lambda z, _: (z**2).mean(), batches(x, x), lr=0.5)
    assert found.ok, found.codes
    assert found.layers[0].saturated > 0.5


def test_outputs_that_are_far_too_sure():
    cr.seed(0)
    given = batches()
    found = asked(Calling(mlp(), lambda z: z * 1e4), CE, given, lr=1e-3)
    assert key(found) == "bad-initialisation sure"
