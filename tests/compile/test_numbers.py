"""Python numbers among the arguments: one plan for all their values, unless Python looks at them."""

import functools
import itertools
import math
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import named

import chainrule as cr
import chainrule.torch as torch
from chainrule import autograd, nn
from chainrule.autograd import numpy as anp

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
VALUES = [0.05 + 0.1 * k for k in range(20)]


def same(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


OPEN: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda x, t: x * t,
    "quotient": lambda x, t: t / (x + 3),
    "Python's arithmetic": lambda x, t: x * (1 - t) / (1 + 2 * t) + t**2 - (-t) % 0.7 + abs(t) // 0.2,
    "in place": lambda x, t: np.add(x, 1) * _halved(t),
    "a function of NumPy's": lambda x, t: x * np.exp(t),
    "where": lambda x, t: np.where(x > t, x, t),
    "clip": lambda x, t: np.clip(x, -t, t),
    "power": lambda x, t: np.abs(x) ** t,
    "gradient": lambda x, t: cr.grad(lambda x: (np.tanh(x * t) * t).sum())(x),
    "gradient of the number": lambda x, t: cr.grad(lambda t: (x * t).sum())(t),
    "a class": lambda x, t: x * t if isinstance(t, float) else x,
    "attributes": lambda x, t: x * t if not hasattr(t, "shape") else x,
    "a list": lambda x, t: sum(x * s for s in (t, 2 * t)),
    "a loop": lambda x, t: cr.scan(lambda c, row: (c + row * t, c), x[0] * 0, x)[0],
}


def _halved(t: float) -> float:
    t *= 0.5
    return t


def test_one_plan_for_all_values() -> None:
    for name, f in OPEN.items():
        compiled = cr.compile(f)
        for t in VALUES:
            with named(name, t):
                same(compiled(X, t), f(X, t))
        with named(name):
            assert len(compiled.plans) == 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_every_function_of_two_arrays_keeps_its_dtype(dtype: str) -> None:
    x = np.arange(6).astype(dtype)
    ufuncs = [
        f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nin == 2 and f.nout == 1 and not f.signature
    ]
    for f in ufuncs:
        for t, first in itertools.product((0.5, 2), (True, False)):
            with named(f.__name__, t, first), np.errstate(all="ignore"):
                apply = functools.partial(_called, f, first)
                try:
                    expected = apply(x, t + 1)
                except (TypeError, ValueError, OverflowError):
                    continue
                if expected.dtype.kind not in "fiub":
                    continue
                compiled = cr.compile(apply)
                compiled(x, t)
                same(compiled(x, t + 1), expected)


def _called(f: Any, first: bool, x: Any, t: Any) -> Any:
    return f(x, t) if first else f(t, x)


LOOKS: dict[str, Callable[[Any, Any], Any]] = {
    "branch": lambda x, t: x if t > 0.1 else -x,
    "truth": lambda x, t: x if t else -x,
    "equal": lambda x, t: x if t in (0.05, 0.15) else -x,
    "math": lambda x, t: x * math.sqrt(t),
    "float": lambda x, t: x * float(t),
    "largest": lambda x, t: x * max(t, 0.1),
    "rounded": lambda x, t: x * round(t, 1),
    "text": lambda x, t: x * len(f"{t:.3f}"),
    "key": lambda x, t: x * {0.05: 1.0}.get(t, 2.0),
    "array": lambda x, t: x * np.array([t, 1.0, 2.0]),
    "given back": lambda x, t: (x, t * 0.5)[1] + np.zeros(1),
    "alone": lambda x, t: t * 0.5,
    "caught": lambda x, t: x * _caught(t),
}


def _caught(t: float) -> float:
    try:
        return math.exp(t)
    except Exception:
        return 0.0


def test_a_number_at_which_python_looks_is_fixed() -> None:
    for name, f in LOOKS.items():
        compiled = cr.compile(f)
        for t in VALUES[:3]:
            with named(name, t):
                same(compiled(X, t), f(X, t))


def test_one_number_that_is_looked_at_leaves_the_other_open() -> None:
    compiled = cr.compile(lambda x, t, n: sum(x * t for _ in range(n)))
    for n in (1, 2, 3):
        for t in VALUES:
            same(compiled(X, t, n), sum(X * t for _ in range(n)))
    assert sum(map(len, compiled.plans.values())) == 4


