"""Code for this processor, for another of its kind, and for another kind: loops run on the vectors that it has."""

import functools
import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.named import walked

from chainrule.kernels import normalization, optimizers
from chainrule.kernels.functions import tanh
from chainrule.kernels.native import machine
from chainrule.kernels.native.crew import sequence
from chainrule.kernels.native.machine import assembly_for, assembly_of
from chainrule.kernels.native.tasks import Function, Task, function_at, run_once


def elementwise(dtype):
    function = Function([dtype, dtype])
    x, y = function.places
    with function.code.loop(function.begin, function.end) as i:
        y[i] = tanh(x[i]) * x[i]
    return function.text()


TEXTS = {
    "a loop": elementwise,
    "Adam": lambda dtype: optimizers.adam._text(np.dtype(dtype)),
    "LayerNorm": lambda dtype: normalization.layer_norm._text(64, (np.dtype(dtype),) * 6)[0],
}


@walked("dtype", [np.float32, np.float64])
@walked("name", TEXTS)
def test_loops_run_on_the_vectors_of_neon(name, dtype):
    lines = assembly_for(TEXTS[name](dtype), "aarch64-unknown-linux-gnu", "neoverse-n1")
    lanes = "4s" if dtype == np.float32 else "2d"
    for instruction in ("fmul", "fmla|fmls|fadd"):
        assert re.search(rf"\b({instruction})\s+v\d+\.{lanes}", lines), instruction


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of x86-64")
@pytest.mark.parametrize(("cpu", "wide"), [("haswell", False), ("skylake-avx512", True)])
def test_another_processor_has_its_own_vectors(cpu, wide):
    if wide and machine.target().bytes < machine.LONGEST:
        pytest.skip("loops here are written for vectors of 256 bits, also for other processors")
    lines = assembly_for(elementwise(np.float32), "x86_64-unknown-linux-gnu", cpu)
    assert ("%zmm" if wide else "%ymm") in lines
    assert ("%zmm" in lines) == wide


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of x86-64")
def test_the_environment_names_the_processor():
    code = "from chainrule.kernels.native.machine import machine; print(machine().cpu, '+avx512f' in machine().stamp)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CHAINRULE_CPU": "haswell"}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["haswell", "False"], done.stderr


def test_a_loop_here_is_in_machine_code():
    assert "ret" in assembly_of(elementwise(np.float32))


def test_how_much_is_optimised_is_asked_at_each_compilation(monkeypatch, tmp_path):
    """The tests of compiled functions ask for little: their time would show only in the sum if nothing heard it."""
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    levels = []

    def noted(self, text, level):
        levels.append(level)
        return optimised(self, text, level)

    optimised = machine._Machine.optimised
    monkeypatch.setattr(machine._Machine, "optimised", noted)
    for level in (0, 1):
        levels.clear()
        monkeypatch.setattr(machine, "LEVEL", level)
        alone, *several = (f"define i64 @f(ptr %t, i64 %b, i64 %e) {{\n  ret i64 -{n}\n}}\n" for n in (71, 72, 73))
        machine.address_of(alone)
        run_once(Task(alone.replace("71", "74"), []))
        machine.make_ready((task.text, task.level) for task in (Task(text, []) for text in several))
        assert levels == [level] * 3


def test_texts_that_are_compiled_together_are_found_one_by_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    made = []
    optimised = machine._Machine.optimised
    monkeypatch.setattr(
        machine._Machine, "optimised", lambda self, text, level: made.append(text) or optimised(self, text, level)
    )
    texts = [elementwise(np.float32), elementwise(np.float64), sequence()]
    x = np.linspace(-1, 1, 37)

    def results(one):
        found = []
        for text, dtype in zip(texts, (np.float32, np.float64), strict=False):
            given, out = x.astype(dtype), np.empty(37, dtype)
            table = np.array([given.ctypes.data, out.ctypes.data], np.int64)
            function_at(one.address(text, 3))(table.ctypes.data, 0, 37)
            found.append(out)
        return found

    together = machine._Machine()
    together.make_ready(texts, 3)
    expected = results(together)
    assert len(made) == 1
    np.testing.assert_allclose(expected[1], np.tanh(x) * x, rtol=1e-12)
    again = machine._Machine()
    for found, other in zip(results(again), expected, strict=True):
        np.testing.assert_array_equal(found, other)
    assert len(made) == 1
    for path in (tmp_path / "native").iterdir():  # the code itself is gone, what names it is not
        if path.stat().st_size > 500:
            path.unlink()
    for found, other in zip(results(machine._Machine()), expected, strict=True):
        np.testing.assert_array_equal(found, other)
    assert len(made) == 3


def test_threads_that_ask_at_the_same_moment_share_one_compiler(monkeypatch):
    """The code of a second one would be unloaded while it runs."""
    made = []

    class Slow:
        def __init__(self):
            made.append(self)
            time.sleep(0.05)  # others ask meanwhile

    monkeypatch.setattr(machine, "_only", functools.cache(Slow))
    with ThreadPoolExecutor(8) as pool:
        given = set(pool.map(lambda _: machine.machine(), range(8)))
    assert given == {*made}
    assert len(made) == 1
