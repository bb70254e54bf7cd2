"""Steps that used to be calls of NumPy's between the tasks of a program: repeated operands, views, pads, moments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import named

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile.program import spreading
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.nn import functional as F

from .test_passes import names

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def _masked(x: Any) -> Any:
    return np.where(x[:, :1, :1, :] > 0, -np.inf, x)


ROWS = RNG.integers(0, 20, 40)


def _rows(x: Any) -> Any:
    table = np.linspace(-1, 1, 60).reshape(20, 3)
    return cr.grad(lambda table: (table[ROWS] * x[:, ::2]).sum())(table.astype(np.float32))


WHOLE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "a mask of keys": (lambda x: np.exp(np.tanh(_masked(x)) * 2), drawn(3, 2, 4, 5)),
    "one token's part for all": (lambda x: np.tanh(x + x[:, :1] * 2) * x, drawn(3, 4, 5)),
    "layer norm of a transpose": (lambda x: F.layer_norm(x.swapaxes(1, 2), 4) * 2, drawn(3, 4, 5)),
    "its gradient": (lambda x: cr.grad(lambda x: (F.layer_norm(x.swapaxes(1, 2), 4) ** 3).sum())(x), drawn(3, 4, 5)),
    "softmax of a transpose": (lambda x: F.softmax(x.swapaxes(1, 2), axis=-1) * 2, drawn(3, 4, 5)),
    "a sum over tokens": (lambda x: np.tanh(x.sum(axis=1)) * x.mean(axis=1), drawn(3, 4, 5)),
    "a mean over two axes": (lambda x: np.tanh(x.mean(axis=(1, 2), keepdims=True) + 1), drawn(3, 4, 2, 5)),
    "rows of slices": (_rows, drawn(40, 6)),
    "pads": (lambda x: np.pad(np.tanh(x), ((0, 0), (2, 0), (1, 3))) * 2, drawn(3, 4, 5)),
}


def test_they_are_part_of_the_one_call() -> None:
    for name, (f, x) in WHOLE.items():
        with named(name), np.errstate(all="ignore"):
            compiled = cr.compile(f)
            for k in range(3):
                np.testing.assert_allclose(compiled(x + k), f(x + k), rtol=1e-4, atol=1e-5)
            if HAS_COMPILER:
                assert len(compiled.plan.calls) == 1, compiled.plan


def test_so_are_the_moments_of_rows() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    optimizer, loss = optim.Adam(model.parameters()), nn.CrossEntropyLoss()

    @cr.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    for _ in range(2):
        step(drawn(6, 5), np.arange(6) % 3)
    if HAS_COMPILER:
        assert len(step.plan.calls) == 1


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4), st.integers(0, 99))
def test_any_operand_may_be_repeated(axes: list[tuple[int, bool]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=[n for n, _ in axes])
    y = rng.normal(size=[1 if one else n for n, one in axes])

    def f(x: Any, y: Any) -> Any:
        return np.tanh(x * y) * y  # a sum may cancel, and then the last bit of a tanh is no small part of it

    compiled = cr.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x, y), f(x, y), rtol=1e-12)


def test_an_operand_that_several_read_is_repeated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    spread = spreading.spread_operands
    monkeypatch.setattr(
        "chainrule.compile.program.passes.spread_operands", lambda program: (spread(program), seen.append(program))
    )
    cr.compile(lambda x, y: (np.tanh(x * y), x + y))(drawn(3, 4, 5), drawn(3, 1, 5))
    assert names(seen[0]).count("spread") == 1
