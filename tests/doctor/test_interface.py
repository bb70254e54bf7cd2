"""What is wrong between the layers: the loss's shapes, axis and sign, the optimiser, branches no gradient reaches."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.doctor.examine.branches import starved
from chainrule.doctor.examine.chance import chance_level
from chainrule.doctor.report.words import TEXT

RNG = np.random.default_rng(0)
X = RNG.standard_normal((128, 8)).astype(np.float32)
Y = (X @ RNG.normal(size=(8, 3))).argmax(axis=1)
CE = nn.CrossEntropyLoss()


def batches(y=Y, size=32):
    return [(X[k : k + size], y[k : k + size]) for k in range(0, len(X), size)]


def mlp(out=3, *after):
    cr.seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, out), *after)


def asked(model, loss=CE, given=None, optimizer=None, **options):
    optimizer = optimizer or optim.Adam(model.parameters(), lr=0.01)
    return cr.doctor(model, loss, given or batches(), optimizer, **{"steps": 20, "try_remedies": False, **options})


def key(found):
    return found.verdicts[0].key


def test_outputs_in_a_column_are_not_compared_with_every_target():
    y = np.tanh(X[:, 0])
    loss = lambda p, t: ((p - t) ** 2).mean()  # noqa: E731
    found = asked(mlp(1), loss, batches(y), try_remedies=True)
    assert key(found) == "loss-mismatch broadcast"
    assert "[32, 1]" in found.verdicts[0].evidence
    assert "[32, 32]" in found.verdicts[0].evidence
    assert found.winner.key == "shapes"
    assert asked(mlp(1), loss, batches(y[:, None])).ok
    assert asked(mlp(1), lambda p, t: ((p[:, 0] - t) ** 2).mean(), batches(y)).ok


def test_probabilities_over_the_samples():
    found = asked(mlp(3, nn.Softmax(axis=0)), lambda p, t: nn.functional.nll_loss(np.log(p), t), try_remedies=True)
    assert (key(found), found.verdicts[0].layer) == ("loss-mismatch axis", "3")
    assert found.winner.key == "axis"


def test_a_loss_with_the_wrong_sign():
    found = asked(mlp(), lambda p, t: -CE(p, t), try_remedies=True)
    assert key(found) == "loss-mismatch reversed"
    assert found.winner.key == "sign"
    y = X[:, :1]
    assert key(asked(mlp(1), lambda p, t: -((p - t) ** 2).mean(), batches(y))) == "loss-mismatch reversed"
    counts = RNG.poisson(np.exp(y)).astype(np.float32)
    rate = lambda p, t: (np.exp(p) - t * p).mean()  # noqa: E731  # its outputs are logarithms of what the targets are
    assert asked(mlp(1), rate, batches(counts)).verdicts[0].key != "loss-mismatch reversed"


def test_a_reshape_does_not_hide_the_last_operation():
    y = (Y > 0).astype(np.float32)
    loss = nn.BCEWithLogitsLoss()
    found = asked(mlp(1, nn.Sigmoid()), lambda p, t: loss(p.reshape(-1), t), batches(y))
    assert key(found) == "loss-mismatch twice"
    found = asked(mlp(1, nn.Sigmoid(), nn.Flatten(0)), loss, batches(y))
    assert (key(found), found.verdicts[0].layer) == ("loss-mismatch twice", "3")


def test_an_optimiser_of_another_model():
    model = mlp()
    found = asked(model, optimizer=optim.Adam(mlp().parameters(), lr=0.01), try_remedies=True)
    assert key(found) == "gradient-cut optimizer"
    assert found.winner.key == "hold"
    part = asked(model, optimizer=optim.Adam(model[2].parameters(), lr=0.03), steps=60)
    assert part.ok
    assert "0.weight, 0.bias" in part.verdicts[0].evidence


def test_trials_train_what_the_optimiser_holds_at_each_groups_rate():
    model = mlp()
    groups = [{"params": [model[2].weight], "lr": 0.1}, {"params": [model[2].bias], "lr": 0.5}]
    case = cr.doctor.consult.Case(model, CE, [], optim.SGD(groups, lr=0.3)).with_rate(0.1)
    assert [(len(g["params"]), round(g["lr"], 6)) for g in case.optimizer.param_groups] == [(1, 0.01), (1, 0.05)]
    assert case.left_out == ["0.weight", "0.bias"]
    changed = case.changed(mlp(3, nn.Linear(3, 3)))
    assert changed.left_out == ["0.weight", "0.bias"]


@pytest.mark.slow
def test_weight_decay_that_holds_the_loss_at_chance():
    model = mlp()
    found = asked(model, optimizer=optim.SGD(model.parameters(), lr=0.3, weight_decay=1.0), steps=40, try_remedies=True)
    assert key(found) == "loss-at-chance decay"
    assert found.winner.key == "decay"


def test_targets_of_a_single_class():
    found = asked(mlp(), given=batches(np.full(128, 2)))
    assert key(found) == "loss-mismatch one class"
    assert "128 targets are class 2 of 3" in found.verdicts[0].evidence
    few = [(X[:4], np.full(4, 2)), (X[4:8], np.full(4, 2))]
    assert key(asked(mlp(), given=few)) != "loss-mismatch one class"
    # a loss that has no use for its target, which stands there because a batch needs one
    assert asked(mlp(), lambda p, _: ((p - 1) ** 2).mean(), batches(np.zeros(128, int))).ok


@pytest.mark.slow
def test_dropout_that_leaves_nothing_to_learn_from():
    found = asked(mlp(3, nn.Dropout(0.98)), steps=40, try_remedies=True)
    assert key(found) == "noise-dominates dropout"
    assert "98%" in found.verdicts[0].evidence
    assert found.winner.key == "dropout"
    assert asked(mlp(3, nn.Dropout(0.5)), steps=40).ok


@pytest.mark.slow
def test_targets_of_another_size_than_the_outputs():
    def squared(p, t):
        return ((p - t) ** 2).mean()

    y = 3e4 + 1e4 * X[:, :1]
    found = asked(mlp(1), squared, batches(y), steps=40)
    assert key(found) == "loss-mismatch scale"
    assert "standardised" in found.verdicts[0].evidence
    assert asked(mlp(1), squared, batches(X[:, :1]), steps=40).ok
    # what the network cannot tell either way is no matter of size
    blind = batches(1e4 * RNG.standard_normal((128, 1)).astype(np.float32))
    assert key(asked(mlp(1), squared, blind, steps=20)) != "loss-mismatch scale"


class Mixture(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.router = nn.Linear(8, 3)
        self.experts = nn.ModuleList([mlp() for _ in range(3)])
        self.router.bias.data = np.array([bias, 0, 0], np.float32)

    def forward(self, x):
        gates = cr.softmax(self.router(x), axis=-1)
        return sum(gates[:, k : k + 1] * expert(x) for k, expert in enumerate(self.experts))


def test_experts_that_no_sample_is_sent_to():
    found = asked(Mixture(20.0))
    assert (key(found), found.verdicts[0].layer) == ("dead-units branch", "experts.1")
    assert found.codes == ["dead-units"]  # the router's own gradient is small because of that
    assert asked(Mixture(0.0)).ok
    ratios = starved([("a.0", "a.1", "a.2")], {"a.0": 2.0, "a.1": 1e-8}, 1e-4)
    assert ratios == {"a.1": 5e-9}


def test_layers_one_after_another_are_no_branches():
    cr.seed(0)
    layers = [nn.Linear(8, 8), nn.Sigmoid()] * 1
    for _ in range(9):
        layers += [nn.Linear(8, 8), nn.Sigmoid()]
    found = asked(nn.Sequential(*layers, nn.Linear(8, 3)))
    assert found.codes[0] == "vanishing"


def test_what_chance_is():
    logits = np.log(np.full((8, 2), 0.5))
    y = np.array([0, 1] * 4)
    nll = lambda p, t: float(-np.mean(p[np.arange(len(t)), t]))  # noqa: E731
    assert chance_level(nll, [(logits, y)]) == pytest.approx(np.log(2), rel=1e-5)
    assert np.isnan(chance_level(nll, [(logits, np.zeros(8, int))]))  # one class: a constant answer is the right one
    square = lambda p, t: float(np.mean((p - t) ** 2))  # noqa: E731
    assert np.isnan(chance_level(square, [(np.zeros((8, 1)), np.ones((8, 1)))]))
    mask = np.zeros((8, 4))
    mask[:, 1] = 1
    assert chance_level(lambda p, t: float(np.mean(np.logaddexp(0, p) - p * t)), [(np.zeros((8, 4)), mask)]) < 1e-3


def test_a_healthy_network_says_that_its_loss_is_above_chance():
    model = mlp()
    found = asked(model, optimizer=optim.SGD(model.parameters(), lr=0.02), steps=4)
    assert found.ok
    assert key(found) == "healthy slow"
    assert "best constant answer" in found.verdicts[0].evidence


def test_a_healthy_network_says_that_its_loss_does_not_move():
    ones = np.ones((128, 3), np.float32)
    found = asked(mlp(), lambda p, t: 1 + 1e-9 * ((p - t) ** 2).mean(), batches(ones), steps=4)
    assert key(found) == "healthy still"
    assert "may not learn" in found.verdicts[0].evidence


def test_every_new_sentence_stands_in_both_languages():
    found = [text for name, text in TEXT.items() if name.startswith(("healthy ", "loss-mismatch ", "dead-units "))]
    assert all(set(text) == {"en", "ko"} for text in found)
