"""What a plan shows, and how its time is measured without a trace."""

import re
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

from .worlds import World, batches, network


def _trained(*layers: Any) -> tuple[World, Any]:
    cr.seed(0)
    world = World(network(*layers))
    world.optimizer = optim.Adam(world.model.parameters(), lr=0.01)
    ema = optim.EMA(world.model.named_parameters(), decay=0.5)
    schedule = optim.lr_scheduler.StepLR(world.optimizer, 2)
    world.more = ema.averages

    def step(x: Any, y: Any) -> Any:
        world.optimizer.zero_grad()
        value = world.loss(world.model(x), y)
        value.backward()
        optim.clip_grad_norm_(world.model.parameters(), 0.1)
        world.optimizer.step()
        schedule.step()
        ema.update()
        return value

    compiled = cr.compile(step)
    for batch in batches(3):
        compiled(*batch)
    return world, compiled


def test_the_program_is_printed_line_by_line() -> None:
    _, compiled = _trained()
    text = str(compiled.plan)
    head, *lines, total = text.splitlines()
    assert head.split() == ["operation", "result", "from", "FLOP", "bytes"]
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines)))
    assert re.search(r"matmul +v\d+ float32\[5, 6\] +x\d+, s\d+ +240 ", text)
    assert "[add + relu]" in text
    assert "(view)" in text
    assert re.search(r"Adam\.step .*v\d+", text)
    assert re.fullmatch(r"\d+ calls, \d+ views; \d+ operations in \d+ loops; .*FLOP; buffers of .*bytes", total)
    calls = int(total.split()[0])
    assert calls == sum(" (view) " not in line for line in lines)
    assert repr(compiled.plan) == text


def test_the_profile_names_lines_and_shares() -> None:
    _, compiled = _trained()
    head, *lines, total = compiled.plan.profile(repeats=3).splitlines()
    assert head.split() == ["operation", "µs", "share", "GFLOP/s", "line"]
    assert any(f"{__file__}:" in line for line in lines)
    assert all("(view)" not in line for line in lines)
    shares = [int(found) for found in re.findall(r" (\d+)% ", "\n".join(lines))]
    assert 80 <= sum(shares) <= 120
    assert re.fullmatch(r"total \d+\.\d µs", total)


def test_the_program_says_what_convolutions_take() -> None:
    x, w = np.ones((2, 3, 5, 5)), np.ones((4, 3, 2, 2))
    step = cr.compile(cr.value_and_grad(lambda x, w: nn.functional.conv2d(x, w).sum(), argnums=(0, 1)))
    step(x, w)
    text = str(step.plan)  # 2 images, 4 kernels at 4 × 4 positions with 3 · 2 · 2 elements, multiplied and added
    for name in ("convolution", "convolution_transpose", "convolution_kernel"):
        assert re.search(rf"\d +{name} .* {2 * 2 * 4 * 16 * 12 / 1000:.3g} k ", text), (name, text)


def test_the_profile_leaves_everything_as_it_was() -> None:
    world, compiled = _trained(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU())
    before = {k: np.array(v) for k, v in world.state().items()}
    compiled.plan.profile(repeats=5)
    for key, value in world.state().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    assert world.state()["lr.0"] == before["lr.0"]


def test_training_goes_on_after_a_profile_as_without() -> None:
    states = []
    for profiles in (False, True):
        world, compiled = _trained(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU())
        if profiles:
            compiled.plan.profile(repeats=3)
        for batch in batches(3, seed=4):
            compiled(*batch)
        states.append(world.state())
    for key, value in states[0].items():
        np.testing.assert_array_equal(states[1][key], value, err_msg=key)


def test_the_profile_of_a_model_with_a_generator_of_its_own() -> None:
    generator = np.random.default_rng(0)
    layer = nn.Dropout(0.5, generator)
    compiled = cr.compile(lambda x: layer(x))
    compiled(np.ones(5))
    before = generator.bit_generator.state
    compiled.plan.profile(repeats=3)
    assert generator.bit_generator.state == before


def test_the_profile_of_a_plan_with_gradients_from_before() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> None:
        (w * x).sum().backward()
        optim.scale_grads_([w], 2.0)

    compiled = cr.compile(f)
    for _ in range(3):
        compiled(np.ones(2))
    before = w.grad.numpy().copy()
    compiled.plan.profile(repeats=3)
    np.testing.assert_array_equal(w.grad.numpy(), before)
    compiled(np.ones(2))
    np.testing.assert_array_equal(w.grad.numpy(), 2 * (before + 1))


def test_what_machine_code_can_do_in_a_row_is_one_call(machine_code: None) -> None:
    world = World(network())
    compiled = cr.compile(world.step)
    compiled(*batches(1)[0])
    assert any(step.is_effect for step in compiled.plan.steps)
    assert len(compiled.plan.calls) == 1


def test_the_step_stays_last_and_the_schedule_behind_it() -> None:
    _, compiled = _trained()
    effects = [step.name for step in compiled.plan.steps if step.is_effect]
    assert effects[0] == "Adam.step"
    assert len(effects) == 3
