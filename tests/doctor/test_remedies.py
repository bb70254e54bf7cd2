"""Remedies are measured, said to have helped only where they did, and shown as code."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.doctor.remedies import surgery


def batches(size=32):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 12)).astype(np.float32)
    y = (x @ rng.normal(size=(12, 3))).argmax(axis=1)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, 128, size)]


def sigmoids(depth=8):
    layers = []
    for k in range(depth):
        layers += [nn.Linear(12 if k == 0 else 16, 16, init="xavier"), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(16, 3, init="xavier"))


@pytest.fixture(scope="module")
def diagnosis():
    cr.seed(0)
    model = sigmoids()
    return cr.doctor(model, nn.CrossEntropyLoss(), batches(), optim.SGD(model.parameters(), lr=0.1), steps=50)


@pytest.mark.slow
def test_the_winner_helped_and_is_a_diff(diagnosis):
    winner = diagnosis.winner
    assert winner is not None
    assert winner.measured_after.loss < winner.measured_before.loss
    assert winner.measured_after.flow > 100 * winner.measured_before.flow
    assert any(line.startswith("+") for line in winner.diff.splitlines())


@pytest.mark.slow
def test_what_did_not_help_is_said_so(diagnosis):
    remedies = diagnosis.verdicts[0].remedies
    failed = [r for r in remedies if not r.helped]
    assert failed
    text = str(diagnosis)
    assert text.count("did not help") + text.count("did not run") == len(failed)
    assert [r.helped for r in remedies] == sorted((r.helped for r in remedies), reverse=True)


@pytest.mark.slow
def test_all_remedies_are_measured_against_the_same_trials(diagnosis):
    remedies = diagnosis.verdicts[0].remedies
    assert len({(r.measured_before.loss, r.measured_before.spread) for r in remedies}) == 1
    assert all(r.measured_before.spread >= 0 for r in remedies)


@walked(
    ("change", "expected"),
    [
        (lambda m: surgery.activations(m, (nn.Sigmoid,), nn.ReLU), ["-    nn.Sigmoid(),", "+    nn.ReLU(),"]),
        (surgery.residual, ["+    nn.Residual("]),
        (surgery.normalised, ["+        nn.LayerNorm((16,), eps=1e-05, elementwise_affine=True),"]),
        (lambda m: surgery.removed(m, "1"), ["-    nn.Sigmoid(),"]),
    ],
)
def test_a_change_of_the_model_still_runs_and_shows_as_code(change, expected):
    before, after = sigmoids(2), sigmoids(2)
    assert change(after)
    assert after(np.zeros((5, 12))).shape == (5, 3)
    lines = surgery.model_diff(before, after).splitlines()
    for line in expected:
        assert line in lines


def test_residual_blocks_keep_the_size_of_what_flows():
    cr.seed(0)
    x = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)

    def size(model):
        return float((np.asarray(model(x).detach()) ** 2).mean())

    layers = [nn.Linear(32, 32) for _ in range(30)]
    unscaled = size(nn.Sequential(*(nn.Residual(nn.Sequential(layer, nn.ReLU())) for layer in layers)))
    model = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
    assert surgery.residual(model) == 30
    assert size(model) < 1e-4 * unscaled


def test_initialised_anew_from_a_generator_and_frozen_weights_stay():
    model = sigmoids(2)
    model[0].requires_grad_(False)
    kept = model[0].weight.numpy().copy()
    surgery.initialised(model, "orthogonal", np.random.default_rng(0))
    w = model[2].weight.numpy()
    np.testing.assert_allclose(w.T @ w, np.eye(16), atol=1e-5)
    np.testing.assert_array_equal(model[0].weight.numpy(), kept)
