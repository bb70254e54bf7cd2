"""What happens to a model, an optimiser and a thread between the calls of a compiled step."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.traces.tape import EAGER, Tape

from .worlds import World, assert_close, batches, compare, network


def _adam() -> World:
    model = network()
    return World(model, optim.Adam(model.parameters(), lr=0.01))


def _momentum() -> World:
    model = network()
    return World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def _nothing(world: World) -> None:
    pass


def _eager_step(world: World) -> None:
    world.train_step(*batches(1, seed=7)[0])


def _load_model(world: World) -> None:
    state = {k: np.array(v) * 0.5 for k, v in world.model.state_dict().items()}
    world.model.load_state_dict(state)


def _load_optimizer(world: World) -> None:
    state = world.optimizer.state_dict()
    for one in state["state"]:
        for key, value in one.items():
            one[key] = value + 3 if key == "step" else value * 0.5
    world.optimizer.load_state_dict(state)


def _load_optimizer_and_change_lr(world: World) -> None:
    state = world.optimizer.state_dict()
    state["param_groups"][0]["lr"] *= 0.5
    world.optimizer.load_state_dict(state)
    world.optimizer.param_groups[0]["lr"] *= 0.5


def _fresh_optimizer_state(world: World) -> None:
    state = world.optimizer.state_dict()
    world.optimizer.load_state_dict({**state, "state": [{} for _ in state["state"]]})


def _clear_one_state(world: World) -> None:
    world.optimizer.state.pop(world.optimizer.param_groups[0]["params"][1], None)


def _replace_data(world: World) -> None:
    for p in world.model.parameters():
        p.data = np.full(p.shape, 0.1)


def _write_data(world: World) -> None:
    weight = world.model[0].weight
    weight.data[0] = 0.5
    weight.data *= 0.9


def _change_lr(world: World) -> None:
    world.optimizer.param_groups[0]["lr"] *= 0.5


def _change_decay(world: World) -> None:
    world.optimizer.param_groups[0]["weight_decay"] = 0.1


def _maximize(world: World) -> None:
    world.optimizer.param_groups[0]["maximize"] = True


def _freeze(world: World) -> None:
    world.model[0].weight.requires_grad_(False)


def _freeze_and_thaw(world: World) -> None:
    world.model[0].weight.requires_grad_(False)
    world.train_step(*batches(1, seed=7)[0])
    world.model[0].weight.requires_grad_(True)


def _forget_gradients(world: World) -> None:
    world.optimizer.zero_grad()


def _set_gradients(world: World) -> None:
    for p in world.model.parameters():
        p.grad = np.ones(p.shape)


def _evaluate(world: World) -> None:
    world.model.eval()
    with cr.no_grad():
        world.model(batches(1)[0][0])
    world.model.train()


def _swap_layer(world: World) -> None:
    world.model[0].weight = nn.Parameter(np.full((4, 6), 0.1, np.float32))


def _swap_optimizer(world: World) -> None:
    world.optimizer = optim.SGD(world.model.parameters(), lr=0.05, momentum=0.5)


def _draw(world: World) -> None:
    cr.rand(3)


def _seed(world: World) -> None:
    cr.seed(11)


def _double(world: World) -> None:
    world.model.double()
    world.optimizer = optim.SGD(world.model.parameters(), lr=0.05)


BETWEEN: dict[str, Callable[[World], None]] = {
    name.strip("_").replace("_", " "): change
    for name, change in list(globals().items())
    if name.startswith("_") and getattr(change, "__annotations__", {}) == {"world": World, "return": None}
}


@walked("name", BETWEEN)
@walked("make", [_adam, _momentum], ids=["adam", "momentum"])
def test_changes_between_calls(make: Callable[[], World], name: str) -> None:
    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(6)):
            yield step(*batch)
            if k in (1, 3):
                BETWEEN[name](world)

    compare(make, drive)


def test_there_are_changes_to_test() -> None:
    assert len(BETWEEN) > 15


@walked("name", ["load model", "replace data", "change lr", "load optimizer", "eager step", "nothing"])
def test_such_changes_need_no_new_plan(name: str) -> None:
    world = _adam()
    step = cr.compile(world.step)
    for batch in batches(4):
        step(*batch)
        BETWEEN[name](world)
    assert repr(step) == "<compiled train_step: 1 plan>"


def test_changes_with_dropout_and_batch_norm() -> None:
    def make() -> World:
        model = network(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU())
        return World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(8)):
            yield step(*batch)
            (_draw, _load_model, _eager_step, _evaluate)[k % 4](world)

    compare(make, drive)


def test_two_compiled_functions_over_one_optimizer() -> None:
    """Each lays the parameters out in one buffer: they must share it."""
    states = []
    for compiles in (False, True):
        cr.seed(0)
        world = _adam()

        def half(x: Any, y: Any, world: World = world) -> Any:
            return world.train_step(x * 0.5, y)

        steps = [cr.compile(f) if compiles else f for f in (world.step, half)]
        for k, batch in enumerate(batches(6)):
            steps[k % 2](*batch)
        states.append(world.state())
    assert_close(states[1], states[0])


def test_steps_over_different_parameters_of_one_optimizer() -> None:
    """A loss that reaches only some parameters, in turn with one that reaches all: other flat buffers each time."""
    found = []
    for compiles in (False, True):
        cr.seed(0)
        model = network(dtype=np.float64)
        world = World(model, optim.Adam(model.parameters(), lr=0.01))

        def only_bias(x: Any, y: Any, world: World = world) -> Any:
            world.optimizer.zero_grad()
            value = (world.model[2].bias ** 2).sum() * x.sum()
            value.backward()
            world.optimizer.step()
            return value

        whole, part = (map(cr.compile, (world.step, only_bias))) if compiles else (world.step, only_bias)
        for k, batch in enumerate(batches(9, dtype=np.float64)):
            (whole, part, whole)[k % 3](*batch)
        found.append(world.state())
    assert_close(found[1], found[0], np.float64)


def test_two_optimizers_over_the_same_parameters() -> None:
    def make() -> World:
        world = _adam()
        second = optim.SGD(world.model.parameters(), lr=0.05, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            value = world.train_step(x, y)
            second.step()
            return value

        world.step = step
        return world

    compare(make, batches(5))


def test_a_parameter_group_added_later() -> None:
    def make() -> World:
        world = World(network())
        world.optimizer = optim.SGD(world.model[0].parameters(), lr=0.1, momentum=0.9)
        return world

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(6)):
            yield step(*batch)
            if k == 2:
                world.optimizer.add_param_group({"params": world.model[2].parameters(), "lr": 0.01})

    compare(make, drive)


def test_a_setting_that_became_wrong_raises_and_changes_nothing() -> None:
    world = _adam()
    step = cr.compile(world.step)
    x, y = batches(1)[0]
    step(x, y)
    before = world.model.state_dict()
    world.optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match="lr"):
        step(x, y)
    for key, value in world.model.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    world.optimizer.param_groups[0]["lr"] = 0.1
    step(x, y)


def test_the_same_tensor_object_and_its_views_stay_valid() -> None:
    """Views taken before the first call, as `numpy()` gives them, need not follow; the tensor itself does."""
    world = _adam()
    weight = world.model[0].weight
    before = weight.numpy().copy()
    step = cr.compile(world.step)
    step(*batches(1)[0])
    assert world.model[0].weight is weight
    assert not np.array_equal(weight.numpy(), before)
    assert weight.is_leaf
    assert weight.requires_grad


def _threads(jobs: list[Callable[[], Any]]) -> list[Any]:
    found: list[Any] = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(k: int) -> None:
        start.wait()
        try:
            found[k] = jobs[k]()
        except BaseException as error:
            found[k] = error

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def _training(seed: int) -> Callable[[], Any]:
    def train() -> Any:
        model = nn.Sequential(
            nn.Linear(4, 6, generator=np.random.default_rng(seed)),
            nn.BatchNorm1d(6),
            nn.Dropout(0.3, np.random.default_rng(seed)),
            nn.ReLU(),
            nn.Linear(6, 3, generator=np.random.default_rng(seed)),
        )
        world = World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
        step = cr.compile(world.step)
        losses = []
        for k, batch in enumerate(batches(20, seed=seed)):
            if k % 5 == 4:
                step.clear()  # captures and replays of several threads meet
            losses.append(step(*batch).numpy().tolist())
        return losses, [p.numpy().tolist() for p in model.parameters()]

    return train


@pytest.mark.slow
def test_threads_with_models_of_their_own_train_as_one_after_the_other() -> None:
    serial = [_training(seed)() for seed in range(4)]
    assert _threads([_training(seed) for seed in range(4)]) == serial
    assert type(EAGER) is Tape


def test_a_capture_does_not_see_another_thread() -> None:
    """Eager work in one thread while another captures."""
    inside, done = threading.Event(), threading.Event()

    def slow(x: Any) -> Any:
        y = x * 2
        inside.set()
        assert done.wait(10)
        return y + 1

    compiled = cr.compile(slow)

    def eager() -> Any:
        assert inside.wait(10)
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        y = w * 3
        y.sum().backward()
        found = float(w.grad.sum()), float(y.detach()[0])
        done.set()
        return found

    found = _threads([lambda: compiled(np.ones(2)).tolist(), eager])
    assert found == [[3.0, 3.0], (6.0, 3.0)]
    assert type(EAGER) is Tape


def test_one_compiled_function_in_several_threads() -> None:
    compiled = cr.compile(lambda x: np.tanh(x) * 2)

    def job(k: int) -> Callable[[], bool]:
        x = np.full(7, float(k))
        return lambda: all(np.allclose(compiled(x), np.tanh(x) * 2) for _ in range(200))

    assert all(_threads([job(k) for k in range(4)]))


def test_a_function_that_compiles_and_calls_itself() -> None:
    @cr.compile
    def power(x: Any, n: int) -> Any:
        return x if n == 0 else x * power(x, n - 1)

    assert power(np.full(2, 3.0), 3).tolist() == [81.0, 81.0]
    assert power(np.full(2, 2.0), 3).tolist() == [16.0, 16.0]


def test_a_gradient_that_was_written_to_is_that_of_the_next_call() -> None:
    """Also where the call is one function of Python's, from the second on; what was written stays where it is held."""
    w = cr.tensor([1.0, -2.0], requires_grad=True)

    @cr.compile
    def step(x: Any) -> None:
        w.grad = None
        ((w - x) ** 2).sum().backward()

    for k in range(6):
        if k >= 2:
            held = w.grad
            held[0] = 7.0
            held *= 2
        step(np.array([k, 1.0]))
        np.testing.assert_array_equal(w.grad, [2 - 2 * k, -6])
    np.testing.assert_array_equal(held, [14, -12])