def test_integers_as_indices_axes_and_counts_are_fixed() -> None:
    cases: dict[str, Callable[[Any, Any], Any]] = {
        **{"index": lambda x, n: x[n], "slice": lambda x, n: x[:, : n + 1], "axis": lambda x, n: x.sum(axis=n)},
        **{"count": lambda x, n: sum(x for _ in range(n + 1)), "shape": lambda x, n: x.reshape(n + 1, -1)},
    }
    for name, f in cases.items():
        compiled = cr.compile(f)
        for n in (0, 1):
            with named(name, n):
                same(compiled(X, n), f(X, n))


def test_a_counter_of_steps() -> None:
    def step(w: Any, m: Any, rate: float, t: int) -> Any:
        m = 0.9 * m + 0.1 * (w - 1)
        return w - rate * m / (1 - 0.9 ** (t + 1)), m

    compiled = cr.compile(step)
    found = expected = (X, 0 * X)
    for t in range(40):
        found, expected = compiled(*found, 0.1 / (1 + t), t), step(*expected, 0.1 / (1 + t), t)
    same(found[0], expected[0])
    assert len(compiled.plans) == 2


def test_numbers_in_containers_and_by_name() -> None:
    compiled = cr.compile(lambda x, p, rate=0.0: x * p["a"] + p["b"][0] * rate)
    for t in VALUES:
        same(compiled(X, {"a": t, "b": [2 * t]}, rate=3 * t), X * t + 6 * t * t)
    assert len(compiled.plans) == 2


def test_what_python_raises_is_raised() -> None:
    divided, raised = cr.compile(lambda x, t: x * (1 / t)), cr.compile(lambda x, t: x * t**2)
    for t in (1.0, 2.0, 4.0):
        divided(X, t)
        raised(X, t)
    with pytest.raises(ZeroDivisionError):
        divided(X, 0.0)
    with pytest.raises(OverflowError):
        raised(X, 1e200)
    same(divided(X, 5.0), X * 0.2)


def test_another_type_of_result_is_right() -> None:
    """An integer power is a float for a negative exponent, and a float's root may be complex."""
    compiled = cr.compile(lambda x, n: x * 2**n)
    for n in (1, 2, 3, -1, 70):
        same(compiled(X.astype(np.int64), n) if n < 62 else 0.0, X.astype(np.int64) * 2**n if n < 62 else 0.0)
    with pytest.raises(OverflowError):
        compiled(X.astype(np.int64), 70)


def test_zeros_have_signs_and_nan_is_one_value() -> None:
    compiled = cr.compile(lambda x, t: np.copysign(x, t))
    for t in (0.0, -0.0, 0.0, -0.0):
        same(compiled(X, t), np.copysign(X, t))
    fixed = cr.compile(lambda x, t: x * math.copysign(1.0, t))
    for t in (0.0, -0.0, math.nan, float("nan")):
        same(fixed(X, t), X * math.copysign(1.0, t))
    assert len(fixed.plans) == 3


def test_small_integers_hold_what_they_hold() -> None:
    compiled = cr.compile(lambda x, n: x + n)
    x = np.arange(3, dtype=np.uint8)
    for n in (1, 2, 3):
        same(compiled(x, n), x + np.uint8(n))
    with pytest.raises(OverflowError):
        compiled(x, 300)


def test_the_doors() -> None:
    layer = torch.nn.Linear(3, 2)

    def step(x: Any, rate: float, t: int) -> Any:
        layer.zero_grad()
        ((layer(x) ** 2).mean() * (1 - rate)).backward()
        with torch.no_grad():
            return layer.weight - rate * layer.weight.grad / (1 - 0.9 ** (t + 1)), x.add(x, alpha=rate)

    compiled = torch.compile(step)
    x = torch.tensor(X)
    for t, rate in enumerate(VALUES):
        for found, expected in zip(compiled(x, rate, t), step(x, rate, t), strict=True):
            assert found.dtype == expected.dtype
            assert torch.allclose(found, expected)

    def loss(w: Any, x: Any, penalty: float) -> Any:
        return anp.sum(anp.tanh(anp.dot(x, w))) + penalty * anp.sum(w * w)

    gradient = cr.compile(lambda w, penalty: autograd.grad(loss)(w, X, penalty))
    for t in VALUES:
        same(gradient(X[0], t), autograd.grad(loss)(X[0], X, t))
    assert len(gradient.plans) == 2


