"""Arithmetic on symbols: the machine code that it becomes computes what NumPy does, in NumPy's types."""

import contextlib
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

from chainrule.kernels import functions
from chainrule.kernels.native import machine
from chainrule.kernels.native.symbol import UFUNCS, NotSymbolic, Symbol
from chainrule.kernels.native.tasks import Function, Task, run_all, run_once
from chainrule.kernels.numbers import where
from chainrule.kernels.trigonometry import REACH

TYPES = [np.float32, np.float64, np.int32, np.int64, np.bool_]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3.5, -2.5, 1e30, 1e-30, 2.0]


NUMBERS_ONLY = (np.power, np.left_shift, np.right_shift)
"""What is known only where its second argument is a number."""


def task_of(f: Any, *arrays: Any) -> tuple[Task, Any]:
    """Machine code that calls f for each element of arrays of one length, not yet compiled, and what it writes to."""
    probe = Function([a.dtype for a in arrays])
    dtype = f(*(place[0] for place in probe.places)).dtype
    function = Function([*(a.dtype for a in arrays), dtype])
    *sources, target = function.places
    with function.code.loop(function.begin, function.end) as i:
        target[i] = f(*(place[i] for place in sources))
    out = np.empty(arrays[0].size, dtype)
    return Task(function.text(), [*arrays, out], end=out.size), out


def evaluated(f: Any, *arrays: Any) -> Any:
    """What machine code makes of f for each element of arrays of one length."""
    task, out = task_of(f, *arrays)
    assert run_once(task) == -1
    return out


def sample(dtype: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.permutation(np.array([*SPECIAL, *rng.normal(size=20)], dtype))
    return rng.integers(0, 2, 32).astype(dtype) if dtype is np.bool_ else rng.integers(-50, 50, 32).astype(dtype)


def same(found: Any, expected: Any, atol: float = 0) -> None:
    assert found.dtype == expected.dtype
    if found.dtype.kind == "f":
        eps = np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=4 * eps, atol=atol * eps)
    else:
        np.testing.assert_array_equal(found, expected)


TURNING = (np.sin, np.cos, np.tan)
"""What leaves very large arguments to NumPy (`chainrule.kernels.trigonometry`)."""


