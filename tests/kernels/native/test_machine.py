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

from chainrule.kernels import normalization, optimizers
from chainrule.kernels.functions import tanh
from chainrule.kernels.native import machine
from chainrule.kernels.native.machine import assembly_for, assembly_of
from chainrule.kernels.native.tasks import Function


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TEXTS)
def test_loops_run_on_the_vectors_of_neon(name, dtype):
    lines = assembly_for(TEXTS[name](dtype), "aarch64-unknown-linux-gnu", "neoverse-n1")
    lanes = "4s" if dtype == np.float32 else "2d"
    for instruction in ("fmul", "fmla|fmls|fadd"):
        assert re.search(rf"\b({instruction})\s+v\d+\.{lanes}", lines), instruction


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of x86-64")
@pytest.mark.parametrize(("cpu", "wide"), [("haswell", False), ("skylake-avx512", True)])
def test_another_processor_has_its_own_vectors(cpu, wide):
    lines = assembly_for(elementwise(np.float32), "x86_64-unknown-linux-gnu", cpu)
    assert "%ymm" in lines or "%zmm" in lines  # LLVM has its own view of which are faster
    assert ("%zmm" in lines or "vgetexp" in lines or "%k1" in lines) == wide


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of x86-64")
def test_the_environment_names_the_processor():
    code = "from chainrule.kernels.native.machine import machine; print(machine().cpu, '+avx512f' in machine().stamp)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CHAINRULE_CPU": "haswell"}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["haswell", "False"], done.stderr


def test_a_loop_here_is_in_machine_code():
    assert "ret" in assembly_of(elementwise(np.float32))


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