class Trainer:
    """Settings of a user's, in attributes and in a dict."""

    def __init__(self) -> None:
        self.steps = 0
        self.settings = {"rate": 0.1, "count": 2}


class Scaled(nn.Module):
    """A module with a number that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = 1.0

    def forward(self, x: Any) -> Any:
        return x * self.beta


RATE = 1.0


def set_rate(value: float) -> None:
    global RATE
    RATE = value


def test_while_other_threads_run_a_variable_is_fixed() -> None:
    """They would see what stands for its number while the function is captured."""
    trainer, end, seen = Trainer(), threading.Event(), set[type]()

    def look() -> None:
        while not end.is_set():
            seen.add(type(trainer.steps))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        compiled = cr.compile(lambda x: x * trainer.steps)
        for k in range(5):
            trainer.steps = k
            same(compiled(X), X * k)
    finally:
        end.set()
        thread.join()
    assert seen == {int}


def test_variables_outside_that_are_numbers_need_one_plan(alone: None) -> None:
    trainer, module, local = Trainer(), Scaled(), 1.0

    def of_trainer(x: Any) -> Any:
        return x * trainer.settings["rate"] / (1 - 0.9 ** (trainer.steps + 1)) * sum(range(trainer.settings["count"]))

    cases: dict[str, Callable[[Any], Any]] = {
        **{"global": lambda x: x * RATE, "closure": lambda x: x - local, "attributes": of_trainer, "module": module},
    }
    compiled = {name: cr.compile(f) for name, f in cases.items()}
    for k, value in enumerate(VALUES):
        trainer.steps, trainer.settings["rate"], module.beta, local = k, value, value, value
        set_rate(value)
        for name, f in cases.items():
            with named(name, k):
                same(compiled[name](X), f(X))
    for name, f in compiled.items():
        with named(name):
            assert sum(map(len, f.plans.values())) == 2
    trainer.settings["rate"] = 2
    same(compiled["attributes"](X), of_trainer(X))
    trainer.settings["count"] = 3
    same(compiled["attributes"](X), of_trainer(X))
    trainer.settings["more"] = 3
    same(compiled["attributes"](X), of_trainer(X))


def test_a_variable_that_becomes_something_else_is_noticed() -> None:
    trainer = Trainer()

    def f(x: Any) -> Any:
        return x if trainer.settings["rate"] is None else x * trainer.settings["rate"]

    compiled = cr.compile(f)
    values: list[Any] = [0.1, 0.2, 0.3, None, 0.4, np.float64(2.0), np.ones(3), 1, True, 0.5]
    for value in values:
        trainer.settings["rate"] = value
        with named(value):
            same(compiled(X), f(X))


SIGNS = (operator.add, operator.sub, operator.mul, operator.truediv)


def expressions() -> st.SearchStrategy[Callable[[list[Any]], Any]]:
    """Functions of a list of arrays and numbers, in Python's and NumPy's arithmetic."""
    leaf = st.integers(0, 4).map(lambda k: lambda values: values[k]) | st.sampled_from([1.5, 2, 0.25]).map(
        lambda c: lambda _: c
    )

    def joined(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        two = st.tuples(st.sampled_from(SIGNS), parts, parts).map(
            lambda one: lambda values: one[0](one[1](values), one[2](values))
        )
        return two | parts.map(lambda f: lambda values: np.tanh(f(values))) | parts.map(lambda f: lambda v: -f(v))

    return st.recursive(leaf, joined, max_leaves=8)


@pytest.mark.slow
@given(expressions(), st.sampled_from(["float32", "float64", "int64"]), st.integers(0, 10))
def test_random_arithmetic_of_numbers_and_arrays(f: Callable[[list[Any]], Any], dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(1, 5, (2, 2)).astype(dtype), rng.uniform(1, 5, 2).astype(np.float32)]

    def whole(a: Any, b: Any, s: float, t: float, n: int) -> Any:
        return a + f([a, b, s, t, n])

    compiled = cr.compile(whole)
    for _ in range(3):
        numbers = float(rng.uniform(0.5, 2)), float(rng.uniform(-2, -0.5)), int(rng.integers(1, 9))
        try:
            with np.errstate(all="ignore"):
                expected = whole(*arrays, *numbers)
        except ZeroDivisionError:
            with pytest.raises(ZeroDivisionError):
                compiled(*arrays, *numbers)
            continue
        found = compiled(*arrays, *numbers)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=2e-4 if found.dtype == np.float32 else 1e-9, atol=1e-4)
