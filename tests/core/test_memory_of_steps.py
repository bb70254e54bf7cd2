"""What a step does with memory: freed memory is kept, and sums of cotangents are formed in place where nobody looks."""

import platform
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.traces import reverse
from chainrule.core.traces.node import hooked

FAULTS = """
import resource
import numpy as np
{first}
def faults():
    for _ in range(20):
        np.ones(2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults()
before = faults()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back")
def test_freed_memory_is_kept():
    command = [sys.executable, "-c", FAULTS.format(first="import chainrule.core.tensor")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 512  # of the 10,240 pages that 20 arrays have


def large(*shape):
    shape = shape or (80, 60)
    assert np.prod(shape) * 8 >= reverse.LARGE
    return np.random.default_rng(0).standard_normal(shape)


def test_sums_of_large_cotangents_are_right():
    x, w = large(), large()

    def f(x):
        y = x + x  # passes one array to both
        return ((y * w + y) * y + y.T.copy().T + y).sum()

    np.testing.assert_allclose(cr.grad(f)(x), 2 * (2 * (2 * x) * (w + 1) + 2), rtol=1e-12)


def test_a_cotangent_that_somebody_keeps_does_not_change():
    x = cr.tensor(large(), requires_grad=True)
    kept = []

    def keep(bar):
        kept.append((bar, np.array(bar)))
        return bar

    y = x * 2.0
    z = y + 1.0  # the cotangent of z is also the first one of y
    hooked(z.node)[0] = keep
    (z * 3.0 + y * y).sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * (3 + 2 * 2 * np.asarray(x.data)), rtol=1e-12)
    ((bar, before),) = kept
    np.testing.assert_array_equal(bar, before)


def test_the_caller_keeps_what_was_passed_and_the_passes_repeat():
    x = large()
    _, pullback = cr.vjp(lambda x: (x + x) + x * 1.0, x)
    y_bar = large()
    before = y_bar.copy()
    first, again = pullback(y_bar)[0], pullback(y_bar)[0]
    np.testing.assert_array_equal(y_bar, before)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, 3 * y_bar, rtol=1e-14)
