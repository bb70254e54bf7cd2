"""What compiled functions once did otherwise than the functions themselves, by kind."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.compile.plan.verified import check_written
from chainrule.compile.program.program import Instruction, Program
from chainrule.core.errors import CaptureError, FreedTapeError, GradientError
from chainrule.core.memory.loans import is_lent

from .worlds import World, batches, compare, network

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1])


def _norm(name: str) -> nn.Module:
    return {
        "batch norm": lambda: nn.BatchNorm1d(6),
        "group norm": lambda: nn.GroupNorm(2, 6),
        "layer norm": lambda: nn.LayerNorm(6),
        "layer norm without parameters": lambda: nn.LayerNorm(6, elementwise_affine=False),
        "rms norm": lambda: nn.RMSNorm(6),
    }[name]()


# Results behind the place where the cotangents arrive


@pytest.mark.parametrize(
    "name", ["batch norm", "group norm", "layer norm", "layer norm without parameters", "rms norm"]
)
def test_gradients_by_the_input_that_come_out_beside_the_loss(name: str) -> None:
    model = nn.Sequential(_norm(name), nn.Linear(6, 3))

    def f(x: Any) -> Any:
        return cr.value_and_grad(lambda x: F.cross_entropy(model(x), Y))(x)

    expected, got = f(X), cr.compile(f)(X)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-5, 1e-7)
        assert a.requires_grad
        assert b.requires_grad


def test_an_attack_by_the_sign_of_the_gradient() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    model.eval()

    def attack(x: Any) -> Any:
        return x + 0.1 * np.sign(cr.grad(lambda x: F.cross_entropy(model(x), Y))(x))

    np.testing.assert_allclose(cr.compile(attack)(X).detach().numpy(), attack(X).detach().numpy(), 1e-6)


def test_a_second_derivative_through_a_layer_norm() -> None:
    model = nn.Sequential(
        nn.LayerNorm(6, elementwise_affine=False, dtype=np.float64), nn.Linear(6, 3, dtype=np.float64)
    )
    grads = []

    def penalty(x: Any) -> Any:
        return (cr.grad(lambda x: F.cross_entropy(model(x), Y))(x) ** 2).sum()

    for f in (penalty, cr.compile(penalty)):
        model.zero_grad()
        f(X.astype(np.float64)).backward()
        grads.append(model[1].weight.grad.numpy().copy())
    np.testing.assert_allclose(grads[1], grads[0], 1e-9, 1e-12)


def _program() -> tuple[Program, dict[Any, Any], list[Any]]:
    program = Program()
    x = program.value("input", np.ones(3))
    program.inputs = [x]
    buffers = {x: np.ones(3)}
    steps = []
    for _ in range(2):
        made = Instruction("exp", "op", np.exp, (x,), {}, [program.value("result", np.ones(3))])
        program.add(made)
        buffers[made.outputs[0]] = np.ones(3)
        steps.append(_Step(made))
        x = made.outputs[0]
    program.outputs = [x]
    return program, buffers, steps


class _Step:
    name, joins = "exp", False

    def __init__(self, node: Instruction) -> None:
        self.node, self.inputs, self.outputs = node, node.inputs, node.outputs
        self.run = print


def test_a_plan_that_reads_what_no_step_has_written_is_noticed() -> None:
    program, buffers, steps = _program()
    check_written(program, buffers, steps, [])
    with pytest.raises(CaptureError, match="exp would read v1"):
        check_written(program, buffers, steps[::-1], [])
    with pytest.raises(CaptureError, match="the results would read v2"):
        check_written(program, buffers, steps[:1], [])


def test_a_plan_that_writes_over_what_is_read_later_is_noticed() -> None:
    program, buffers, steps = _program()
    first, second = (step.outputs[0] for step in steps)
    program.outputs = [first, second]
    buffers[second] = buffers[first][:2]
    with pytest.raises(CaptureError, match="the results would read v1"):
        check_written(program, buffers, steps, [])


# backward() inside, and what comes back with a gradient


def test_intermediate_values_of_a_tape_that_is_gone() -> None:
    first, second = nn.Linear(6, 4), nn.Linear(4, 3)

    def f(x: Any) -> Any:
        h = np.tanh(first(x))
        loss = F.cross_entropy(second(h), Y)
        loss.backward()
        return loss, h, h + 1

    expected = f(X)
    got = cr.compile(f)(X)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-5)
    with pytest.raises(FreedTapeError):
        expected[2].sum().backward()
    with pytest.raises(GradientError):
        got[2].sum().backward()


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_zero_or_none(to_none: bool) -> None:
    def make() -> World:
        model = network()
        model[0].bias.requires_grad_(False)
        return World(model)

    def drive(step: Any, world: World) -> Any:
        def f(x: Any) -> Any:
            world.optimizer.zero_grad(set_to_none=to_none)
            (cr.stop_gradient(world.model(x)).sum() + (world.model[2].bias * 0).sum()).backward()
            return x

        found = f if step is world.step else cr.compile(f)
        for x, y in batches(2):
            yield found(x)
            step(x, y)
            yield found(x)

    compare(make, drive)


# Gradients that the function does not touch


@pytest.mark.parametrize("without_grad", [False, True])
def test_predictions_leave_gradients_alone(without_grad: bool) -> None:
    model = network()
    predict = cr.compile(model)
    (x, y), *_ = batches(1)

    def predicted() -> None:
        if without_grad:
            with cr.no_grad():
                predict(x)
        else:
            predict(x)

    predicted()
    F.cross_entropy(model(x), y).backward()
    once = model[0].weight.grad.numpy().copy()
    predicted()
    for _ in range(2):
        F.cross_entropy(model(x), y).backward()
        predicted()
    np.testing.assert_allclose(model[0].weight.grad.numpy(), 3 * once, 1e-5)
    model.zero_grad()
    predicted()
    assert model[0].weight.grad is None
    assert sum(map(len, predict.plans.values())) == 1 + without_grad * 0


def test_a_validation_between_backward_and_step() -> None:
    def drive(step: Any, world: World) -> Any:
        validate = world.model if step is world.step else cr.compile(world.model)
        for x, y in batches(4):
            world.optimizer.zero_grad()
            F.cross_entropy(world.model(x), y).backward()
            yield validate(x)
            world.optimizer.step()
            yield step(x, y)

    compare(lambda: World(network()), drive)


FUNCTIONS: dict[str, Callable[[World], Any]] = {
    "reads": lambda world: [p.grad * 2 for p in world.model.parameters() if p.grad is not None],
    "sets to None": lambda world: [setattr(p, "grad", None) for p in world.model.parameters()],
    "sets to ones": lambda world: [setattr(p, "grad", np.ones(p.shape)) for p in world.model.parameters()],
    "zeros": lambda world: world.optimizer.zero_grad(set_to_none=False),
    "forgets": lambda world: world.optimizer.zero_grad(),
    "steps": lambda world: world.optimizer.step(),
    "clips": lambda world: optim.clip_grad_norm_(world.model.parameters(), 0.1),
    "penalises": lambda world: sum((p * p).sum() for p in world.model.parameters()).backward(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_have_to_do_with_gradients_alone(name: str) -> None:
    def drive(step: Any, world: World) -> Any:
        def f() -> Any:
            return [FUNCTIONS[name](world), np.ones(1)]

        found = f if step is world.step else cr.compile(f)
        for x, y in batches(3):
            yield found()
            F.cross_entropy(world.model(x), y).backward()
            yield found()
            yield step(x, y)

    compare(lambda: World(_model_with_momentum()[0]), drive)


def _model_with_momentum() -> tuple[nn.Module, Any]:
    model = network()
    return model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


# Memory that somebody else holds


def _adam() -> World:
    model = network()
    return World(model, optim.Adam(model.parameters(), lr=0.01, eps=1e-3))


HELD: dict[str, Callable[[Any], Any]] = {
    "data": lambda p: p.data,
    "a part of it": lambda p: p.data[:1].T,
    "numpy": lambda p: p.numpy(),
    "detached": lambda p: p.detach(),
}


@walked("name", HELD)
def test_a_view_from_before_sees_what_is_done_later(name: str) -> None:
    world = _adam()
    weight = world.model[0].weight
    held = HELD[name](weight)
    assert is_lent(weight._value)
    step = cr.compile(world.step)
    for batch in batches(3):
        step(*batch)
        now = np.asarray(held.numpy() if isinstance(held, cr.Tensor) else held)
        assert np.array_equal(now, HELD["a part of it"](weight) if "part" in name else weight.data)


VIEWS: dict[str, Callable[[Any], Any]] = {
    "the parameter": lambda w: w,
    "detached": lambda w: w.detach(),
    "transposed": lambda w: w.T,
    "rows": lambda w: w.detach()[:2].T,
    "split": lambda w: np.split(w, 2)[1],
    "in another shape": lambda w: w.reshape(2, 2, 4).reshape(4, 4).T,
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_parameter_shows_each_step_of_the_optimizer(name: str, compiled_ways: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))

    def made() -> Callable[[], Any]:
        w = nn.Parameter(np.random.default_rng(1).normal(size=(4, 4)))
        optimizer = optim.SGD([w], lr=0.1)

        def step() -> Any:
            optimizer.zero_grad()
            with cr.no_grad():
                view = VIEWS[name](w)
                before, product = np.tanh(view), x[:, : view.shape[0]] @ view
            ((x @ w) ** 2).sum().backward()
            optimizer.step()
            with cr.no_grad():  # the same again, and what was computed from the old values with the new ones
                after = np.tanh(view)
                return before * w[: view.shape[0], : view.shape[1]], after, product - x[:, : view.shape[0]] @ view

        return step

    eager, compiled = made(), cr.compile(made())
    for _ in range(3):
        for found, expected in zip(compiled(), eager(), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_write_through_a_view_counts(when: str) -> None:
    def drive(step: Any, world: World) -> Any:
        weight = world.model[0].weight
        if when == "before":
            held = weight.data
        for k, batch in enumerate(batches(5)):
            if k == 1 and when == "between":
                held = weight.data
            if k in (2, 3):
                held[...] = 0.1 * k
            yield step(*batch)
            if k == 3:
                weight.data = np.ones(weight.shape)  # what is held is another place from here on
                held[...] = 7

    compare(_adam, drive)


def test_a_view_of_another_library(torch: Any) -> None:
    def drive(step: Any, world: World) -> Any:
        held = torch.from_numpy(np.asarray(world.model[0].weight.data))
        for batch in batches(3):
            yield step(*batch)
            held[0] = 0.25

    compare(_adam, drive)


def test_a_module_of_pytorch_that_a_function_reaches(torch: Any) -> None:
    layer = torch.nn.Linear(3, 2)
    f = cr.compile(lambda x: x @ layer.weight.detach().numpy().T)
    x = np.ones((4, 3))

    def right() -> bool:
        return np.array_equal(f(x), x @ layer.weight.detach().numpy().T)

    assert right()
    network()  # modules of ours are made meanwhile, which every plan hears of
    with torch.no_grad():
        layer.weight.add_(1.0)
    assert right()
    layer.weight = torch.nn.Parameter(2 * layer.weight)
    assert right()


def test_a_view_that_is_gone_hinders_nothing() -> None:
    world = _adam()
    for p in world.model.parameters():
        p.data[...] = 0.5 * p.numpy()
        assert not is_lent(p._value)
    cr.compile(world.step)(*batches(1)[0])
    assert len(world.optimizer._flats) == 1


def test_state_that_somebody_holds_stays_where_it_is() -> None:
    def drive(step: Any, world: World) -> Any:
        weight, held = world.model[0].weight, None
        for k, batch in enumerate(batches(6)):
            if k == 1:
                world.optimizer.load_state_dict(world.optimizer.state_dict())
                held = world.optimizer.state[weight]["exp_avg"]
            if k == 3:
                held[...] = 0.5
            if k == 4:
                world.optimizer.load_state_dict(world.optimizer.state_dict())
                held[...] = 7
            yield step(*batch)

    compare(_adam, drive)


# Settings that change between calls

CHANGES: dict[str, tuple[str, dict[str, Any], dict[int, dict[str, Any]]]] = {
    "momentum": ("SGD", {}, {1: {"momentum": 0.9}, 3: {"momentum": 0.0}, 4: {"momentum": 0.5}}),
    "nesterov": ("SGD", {"momentum": 0.9}, {1: {"nesterov": True}, 3: {"nesterov": False, "dampening": 0.5}}),
    "decay": ("SGD", {"momentum": 0.9}, {1: {"weight_decay": 0.1}, 3: {"maximize": True}}),
    "amsgrad": ("Adam", {"eps": 1e-3}, {1: {"amsgrad": True}, 3: {"amsgrad": False}, 4: {"amsgrad": True}}),
    "betas": ("AdamW", {"eps": 1e-3}, {1: {"betas": (0.5, 0.9)}, 3: {"betas": [0.8, 0.8]}, 4: {"eps": 0.1}}),
    "centered": ("RMSprop", {"eps": 1e-2}, {1: {"centered": True}, 3: {"momentum": 0.5}, 4: {"alpha": 0.5}}),
    "lr_decay": ("Adagrad", {"eps": 1e-2}, {1: {"lr_decay": 0.1}, 3: {"lr": np.float32(0.5)}}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_that_change_between_calls(name: str) -> None:
    kind, first, changes = CHANGES[name]

    def make() -> World:
        model = network()
        return World(model, getattr(optim, kind)(model.parameters(), lr=0.05, **first))

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(6)):
            world.optimizer.param_groups[0].update(changes.get(k, {}))
            yield step(*batch)

    assert sum(map(len, compare(make, drive).plans.values())) == 1


def test_a_list_of_settings_that_changes_in_its_place() -> None:
    def drive(step: Any, world: World) -> Any:
        betas = world.optimizer.param_groups[0]["betas"] = [0.5, 0.9]
        for k, batch in enumerate(batches(4)):
            betas[0] = 0.1 * k
            yield step(*batch)

    compare(_adam, drive)


@walked("wrong", [-1.0, "fast", np.array(0.02)])
def test_a_setting_that_is_wrong_is_an_error_in_both(wrong: Any) -> None:
    world = _adam()
    step = cr.compile(world.step)
    step(*batches(1)[0])
    world.optimizer.param_groups[0]["lr"] = wrong
    for f in (world.step, step):
        with pytest.raises((TypeError, ValueError), match="Adam: group 0: lr"):
            f(*batches(1)[0])


def test_groups_that_change_between_calls() -> None:
    def drive(step: Any, world: World) -> Any:
        extra = nn.Parameter(np.ones(3))
        groups = world.optimizer.param_groups
        for k, batch in enumerate(batches(7)):
            if k == 1:
                groups[0]["params"] = groups[0]["params"][:3]
            if k == 2:
                world.optimizer.add_param_group({"params": [extra], "lr": 0.5})
            if k == 3:
                groups[0]["params"][0] = world.model[2].bias  # as many as before, and others
            if k == 5:
                groups[0]["params"].clear()
            yield step(*batch)

    compare(_adam, drive)


@pytest.mark.parametrize("make", [_adam, lambda: World(*_model_with_momentum())])
def test_parameters_that_are_frozen_for_some_calls(make: Callable[[], World]) -> None:
    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(7)):
            world.model[0].weight.requires_grad_(k not in (2, 3))
            yield step(*batch)

    compare(make, drive)


def test_state_that_is_replaced_between_calls() -> None:
    def drive(step: Any, world: World) -> Any:
        weight, state = world.model[0].weight, world.optimizer.state
        for k, batch in enumerate(batches(7)):
            if k == 2:
                state[weight]["exp_avg"] = np.ones(weight.shape, np.float32)
            if k == 4:
                state[weight] = {key: value * 1 for key, value in state[weight].items()}
            if k == 5:
                state.clear()
            yield step(*((a[:3] for a in batch) if k == 6 else batch))  # another plan, with the same buffers

    compare(_adam, drive)


# Labels that are looked at before anything is done


@pytest.mark.parametrize("ignored", [-100, 1])
def test_a_class_that_does_not_count_may_come_later(ignored: int) -> None:
    def make() -> World:
        world = World(network(nn.BatchNorm1d(6), nn.Dropout(0.3)))
        world.loss = lambda z, t: F.cross_entropy(z, t, ignore_index=ignored)
        return world

    (x, _), *_ = batches(1)
    compare(make, [(x, np.array(t)) for t in ([0, 2, 2, 0, 2], [0, ignored, 2, 0, ignored], [0, 2, 2, 2, ignored])])


def test_no_class_that_counts_is_an_error_in_both() -> None:
    (x, _), *_ = batches(1)
    step = cr.compile(lambda x, t: F.cross_entropy(x, t, ignore_index=1))
    step(x, np.zeros(5, np.int64))
    with pytest.raises(ValueError, match="no row counts"):
        step(x, np.ones(5, np.int64))


def test_ties_that_come_later() -> None:
    p = cr.tensor(np.arange(4.0), requires_grad=True)
    compiled = cr.compile(lambda x: (p * x).max())
    compiled(np.float64(2)).backward()
    p.grad, p.data[...] = None, 0.25
    compiled(np.float64(2)).backward()
    assert p.grad.numpy().tolist() == [0.5] * 4


def test_results_belong_to_the_caller() -> None:
    compiled = cr.compile(lambda x: (np.zeros(2), x * 1, {"a": np.ones(1)}))
    for _ in range(2):
        zeros, _, tree = compiled(np.ones(2))
        assert zeros.tolist() == [0.0, 0.0]
        zeros[...] = tree["a"][...] = 7


def test_results_are_of_the_kind_that_the_function_returns() -> None:
    model = network()
    (x, y), *_ = batches(1)

    def f(x: Any) -> Any:
        F.cross_entropy(model(x), y).backward()
        norm = optim.clip_grad_norm_(model.parameters(), 1.0)
        return norm, x * 2, model(x), cr.grad(lambda a: (a**2).sum())(x)

    for a, b in zip(cr.compile(f)(x), f(x), strict=True):
        assert isinstance(a, cr.Tensor) is isinstance(b, cr.Tensor)


def test_an_array_of_the_closure_that_numpy_computes_with() -> None:
    table = np.arange(3.0)
    compiled = cr.compile(lambda x: x + np.exp(table))
    compiled(np.zeros(3))
    table[...] = 0
    assert compiled(np.zeros(3)).tolist() == [1.0] * 3


def test_a_sum_that_is_given_another_shape_beside_a_loop_that_reads_it(compiled_ways: str) -> None:
    def f(x: Any) -> Any:
        total = x.sum()
        scaled = np.tanh(total) * total
        return total, np.concatenate([total.reshape(1), scaled.reshape(1)])

    for k in (1.0, 2.0):
        x = np.full((2, 3), 0.1 * k)
        for a, b in zip(cr.compile(f)(x), f(x), strict=True):
            np.testing.assert_allclose(a, b, 1e-9)


def test_a_value_is_written_once() -> None:
    program, buffers, steps = _program()
    with pytest.raises(CaptureError, match="v1 would be written twice"):
        check_written(program, buffers, [steps[0], *steps], [])