@pytest.fixture(autouse=True)
def _quickly(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "optimised" not in request.fixturenames:
        monkeypatch.setattr(machine, "LEVEL", 0)


@pytest.fixture
def optimised() -> None:
    """Optimise the functions of this test."""


@pytest.mark.parametrize("ufunc", [u for u in UFUNCS if u not in NUMBERS_ONLY], ids=lambda u: u.__name__)
def test_each_ufunc_is_what_it_is_in_numpy(ufunc: Any) -> None:
    """For each type and pair of types: the same type and numbers, or a refusal."""
    # Where the logarithm of a sum is near zero, it is the difference of larger numbers.
    atol = 4 if ufunc in (np.logaddexp, np.logaddexp2) else 0
    pairs = [(a,) for a in TYPES] if ufunc.nin == 1 else [(a, b) for a in TYPES for b in TYPES]
    written = []
    for types in pairs:
        arrays = [sample(t, seed) for seed, t in enumerate(types)]
        if ufunc in TURNING:
            arrays = [x[np.abs(x) <= REACH] if x.dtype.kind == "f" else x for x in arrays]
        try:
            with np.errstate(all="ignore"):
                expected = ufunc(*arrays)
        except TypeError:
            with pytest.raises(TypeError):
                task_of(ufunc, *arrays)
            continue
        with contextlib.suppress(NotSymbolic):
            written.append((*task_of(ufunc, *arrays), expected))
    assert written
    # As one, which takes a quarter of the time: the functions are tiny.
    machine.make_ready((task.text, task.level) for task, _, _ in written)
    for task, found, expected in written:
        assert run_once(task) == -1
        same(found, expected, atol)


@walked("dtype", [np.float32, np.float64])
@walked(
    "f",
    [
        lambda x: x + 1, lambda x: 2 - x, lambda x: 0.1 * x, lambda x: 1 / x, lambda x: x**2, lambda x: x**3,
        lambda x: x**-1, lambda x: x**0.5, lambda x: -x, lambda x: abs(x), lambda x: (x > 0) + (x <= 0) * 0.25,
        lambda x: np.where(x > 0, x, 0), lambda x: np.where(x > 1, 2.0, x), lambda x: np.maximum(x, 0),
        lambda x: np.maximum(0.5, x), lambda x: np.minimum(x, -1), lambda x: np.maximum(x, np.nan),
        lambda x: x * np.float32(0.1), lambda x: x * np.float64(0.1), lambda x: (x > 0) & (x < 1), lambda x: ~(x > 0),
        lambda x: x.astype(np.float32), lambda x: x.astype(np.float64), lambda x: (x > 0).astype(np.int64),
        lambda x: np.copy(x), lambda x: np.clip(x, -1, 0.5),
        lambda x: x - np.float32(1e8) + np.float32(1e8), lambda x: (x + 1e20) - 1e20,
        lambda x: np.int32(3) * x, lambda x: x + np.array(2.0, np.float32), lambda x: x > np.inf,
    ],
)  # fmt: skip
def test_expressions(f: Any, dtype: Any) -> None:
    x = sample(dtype)
    with np.errstate(all="ignore"):
        same(evaluated(f, x), f(x))


@settings(max_examples=30)
@given(hnp.arrays(np.float32, 8, elements=st.floats(width=32)), hnp.arrays(np.float64, 8, elements=st.floats()))
def test_what_is_written_in_an_order_is_computed_in_it(a: Any, b: Any) -> None:
    def f(a: Any, b: Any) -> Any:
        return (np.maximum(a, b) - b) + (a - (a + b))

    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(evaluated(f, a, b), f(a, b))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_shifts(dtype: Any) -> None:
    x = np.arange(32).astype(dtype)
    same(evaluated(lambda x: x << 3, x), x << 3)
    same(evaluated(lambda x: (x - 9) >> 2, x), (x - dtype(9)) >> 2)
    for places in (-1, 64):
        with pytest.raises(TypeError):
            Function([dtype]).places[0][0] << places


def test_what_a_symbol_does_not_know_is_refused() -> None:
    x = Function([np.float64]).places[0][0]
    for ask in (bool, float, int, np.asarray, np.sum, np.add.reduce, np.spacing, lambda x: x**2.7, lambda x: 2**x,
                lambda x: x + 1j, lambda x: x.astype(np.int32), lambda x: x.astype(np.float16),
                lambda x: x + np.ones(2),
                lambda x: np.add(x, x, where=True), lambda x: x.view(np.int32), lambda x: (x > 0).view(np.float64),
                np.transpose):  # fmt: skip
        with pytest.raises(TypeError):
            ask(x)
    for name in ("shape", "size", "sum", "T"):
        assert not hasattr(x, name)


def test_one_source_for_numbers_arrays_and_symbols() -> None:
    x = np.linspace(-3, 3, 41)
    for name in ("exp", "tanh", "sigmoid", "gelu", "silu", "log1p_exp", "erf"):
        function = getattr(functions, name)
        whole = function(x)
        np.testing.assert_allclose(whole, [function(float(each)) for each in x], rtol=1e-15)
        np.testing.assert_allclose(evaluated(function, x), whole, rtol=1e-14, atol=1e-300)


def test_a_sum_of_many_and_a_loop_in_a_loop() -> None:
    function = Function([np.float32, np.float64], 1)
    (x, out), (width,), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as r:
        total = code.variable(np.float64, 0)
        with code.loop(0, width) as c:
            total.add(x[r * width + c])
        out[r] = total.get()
    a, y = np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros(3)
    assert run_once(Task(function.text(), [a, y], [4], 0, 3)) == -1
    np.testing.assert_array_equal(y, a.sum(axis=1))


def test_tasks_run_in_order_and_stop_at_the_first_that_is_wrong() -> None:
    def checked(limit: int) -> str:
        function = Function([np.int64])
        place, code = function.places[0], function.code
        code.leave_if(place[0] >= limit, code.index(7))
        place[0] = place[0] + 1
        return function.text()

    count = np.zeros(1, np.int64)
    tasks = [Task(checked(3), [count], error=f"task {k}") for k in range(5)]
    with pytest.raises(IndexError, match="task 3"):
        run_all(tasks)()
    assert count[0] == 3
    run_all(tasks[:0])()


def vectors(text: str) -> str:
    assembly = machine.assembly_of(text)
    if not re.search(r"%[xyz]mm", assembly):
        pytest.skip("not an x86 processor: the test knows no other's registers")
    if not re.search(r"avx2?\b", machine.machine().features.replace("-avx", "")):
        pytest.skip("a processor without vectors of 256 bits")
    return assembly


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "gelu", "gelu_tanh", "silu", "erf", "expm1", "log1p_exp"])
def test_loops_run_on_vectors(optimised: None, name: str, dtype: Any) -> None:
    function = Function([dtype, dtype])
    (x, y), code = function.places, function.code
    with code.loop(function.begin, function.end) as i:
        y[i] = getattr(functions, name)(x[i])
    kind = "s" if dtype is np.float32 else "d"
    assert re.search(rf"v(mul|fn?m\w+)p{kind}\s.*%[yz]mm", vectors(function.text()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_run_on_vectors(optimised: None, dtype: Any) -> None:
    function = Function([dtype, dtype])
    (x, y), code = function.places, function.code
    total = code.variable(dtype, 0)
    with code.loop(function.begin, function.end) as i:
        total.add(where(x[i] > 0, x[i] * x[i], x[i]))
    y[0] = total.get()
    kind = "s" if dtype is np.float32 else "d"
    assert re.search(rf"v(add|fn?m\w+)p{kind}\s.*%[yz]mm", vectors(function.text()))


def test_equal_texts_are_one_function_and_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "define i64 @f(ptr %table, i64 %begin, i64 %end) {\n  ret i64 -1\n}\n"
    assert machine.address_of(text) == machine.address_of(f"{text[:-1]}\n")
    monkeypatch.setattr(machine.machine(), "optimised", None)
    assert machine.address_of(text)


def test_a_symbol_is_written_as_its_name() -> None:
    code = Function([np.float32]).code
    assert str(code.constant(0.1, np.float32)) == "0x3FB99999A0000000"
    assert str(code.constant(True, np.bool_)) == "true"
    assert str(Symbol(code, np.dtype(np.int64), "%x")) == "%x"
    with pytest.raises(NotSymbolic):
        code.constant(300, np.int8)
