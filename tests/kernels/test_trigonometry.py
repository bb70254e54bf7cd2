"""Sine, cosine and tangent against their bounds, near multiples of π/2 too, and loops beyond their reach."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.compile.program.groups import Group
from chainrule.kernels import trigonometry
from chainrule.kernels.native.tasks import Function, Task, run_once

WIDER = np.finfo(np.longdouble).nmant > 60
BOUNDS = {"sin": 2, "cos": 2, "tan": 4}


def each(name: str, x: Any) -> tuple[Any, int]:
    """Return a function of x by machine code, and what the code says."""
    y, written = np.empty_like(x), Function([x.dtype] * 2)
    source, target = written.places
    with written.code.loop(written.begin, written.end) as i:
        target[i] = getattr(trigonometry, name)(source[i])
    return y, run_once(Task(written.text(), [x, y], end=x.size))


def arguments(dtype: type) -> Any:
    rng = np.random.default_rng(0)
    whole = rng.integers(-600_000, 600_000, 20_000) * np.pi / 2
    parts = [rng.uniform(-10, 10, 40_000), rng.uniform(-1e6, 1e6, 40_000), whole, np.nextafter(whole, np.inf)]
    x = np.concatenate([*parts, np.geomspace(1e-30, 1, 100), [0.0, -0.0]]).astype(dtype)
    return x[np.abs(x) <= trigonometry.REACH]


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds(name: str, dtype: type) -> None:
    if dtype is np.float64 and not WIDER:
        pytest.skip("this machine's longdouble is a double: no reference for float64")
    x = arguments(dtype)
    y, bad = each(name, x)
    assert bad == -1
    expected = getattr(np, name)(x.astype(np.longdouble if dtype is np.float64 else np.float64))
    ulp = np.abs(np.spacing(expected.astype(dtype)))
    assert np.max(np.abs(y - expected) / ulp) <= BOUNDS[name]
    zeros = each(name, np.array([0.0, -0.0], dtype))[0]
    np.testing.assert_array_equal(np.signbit(zeros), np.signbit(getattr(np, name)(np.array([0.0, -0.0], dtype))))
    assert np.isnan(each(name, np.array([np.nan], dtype))[0]).all()


@walked("beyond", [2e6, -1e300, np.inf])
def test_the_code_says_where_it_does_not_reach(beyond: float) -> None:
    for name in BOUNDS:
        assert each(name, np.array([1.0, beyond, 2.0]))[1] == 0


def step(w: Any, x: Any) -> Any:
    return cr.value_and_grad(lambda w: (np.sin(x * w) + np.cos(x) * np.tan(w)).mean())(w)


@pytest.mark.parametrize("shape", [(200,), (50, 400)])
def test_a_compiled_step_is_right_for_any_size_of_argument(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=shape[-1]), rng.normal(size=shape)
    compiled = cr.compile(step)
    for turn in range(8):
        if turn in (3, 5, 6):
            x = x.copy()
            x.reshape(-1)[turn] = [1e9, -3e22, np.inf][turn % 3]
        if turn == 4:
            x = rng.normal(size=shape)
        with np.errstate(invalid="ignore"):
            (value, grad), (expected, other) = compiled(w, x), step(w, x)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(grad, other, rtol=1e-10, atol=1e-14)
    assert len(compiled.plans) == 1
    assert any(isinstance(s.node, Group) and s.loop.can_fail() for s in compiled.plan.steps)
    assert len(compiled.plan.calls) == 1


def test_a_training_step_that_has_acted_goes_on() -> None:
    """A huge argument in the second part of a step, after parameters have been changed."""
    found = []
    for compiles in (True, False):
        w = cr.nn.Parameter(np.array([0.5, 1.5]))
        optimizer = cr.optim.SGD([w], lr=0.1)

        def steps(x: Any, w: Any = w, optimizer: Any = optimizer) -> Any:
            total = 0.0
            for scale in (1.0, 1e9):
                optimizer.zero_grad()
                loss = np.sin(w * x * scale).sum() / scale
                loss.backward()
                optimizer.step()
                total = total + loss
            return total

        call = cr.compile(steps) if compiles else steps
        values = [float(call(np.array([1.0, -2.0]))) for _ in range(4)]
        found.append((values, w.numpy().copy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)
