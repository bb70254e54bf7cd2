"""Schedules against PyTorch's."""

import json
import math
import warnings

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import optim
from chainrule.optim import lr_scheduler

SCHEDULES = {
    "StepLR": (lr_scheduler.StepLR, "StepLR", {"step_size": 3, "gamma": 0.5}),
    "cosine": (lr_scheduler.CosineAnnealingLR, "CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
    "one cycle": (lr_scheduler.OneCycleLR, "OneCycleLR", {"max_lr": 0.5, "total_steps": 21}),
    "one cycle, linear": (
        lr_scheduler.OneCycleLR,
        "OneCycleLR",
        {"max_lr": [0.5, 1.0], "total_steps": 21, "anneal_strategy": "linear", "pct_start": 0.5, "div_factor": 4.0},
    ),
}


def two_groups(zeros, kind, **settings):
    a, b = zeros(2, requires_grad=True), zeros(3, requires_grad=True)
    return kind([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1, **settings)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "name", "settings"), SCHEDULES.values(), ids=SCHEDULES)
def test_twenty_steps_are_those_of_torch(torch, ours, name, settings):
    mine = two_groups(cr.zeros, optim.SGD, momentum=0.9)
    theirs = two_groups(torch.zeros, torch.optim.SGD, momentum=0.9)
    schedule, reference = ours(mine, **settings), getattr(torch.optim.lr_scheduler, name)(theirs, **settings)
    assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
    for _ in range(20):
        theirs.step()
        schedule.step()
        reference.step()
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
        assert schedule.get_last_lr() == rates(mine)
        momenta = [[group["momentum"] for group in o.param_groups] for o in (mine, theirs)]
        assert momenta[0] == pytest.approx(momenta[1], rel=1e-12)


def test_one_cycle_moves_adams_first_beta(torch):
    mine, theirs = two_groups(cr.zeros, optim.Adam), two_groups(torch.zeros, torch.optim.Adam)
    settings = {"max_lr": 0.1, "total_steps": 10}
    ours = lr_scheduler.OneCycleLR(mine, **settings)
    reference = torch.optim.lr_scheduler.OneCycleLR(theirs, **settings)
    for _ in range(9):
        theirs.step()
        ours.step()
        reference.step()
        assert mine.param_groups[0]["betas"] == pytest.approx(theirs.param_groups[0]["betas"], rel=1e-12)
    mine.step()


def test_warmup_is_torchs_linear_schedule(torch):
    mine, theirs = two_groups(cr.zeros, optim.SGD), two_groups(torch.zeros, torch.optim.SGD)
    ours = lr_scheduler.LinearWarmup(mine, steps=5)
    reference = torch.optim.lr_scheduler.LinearLR(theirs, total_iters=5)
    for _ in range(8):
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
        theirs.step()
        ours.step()
        reference.step()


def test_warmup_then_cosine_is_torchs_sequence(torch):
    mine, theirs = two_groups(cr.zeros, optim.SGD), two_groups(torch.zeros, torch.optim.SGD)
    ours = lr_scheduler.LinearWarmup(mine, steps=4, after=lr_scheduler.CosineAnnealingLR(mine, T_max=10))
    schedules = torch.optim.lr_scheduler
    parts = [schedules.LinearLR(theirs, total_iters=4), schedules.CosineAnnealingLR(theirs, T_max=10)]
    reference = schedules.SequentialLR(theirs, parts, milestones=[4])
    for _ in range(14):
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
        theirs.step()
        ours.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own call of a deprecated argument
            reference.step()


@walked("mode", ["min", "max"])
@walked("threshold_mode", ["rel", "abs"])
@walked("cooldown", [0, 2])
def test_the_plateau_is_torchs(torch, mode, threshold_mode, cooldown):
    settings = {"mode": mode, "threshold_mode": threshold_mode, "cooldown": cooldown, "patience": 1, "min_lr": 1e-3}
    settings |= {"threshold": 0.05, "factor": 0.3}
    mine, theirs = two_groups(cr.zeros, optim.SGD), two_groups(torch.zeros, torch.optim.SGD)
    ours = lr_scheduler.ReduceLROnPlateau(mine, **settings)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
    sign = 1 if mode == "min" else -1
    walk = 1 + np.cumsum(np.random.default_rng(0).normal(-0.01, 0.1, 40)) * sign
    walk[::9] = np.nan
    for value in walk:
        ours.step(value)
        reference.step(value)
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
    assert rates(mine)[0] < 0.1


