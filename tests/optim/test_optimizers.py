"""Every optimiser against PyTorch's, and what it does with wrong calls and saved states."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim

# Ours, and settings that PyTorch's optimiser of that name has as well: the defaults, each setting alone, several.
EACH = {
    optim.SGD: [
        {"lr": 0.05, "weight_decay": 0.1},
        {"lr": 0.02, "momentum": 0.9},
        {"lr": 0.02, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 0.02, "momentum": 0.5, "dampening": 0.9, "weight_decay": 0.01, "maximize": True},
    ],
    optim.Adam: [
        {"lr": 0.1},
        {"lr": 0.02, "betas": (0.5, 0.7)},
        {"lr": 0.02, "eps": 1e-2},
        {"lr": 0.02, "weight_decay": 0.1},
        {"lr": 0.2, "amsgrad": True},
        {"maximize": True},
        {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True, "maximize": True},
    ],
    optim.RMSprop: [
        {"lr": 0.02, "alpha": 0.9},
        {"eps": 1e-2},
        {"weight_decay": 0.1},
        {"lr": 0.002, "momentum": 0.9},
        {"lr": 0.002, "centered": True, "eps": 1e-4},
        {"maximize": True},
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-2, "centered": True},
    ],
    optim.Adagrad: [
        {"lr": 0.1},
        {"lr_decay": 0.1},
        {"weight_decay": 0.1},
        {"initial_accumulator_value": 0.5},
        {"eps": 1e-2},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True},
    ],
}
EACH[optim.AdamW] = EACH[optim.Adam]
SETTINGS = [
    (ours, ours.__name__, settings)
    for ours, several in EACH.items()
    for settings in [{"lr": 0.05} if ours is optim.SGD else {}, *several]
]
IDS = [f"{name}-{'-'.join(settings)}" for _, name, settings in SETTINGS]
STEPS = 100
OPTIMIZERS = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad]


def start(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((3, 2)), rng.standard_normal(4), np.array(0.5)]


def loss_of(parameters):
    a, b, c = parameters
    return ((a**4).sum() + (b * b * c).sum() + (a.sum() - c) ** 2) * 0.1


def descend(parameters, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss_of(parameters)
        (-value if optimizer.param_groups[0]["maximize"] else value).backward()
        optimizer.step()


def leaves():
    return [cr.tensor(value, requires_grad=True) for value in start()]


@pytest.mark.parametrize(("ours", "name", "settings"), SETTINGS, ids=IDS)
def test_a_hundred_steps_are_those_of_torch(torch, ours, name, settings):
    """Both get the same gradients: a loss would have the rounding of each step grow in the later ones."""
    mine = leaves()
    theirs = [torch.tensor(value, requires_grad=True) for value in start()]
    optimizer, theirs_optimizer = ours(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    assert set(settings) <= set(theirs_optimizer.defaults)
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = rng.standard_normal(a.shape) + 0.5
            b.grad = torch.tensor(a.grad.numpy().copy())
        optimizer.step()
        theirs_optimizer.step()
    for a, b, before in zip(mine, theirs, start(), strict=True):
        assert np.abs(a.numpy() - before).max() > 1e-4
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-13, atol=1e-13)


def test_every_setting_is_held_against_torch():
    for ours in OPTIMIZERS:
        tried = {name for optimizer, _, settings in SETTINGS if optimizer is ours for name in settings}
        assert tried == set(ours(leaves(), lr=0.1).defaults)


@walked(("ours", "name", "settings"), SETTINGS, ids=IDS)
def test_a_saved_state_goes_on_as_if_nothing_had_happened(ours, name, settings):
    settings = {"lr": 0.05, **settings}
    whole, first = leaves(), leaves()
    descend(whole, ours(whole, **settings), 9)
    optimizer = ours(first, **settings)
    descend(first, optimizer, 4)
    second = [cr.tensor(p.numpy(), requires_grad=True) for p in first]
    resumed = ours(second, lr=99.0)
    resumed.load_state_dict(optimizer.state_dict())
    descend(first, optimizer, 1)  # the loaded state shares nothing with the saved one
    descend(second, resumed, 5)
    for a, b in zip(whole, second, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@walked("ours", OPTIMIZERS)
def test_groups_have_their_own_settings(torch, ours):
    mine = leaves()
    theirs = [torch.tensor(value, requires_grad=True) for value in start()]

    def groups(parameters):
        return [{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:], "weight_decay": 0.2}]

    descend(mine, ours(groups(mine), lr=0.01), 5)
    descend(theirs, getattr(torch.optim, ours.__name__)(groups(theirs), lr=0.01), 5)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=0, atol=1e-12)


@walked("ours", OPTIMIZERS)
def test_parameters_without_a_gradient_stay(ours):
    used, unused, frozen = (nn.Parameter(np.ones(2)) for _ in range(3))
    frozen.requires_grad_(False)
    optimizer = ours([used, unused, frozen], lr=0.1)
    (used * unused.detach() * frozen).sum().backward()
    optimizer.step()
    assert (used.numpy() < 1).all()
    assert (unused.numpy() == 1).all()
    assert (frozen.numpy() == 1).all()
    assert set(optimizer.state) <= {used}


@walked("ours", OPTIMIZERS)
@walked("dtype", [np.float32, np.float16])
def test_the_dtype_stays_whatever_the_settings_are(ours, dtype):
    p = nn.Parameter(np.ones(3, dtype))
    optimizer = ours([p], lr=np.float64(0.1))
    (p * p).sum().backward()
    optimizer.step()
    assert p.dtype == dtype
    assert all(array.dtype == dtype for array in optimizer.state_dict()["state"][0].values() if hasattr(array, "dtype"))


@walked("ours", OPTIMIZERS)
def test_a_step_is_seen_by_tapes_that_need_the_old_values(ours):
    p = cr.tensor([1.0, 2.0], requires_grad=True)
    optimizer = ours([p], lr=0.1)
    stale = (p * p).sum()
    (p * p).sum().backward()
    optimizer.step()
    with pytest.raises(cr.InPlaceError):
        stale.backward()


@walked("ours", OPTIMIZERS)
def test_gradients_are_never_written_to(ours):
    a, b = (cr.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    optimizer = ours([a, b], lr=0.1, weight_decay=0.1)
    (a + b).sum().backward()  # both gradients are one read-only view of a single number
    optimizer.step()
    optimizer.step()
    np.testing.assert_array_equal(a.grad.numpy(), np.ones(3))
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@given(st.lists(st.sampled_from(["both", "first", "none"]), max_size=6), st.sampled_from(OPTIMIZERS))
def test_a_state_is_json_and_arrays_and_loads_again(history, ours):
    parameters = [nn.Parameter(np.ones((2, 3))), nn.Parameter(np.ones(2))]
    optimizer = ours(parameters, lr=0.1)
    for which in history:
        optimizer.zero_grad()
        used = {"both": parameters, "first": parameters[:1], "none": []}[which]
        for p in used:
            (p * p).sum().backward()
        optimizer.step()
    state = optimizer.state_dict()
    settings = json.loads(json.dumps({"groups": state["param_groups"]}))["groups"]
    rows = [
        {k: v if isinstance(v, np.ndarray) else json.loads(json.dumps(v)) for k, v in row.items()}
        for row in state["state"]
    ]
    other = ours([nn.Parameter(p) for p in parameters], lr=0.5)
    other.load_state_dict({"state": rows, "param_groups": settings})
    again = other.state_dict()
    assert again["param_groups"] == state["param_groups"]
    for mine, theirs in zip(again["state"], state["state"], strict=True):
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)


def one():
    return [nn.Parameter(np.ones(2), name="w")]


def twice():
    return one() * 2


def result():
    return [one()[0] * 2]


WRONG = {
    "no parameters": (ValueError, lambda: optim.SGD([], lr=0.1)),
    "pass model.parameters": (TypeError, lambda: optim.SGD(nn.Linear(2, 2), lr=0.1)),
    "expected a parameter or a tensor, got ndarray": (TypeError, lambda: optim.Adam([np.ones(2)])),
    "expected a leaf": (TypeError, lambda: optim.Adam(result())),
    "parameter 0: got dtype complex128, expected real numbers; keep the real and": (
        TypeError,
        lambda: optim.SGD([cr.tensor([1j], requires_grad=True)], lr=0.1),
    ),
    "w was passed twice": (ValueError, lambda: optim.Adam(twice())),
    "SGD: lr: expected a finite number, 0 or more, got nan": (ValueError, lambda: optim.SGD(one(), lr=float("nan"))),
    "got inf": (ValueError, lambda: optim.SGD(one(), lr=float("inf"))),
    "got -0.1": (ValueError, lambda: optim.SGD(one(), lr=-0.1)),
    "lr: expected a finite number, 0 or more, got str": (TypeError, lambda: optim.SGD(one(), lr="0.1")),
    "lr: .* got bool": (TypeError, lambda: optim.SGD(one(), lr=True)),
    "momentum: expected a number from 0": (ValueError, lambda: optim.SGD(one(), lr=0.1, momentum=1.0)),
    "maximize: expected True or False, got 1": (TypeError, lambda: optim.Adam(one(), maximize=1)),
    "and no dampening": (
        ValueError,
        lambda: optim.SGD(one(), lr=0.1, momentum=0.9, nesterov=True, dampening=0.1),
    ),
    "nesterov=True needs a momentum": (ValueError, lambda: optim.SGD(one(), lr=0.1, nesterov=True)),
    "betas: expected 2 numbers": (TypeError, lambda: optim.Adam(one(), betas=(0.9,))),
    "betas: .* got 1.5": (ValueError, lambda: optim.Adam(one(), betas=(0.9, 1.5))),
    "group 0: unknown settings": (ValueError, lambda: optim.Adam([{"params": one(), "learning_rate": 1}])),
    "with 'params'": (ValueError, lambda: optim.Adam([{"lr": 1}])),
    "one dict": (TypeError, lambda: optim.Adam({"params": one()})),
    "an earlier group": (ValueError, lambda: optim.Adam([{"params": p} for p in [one()] * 2])),
}


@walked(("message", "wrong"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, wrong):
    error, call = wrong
    with pytest.raises(error, match=message):
        call()


def test_a_setting_that_became_wrong_stops_the_step_before_anything_changes():
    a, b = one()[0], one()[0]
    optimizer = optim.SGD([{"params": [a]}, {"params": [b]}], lr=0.1)
    (a * b).sum().backward()
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ValueError, match="group 1: lr"):
        optimizer.step()
    assert (a.numpy() == 1).all()


def broken(change):
    p = nn.Parameter(np.ones(2), name="w")
    optimizer = optim.Adam([p])
    (p * p).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    change(state)
    return optimizer, state


BROKEN = {
    "got 0 groups": lambda s: s["param_groups"].clear(),
    "got the settings": lambda s: s["param_groups"][0].pop("eps"),
    "lr: expected": lambda s: s["param_groups"][0].update(lr=float("nan")),
    "got 2 parameters": lambda s: s["param_groups"][0].update(params=[0, 1]),
    "the state of 0 parameters": lambda s: s["state"].clear(),
    "w: got the state": lambda s: s["state"][0].pop("exp_avg"),
    r"w: exp_avg: expected floats of shape \[2\], got float64 \[3\]": lambda s: s["state"][0].update(
        exp_avg=np.ones(3)
    ),
    "w: exp_avg_sq: expected floats": lambda s: s["state"][0].update(exp_avg_sq=np.ones(2, int)),
    "step: expected an integer of at least 0": lambda s: s["state"][0].update(step=-1),
    "expected a dict with 'state'": lambda s: s.pop("state"),
}


@walked(("message", "change"), BROKEN.items(), ids=BROKEN)
def test_a_broken_state_changes_nothing(message, change):
    optimizer, state = broken(change)
    before = optimizer.state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(np.array_equal(after["state"][0][k], before["state"][0][k]) for k in before["state"][0])


def test_zero_grad_forgets_or_zeroes():
    p = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    (p * p).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert (p.grad.numpy() == 0).all()
    optimizer.zero_grad()
    assert p.grad is None


def test_momentum_may_be_switched_on_later():
    p = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    for momentum in (0.0, 0.9):
        optimizer.param_groups[0]["momentum"] = momentum
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
    np.testing.assert_allclose(p.numpy(), 0.8)


def test_named_parameters_give_errors_their_names():
    model = nn.Sequential(nn.Linear(2, 2))
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["names"] == ["0.weight", "0.bias"]
    assert repr(optimizer) == (
        "SGD(2 parameters, lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0, dampening=0.0, maximize=False)"
    )
