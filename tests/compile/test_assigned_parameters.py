"""A step that also writes to its parameters by hand, before or after the optimiser: as without `compile`."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as door
from chainrule import nn, optim

from ..named import named


def decayed(ps: Any) -> None:
    with cr.no_grad():
        for p in ps:
            p *= 0.9


def moved(ps: Any) -> None:
    y = (ps[0] * ps[0]).sum()
    with cr.no_grad():
        ps[1] -= 0.1 * y


def replaced(ps: Any) -> None:
    ps[0].data = np.tanh(ps[0].detach())


def twice(ps: Any) -> None:
    decayed(ps)
    replaced(ps)


def clipped(ps: Any) -> None:
    for p in ps:
        p.data.clamp_(-0.3, 0.3)


def scaled(ps: Any) -> None:
    with door.no_grad():
        ps[0].mul_(0.9)
        ps[1].div_(ps[1].norm() + 1)


def set_anew(ps: Any) -> None:
    ps[0].data = ps[0].data.clamp(-0.3, 0.3)


def engine(optimizer: str) -> tuple[Any, Any, Any]:
    ps = [nn.Parameter(np.linspace(-1, 1, 3)), nn.Parameter(np.ones(2))]
    return ps, getattr(optim, optimizer)(ps, lr=0.1), cr.compile


def torch_names(optimizer: str) -> tuple[Any, Any, Any]:
    ps = [door.nn.Parameter(door.tensor(x)) for x in (np.linspace(-1, 1, 3), np.ones(2))]
    return ps, getattr(door.optim, optimizer)(ps, lr=0.1), door.compile


CHANGES = {engine: (decayed, moved, replaced, twice), torch_names: (clipped, scaled, set_anew)}


def run(make: Any, optimizer: str, change: Any, is_first: bool, compiles: bool) -> list[Any]:
    ps, opt, compiled = make(optimizer)

    def step(x: Any) -> Any:
        if is_first:
            change(ps)
        opt.zero_grad()
        loss = ((ps[0] * x).sum() - 1 + ps[1].sum()) ** 2
        loss.backward()
        opt.step()
        if not is_first:
            change(ps)
        return loss

    f = compiled(step) if compiles else step
    found = []
    for k in range(4):
        x = np.arange(3.0) * k
        found.append(float(f(door.tensor(x) if make is torch_names else x).detach()))
        found += [np.array(p.detach().numpy()) for p in ps]
    return found


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_parameters_written_by_hand_beside_an_optimiser(optimizer: str) -> None:
    for make, changes in CHANGES.items():
        for change in changes:
            for is_first in (True, False):
                with named(make.__name__, change.__name__, is_first):
                    found = run(make, optimizer, change, is_first, True)
                    for a, b in zip(found, run(make, optimizer, change, is_first, False), strict=True):
                        np.testing.assert_allclose(a, b, 1e-12, 1e-12)
