"""An optimiser's step and clipping inside a plan's one call: the same bits as through Python, and the same state."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import GradientError
from chainrule.optim.captured import OptimizerStep

from .test_training import OPTIMIZERS
from .worlds import World, batches, compare, feed, network

pytestmark = pytest.mark.usefixtures("machine_code")


def in_python(monkeypatch: Any) -> None:
    """Let no optimiser's step be machine code."""
    monkeypatch.setattr(OptimizerStep, "tasks", lambda *_: None)


def trained(name: str, dtype: Any, steps: int = 6) -> World:
    cr.seed(0)
    model = network(dtype=dtype)
    world = World(model, OPTIMIZERS[name](model.parameters()))
    step = cr.compile(world.step)
    for k, batch in enumerate(batches(steps, dtype=dtype)):
        step(*batch)
        if k == 3:
            world.optimizer.param_groups[0]["lr"] *= 0.5
    return world


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_are_those_of_the_step_through_python(monkeypatch: Any, name: str, dtype: Any) -> None:
    one = trained(name, dtype).state()
    in_python(monkeypatch)
    other = trained(name, dtype).state()
    for key, value in other.items():
        np.testing.assert_array_equal(one[key], value, err_msg=key)


def adam_world() -> World:
    model = network()
    return World(model, optim.Adam(model.parameters(), lr=0.01))


def count(optimizer: Any) -> list[int]:
    return [state["step"] for state in optimizer.state_dict()["state"]]


def test_a_plan_of_a_training_step_is_one_call_without_python() -> None:
    world = adam_world()

    def step(x: Any, y: Any) -> Any:
        world.optimizer.zero_grad()
        value = world.loss(world.model(x), y)
        value.backward()
        norm = optim.clip_grad_norm_(world.model.parameters(), 0.5)
        optim.clip_grad_value_(world.model.parameters(), 0.1)
        optim.scale_grads_(world.model.parameters(), 2.0)
        world.optimizer.step()
        return value, norm

    world.step = step
    compiled = cr.compile(step)
    for batch in batches(3):
        compiled(*batch)
    assert len(compiled.plan.calls) == 1
    called: list[str] = []
    effect = next(s.node.function for s in compiled.plan.steps if s.is_effect)
    effect.__class__ = type("Seen", (OptimizerStep,), {"__call__": lambda *_: called.append("python")})
    compiled(*batches(1)[0])
    assert not called
    assert count(world.optimizer) == [4] * 4


CHANGES: dict[str, Any] = {
    "lr": lambda w, k: w.optimizer.param_groups[0].update(lr=0.1 / (k + 1)),
    "the same lr": lambda w, k: w.optimizer.param_groups[0].update(lr=0.02),
    "betas": lambda w, k: w.optimizer.param_groups[0].update(betas=(0.5, 0.5 + 0.1 * k)),
    "betas as a list": lambda w, k: w.optimizer.param_groups[0].update(betas=[0.5, 0.7]),
    "amsgrad": lambda w, k: w.optimizer.param_groups[0].update(amsgrad=k > 1),
    "maximize": lambda w, k: w.optimizer.param_groups[0].update(maximize=k % 2 == 0),
    "the count": lambda w, k: [s.update(step=10 * k) for s in w.optimizer.state.values()],
    "one count": lambda w, k: next(iter(w.optimizer.state.values())).update(step=7),
    "the state": lambda w, k: [s.update(exp_avg=s["exp_avg"] * 0.5) for s in w.optimizer.state.values()],
    "no state": lambda w, k: w.optimizer.state.clear(),
    "an eager step": lambda w, k: w.train_step(*batches(1)[0]),
    "its own state loaded": lambda w, k: w.optimizer.load_state_dict(w.optimizer.state_dict()),
    "values written": lambda w, k: w.model[0].weight.data.__imul__(0.9),
    "values replaced": lambda w, k: setattr(w.model[0].weight, "data", w.model[0].weight.numpy() * 0.9),
    "values loaded": lambda w, k: w.model.load_state_dict({n: 0.9 * v for n, v in w.model.state_dict().items()}),
    "a frozen parameter": lambda w, k: w.model[0].bias.requires_grad_(k % 2 == 0),
}


@walked("name", CHANGES)
def test_changes_between_steps_are_seen(name: str) -> None:
    def drive(step: Any, world: World) -> list[Any]:
        found = []
        for k, batch in enumerate(batches(6)):
            found.append(step(*batch))
            if k in (1, 3):
                CHANGES[name](world, k)
        return found

    compare(adam_world, drive)


def test_a_held_state_is_up_to_date_and_may_be_changed() -> None:
    def drive(step: Any, world: World) -> list[Any]:
        one, *more = batches(5)
        found = [step(*one)]
        held = next(iter(world.optimizer.state.values()))
        for k, batch in enumerate(more):
            found.append(step(*batch))
            found.append(np.array([held["step"], *held["exp_avg"][0]]))
            if k == 1:
                held["exp_avg"] = np.zeros_like(held["exp_avg"])
        return found

    compare(adam_world, drive)


def test_plans_of_several_batch_sizes_count_together() -> None:
    sizes = [5, 3, 5, 5, 3, 2, 5]
    compare(adam_world, feed([batches(1, size, seed=k)[0] for k, size in enumerate(sizes)]))


def test_two_functions_that_step_halves_and_the_whole() -> None:
    def make() -> World:
        world = adam_world()
        halves = [list(world.model[0].parameters()), list(world.model[2].parameters())]

        def part(x: Any, y: Any, which: Any) -> Any:
            world.optimizer.zero_grad()
            value = world.loss(world.model(x), y)
            value.backward()
            for p in halves[1 - which] if which < 2 else []:
                p.grad = None
            world.optimizer.step()
            return value

        world.step = part
        return world

    order = [0, 1, 0, 1, 2, 0, 2, 1, 1, 2]
    calls = [(*batch, which) for batch, which in zip(batches(len(order)), order, strict=True)]
    compare(make, calls)


