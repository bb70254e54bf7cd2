"""The generated function of a replay (`quick`): when it answers, that it answers alike, and when it leaves the call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile.quick import MISSED, never
from chainrule.kernels.native.entry import is_known

from .worlds import World, batches, network

pytestmark = pytest.mark.skipif(not is_known(), reason="objects lie in memory in another way here")

OPTIMIZERS: dict[str, Callable[[nn.Module], Any]] = {
    "SGD": lambda model: optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "Adam": lambda model: optim.Adam(model.parameters(), lr=0.01),
    "two groups": lambda model: optim.AdamW(
        [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.1}], lr=0.01
    ),
    "clipped": lambda model: optim.RMSprop(model.parameters(), lr=0.01),
}


def _world(name: str = "Adam") -> World:
    cr.seed(0)
    model = network()
    world = World(model, OPTIMIZERS[name](model))
    if name == "clipped":
        world.step = lambda x, y: _clipped(world, x, y)
    return world


def _clipped(world: World, x: Any, y: Any) -> Any:
    world.optimizer.zero_grad()
    value = world.loss(world.model(x), y)
    value.backward()
    optim.clip_grad_norm_(world.model.parameters(), 0.1)
    world.optimizer.step()
    return value, [x * 2]


def _slow(step: Any, *args: Any) -> Any:
    """Call a compiled step without the generated function."""
    if step._last is not None:
        step._last.quick, step._last._is_known = never, True
    return step(*args)


def _flat(result: Any) -> list[Any]:
    return [np.array(leaf.numpy() if isinstance(leaf, cr.Tensor) else leaf) for leaf in cr.core.tree.flatten(result)[0]]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_does_bit_for_bit_what_the_replay_does(name: str) -> None:
    one, other = _world(name), _world(name)
    quick, slow = cr.compile(one.step), cr.compile(other.step)
    answered = 0
    for k, (x, y) in enumerate(batches(8)):
        if k > 2:
            found = quick._last.quick((x, y))
            assert found is not MISSED
            answered += 1
        else:
            found = quick(x, y)
        expected = _slow(slow, x, y)
        assert [type(a) for a in cr.core.tree.flatten(found)[0]] == [type(b) for b in cr.core.tree.flatten(expected)[0]]
        for a, b in zip(_flat(found), _flat(expected), strict=True):
            np.testing.assert_array_equal(a, b)
        before, after = one.state(), other.state()
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key], err_msg=f"{key} after step {k}")
    assert answered == 5


def _ready() -> tuple[World, Any]:
    world = _world()
    step = cr.compile(world.step)
    for x, y in batches(3):
        step(x, y)
    return world, step


X, Y = batches(1, seed=9)[0]


def _freeze(world: World) -> None:
    world.model[0].weight.requires_grad_(False)


def _hold_state(world: World) -> None:
    world.more["held"] = world.optimizer.state


LEAVES: dict[str, Callable[[World], Any]] = {
    "weight decay": lambda world: world.optimizer.param_groups[0].update(weight_decay=0.5),
    "weight decay and learning rate": lambda world: world.optimizer.param_groups[0].update(lr=0.5, weight_decay=0.5),
    "learning rate of another type": lambda world: world.optimizer.param_groups[0].update(lr=True),
    "invalid learning rate": lambda world: world.optimizer.param_groups[0].update(lr=-1.0),
    "a setting less": lambda world: world.optimizer.param_groups[0].pop("lr"),
    "other parameters": lambda world: world.optimizer.param_groups[0]["params"].pop(),
    "frozen parameter": _freeze,
    "replaced parameter": lambda world: setattr(world.model[0].weight, "data", np.ones((4, 6), np.float32)),
    "loaded state": lambda world: world.optimizer.load_state_dict(world.optimizer.state_dict()),
    "state that somebody holds": _hold_state,
    "mode": lambda world: world.model.eval(),
    "another layer": lambda world: setattr(world.model, "1", nn.Tanh()),
    "another loss": lambda world: setattr(world, "loss", nn.CrossEntropyLoss(label_smoothing=0.1)),
    "hook": lambda world: world.model[1].register_forward_hook(lambda module, given, made: made * 0),
    "another method": lambda world: setattr(world.model[1], "forward", lambda x: x),
}


@walked("name", LEAVES)
def test_it_leaves_the_call_to_the_replay_after(name: str) -> None:
    world, step = _ready()
    assert step._last.quick((X, Y)) is not MISSED
    LEAVES[name](world)
    before = world.state() if "less" not in name else {}
    assert step._last.quick((X, Y)) is MISSED
    for key, value in world.state().items() if before else ():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


def test_it_leaves_other_arguments_and_another_mode() -> None:
    _, step = _ready()
    quick = step._last.quick
    assert quick((X, Y)) is not MISSED
    assert quick((X[:4], Y[:4])) is MISSED
    assert quick((X.astype(np.float64), Y)) is MISSED
    assert quick((np.asfortranarray(X), Y)) is MISSED
    assert quick((X,)) is MISSED
    assert quick((cr.tensor(X), Y)) is MISSED
    with cr.no_grad():
        assert quick((X, Y)) is MISSED
    assert quick((X, Y)) is not MISSED


def test_it_answers_again_after_a_change() -> None:
    world, step = _ready()
    for k in range(3):
        world.optimizer.param_groups[0]["weight_decay"] = 0.01 / (k + 2)
        assert step._last.quick((X, Y)) is MISSED
        step(X, Y)
        assert step._last.quick((X, Y)) is not MISSED


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rates_may_change_at_every_step(name: str) -> None:
    one, other = _world(name), _world(name)
    quick, slow = cr.compile(one.step), cr.compile(other.step)
    rates = [0.1, 0.1, 0.05, np.float64(0.03), 0, 1, 0.02, 0.02, 0.2]
    for k, ((x, y), rate) in enumerate(zip(batches(len(rates)), rates, strict=True)):
        for world in (one, other):
            world.optimizer.param_groups[-1]["lr"] = rate
        if k > 2:
            assert quick._last.quick((x, y)) is not MISSED
        else:
            quick(x, y)
        other.optimizer.load_state_dict(other.optimizer.state_dict())  # so that every setting is read again
        _slow(slow, x, y)
        before, after = one.state(), other.state()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key], err_msg=f"{key} after step {k}")


def test_a_rate_of_two_plans_that_take_turns() -> None:
    one, other = _world(), _world()
    step = cr.compile(one.step)
    for k in range(12):
        x, y = batches(1, seed=k)[0]
        x, y = (x, y) if k % 3 else (x[:3], y[:3])
        for world in (one, other):
            world.optimizer.param_groups[0]["lr"] = 0.01 / (1 + k // 2)
        step(x, y)
        other.step(x, y)
        for (key, a), b in zip(one.state().items(), other.state().values(), strict=True):
            if not key.startswith("generator"):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=f"{key} after step {k}")
    assert len(step.plans) == 2


def test_a_label_out_of_range_raises_and_changes_nothing() -> None:
    world, step = _ready()
    before = world.state()
    with pytest.raises(IndexError) as quick:
        step(X, Y + 3)
    for key, value in world.state().items():
        if not key.startswith("grad"):  # which the step itself clears first
            np.testing.assert_array_equal(value, before[key], err_msg=key)
    with pytest.raises(IndexError) as slow:
        _slow(step, X, Y + 3)
    assert str(quick.value) == str(slow.value)
    assert len(step.plans) == 1


def test_a_write_of_the_step_is_seen_by_a_tape() -> None:
    world, step = _ready()
    weight = world.model[0].weight
    y = (weight * weight).sum()
    assert step._last.quick((X, Y)) is not MISSED
    with pytest.raises(cr.InPlaceError):
        y.backward()


def test_results_are_new_arrays_and_arguments_are_not_written_to() -> None:
    ones = np.ones((3, 3))
    f = cr.compile(lambda x: (np.tanh(x @ ones), (x @ ones).sum(), x))
    x = np.arange(3.0).reshape(1, 3)
    found = [f(x) for _ in range(4)]
    assert f._last.quick((x,)) is not MISSED
    for k, (a, total, b) in enumerate(found):
        np.testing.assert_allclose(a, np.tanh([[3.0, 3.0, 3.0]]), rtol=1e-15, err_msg=str(k))
        assert total == 9
        a[:], b[:] = -1, -1
    np.testing.assert_array_equal(x, [[0, 1, 2]])


def _dropping(*layers: nn.Module) -> tuple[World, Any]:
    """Return a world whose step draws, after steps from which on the generated function answers."""
    cr.seed(0)
    model = network(*(layers or (nn.Dropout(0.5), nn.ReLU(), nn.Dropout(0.2))))
    world = World(model, optim.Adam(model.parameters(), lr=0.01))
    step = cr.compile(world.step)
    for x, y in batches(3):
        step(x, y)
    return world, step


@pytest.mark.parametrize("several", [False, True])
def test_a_step_with_dropout_draws_the_same_numbers(several: bool) -> None:
    def states(take: Callable[[Any, Any, Any], Any]) -> list[dict[str, Any]]:
        own = [nn.Dropout(0.5), nn.ReLU(), nn.Dropout(0.2, generator=np.random.default_rng(1))]
        world, step = _dropping(*(own if several else ()))
        found = []
        for k, (x, y) in enumerate(batches(6, seed=3)):
            if k == 3:
                cr.seed(5)  # another generator: the replay looks at it once
                step(x, y)
            assert take(step, x, y) is not MISSED
            found.append(world.state())
        return found

    quick = states(lambda step, x, y: step._last.quick((x, y)))
    for one, other in zip(quick, states(_slow), strict=True):
        for key, value in other.items():
            np.testing.assert_array_equal(one[key], value, err_msg=key)


def test_another_generator_is_left_to_the_replay() -> None:
    world, step = _dropping()
    assert step._last.quick((X, Y)) is not MISSED
    cr.seed(3)
    before = world.state()
    assert step._last.quick((X, Y)) is MISSED
    for key, value in world.state().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


def test_a_label_out_of_range_in_a_step_with_dropout_raises_and_changes_no_parameter() -> None:
    world, step = _dropping()
    before = world.state()
    with pytest.raises(IndexError, match="99"):
        step(X, np.full_like(Y, 99))
    after = world.state()
    for key in (key for key in before if not key.startswith(("generator", "grad"))):
        np.testing.assert_array_equal(after[key], before[key], err_msg=key)


def test_parameters_in_dicts_and_lists_are_looked_up() -> None:
    def step(params: Any, x: Any, scale: float, flag: bool) -> Any:
        def loss(p: Any) -> Any:
            return ((np.tanh(x @ p["w"] + p["b"][0]) - scale) ** 2).mean()

        value, grads = cr.value_and_grad(loss)(params)
        return value, {"w": params["w"] - grads["w"], "b": [params["b"][0] - grads["b"][0], params["b"][1]]}

    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(3, 2)), "b": [rng.normal(size=2), None]}
    x = rng.normal(size=(5, 3))
    compiled = cr.compile(step)
    for _ in range(3):
        compiled(params, x, 0.5, True)
    for _ in range(3):
        found = compiled._last.quick((params, x, 0.5, True))
        assert found is not MISSED
        for a, b in zip(_flat(found), _flat(step(params, x, 0.5, True)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        params = found[1]
    others = [
        (params, x, 0.5, False),
        ({**params, "more": x}, x, 0.5, True),
        ({**params, "b": tuple(params["b"])}, x, 0.5, True),
        ({**params, "b": [params["b"][0], x]}, x, 0.5, True),
        ({"v": params["w"], "b": params["b"]}, x, 0.5, True),
        ({**params, "w": params["w"].T}, x, 0.5, True),
        ([params], x, 0.5, True),
    ]
    for args in others:
        assert compiled._last.quick(args) is MISSED


def _descent(params: Any, x: Any, index: Any) -> Any:
    def loss(p: Any) -> Any:
        return (np.tanh(x @ p["w"])[np.arange(len(index)), index] * p["b"][0]).sum()

    value, grads = cr.value_and_grad(loss)(params)
    return value, {"w": params["w"] - 0.1 * grads["w"], "b": [params["b"][0] - grads["b"][0]]}, params["w"] * 2


def _large() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(80, 50)), "b": [rng.normal(size=(64,))]}
    return params, rng.normal(size=(64, 80)), rng.integers(0, 50, 64)


def test_large_arguments_are_read_and_large_results_written_in_place() -> None:
    params, x, index = _large()
    compiled, slow = cr.compile(_descent), cr.compile(_descent)
    for _ in range(3):
        compiled(params, x, index)
    before, results = {"w": params["w"].copy(), "b": [params["b"][0].copy()]}, []
    for k in range(3):
        x.flags.writeable = k == 1
        found = compiled._last.quick((params, x, index))
        assert found is not MISSED
        results.append((found, [part.copy() for part in _flat(found)]))
        for a, b in zip(_flat(found), _flat(_slow(slow, params, x, index)), strict=True):
            np.testing.assert_array_equal(a, b)
        assert found[1]["w"].flags.owndata
        for a, b in zip(_flat(params), _flat(before), strict=True):
            np.testing.assert_array_equal(a, b)
        params, before = found[1], {"w": found[1]["w"].copy(), "b": [found[1]["b"][0].copy()]}
    for found, then in results:  # what was returned belongs to the caller
        for a, b in zip(_flat(found), then, strict=True):
            np.testing.assert_array_equal(a, b)
    buffers = [compiled.plan.buffers[v] for v in compiled.plan.program.inputs]
    assert any(b.shape == (80, 50) and not np.array_equal(b, params["w"]) for b in buffers), "copied, and not moved"


def test_arguments_that_are_returned_are_copied() -> None:
    def f(x: Any, y: Any) -> Any:
        z = np.tanh(x) + y
        return x, z, z, y[::2], x * 2

    x, y = (np.random.default_rng(k).normal(size=(80, 50)) for k in range(2))
    compiled = cr.compile(f)
    for k in range(5):
        found = compiled(x + k, y)
        for a, b in zip(found, f(x + k, y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)
        assert not any(np.may_share_memory(a, b) for i, a in enumerate(found) for b in found[:i])
    assert compiled._last.quick((x, y)) is not MISSED
    buffers = [compiled.plan.buffers[v] for v in compiled.plan.program.inputs]
    assert all(any(np.array_equal(b, a) for b in buffers) for a in (x, y)), (
        "moved, although results are taken from them"
    )


def test_after_a_failure_or_a_look_at_it_the_plan_is_as_before() -> None:
    params, x, index = _large()
    compiled = cr.compile(_descent)
    for _ in range(3):
        compiled(params, x, index)
    bad = index.copy()
    bad[3] = 50
    with pytest.raises(IndexError, match="index 50 is out of bounds"):
        compiled(params, x, bad)
    compiled(params, x, index)
    assert "total" in compiled.plan.profile(1)
    others = {"w": params["w"] + 1, "b": params["b"]}
    for a, b in zip(_flat(compiled(others, x, index)), _flat(_descent(others, x, index)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    same = np.asfortranarray(params["w"])
    found = compiled({**params, "w": same}, x, index)
    np.testing.assert_allclose(found[2], same * 2)


def test_an_address_that_is_nowhere_to_be_found_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.compile import moving

    monkeypatch.setattr(moving, "_tables", lambda tasks, _: (task.table for task in tasks[1:]))
    params, x, index = _large()
    compiled = cr.compile(_descent)
    for _ in range(3):
        found = compiled(params, x, index)
    buffers = [compiled.plan.buffers[v] for v in compiled.plan.program.inputs]
    assert any(np.array_equal(b, params["w"]) for b in buffers)
    for a, b in zip(_flat(found), _flat(_descent(params, x, index)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_arguments_with_names_are_looked_up() -> None:
    def f(x: Any, *, by: Any, more: Any) -> Any:
        return (np.tanh(x @ by) * more["scale"])[0].sum(axis=0)

    rng = np.random.default_rng(0)
    x, by, more = rng.normal(size=(1, 4, 3)), rng.normal(size=(3, 2)), {"scale": rng.normal(size=2)}
    compiled = cr.compile(f)
    for _ in range(3):
        compiled(x, by=by, more=more)
    for args in ((x, {"by": by, "more": more}), (x, {"more": more, "by": by * 2})):
        found = compiled._last.quick(args)
        assert found is not MISSED
        np.testing.assert_allclose(found, f(x, **args[1]))
    for other in ((x,), (x, by, more), (x, {"by": by}), (x, {"by": by, "more": more, "z": x}), (x, [by, more])):
        assert compiled._last.quick(other) is MISSED
    with pytest.raises(TypeError):
        compiled(x, by, more)
    np.testing.assert_allclose(compiled(x, more=more, by=by), f(x, by=by, more=more))


@dataclass(frozen=True)
class Task:
    loss: Any
    params: Any
    batch: Any


def test_a_dataclass_is_read_where_code_names_its_fields() -> None:
    task = Task(lambda p, x: (np.tanh(x @ p["w"]) ** 2).sum(), {"w": np.ones((3, 2))}, (np.ones((4, 3)),))

    def step(p: Any, x: Any) -> Any:
        value, grads = cr.value_and_grad(task.loss)(p, x)
        return value, {"w": p["w"] - 0.1 * grads["w"]}

    compiled, params = cr.compile(step), task.params
    for _ in range(3):
        _, params = compiled(params, *task.batch)
    assert compiled._last.quick((params, *task.batch)) is not MISSED
    assert not compiled._last.guards.looked
