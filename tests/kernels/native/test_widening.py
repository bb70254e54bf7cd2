"""Loops on vectors compute what they compute element by element; what cannot be widened is left alone."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.kernels.native import machine, tasks
from chainrule.kernels.native.code import Code
from chainrule.kernels.native.machine import EXPLICITLY, assembly_for
from chainrule.kernels.native.symbol import BOOL, DOUBLE, FLOAT, INT, LONG
from chainrule.kernels.native.tasks import Function, Task, run_once
from chainrule.kernels.native.vectors import Vectors
from chainrule.kernels.native.widening import Target

TARGETS = [Target(64, True), Target(32, False), Target(16, False)]
"""AVX-512, AVX2, and NEON or SSE."""
Write = Callable[[Function, Any], None]
"""What writes a function of arrays with rows of n elements; n is None where it is not known."""


def _short(function: Function, n: int | None) -> None:
    a, b, c = function.places
    with _loop(function, n) as i:
        c[i] = a[i] + b[i]


def _long(function: Function, n: int | None) -> None:
    a, b, c = function.places
    with _loop(function, n) as i:
        c[i] = np.where(a[i] < b[i], np.tanh(a[i]), np.exp(b[i])) * np.sqrt(abs(a[i])) - np.tanh(b[i])


def _in_place(function: Function, n: int | None) -> None:
    a, b, _ = function.places
    with _loop(function, n) as i:
        a[i] = a[i] * 2 + b[3]
        a[i] = a[i] - b[i]


def _indices(function: Function, n: int | None) -> None:
    a, b, c = function.places
    with _loop(function, n) as i:
        c[i] = np.where(i == 5, a[i], b[i]) + i.astype(c.dtype)


def _truths(function: Function, n: int | None) -> None:
    a, b, c = function.places
    with _loop(function, n) as i:
        found = (a[i] > 0) & ~(b[i] > a[i])
        c[i] = np.where(found, found.astype(c.dtype), -a[i])


def _bits(function: Function, n: int | None) -> None:
    a, b, c = function.places
    whole = INT if a.dtype == FLOAT else LONG
    with _loop(function, n) as i:
        c[i] = ((a[i].view(whole) >> 3) ^ (b[i].view(whole) & 255)).view(c.dtype)


def _sums(function: Function, n: int | None) -> None:
    a, b, c = function.places
    code = function.code
    one, two = code.variable(a.dtype, 1), code.variable(DOUBLE, 0)
    with _loop(function, n) as i:
        one.add(a[i] * b[i])
        two.add(b[i])
    c[0], c[1] = one.get(), two.get().astype(c.dtype)


def _largest(function: Function, n: int | None) -> None:
    a, _, c = function.places
    code = function.code
    top = code.variable(LONG, -3)
    with _loop(function, n) as i:
        top.raise_to(a[i].view(INT if a.dtype == FLOAT else LONG).astype(LONG))
    c[0] = top.get().astype(c.dtype)


def _rows(function: Function, n: int | None) -> None:
    a, b, c = function.places
    length = n or function.numbers[0]
    with function.code.loop(0, 3) as r:
        total = function.code.variable(a.dtype, 0)
        with function.code.loop(0, length) as j:
            e = np.exp(a[r * length + j])
            c[r * length + j] = e
            total.add(e)
        with function.code.loop(0, length) as j:
            c[r * length + j] = c[r * length + j] / total.get() + b[j] * b[r]


def _columns(function: Function, n: int | None) -> None:
    a, _, c = function.places
    length = n or function.numbers[0]
    with function.code.loop(0, 3) as r, function.code.loop(0, length) as j:
        c[j] = c[j] + a[r * length + j]


def _masked_columns(function: Function, n: int | None) -> None:
    a, b, c = function.places
    length = n or function.numbers[0]
    with function.code.loop(0, 3) as r:
        factor, base = b[r], r * length
        with function.code.loop(0, length) as j:
            y = b[base + j] * (a[base + j] > 0) * factor + b[j]
            a[base + j] = y
            c[j] = c[j] + y


WRITERS: dict[str, Write] = {
    f.__name__[1:]: f
    for f in (_short, _long, _in_place, _indices, _truths, _bits, _sums, _largest, _rows, _columns, _masked_columns)
}


SUMMING = ("sums", "rows")
"""Those that add up in another order on vectors."""


def _loop(function: Function, n: int | None) -> Any:
    return function.code.loop(0, n) if n else function.code.loop(function.begin, function.end)


def _text(write: Write, dtype: Any, n: int | None, target: Target | None, patch: pytest.MonkeyPatch) -> str:
    function = Function([dtype] * 3, 1)
    write(function, n)
    with patch.context() as context:
        context.setattr(tasks, "target", lambda: target)
        if target is None:
            context.setattr(tasks, "widened", lambda *_: None)
        return function.text()


def _run(text: str, dtype: Any, n: int) -> list[Any]:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=3 * n + 70).astype(dtype) for _ in range(3)]
    assert run_once(Task(text, arrays, [n], 0, n)) == -1
    return arrays


@pytest.mark.slow
@given(
    name=st.sampled_from([*WRITERS]),
    dtype=st.sampled_from([FLOAT, DOUBLE]),
    n=st.one_of(st.integers(0, 70), st.integers(71, 400)),
    is_known=st.booleans(),
    target=st.sampled_from(TARGETS),
)
def test_a_loop_on_vectors_is_the_loop_on_elements(
    name: str, dtype: Any, n: int, is_known: bool, target: Target
) -> None:
    patch = pytest.MonkeyPatch()
    length = n if is_known and n else None
    wide = _text(WRITERS[name], dtype, length, target, patch)
    assert wide.startswith(EXPLICITLY), name
    alone = _text(WRITERS[name], dtype, length, None, patch)
    for found, expected in zip(_run(wide, dtype, n), _run(alone, dtype, n), strict=True):
        eps = 8 * np.finfo(dtype).eps
        np.testing.assert_allclose(found, expected, rtol=eps, atol=eps * n if name in SUMMING else 0)


def _apart(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as i:
        b[i] = a[2 * i]


def _shifted(function: Function) -> None:
    a, _ = function.places
    with function.code.loop(0, 9) as i:
        a[i + 1] = a[i]


def _read_again(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as i:
        a[i] = b[i] + a[4]


def _one_of_two(function: Function) -> None:
    a, b = function.places
    c = function.code.either(function.begin < 3, a, b)
    with function.code.loop(0, 9) as i:
        a[i] = c[i + 1]


def _conditional(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as i, function.code.when(a[i] > 0):
        b[i] = a[i]


def _two_places(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as i:
        b[i] = a[i]
        b[i + 4] = a[i]


def _sums_of_a_cycle(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as r, function.code.loop(0, 8) as j:
        a[function.code.remainder(r, 3) * 8 + j] = b[r * 8 + j]
        b[j] = b[j] + b[r * 8 + j]


def _rows_that_overlap(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as r, function.code.loop(0, 8) as j:
        a[r * 5 + j] = a[r * 5 + j] + 1
        b[j] = b[j] + a[r * 5 + j]


def _read_before_the_row(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as r:
        factor = b[r]
        with function.code.loop(0, 8) as j:
            b[j] = b[j] + factor * a[r * 8 + j]


@walked(
    "write",
    [
        *(_apart, _shifted, _read_again, _one_of_two, _conditional, _two_places),
        *(_sums_of_a_cycle, _rows_that_overlap, _read_before_the_row),
    ],
)
def test_what_only_llvm_may_know_how_to_widen_is_left_to_it(write: Callable[[Function], None]) -> None:
    function = Function([FLOAT, FLOAT])
    write(function)
    assert not function.text().startswith(EXPLICITLY)


def test_arrays_that_may_overlap_are_left_to_llvm() -> None:
    function = Function([FLOAT] * 3, overlap=True)
    _short(function, None)
    assert not function.text().startswith(EXPLICITLY)


def _running(function: Function) -> None:
    a, b = function.places
    total = function.code.variable(FLOAT, 0)
    with function.code.loop(0, 9) as i:
        total.set(total.get() + a[i])
        b[i] = total.get()


def _leaving(function: Function) -> None:
    a, _ = function.places
    with function.code.loop(0, 9) as i:
        function.code.leave_if(a[i] < 0, i)


def _logarithms(function: Function) -> None:
    a, b = function.places
    with function.code.loop(0, 9) as i:
        b[i] = function.code.intrinsic("log", a[i])


@walked("write", [_running, _leaving, _logarithms])
def test_what_nobody_can_widen_stays_as_it_is_and_needs_no_passes(write: Callable[[Function], None]) -> None:
    function = Function([FLOAT, FLOAT])
    write(function)
    text = function.text()
    assert text.startswith(EXPLICITLY)
    assert "x float>" not in text


def test_each_processor_gets_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    for target, triple, cpu, register in (
        (TARGETS[0], "x86_64-unknown-linux-gnu", "skylake-avx512", "zmm"),
        (TARGETS[1], "x86_64-unknown-linux-gnu", "haswell", "ymm"),
        (TARGETS[2], "aarch64-unknown-linux-gnu", "neoverse-n1", ".4s"),
    ):
        text = _text(_long, FLOAT, None, target, monkeypatch)
        assert text.startswith(EXPLICITLY)
        assert assembly_for(text, triple, cpu).count(register) > 30, cpu


def test_what_this_machine_has() -> None:
    found = machine.target()
    assert found in TARGETS


def test_a_function_is_written_twice_with_the_same_result() -> None:
    function = Function([FLOAT] * 3)
    _sums(function, None)
    assert function.text() == function.text()
    assert isinstance(function.code, Code)


def test_rooms_share_no_memory_with_arrays() -> None:
    function = Function([FLOAT, FLOAT])
    a, b = function.places
    of = Vectors(function.code, FLOAT, 4)
    one, two = of.rooms(40, 40)
    with function.code.loop(0, 37) as i:
        one[i] = a[i]
        two[i] = a[i + 1]
    with function.code.loop(0, 37) as i:
        b[i] = one[i] - two[i]
    of.given_back()
    text = function.text()
    assert text.startswith(EXPLICITLY)
    x, found = np.arange(40, dtype=np.float32) ** 2, np.zeros(37, np.float32)
    assert run_once(Task(text, [x, found])) == -1
    np.testing.assert_array_equal(found, x[:37] - x[1:38])


def test_truths_are_bytes_in_memory() -> None:
    function = Function([BOOL, FLOAT])
    a, b = function.places
    with function.code.loop(function.begin, function.end) as i:
        b[i] = np.where(a[i], b[i], -b[i])
    text = function.text()
    assert text.startswith(EXPLICITLY)
    where, x = np.arange(77) % 3 == 0, np.arange(77, dtype=np.float32)
    expected = np.where(where, x, -x)
    run_once(Task(text, [where, x], (), 0, 77))
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("columns", [128, 4096])
def test_sums_of_few_columns_stay_in_registers_over_the_rows(columns: int) -> None:
    function = Function([FLOAT] * 2)
    x, sums = function.places
    with function.code.loop(function.begin, function.end) as row, function.code.loop(0, columns) as k:
        sums[k] = sums[k] + x[row * columns + k]
    text = function.text()
    assert text.startswith(EXPLICITLY)
    in_a_row = text.split(" = mul i64 ")[1].split(".latch")[0]
    assert ("ptr %p1" in in_a_row) is (columns == 4096)


def test_sums_of_columns_beside_other_loops_are_left_to_llvm() -> None:
    function = Function([FLOAT] * 3)
    x, y, sums = function.places
    with function.code.loop(function.begin, function.end) as row:
        with function.code.loop(0, 64) as k:
            sums[k] = sums[k] + x[row * 64 + k]
        with function.code.loop(0, 64) as k:
            y[row * 64 + k] = x[row * 64 + k]
    assert not function.text().startswith(EXPLICITLY)


def test_code_is_written_by_one_thread_at_a_time() -> None:
    # Whether LLVM rewrites addresses is an option of the whole process.
    of, order = machine.machine(), list[str]()

    def write() -> None:
        with of._addresses_as_written(False):
            order.append("as usual")

    other = threading.Thread(target=write)
    with of._addresses_as_written(True):
        other.start()
        other.join(0.1)
        order.append("as written")
    other.join()
    assert order == ["as written", "as usual"]
