"""What can stand in a generated loop: whatever record can be followed symbolically, with its own types."""

import re
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.compile.plan import loops
from chainrule.compile.plan.loops import loop_of
from chainrule.compile.program.elements import is_known
from chainrule.compile.program.groups import grouped
from chainrule.core.kinds import Elementwise
from chainrule.kernels import pool
from chainrule.kernels.native import machine, tasks
from chainrule.kernels.native.machine import EXPLICITLY
from chainrule.nn import functional as F

from .test_passes import written

X = np.linspace(-2, 2, 12).reshape(3, 4)

FUSED: list[Any] = [
    F.relu, F.relu6, F.elu, F.celu, F.selu, F.silu, F.softplus, F.hardtanh, F.hardswish, F.hardsigmoid, F.softsign,
    F.leaky_relu, np.expm1, np.sign, np.floor, np.square, np.reciprocal, F.gelu, F.sigmoid, np.tanh,
    lambda x: np.clip(x, -1, 1), lambda x: F.gelu(x, "tanh"), lambda x: np.maximum(x, 0.5),
]  # fmt: skip


@walked("f", FUSED)
@walked("dtype", [np.float32, np.float64])
def test_records_join_a_loop_without_a_table(f: Any, dtype: Any) -> None:
    def g(x: Any) -> Any:
        return f(x * 2) + 1

    x = X.astype(dtype)
    compiled = cr.compile(g)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), g(x), rtol=100 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)
        assert compiled(x).dtype == g(x).dtype
    assert sum(step.run is not None for step in compiled.plan.steps) == 1, compiled.plan


def test_types_that_mix_are_converted_as_numpy_does() -> None:
    def f(x: Any, y: Any, mask: Any) -> Any:
        z = x.astype(np.float64) * y + mask
        return z, z.astype(np.float32) + x, np.where(mask & (z > 0), x, z), np.float64(0.1) * x, x * 0.1

    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=4), rng.integers(0, 2, (3, 4)) > 0
    compiled = cr.compile(f)
    for a, b in zip(compiled(*arrays), f(*arrays), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)
    fused = [step for step in compiled.plan.steps if step.loop is not None]
    assert sum(len(step.node.members) for step in fused) >= 6, compiled.plan


class Cubed(Elementwise, register=False):
    """y = x^3 where x > 0, else x."""

    @staticmethod
    def primal(x: Any) -> Any:
        return np.where(x > 0, x * x * x, x)

    @staticmethod
    def partial(x: Any) -> Any:
        """y' = 3 x^2 where x > 0, else 1."""
        return np.where(x > 0, 3 * x * x, 1)


class Decides(Elementwise, register=False):
    """y = x."""

    @staticmethod
    def primal(x: Any) -> Any:
        return x if np.all(x == x) else 0 * x

    @staticmethod
    def partial() -> Any:
        """y' = 1."""
        return 1


def test_a_record_of_the_user_s_joins_as_well() -> None:
    def g(x: Any) -> Any:
        return cr.value_and_grad(lambda x: Cubed.apply(2 * x).sum())(x)

    compiled = cr.compile(g)
    for a, b in zip(compiled(X), g(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    (group,) = [step for step in compiled.plan.steps if step.run is not None and "cubed" in step.name]
    assert group.loop is not None


@walked("f", [Decides.apply, lambda x: 2**x, np.cumsum, lambda x: x.T, cr.special.digamma])
def test_what_cannot_be_followed_stays_what_it_is(f: Any) -> None:
    program = written(lambda x: f(x), X)
    assert not any(is_known(i) for i in program.instructions)
    compiled = cr.compile(lambda x: f(x) * 2)
    np.testing.assert_allclose(compiled(X), np.asarray(f(X)) * 2, rtol=1e-13)


# Sizes


def _texts(f: Any, *arrays: Any) -> list[str]:
    program = written(f, *arrays)
    found = []
    for group in grouped(program):
        loop = loop_of(group, {group.members[-1].outputs[0]})
        values = {v: np.zeros(v.size, v.dtype) for v in (*loop.loaded, *loop.stored)}
        found.append(loop.task(values).text)
    return found


def test_equal_loops_are_one_function_and_large_ones_of_any_size() -> None:
    def f(x: Any, row: Any) -> Any:
        return np.tanh(x + row) * 2

    small = [np.zeros(shape) for shape in ((5, 6), (6,))]
    assert _texts(f, *small) == _texts(f, *small)
    assert _texts(f, *small) != _texts(f, np.zeros((6, 5)), np.zeros(5))
    large = [_texts(f, np.zeros((n, m)), np.zeros(m)) for n, m in ((400, 300), (500, 257))]
    assert large[0] == large[1]


@pytest.mark.parametrize("limit", [0, 2**16])
@pytest.mark.parametrize("cores", [1, 2])
def test_loops_of_any_size_on_one_core_or_two(
    limit: int, cores: int, monkeypatch: pytest.MonkeyPatch, machine_code: None
) -> None:
    from chainrule.compile.plan import emit

    monkeypatch.setattr(loops, "SMALL", limit)
    if cores == 2:
        monkeypatch.setattr(tasks, "PART", 1)
        monkeypatch.setattr(loops, "COLUMNS", 1)
        monkeypatch.setattr(loops, "EXACT", 0)
        monkeypatch.setattr(emit, "CUT", 0)
        monkeypatch.setattr(pool, "threads", lambda: 2)

    def f(x: Any, row: Any, column: Any) -> Any:
        y = np.tanh(x * row + column)
        return y, y.sum(axis=0), (y * 2).mean(axis=1), np.exp(y).mean(), (x > 0) * row, (x - 1).mean(axis=0)

    rng = np.random.default_rng(0)
    compiled = cr.compile(f)
    for shape in ((67, 33), (1, 40), (40, 1), (130, 128)):
        arrays = [rng.normal(size=s) for s in (shape, shape[1:], (shape[0], 1))]
        for a, b in zip(compiled(*arrays), f(*arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fused_loop_runs_on_vectors(dtype: Any, machine_code: None) -> None:
    def f(x: Any, row: Any) -> Any:
        return cr.gelu(x + row) * np.tanh(x)

    for shape in ((64, 100), (800, 100)):
        (text,) = _texts(f, np.zeros(shape, dtype), np.zeros(shape[1], dtype))
        assembly = machine.assembly_of(text)
        if not re.search(r"%[xyz]mm", assembly):
            pytest.skip("not an x86 processor: the test knows no other's registers")
        assert re.search(rf"vmulp{'s' if dtype is np.float32 else 'd'}\s.*%[yz]mm", assembly)


def test_arrays_that_overlap_are_not_promised_to_be_apart() -> None:
    whole = np.arange(10.0)
    (group,) = grouped(written(lambda x: np.tanh(x) + x, np.zeros(9)))
    loop = loop_of(group, {group.members[-1].outputs[0]})
    (x,), (y,) = loop.loaded, loop.stored
    assert loop.task({x: np.zeros(9), y: np.zeros(9)}).text.startswith(EXPLICITLY)
    task = loop.task({x: whole[:9], y: whole[1:]})
    assert not task.text.startswith(EXPLICITLY)
    assert "noalias" not in task.text
    assert loop.task({x: whole[:9], y: whole[:9]}).text.startswith(EXPLICITLY)
