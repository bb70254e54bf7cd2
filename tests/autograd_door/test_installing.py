"""`install`: `import autograd` gives this package, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as onp
import pytest

import chainrule.autograd.numpy as np
from chainrule.autograd import grad
from chainrule.autograd.numpy import linalg, numpy_jvps, numpy_vjps, numpy_wrapper

SOURCE = str(Path(__file__).parents[2] / "src")


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {SOURCE!r})\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_library_imports_it_without_knowing() -> None:
    code = """
import chainrule.autograd
chainrule.autograd.install()
chainrule.autograd.install()
import autograd, autograd.numpy as np, autograd.misc.optimizers
from autograd.extend import primitive
from autograd import numpy as anp
assert autograd is chainrule.autograd and anp is np
assert sys.modules["autograd.numpy"].__spec__.name == "chainrule.autograd.numpy"
print(autograd.grad(lambda x: np.sum(np.array([x, 2 * x])))(1.0))
"""
    assert run(code) == "3.0"


@pytest.mark.slow
def test_a_library_finds_the_names_and_the_class_of_a_box() -> None:
    code = """
import numpy
import chainrule.autograd
chainrule.autograd.install()
import autograd, autograd.numpy as np
from autograd.numpy.numpy_boxes import ArrayBox
seen = []
def f(x):
    seen.append((x.__class__.__module__.split(".")[0], x.__class__.__name__))
    seen.append((isinstance(x, ArrayBox), isinstance(x, numpy.ndarray), isinstance(x[0], float)))
    return np.sum(x)
autograd.grad(f)(numpy.ones(2))
assert not vars(np).keys() & {"__getattr__", "__dir__"}
from autograd.numpy import *
assert ndarray is numpy.ndarray
assert np.__version__ == numpy.__version__
assert "tensordot" in vars(np) and "inv" in vars(np.linalg) and "ifft" in vars(np.fft)
print(seen)
"""
    assert run(code) == "[('autograd', 'ArrayBox'), (True, False, False)]"


@pytest.mark.slow
def test_autograd_itself_must_not_be_there_already() -> None:
    code = """
import types
sys.modules["autograd"] = types.ModuleType("autograd")
import chainrule.autograd
chainrule.autograd.install()
"""
    assert "install: HIPS autograd has been imported already" in run(code)


def test_names_of_numpy() -> None:
    assert np.pi == onp.pi
    assert np.float64 is onp.float64
    assert "einsum" in dir(np)
    assert np.__version__ == onp.__version__
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = np.no_such_name
    assert isinstance(np.int64(3), onp.int64)
    assert isinstance(onp.int64(3), np.int64)
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x[np.int64(x[:1])]))(onp.array([1.0, 5.0])), [0.0, 1.0])


def test_where_keeps_pythons_numbers() -> None:
    assert (np.where(True, 1, 2), np.where(False, [1], [2])) == (1, [2])
    onp.testing.assert_array_equal(grad(lambda x: np.sum(np.where(x > 1, x=x, y=0.0)))(onp.array([0.5, 2.0])), [0, 1])
    onp.testing.assert_array_equal(np.where([True, False])[0], [0])


def test_what_libraries_import_from_inside() -> None:
    x = onp.ones((1, 2))
    assert numpy_vjps.unbroadcast_f(x, lambda g: 2 * g)(onp.ones((3, 2))).tolist() == [[6.0, 6.0]]
    spread, count = numpy_vjps.repeat_to_match_shape(onp.ones(2), (3, 2), float, 0, False)
    assert (spread.shape, count) == ((3, 2), 3)
    assert numpy_jvps.broadcast(onp.ones(2), onp.ones((3, 2))).shape == (3, 2)
    onp.testing.assert_array_equal(numpy_vjps.replace_zero(onp.array([0.0, 2.0]), 5.0), [5.0, 2.0])
    assert numpy_wrapper.metadata(x)[0] == (1, 2)
    assert numpy_wrapper.array_from_args((), {}, 1.0, 2.0).tolist() == [1.0, 2.0]
    assert linalg.T(x).shape == (2, 1)
    space: dict[str, object] = {}
    numpy_wrapper.wrap_namespace({"sin": onp.sin, "pi": onp.pi, "kaiser": onp.kaiser, "int64": onp.int64}, space)
    assert space["sin"] is onp.sin
    assert space.keys() == {"sin", "pi", "kaiser", "int64"}
    with pytest.raises(ValueError, match="make_diagonal: expected offset=0"):
        np.make_diagonal(onp.ones(2))


def test_one_triangle_is_read_as_in_numpy() -> None:
    a = onp.array([[2.0, 9.0], [0.5, 1.0]])
    onp.testing.assert_allclose(np.linalg.eigvalsh(a), onp.linalg.eigvalsh(a))
    gradient = grad(lambda a: np.linalg.eigh(a)[0][0])(a)
    assert gradient[0, 1] == 0.0
    assert gradient[1, 0] != 0.0