# Classes of objects that change between calls


class Doubled:
    """An object of a user's class."""

    def __call__(self, x: Any) -> Any:
        return x * 2

    def of(self, x: Any) -> Any:
        return x + 2


class Tripled(Doubled):
    """Another class with the same names."""

    def __call__(self, x: Any) -> Any:
        return x * 3

    def of(self, x: Any) -> Any:
        return x + 3


class Slotted:
    """An object without a dict."""

    __slots__ = ()

    def of(self, x: Any) -> Any:
        return x + 2


class OtherSlotted(Slotted):
    """Another class with the same slots."""

    __slots__ = ()

    def of(self, x: Any) -> Any:
        return x + 3


class SquaredReLU(nn.ReLU):
    """A module that computes something else."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) ** 2


def test_an_object_that_is_given_another_class() -> None:
    cases: dict[str, tuple[Any, type, Callable[[Any, Any], Any]]] = {
        "called": (Doubled(), Tripled, lambda a, x: a(x)),
        "a method": (Doubled(), Tripled, lambda a, x: a.of(x)),
        "asked": (Doubled(), Tripled, lambda a, x: x if isinstance(a, Tripled) else -x),
        "slots": (Slotted(), OtherSlotted, lambda a, x: a.of(x)),
        "a module": (nn.ReLU(), SquaredReLU, lambda a, x: a(x)),
    }
    for name, (thing, other, f) in cases.items():
        first, x = type(thing), np.array([-2.0, 0.5, 3.0])
        compiled = cr.compile(lambda x, f=f, thing=thing: f(thing, x))
        for cls in (first, other, first, other):
            thing.__class__ = cls
            with named(name, cls.__name__):
                np.testing.assert_array_equal(compiled(x), f(thing, x))
