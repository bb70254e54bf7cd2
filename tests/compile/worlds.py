"""Functions with the world they act on, made twice: once to run as they are, once to run compiled."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.tensor import value_of
from chainrule.core.traces.tape import EAGER, Tape

FEATURES, CLASSES, BATCH = 4, 3, 5


def batches(count: int, size: int = BATCH, dtype: Any = np.float32, seed: int = 0) -> list[tuple[Any, Any]]:
    """Return batches of inputs and classes."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(size, FEATURES)).astype(dtype), rng.integers(0, CLASSES, size)) for _ in range(count)]


def network(*between: nn.Module, hidden: int = 6, dtype: Any = np.float32) -> nn.Sequential:
    """Return a small classifier with these layers in its middle, a ReLU where there are none."""
    layers = between or (nn.ReLU(),)
    return nn.Sequential(nn.Linear(FEATURES, hidden, dtype=dtype), *layers, nn.Linear(hidden, CLASSES, dtype=dtype))


class World:
    """A model, its optimiser and what else a step changes; `step` is the function that may be compiled."""

    def __init__(self, model: nn.Module, optimizer: Any = None, step: Callable[..., Any] | None = None) -> None:
        self.model = model
        self.optimizer = optimizer if optimizer is not None else optim.SGD(model.parameters(), lr=0.1)
        self.loss = nn.CrossEntropyLoss()
        self.more: dict[str, Any] = {}
        self.step = step if step is not None else self.train_step

    def train_step(self, x: Any, y: Any) -> Any:
        """Take one ordinary step."""
        self.optimizer.zero_grad()
        value = self.loss(self.model(x), y)
        value.backward()
        self.optimizer.step()
        return value

    def state(self) -> dict[str, Any]:
        """Return everything that a step may have changed, as arrays."""
        found = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for name, p in self.model.named_parameters():
            found[f"grad.{name}"] = np.zeros(0) if p.grad is None else p.grad.numpy().copy()
        for k, state in enumerate(self.optimizer.state_dict()["state"]):
            found |= {f"state.{k}.{key}": np.asarray(v) for key, v in state.items()}
        for k, group in enumerate(self.optimizer.param_groups):
            found[f"lr.{k}"] = np.asarray(group["lr"])
        found |= {f"more.{k}": np.array(value_of(v)) for k, v in self.more.items()}
        return found | {f"generator.{k}": v for k, v in generator_state().items()}


def generator_state() -> dict[str, Any]:
    """Return where the default generator stands."""
    from chainrule.core.random import default_generator

    state = default_generator().bit_generator.state["state"]
    return {key: np.asarray([value >> 64, value & (1 << 64) - 1], object) for key, value in state.items()}


def arrays(result: Any) -> list[Any]:
    """Return what a function returned as arrays."""
    return [np.array(value_of(leaf)) for leaf in cr.core.tree.flatten(result)[0]]


def assert_close(got: Mapping[str, Any], expected: Mapping[str, Any], dtype: Any = np.float32) -> None:
    """Hold one state of the world against another, to rounding."""
    assert got.keys() == expected.keys()
    tolerance = {"rtol": 2e-4, "atol": 2e-6} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-11}
    for name, value in expected.items():
        assert np.shape(got[name]) == np.shape(value), name
        if np.asarray(value).dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, **tolerance, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


Drive = Callable[[Callable[..., Any], World], Iterable[Any]]


def feed(calls: Sequence[tuple[Any, ...]]) -> Drive:
    """Return a drive that calls the step with each of these arguments."""
    return lambda step, world: [step(*call) for call in calls]


def compare(make: Callable[[], World], drive: Drive | Sequence[tuple[Any, ...]], dtype: Any = np.float32) -> Any:
    """Drive a world as it is, and another compiled; results and worlds must agree. Return the compiled function."""
    drive = drive if callable(drive) else feed(drive)
    results, states, compiled = [], [], None
    for is_compiled in (False, True):
        cr.seed(1)
        world = make()
        step: Any = world.step
        if is_compiled:
            step = compiled = cr.compile(step)
        cr.seed(2)
        results.append([arrays(result) for result in drive(step, world)])
        states.append(world.state())
    eager, replayed = results
    assert len(eager) == len(replayed)
    assert_close(
        {f"call {i}, result {k}": y for i, call in enumerate(replayed) for k, y in enumerate(call)},
        {f"call {i}, result {k}": y for i, call in enumerate(eager) for k, y in enumerate(call)},
        dtype,
    )
    assert_close(states[1], states[0], dtype)
    assert type(EAGER) is Tape
    return compiled
