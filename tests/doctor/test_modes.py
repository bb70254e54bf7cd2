"""What a model's state says: parts in evaluation mode, stored moments, frozen layers, units that are off by chance."""

import itertools
import math
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.budget import SLOWEST
from chainrule.doctor.budget import Budget
from chainrule.doctor.examine.moments import size_after

RNG = np.random.default_rng(0)
X = RNG.standard_normal((256, 8)).astype(np.float32)
Y = (X @ RNG.normal(size=(8, 3))).argmax(axis=1)
BATCHES = [(X[k : k + 32], Y[k : k + 32]) for k in range(0, 256, 32)]


def normalised(library):
    cr.seed(0)
    layers = library.Linear(8, 16), library.BatchNorm1d(16), library.ReLU(), library.Linear(16, 3)
    return library.Sequential(*layers)


def asked(model, optimizer=None, **options):
    optimizer = optimizer or optim.Adam(model.parameters(), lr=0.01)
    return cr.doctor(model, nn.CrossEntropyLoss(), BATCHES, optimizer, **{"try_remedies": False, **options})


def put(moments, value):
    moments[...] = value


@pytest.mark.slow
def test_stored_moments_that_are_not_those_of_the_data():
    model = normalised(nn)
    assert asked(model, steps=20).ok
    put(model[1].running_var, 1e4)
    assert asked(model, steps=20).ok  # they are not used in training mode
    model[1].eval()
    found = asked(model, steps=20, try_remedies=True)
    verdict = found.verdicts[0]
    assert (verdict.key, verdict.layer) == ("normalisation-misplaced stale", "1")
    size = size_after(model[1], np.asarray(model[0](X[:32]).detach(), np.float64))
    assert verdict.values["size"] == pytest.approx(size, rel=1e-4)
    assert next(r for r in verdict.remedies if r.key == "moments").helped
    assert not model[1].training


def test_frozen_moments_that_fit_stay_frozen():
    model = normalised(nn)
    z = np.asarray(model[0](X[:32]).detach(), np.float64)
    put(model[1].running_mean, z.mean(axis=0))
    put(model[1].running_var, z.var(axis=0))
    model[1].eval()
    assert size_after(model[1], z) == pytest.approx(1.0, rel=1e-3)
    assert asked(model, steps=20).ok


def test_a_model_given_in_evaluation_mode_is_trained_in_training_mode():
    model = normalised(nn).eval()
    assert asked(model, steps=20).ok  # it was evaluated before any training
    put(model[1].running_mean, 100.0)
    found = asked(model, steps=20, try_remedies=True)
    assert found.verdicts[0].key == "normalisation-misplaced stale given"
    assert found.verdicts[0].remedies == ()
    assert found.final_loss < 0.9 * found.loss
    assert not model.training


@pytest.mark.slow
def test_stored_moments_in_pytorch(torch):
    model = normalised(torch.nn)
    model[1].running_var.fill_(1e4)

    class Forgotten(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            self.inner[1].eval()
            return self.inner(x)

    outer = Forgotten()
    given = [(torch.tensor(x), torch.tensor(y)) for x, y in BATCHES]
    adam = torch.optim.Adam(outer.parameters(), lr=0.01)
    found = cr.doctor(outer, torch.nn.CrossEntropyLoss(), given, adam, steps=10, try_remedies=False)
    assert (found.verdicts[0].key, found.verdicts[0].layer) == ("normalisation-misplaced stale", "inner.1")


def test_a_normalisation_of_series_is_replaced_by_one_of_series():
    cr.seed(0)
    x = RNG.standard_normal((128, 4, 10)).astype(np.float32)
    given = [(x[k : k + 32], (x[k : k + 32, 0].sum(axis=1) > 0).astype(int)) for k in range(0, 128, 32)]
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(40, 2))
    put(model[0].running_var, 1e6)
    model[0].eval()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    found = cr.doctor(model, nn.CrossEntropyLoss(), given, optimizer, steps=10)
    assert found.verdicts[0].key == "normalisation-misplaced stale"
    remedy = next(r for r in found.verdicts[0].remedies if r.key == "renorm")
    assert remedy.values["new"] == "GroupNorm"
    assert remedy.helped
    assert not remedy.error


def deep(frozen, scale):
    cr.seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    for layer in (model[0], model[2])[: frozen // 2]:
        layer.requires_grad_(False)
        for p in layer.parameters():
            p.data = np.asarray(p.numpy() * np.float32(scale))
    return model


@pytest.mark.slow
def test_frozen_layers_that_hand_nothing_on_are_named_as_such():
    found = asked(deep(4, 1e-3), try_remedies=True)
    verdict = found.verdicts[0]
    assert (verdict.code, verdict.key, verdict.layer) == ("gradient-cut", "gradient-cut frozen", "0")
    assert verdict.values["count"] == 4
    assert verdict.winner.key == "thaw"
    assert asked(deep(4, 1.0)).ok  # random features are enough
    assert "frozen" not in asked(deep(0, 1.0)).verdicts[0].key


@pytest.mark.slow
def test_a_bottleneck_has_units_that_are_off_by_chance(torch):
    codes = []
    x = np.abs(X @ RNG.normal(size=(8, 64))).astype(np.float32) / 4
    given = [(torch.tensor(x[k : k + 32]),) * 2 for k in range(0, 256, 32)]
    for seed in range(6):
        torch.manual_seed(seed)
        sizes = 64, 32, 4, 32
        layers = [m for a, b in itertools.pairwise(sizes) for m in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(32, 64))
        adam = torch.optim.Adam(model.parameters(), lr=3e-3)
        found = cr.doctor(model, torch.nn.MSELoss(), given, adam, steps=16, try_remedies=False)
        codes += found.codes
    assert "dead-units" not in codes


def test_the_budget_charges_what_the_process_used_and_a_part_of_waiting(monkeypatch):
    now = {"clock": 0.0, "processor": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now["clock"])
    monkeypatch.setattr(time, "process_time", lambda: now["processor"])
    budget = Budget(10.0)
    now.update(clock=8.0, processor=5.0)  # a machine that is shared
    assert budget.used == 5.0
    now.update(clock=8.0, processor=30.0)  # four threads
    assert budget.used == 8.0
    now.update(clock=8.0, processor=0.1)  # waiting for something
    assert budget.used == 8.0 / SLOWEST
    assert budget.allows(8.0)
    assert not budget.allows(8.1)


@pytest.mark.slow
def test_korean_reports_are_korean_but_for_names_and_titles():
    text = asked(deep(4, 1e-3)).to_text("ko")
    assert text.splitlines()[0].endswith("Sequential(매개변수 1,443개)")
    assert "기울기 끊김(GRADIENT-CUT) [0]" in text
    assert "정의: 기울기를 받지 않으면" in text
    sized = deep(0, 1.0)
    for p in sized[2].parameters():
        p.data = np.asarray(p.numpy() * np.float32(100))
    page = asked(sized, steps=10).to_html(lang="ko")
    assert "잘못된 초기화(bad-initialisation) [2]" in page
    assert "times the last layer" not in page
    assert "a loss of" not in page
    assert "식 10" in page
    assert math.isfinite(asked(sized, steps=10).loss)
