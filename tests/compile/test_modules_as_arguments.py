"""Modules among the arguments of a compiled function, also in lists, dicts and dataclasses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim


@dataclass
class Held:
    models: list[Any]


def network(seed: int) -> Any:
    cr.seed(seed)
    return nn.Sequential(nn.Linear(3, 5, dtype=np.float64), nn.BatchNorm1d(5, dtype=np.float64), nn.Linear(5, 2))


CONTAINERS = {
    "a list": (list, list),
    "a dict": (lambda ms: {"a": ms[0], "b": (ms[1],)}, lambda t: [t["a"], t["b"][0]]),
    "a dataclass": (lambda ms: [Held(ms)], lambda t: t[0].models),
}


def run(name: str, compiles: bool) -> list[Any]:
    made, models_in = CONTAINERS[name]
    a, b, c = map(network, range(3))
    optimizer = optim.SGD([*a.parameters(), *b.parameters()], lr=0.1)

    def step(tree: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = sum((model(x) ** 2).mean() for model in models_in(tree))
        loss.backward()
        optimizer.step()
        return loss

    f = cr.compile(step) if compiles else step
    changes = [a.eval, b.eval, a.train, lambda: setattr(a[1], "momentum", 0.7), lambda: b[0].requires_grad_(False)]
    found = []
    for k, x in enumerate(np.random.default_rng(0).normal(size=(12, 4, 3))):
        models = [a, c] if k in (9, 10) else [a, b]
        found.append(float(f(made(models), x).detach()))
        found += [np.array(value) for model in (a, b, c) for value in model.state_dict().values()]
        if k % 2 and k // 2 < len(changes):
            changes[k // 2]()
    return found


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_module_in_a_container_is_seen_as_it_is(name: str) -> None:
    for found, expected in zip(run(name, True), run(name, False), strict=True):
        np.testing.assert_allclose(found, expected, 1e-6, 1e-6)