@pytest.mark.parametrize(("ours", "_", "settings"), SCHEDULES.values(), ids=SCHEDULES)
def test_a_saved_schedule_goes_on_where_it_stood(ours, _, settings):
    first, second = (two_groups(cr.zeros, optim.SGD, momentum=0.5) for _ in range(2))
    schedule, resumed = ours(first, **settings), ours(second, **settings)
    for _ in range(5):
        schedule.step()
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert rates(second) == rates(first)
    schedule.step()
    resumed.step()
    assert rates(second) == rates(first)


def test_a_saved_plateau_goes_on_where_it_stood():
    first, second = (two_groups(cr.zeros, optim.SGD) for _ in range(2))
    plateau, resumed = (lr_scheduler.ReduceLROnPlateau(o, patience=2) for o in (first, second))
    assert json.loads(json.dumps(plateau.state_dict()))["best"] is None
    for _ in range(3):
        plateau.step(1.0)
    resumed.load_state_dict(json.loads(json.dumps(plateau.state_dict())))
    plateau.step(1.0)
    resumed.step(1.0)
    assert rates(second) == rates(first) == pytest.approx([0.01, 0.02])


def test_a_schedule_that_ended_stays():
    optimizer = two_groups(cr.zeros, optim.SGD, momentum=0.9)
    schedule = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=3)
    for _ in range(9):
        schedule.step()
    assert rates(optimizer) == pytest.approx([1 / 25 / 1e4] * 2)


SGD = two_groups(cr.zeros, optim.SGD)
WRONG = {
    "StepLR: step_size: expected an integer": lambda: lr_scheduler.StepLR(SGD, 1.5),
    "StepLR: step_size: expected an integer of at least 1": lambda: lr_scheduler.StepLR(SGD, 0),
    "StepLR: gamma": lambda: lr_scheduler.StepLR(SGD, 1, math.nan),
    "CosineAnnealingLR: eta_min": lambda: lr_scheduler.CosineAnnealingLR(SGD, 5, eta_min=-1.0),
    "expected an optimiser, got int": lambda: lr_scheduler.StepLR(3, 1),
    "start_factor: expected a number from 0 to 1": lambda: lr_scheduler.LinearWarmup(SGD, 3, 2.0),
    "after: expected a schedule": lambda: lr_scheduler.LinearWarmup(SGD, 3, after=SGD),
    "max_lr: expected one number or 2": lambda: lr_scheduler.OneCycleLR(SGD, [1.0], 5),
    "pct_start": lambda: lr_scheduler.OneCycleLR(SGD, 1.0, 5, pct_start=2.0),
    "anneal_strategy: expected one of": lambda: lr_scheduler.OneCycleLR(SGD, 1.0, 5, anneal_strategy="exp"),
    "has no momentum": lambda: lr_scheduler.OneCycleLR(two_groups(cr.zeros, optim.Adagrad), 1.0, 5),
    "base_momentum": lambda: lr_scheduler.OneCycleLR(SGD, 1.0, 5, base_momentum=0.99),
    "ReduceLROnPlateau: factor": lambda: lr_scheduler.ReduceLROnPlateau(SGD, factor=1.0),
    "ReduceLROnPlateau: mode": lambda: lr_scheduler.ReduceLROnPlateau(SGD, mode="least"),
    "expected a dict with": lambda: lr_scheduler.StepLR(SGD, 1).load_state_dict({}),
    "got 1 learning rates": lambda: lr_scheduler.StepLR(SGD, 1).load_state_dict({"last_epoch": 1, "base_lrs": [1.0]}),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong_and_changes_nothing(message, call):
    before = rates(SGD)
    with pytest.raises((TypeError, ValueError), match=message):
        call()
    assert rates(SGD) == before