def test_two_optimizers_in_one_step() -> None:
    def make() -> World:
        model = network()
        world = World(model, optim.Adam(model[0].parameters(), lr=0.01))
        other = optim.SGD(model[2].parameters(), lr=0.1, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad()
            other.zero_grad()
            value = world.loss(model(x), y)
            value.backward()
            world.optimizer.step()
            other.step()
            return value

        world.step = step
        return world

    compare(make, batches(5))


def test_copies_and_pickles_have_the_count() -> None:
    world = adam_world()
    step = cr.compile(world.step)
    for batch in batches(3):
        step(*batch)
    assert count(copy.deepcopy(world.optimizer)) == count(pickle.loads(pickle.dumps(world.optimizer))) == [3] * 4
    step(*batches(1)[0])
    assert count(world.optimizer) == [4] * 4
    assert [s["step"] for s in world.optimizer.state.values()] == [4] * 4


def test_a_setting_out_of_range_changes_nothing() -> None:
    world = adam_world()
    step = cr.compile(world.step)
    for batch in batches(2):
        step(*batch)
    before = world.state()
    world.optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match="lr"):
        step(*batches(1)[0])
    world.optimizer.param_groups[0]["lr"] = 0.01
    after = world.state()
    assert all(np.array_equal(after[k], v) for k, v in before.items() if not k.startswith("grad"))


def test_a_label_out_of_range_changes_nothing_even_in_the_first_step() -> None:
    world = adam_world()
    step = cr.compile(world.step)
    (x, y) = batches(1)[0]
    with pytest.raises(Exception, match="class"):
        step(x, y + 10)
    assert all(not state for state in world.optimizer.state_dict()["state"])
    step(x, y)
    with pytest.raises(Exception, match="class"):
        step(x, y + 10)
    assert count(world.optimizer) == [1] * 4


@walked("how", ["raise", "zero", "ignore"])
@walked("value", [np.nan, np.inf, 1e200])
@walked("several", [False, True])
def test_gradients_that_are_not_finite(how: Any, value: float, several: bool) -> None:
    found = []
    for compiles in (False, True):
        parameters = [cr.tensor(np.ones(3), requires_grad=True), cr.tensor(np.ones(2), requires_grad=True)]
        optimizer = optim.SGD(parameters if several else parameters[:1], lr=0.1)

        def step(x: Any, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            used = optimizer.param_groups[0]["params"]
            sum((p * x).sum() for p in used).backward()
            norm = optim.clip_grad_norm_(used, 1.0, how)
            optimizer.step()
            return norm

        f = cr.compile(step) if compiles else step
        for x in (1.0, value, 2.0):
            try:
                found.append(float(f(np.float64(x))))
            except GradientError as error:
                found.append(str(error))
        found += [p.numpy().tolist() for p in parameters]
    half = len(found) // 2
    for a, b in zip(found[:half], found[half:], strict=True):
        assert a == b if isinstance(a, str) else np.testing.assert_allclose(b, a, rtol=1e-12) is None


@walked("dtype", [np.float32, np.float64])
@walked("size", [1, 7, 40_000])
def test_norms_of_many_elements(dtype: Any, size: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=size).astype(dtype)
    found = []
    for compiles in (False, True):
        w = cr.tensor(np.zeros(size, dtype), requires_grad=True)

        def step(x: Any, w: Any = w) -> Any:
            w.grad = None
            (w * x).sum().backward()
            return optim.clip_grad_norm_([w], 0.5)

        norm = (cr.compile(step) if compiles else step)(x)
        found.append((float(norm), w.grad.numpy().copy()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-6 if dtype == np.float32 else 1e-12)


def test_a_clipped_nan_stays_nan() -> None:
    w = cr.tensor(np.zeros(4), requires_grad=True)

    @cr.compile
    def step(x: Any) -> None:
        w.grad = None
        (w * x).sum().backward()
        optim.clip_grad_value_([w], 1.0)

    for _ in range(2):
        step(np.array([np.nan, 3.0, -3.0, 0.5]))
    np.testing.assert_array_equal(w.grad.numpy(), [np.nan, 1.0, -1.0, 0.5])


def test_half_precision_is_left_to_python() -> None:
    w = cr.tensor(np.ones(3, np.float16), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    @cr.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        (w * x).sum().backward()
        return optim.clip_grad_norm_([w], 1e9)

    assert float(step(np.full(3, 2.0, np.float16))) == pytest.approx(2 * np.sqrt(3))


class Tracked(nn.Module):
    """A layer that stops the plan's one call by a draw of random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network(nn.Dropout(0.5))

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def test_with_draws_between() -> None:
    def make() -> World:
        model = Tracked()
        return World(model, optim.AdamW(model.parameters(), lr=0.01))

    compare(make, batches(5))


def test_after_a_state_was_loaded_steps_are_as_fast_as_before(monkeypatch: Any) -> None:
    world = adam_world()
    step = cr.compile(world.step)
    first, *others = batches(6)
    step(*first)
    world.optimizer.load_state_dict(world.optimizer.state_dict())
    step(*first)
    looks: list[int] = []
    prepared = OptimizerStep._prepared
    monkeypatch.setattr(OptimizerStep, "_prepared", lambda self: looks.append(1) or prepared(self))
    for batch in others:
        step(*batch)
    assert looks == []
