"""Compiled arithmetic of whole numbers is NumPy's, to the last bit: also at the ends of each type, and mixed."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compile.program.groups import Group
from chainrule.core.errors import CaptureError

from ..named import named

WHOLE = [np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]
KINDS = [*WHOLE, np.dtype(bool), np.dtype(np.float32), np.dtype(np.float64)]
OTHER = {"fabs", "rint"}
"""What keeps whole numbers as they are in eager code too, where NumPy returns floats."""
UFUNCS = [
    f
    for f in vars(np).values()
    if isinstance(f, np.ufunc) and f.nout == 1 and not f.signature and f.__name__ not in OTHER
]


def edges(dtype: Any) -> Any:
    if dtype.kind == "b":
        return np.array([0, 1, 1, 0, 1, 0, 0, 1], bool)
    if dtype.kind == "f":
        return np.array([0, 1, -1, 2.5, -3.5, 100, 7, 0.5], dtype)
    limits = np.iinfo(dtype)
    return np.array([0, 1, limits.max, limits.min, limits.max - 1, limits.min + 1, 3, 7], dtype)


def cases() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for f in dict.fromkeys(UFUNCS):
        for dtypes in itertools.product(KINDS, repeat=f.nin):
            if any(d.kind != "f" for d in dtypes):
                args = [edges(d) for d in dtypes]
                yield f, tuple(args if f.nin == 1 else (np.repeat(args[0], 8), np.tile(args[1], 8)))


def hold(every: int) -> None:
    loops = 0
    for f, args in itertools.islice(cases(), 0, None, every):
        with np.errstate(all="ignore"), named(f.__name__, *(x.dtype for x in args)):
            try:
                expected = f(*args)
            except (TypeError, ValueError):
                continue
            if expected.dtype not in KINDS:
                continue
            compiled = cr.compile(lambda *given, f=f: f(*given))
            compiled(*args)
            found = compiled(*args)
            loops += any(isinstance(step.node, Group) for step in compiled.plan.steps)
            assert found.dtype == expected.dtype
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, rtol=1e-5 if expected.dtype == np.float32 else 1e-13)
            else:
                np.testing.assert_array_equal(found, expected)
    assert loops > 2000 / every


def test_some_functions_of_whole_numbers() -> None:
    hold(every=37)


@pytest.mark.slow
def test_functions_of_whole_numbers() -> None:
    hold(every=1)


def test_how_often_a_loop_runs_is_a_python_int():
    def power(x, n):
        y = 1.0
        for _ in range(n):
            y = y * x
        return y

    compiled = cr.compile(power)
    assert [float(compiled(2.0, n)) for n in (3, 4, 3)] == [8.0, 16.0, 8.0]
    with pytest.raises(CaptureError, match=r"for range\(n\), pass n as a Python int"):
        compiled(2.0, np.int64(3))
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        cr.explain(power, 2.0, 3.0, argnums=0)
