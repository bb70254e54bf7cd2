"""A whole training step inside `torch.compile`: what it changes is what the same step changes outside."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from tests.named import walked

import chainrule
import chainrule.torch as door
from chainrule.torch import nn

from .test_training import OPTIMIZERS


def batches(count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield door.tensor(rng.normal(size=(5, 4)).astype(np.float32)), door.tensor(rng.integers(0, 3, 5))


class Training:
    """A small network, its optimiser, and the step as people write it."""

    def __init__(self, make=None, compiled=True, before=None, after=None, to_none=True):
        door.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
        make = make or (lambda lib, p: lib.optim.Adam(p, lr=0.05))
        self.optimizer = make(door, list(self.model.parameters()))
        model, optimizer = self.model, self.optimizer

        def step(x, y):
            optimizer.zero_grad(set_to_none=to_none)
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            if before is not None:
                before(model)
            optimizer.step()
            if after is not None:
                after()
            return loss

        self.step = door.compile(step) if compiled else step

    def run(self, count=4):
        return [self.step(x, y).item() for x, y in batches(count)]

    def everything(self):
        """Return weights, gradients and state."""
        found = [p.detach().numpy() for p in self.model.parameters()]
        found += [p.grad.numpy() for p in self.model.parameters()]
        for kept in self.optimizer.state_dict()["state"].values():
            found += [np.asarray(value) for _, value in sorted(kept.items())]
        return found


def same(one, other, rtol=2e-5):
    a, b = one.everything(), other.everything()
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol, 1e-6)


@walked("name", OPTIMIZERS)
def test_a_step_with_its_optimiser_is_that_outside(name):
    ours, other = Training(OPTIMIZERS[name]), Training(OPTIMIZERS[name], compiled=False)
    np.testing.assert_allclose(ours.run(), other.run(), 1e-5)
    same(ours, other)


def test_a_step_with_gradients_set_to_zero():
    ours, other = Training(to_none=False), Training(to_none=False, compiled=False)
    np.testing.assert_allclose(ours.run(), other.run(), 1e-5)
    same(ours, other)


CLIPS = {
    "norm": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.1),
    "large norm": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1e3),
    "largest": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.05, norm_type=float("inf")),
    "1-norm": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.5, norm_type=1),
    "value": lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.01),
    "in two": lambda m: nn.utils.clip_grads_with_norm_(
        m.parameters(), 0.1, nn.utils.get_total_norm([p.grad for p in m.parameters()])
    ),
}


@walked("name", CLIPS)
def test_clipping_inside(name):
    ours, other = Training(before=CLIPS[name]), Training(before=CLIPS[name], compiled=False)
    np.testing.assert_allclose(ours.run(), other.run(), 1e-5)
    same(ours, other)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_clipping_what_is_not_finite_is_pytorchs(torch, bad):
    """Infinite gradients become NaN and the others 0; NaN spreads to all."""

    def clipped(lib, compiled):
        w = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)

        def step(x):
            (w * x).sum().backward()
            lib.nn.utils.clip_grad_norm_([w], 1.0)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (lib.compile(step) if compiled else step)(lib.tensor([1.0, float(bad), 2.0]))
        return w.grad.numpy()

    expected = clipped(torch, False)
    for compiled in (False, True):
        np.testing.assert_array_equal(clipped(door, compiled), expected)


def test_a_schedule_inside_and_outside_of_the_step():
    def run(compiled, inside):
        schedules = []
        training = Training(compiled=compiled, after=(lambda: schedules[0].step()) if inside else None)
        schedules.append(door.optim.lr_scheduler.StepLR(training.optimizer, 2, 0.3))
        losses = []
        for x, y in batches(6):
            losses.append(training.step(x, y).item())
            if not inside:
                schedules[0].step()
        return losses, training.optimizer.param_groups[0]["lr"]

    (a, rate_a), (b, rate_b), (c, rate_c) = run(False, False), run(True, False), run(True, True)
    assert rate_a == rate_b == rate_c
    np.testing.assert_allclose(b, a, 1e-5)
    np.testing.assert_allclose(c, a, 1e-5)


def test_settings_states_and_steps_between_are_heeded():
    ours, other = Training(), Training(compiled=False)
    start = copy.deepcopy(ours.optimizer.state_dict()), copy.deepcopy(other.optimizer.state_dict())
    for k, (x, y) in enumerate(batches(8)):
        for one in (ours, other):
            if k == 2:
                one.optimizer.param_groups[0].update(lr=0.01, betas=(0.8, 0.9))
            if k == 3:  # a step in between, outside of the compiled function
                nn.functional.cross_entropy(one.model(x), y).backward()
                one.optimizer.step()
            if k == 4:
                one.optimizer.state[one.model[0].weight]["exp_avg"][...] = 0
            if k == 5:
                one.optimizer.load_state_dict(copy.deepcopy(one.optimizer.state_dict()))
            if k == 6:
                one.optimizer.load_state_dict(start[one is other])
            if k == 7:
                one.model[2].bias.data = door.zeros(3)
        np.testing.assert_allclose(ours.step(x, y).item(), other.step(x, y).item(), 1e-5)
    same(ours, other)


def test_another_group_of_parameters_is_seen():
    def run(compiled):
        door.manual_seed(0)
        w, v = (door.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        optimizer = door.optim.SGD([w], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            ((w * v - x) ** 2).sum().backward()
            optimizer.step()

        f = door.compile(step) if compiled else step
        for k in range(4):
            if k == 2:
                optimizer.add_param_group({"params": [v], "lr": 0.01})
            f(door.tensor([3.0, 1.0]))
        return np.concatenate([w.detach().numpy(), v.detach().numpy(), v.grad.numpy()])

    np.testing.assert_allclose(run(True), run(False), 1e-5, 1e-6)


def test_copies_of_an_optimiser_are_their_own():
    training = Training()
    training.run(2)
    for copied in (copy.deepcopy(training.optimizer), pickle.loads(pickle.dumps(training.optimizer))):
        before = [p.detach().numpy().copy() for p in copied.param_groups[0]["params"]]
        training.run(1)
        for p, values in zip(copied.param_groups[0]["params"], before, strict=True):
            np.testing.assert_array_equal(p.detach().numpy(), values)


def test_gradients_accumulate_over_calls_without_zero_grad():
    def run(compiled):
        w = door.tensor([1.0, -2.0], requires_grad=True)
        optimizer = door.optim.SGD([w], lr=0.1)

        def step(x):
            ((w - x) ** 2).sum().backward()
            optimizer.step()

        f = door.compile(step) if compiled else step
        for k in range(3):
            f(door.tensor([float(k), 1.0]))
        return w.detach().numpy(), w.grad.numpy()

    for a, b in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


def test_gradients_cleared_by_hand_and_by_the_module():
    def run(compiled, clear):
        door.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = door.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            clear(model)
            model(x).sum().backward()
            optimizer.step()

        f = door.compile(step) if compiled else step
        for k in range(3):
            f(door.ones(2, 3) * k)
        return [np.concatenate([p.detach().numpy().ravel(), p.grad.numpy().ravel()]) for p in model.parameters()]

    def by_hand(model):
        for p in model.parameters():
            p.grad = None

    for clear in (by_hand, lambda model: model.zero_grad(), lambda model: model.zero_grad(set_to_none=False)):
        for a, b in zip(run(True, clear), run(False, clear), strict=True):
            np.testing.assert_allclose(a, b, 1e-5, 1e-6)


def _in_place(p, grad):
    p.sub_(0.1 * grad)


def _by_operator(p, grad):
    p -= 0.1 * grad


def _into_data(p, grad):
    p.data.add_(grad, alpha=-0.1)


def _new_data(p, grad):
    p.data = p.data - 0.1 * grad


def _into_detached(p, grad):
    values = p.detach()
    values.mul_(0.9)
    values.copy_(values - 0.1 * grad)


@walked("update", [_in_place, _by_operator, _into_data, _new_data, _into_detached])
def test_parameters_changed_by_hand(update):
    """As in PyTorch's tutorials: the loss is computed before, and what is read afterwards is new."""

    def run(compiled):
        p = door.tensor([1.0, 2.0], requires_grad=True)

        def step(x):
            loss = ((p - x) ** 2).sum()
            loss.backward()
            with door.no_grad():
                update(p, p.grad)
            p.grad = None
            return loss, (p * x).sum()

        f = door.compile(step) if compiled else step
        return [[float(y) for y in f(door.tensor([1.0, float(k)]))] for k in range(4)], p.tolist()

    (a, p), (b, q) = run(True), run(False)
    np.testing.assert_allclose(a, b, 1e-6)
    np.testing.assert_allclose(p, q, 1e-6)


def test_the_engines_compile_takes_these_tensors():
    """Batches may change from call to call, as arrays may."""
    ours, other = Training(compiled=False), Training(compiled=False)
    compiled = chainrule.compile(ours.step)
    for x, y in batches(4):
        np.testing.assert_allclose(compiled(x, y).item(), other.step(x, y).item(), 1e-5)
    assert len(compiled.plans) == 1
    same(ours, other)


def test_a_plan_is_timed_without_a_change():
    training = Training(compiled=False)
    step = chainrule.compile(training.step)
    for x, y in batches(2):
        step(x, y)
    before = [x.copy() for x in training.everything()]
    step.plan.profile()
    for a, b in zip(training.everything()[:4], before[:4], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(training.everything()[8:], before[8:], strict=True):
        np.testing.assert_array_equal(a, b)
