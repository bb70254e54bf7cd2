"""Loops that several operations share: what they compute, and what may be in one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.compile.program.groups import Group, layout, reduction_of, space_of
from chainrule.core.tree import flatten

from .test_passes import written

SHAPE = (3, 4)
SHAPES = [SHAPE, (4,), (3, 1), (1, 4), (1, 1), (), (1,)]
UNARY: list[Any] = [
    np.negative, np.square, np.tanh, np.exp, np.abs, cr.relu, cr.sigmoid, cr.gelu, cr.silu, np.positive,
    lambda x: x**2, lambda x: x**3, lambda x: x * 0.5, lambda x: 1 - x, lambda x: np.sqrt(np.abs(x)),
    lambda x: cr.leaky_relu(x, 0.1), lambda x: x.reshape(-1).reshape(x.shape), lambda x: 1 / (2 + np.abs(x)), np.sin,
    cr.stop_gradient, lambda x: x.copy(),
]  # fmt: skip
BINARY: list[Any] = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda a, b: a / (1 + np.abs(b)),
    lambda a, b: np.where(a > b, a, b), lambda a, b: np.where(a <= 0, b, 2.0), lambda a, b: (a < b) * a, np.hypot,
]  # fmt: skip
REDUCTIONS: list[Any] = [
    lambda x: x.sum(), lambda x: x.mean(), lambda x: x.sum(axis=0), lambda x: x.mean(axis=0), lambda x: x.sum(axis=-1),
    lambda x: x.sum(axis=-1, keepdims=True), lambda x: x.mean(axis=0, keepdims=True), lambda x: x.mean(axis=-1),
    lambda x: x.max(axis=-1, keepdims=True), lambda x: x.sum(axis=(0, 1)) if x.ndim == 2 else x.sum(),
]  # fmt: skip


@st.composite
def programs(draw: Any) -> tuple[Any, tuple[tuple[int, ...], ...]]:
    """A function of some arrays: steps that use what is there, and which of it is returned."""
    shapes = tuple(draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)))
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from("uuubbbr"), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
            min_size=1,
            max_size=12,
        )
    )
    kept = draw(st.sets(st.integers(0, 99), min_size=1, max_size=4))

    def f(*arrays: Any) -> Any:
        found = list(arrays)
        for kind, which, first, second in steps:
            a, b = found[-1 - first % len(found)], found[-1 - second % len(found)]
            if kind == "u":
                found.append(np.tanh(UNARY[which % len(UNARY)](a)))
            elif kind == "b":
                try:
                    np.broadcast_shapes(a.shape, b.shape)
                except ValueError:
                    continue
                found.append(BINARY[which % len(BINARY)](a, b))
            elif a.ndim:
                found.append(REDUCTIONS[which % len(REDUCTIONS)](a))
        return [found[-1 - k % len(found)] for k in sorted(kept)]

    return f, shapes


def _same(f: Any, shapes: Any, dtype: Any, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    compiled = cr.compile(f)
    for _ in range(2):
        arrays = [np.asarray(rng.normal(size=s).astype(dtype)) for s in shapes]
        kept = [x.copy() for x in arrays]
        with np.errstate(all="ignore"):  # some programs have no finite result
            pairs = list(zip(compiled(*arrays), f(*arrays), strict=True))
        for a, b in pairs:
            assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        for x, k in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(x, k)


@pytest.mark.slow
@settings(max_examples=150)
@given(programs(), st.sampled_from([np.float64, np.float32]))
def test_random_programs_are_what_they_are_eagerly(program: Any, dtype: Any) -> None:
    f, shapes = program
    _same(f, shapes, dtype, 1e-10 if dtype == np.float64 else 1e-4)


@pytest.mark.slow
@settings(max_examples=60)
@given(programs())
def test_gradients_of_random_programs(program: Any) -> None:
    f, shapes = program

    def gradient(*arrays: Any) -> Any:
        return cr.grad(lambda *xs: sum(np.sin(y).sum() for y in f(*xs)) + xs[0].sum(), tuple(range(len(arrays))))(
            *arrays
        )

    _same(gradient, shapes, np.float64, 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_program_of_every_expression_as_machine_code(compiled_ways: str, dtype: Any) -> None:
    """Machine code and Python must read the loops alike: each expression once, with broadcasting and sums."""

    def f(x: Any, row: Any, column: Any, one: Any) -> Any:
        total = x + row * column - one
        for function in UNARY:
            total = total + 0.1 * np.tanh(function(x))
        for function in BINARY:
            total = total + 0.1 * function(x, row)
        sums = total.sum(axis=0), total.mean(axis=1), (total * x).sum(), total.mean(axis=1, keepdims=True)
        return total, sums, x > row, np.where(x > 0, x, column), (x <= row) & (x > 0)

    rng = np.random.default_rng(0)
    compiled = cr.compile(f)
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    for _ in range(2):
        arrays = [np.asarray(rng.normal(size=s).astype(dtype)) for s in (SHAPE, (4,), (3, 1), ())]
        for a, b in zip(flatten(compiled(*arrays))[0], flatten(f(*arrays))[0], strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_not_a_number_and_infinity_as_machine_code(compiled_ways: str) -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        return (
            np.maximum(y, 0.5), np.minimum(y, 0.5), np.maximum(0.5, y), cr.relu(y), np.abs(y), y == y, y != y, y > 0,
            np.where(y > 0, y, np.inf), np.where(y < 0, -np.inf, y), 1 / y, np.tanh(y), np.exp(y), np.sqrt(y),
            y * np.nan, np.where(y > 0, y, np.nan),
        )  # fmt: skip

    x = np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, 1e-320, -2.0, 800.0])
    with np.errstate(all="ignore"):
        for a, b in zip(cr.compile(f)(x), f(x), strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            np.testing.assert_allclose(a, b, rtol=1e-12)


def _groups(f: Any, *arrays: Any) -> list[list[str]]:
    compiled = cr.compile(f)
    compiled(*arrays)
    return [[i.name for i in s.node.members] for s in compiled.plan.steps if isinstance(s.node, Group)]


def test_a_chain_with_its_sums_is_one_loop() -> None:
    groups = _groups(lambda x: ((np.tanh(x) * 2 + 1), (np.tanh(x) * 3).sum(axis=0), np.tanh(x).sum()), np.ones(SHAPE))
    assert len(groups) == 1
    assert sorted(groups[0]) == ["add", "multiply", "multiply", "sum", "sum", "tanh"]


def test_a_sum_is_complete_before_it_is_read() -> None:
    groups = _groups(lambda x: np.tanh(x) - np.tanh(x).sum(axis=0), np.ones(SHAPE))
    assert all(not ("sum" in g and "subtract" in g) for g in groups)


def test_what_runs_in_between_keeps_loops_apart() -> None:
    groups = _groups(lambda x: np.tanh(x) + (np.tanh(x) @ np.ones((4, 4))), np.ones(SHAPE))
    assert all(not ("tanh" in g and "add" in g) for g in groups)


def test_half_precision_is_left_to_numpy_and_integers_are_not() -> None:
    assert _groups(lambda x: x * 2 + 1, np.ones(SHAPE, np.float16)) == []
    assert _groups(lambda n: n * 2 + 1, np.ones(SHAPE, np.int64)) == [["multiply", "add"]]
    assert ["multiply", "add"] in _groups(lambda a, b: a * b + b, np.ones(3, np.float32), np.ones(3))


def test_layouts() -> None:
    def of(value: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        program = written(lambda x: x * 1, np.ones(value))
        return layout(program.inputs[0], shape)

    assert of((3, 4), (3, 4)) == ("full", None)
    assert of((), (3, 4)) == ("one", None)
    assert of((4,), (3, 4)) == ("row", 4)
    assert of((3, 1), (3, 4)) == ("column", 4)
    assert of((2, 1, 1), (2, 3, 4)) == ("column", 12)
    assert of((3, 4), (2, 3, 4)) == ("row", 12)
    assert of((1, 3, 1), (2, 3, 4)) == ("cycle", 4)
    assert of((2, 1, 4, 1), (2, 3, 4, 5)) is None
    assert of((2, 1, 4), (2, 3, 4)) is None


def test_how_sums_reduce() -> None:
    def of(f: Any) -> Any:
        return reduction_of(written(f, np.ones((2, 3, 4))).instructions[-1])

    assert of(lambda x: x.sum()) == "all"
    assert of(lambda x: x.sum(axis=0)) == "columns"
    assert of(lambda x: x.mean(axis=(0, 1))) == "columns"
    assert of(lambda x: x.sum(axis=-1)) == "rows"
    assert of(lambda x: x.sum(axis=(1, 2), keepdims=True)) == "rows"
    assert of(lambda x: x.sum(axis=1)) is None
    assert of(lambda x: x.max()) is None


def test_what_cannot_be_in_a_loop() -> None:
    assert space_of(written(lambda x: np.sort(x), np.ones(3)).instructions[-1]) is None
    assert space_of(written(lambda x: x * x, np.zeros(0)).instructions[-1]) is None
    assert space_of(written(lambda x: x * x, np.ones((2, 3))).instructions[-1]) == (6, None)


@walked("shape", [(1, 4), (4, 1), (1, 1), (1,), (1, 1, 3), (3, 1, 1)])
def test_axes_of_length_one(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        y = np.tanh(x) * 1.5
        sums = [s for axis in range(x.ndim) for s in (y.sum(axis=axis), (y * 2).mean(axis=axis, keepdims=True) * y)]
        return [y, y.sum(), (y * y).sum(axis=0), *sums]

    _same(f, [shape], np.float64, 1e-12)


def test_sums_over_one_row_alone() -> None:
    _same(lambda x: [(np.sort(x) * 1).reshape(1, 2).sum(axis=0)], [(2,)], np.float64, 1e-12)
    _same(lambda x: [(np.sort(x) * 1).reshape(2, 1).sum(axis=1)], [(2,)], np.float64, 1e-12)
    _same(lambda x: [(np.sort(x) * 1).reshape(1, 1).sum()], [(1,)], np.float64, 1e-12)


def test_long_sums_in_single_precision_lose_little(machine_code: None) -> None:
    """One running sum of a million numbers would lose four digits; NumPy sums in pairs."""
    x = np.random.default_rng(0).random((2**20, 2)).astype(np.float32)
    total, means = cr.compile(lambda x: ((x * 1).sum(), (x * 1).mean(axis=0)))(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(total, exact.sum(), rtol=5e-6)
    np.testing.assert_allclose(means, exact.mean(axis=0), rtol=5e-5)  # one by one, as NumPy's along the first axis


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_channels_of_images(dtype: Any, compiled_ways: str) -> None:
    """A bias for each channel, and its gradient, are in the loop with the activation."""

    def f(x: Any, bias: Any) -> Any:
        y = np.maximum(x + bias, 0)
        return y, y.sum(axis=(0, 2, 3)), (y * 2).mean(axis=(0, 2))

    rng = np.random.default_rng(0)
    calls = [(rng.normal(size=(2, 3, 4, 5)).astype(dtype), rng.normal(size=(3, 1, 1)).astype(dtype)) for _ in range(2)]
    compiled = cr.compile(f)
    for call in calls:
        for a, b in zip(compiled(*call), f(*call), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == np.float32 else 1e-12)
    assert any("sum" in s.name and "maximum" in s.name for s in compiled.plan.steps)


def repeated(n: int) -> Any:
    matrix = np.full((3, 3), 0.1)

    def f(x: Any) -> Any:
        for _ in range(n):
            x = np.tanh(matrix @ x) * 0.5 + 1
        return (x * x).sum()

    return cr.value_and_grad(f)


def test_work_on_a_long_program_is_proportional_to_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether as many loops are written, and as many groups told of fusions, is counted and not timed."""
    from chainrule.compile.plan import loops
    from chainrule.compile.program import groups

    counts = {"written": 0, "told": 0}
    write, members = loops._Writer._write, groups._members

    def writing(self: Any, cut: Any) -> None:
        counts["written"] += 1
        write(self, cut)

    def telling(bits: int) -> Any:
        found = list(members(bits))
        counts["told"] += len(found)
        return found

    monkeypatch.setattr(loops._Writer, "_write", writing)
    monkeypatch.setattr(groups, "_members", telling)
    found = []
    for n in (20, 40, 80):
        counts.update(written=0, told=0)
        compiled, x = cr.compile(repeated(n)), np.ones(3)
        for a, b in zip(compiled(x), repeated(n)(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        found.append(dict(counts))
    assert found[2]["written"] <= 10
    assert found[2]["told"] - found[1]["told"] <= 2.2 * (found[1]["told"] - found[0]["told"]) + 20
