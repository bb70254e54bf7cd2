"""A write into a gradient, made before the call or in it, is there after each call, as it is without `compile`."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as door

from ..named import named


def scaled(w: Any) -> None:
    w.grad *= 2


def by_name(w: Any) -> None:
    g = w.grad
    g *= 2


def element(w: Any) -> None:
    w.grad[0] = 5


def view(w: Any) -> None:
    g = w.grad[1:]
    g += 1


def clipped(w: Any) -> None:
    np.clip(w.grad, -0.1, 0.1, out=w.grad)


def filled(w: Any) -> None:
    w.grad.fill(0)


def assigned(w: Any) -> None:
    w.grad = w.grad * 2


ENGINES = {
    "engine": (
        cr.compile,
        lambda: cr.tensor(np.zeros(3), requires_grad=True),
        lambda w: w.grad.numpy(),
        [scaled, by_name, element, view, clipped, filled, assigned],
    ),
    "door": (
        door.compile,
        lambda: door.zeros(3, dtype=door.float64, requires_grad=True),
        lambda w: w.grad.numpy(),
        [
            *(scaled, by_name, element, view, assigned),
            lambda w: w.grad.zero_(),
            lambda w: w.grad.data.mul_(3),
            lambda w: w.grad.copy_(door.ones(3)),
            lambda w: w.grad.clamp_(-0.1, 0.1),
        ],
    ),
}
BATCHES = np.random.default_rng(0).normal(size=(4, 4, 3))


def run(engine: str, change: Any, is_inside: bool, compiles: bool) -> list[Any]:
    """Return the gradients after each call; the backward pass is inside the compiled function, or before it."""
    compiled, made, of, _ = ENGINES[engine]
    w = made()

    def backward(x: Any) -> None:
        ((x @ w - 1) ** 2).mean().backward()

    def whole(x: Any) -> None:
        if is_inside:
            backward(x)
        change(w)

    step = compiled(whole) if compiles else whole
    found = []
    for batch in BATCHES:
        x = door.tensor(batch) if engine == "door" else batch
        if not is_inside:
            backward(x)
        step(x)
        found.append(np.array(of(w)))
    return found


@pytest.mark.parametrize("is_inside", [True, False])
def test_writes_into_gradients(is_inside: bool) -> None:
    for engine, (*_, changes) in ENGINES.items():
        for k, change in enumerate(changes):
            with named(engine, change.__name__, k):
                found = run(engine, change, is_inside, True)
                np.testing.assert_allclose(found, run(engine, change, is_inside, False), 1e-12, 1e-12)


def test_a_step_by_hand_that_clears_its_gradient() -> None:
    def descended(w: Any) -> None:
        with door.no_grad():
            w.sub_(0.1 * w.grad)
            w.grad.zero_()

    found = run("door", descended, True, True)
    np.testing.assert_array_equal(found, np.zeros((4, 3)))
