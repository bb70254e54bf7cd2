"""Kernels against their references, and what holds for any input."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

from chainrule.kernels import cross_entropy, normalization, optimizers, softmax

from . import references
from .comparisons import COMPARISONS, STEPS, arrays_of_step, losses_and_gradient

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_kernel_agrees_with_its_reference(name, dtype):
    for shape in ((1, 1), (5, 3), (2, 16), (33, 67), (4, 1000)):
        COMPARISONS[name](dtype, *shape)


def run(*arguments, **environment):
    """The output of a program that sees the source; warnings are errors there as well."""
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


KERNEL = """
import numpy as np
from chainrule.kernels.jit import kernel

@kernel
def tripled(x, y):
    for i in range(x.size):
        y[i] = 3 * x[i]

y = np.empty(8)
tripled(np.ones(8), y)
print(*y)
"""


def use(folder, **environment):
    """The output of a program that compiles a kernel of its own."""
    (folder / "used.py").write_text(KERNEL, encoding="utf-8")
    return run(str(folder / "used.py"), PYTHONPATH=str(ROOT / "src"), **environment)


@pytest.mark.slow
def test_kernels_work_where_nothing_can_be_kept(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder", encoding="utf-8")
    # A path below a file cannot be made by anybody, root included. With no other place to turn to, nothing is kept.
    assert use(tmp_path, NUMBA_CACHE_DIR=str(file / "cache")).split() == ["3.0"] * 8


@pytest.mark.slow
def test_what_was_compiled_is_kept(tmp_path):
    for _ in range(2):
        assert use(tmp_path, NUMBA_CACHE_DIR=str(tmp_path)).split() == ["3.0"] * 8
    assert len(list(tmp_path.rglob("*tripled*.nbc"))) == 1


# Laws


def floats(dtype, most=100.0):
    width = np.dtype(dtype).itemsize * 8
    return st.floats(-most, most, width=width)


def matrices(dtype, most=100.0, columns=1):
    shape = st.tuples(st.integers(1, 5), st.integers(columns, 40))
    return shape.flatmap(lambda s: hnp.arrays(dtype, s, elements=floats(dtype, most)))


EITHER = st.sampled_from([np.float32, np.float64])


@pytest.mark.slow
@given(EITHER.flatmap(matrices), st.integers(-50, 50))
def test_softmax_is_a_distribution_and_blind_to_shifts(x, shift):
    y, shifted = np.empty_like(x), np.empty_like(x)
    softmax.softmax(x, y)
    softmax.softmax(x + shift, shifted)
    eps = np.finfo(x.dtype).eps
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=64 * eps)
    np.testing.assert_allclose(shifted, y, rtol=400 * eps, atol=eps)
    x_bar = np.empty_like(x)
    softmax.softmax_backward(np.ones_like(x), y, x_bar)
    np.testing.assert_allclose(x_bar, 0, atol=64 * eps)


@pytest.mark.slow
@given(EITHER.flatmap(matrices), st.data())
def test_the_gradient_of_cross_entropy_sums_to_zero_and_losses_are_not_negative(z, data):
    classes = data.draw(hnp.arrays(np.int64, len(z), elements=st.integers(0, z.shape[1] - 1)))
    losses, z_bar = np.empty_like(z[:, 0]), np.empty_like(z)
    assert losses_and_gradient(z, classes, np.ones_like(losses), losses, z_bar) == -1
    assert (losses >= -np.finfo(z.dtype).eps).all()
    np.testing.assert_allclose(z_bar.sum(axis=1), 0, atol=64 * np.finfo(z.dtype).eps)


@given(st.data())
def test_the_first_class_out_of_range_is_named_and_nothing_is_written(data):
    rows, columns = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 4)))
    dtype = data.draw(st.sampled_from([np.int64, np.int32, np.uint8, np.uint64]))
    info = np.iinfo(dtype)
    elements = st.integers(max(-3, int(info.min)), 5) | st.sampled_from([int(info.min), int(info.max)])
    classes = data.draw(hnp.arrays(dtype, rows, elements=elements))
    wrong = [i for i, c in enumerate(classes.tolist()) if not 0 <= c < columns]
    z, losses, z_bar = np.zeros((rows, columns)), np.full(rows, 7.0), np.full((rows, columns), 7.0)
    found = losses_and_gradient(z, classes, np.ones(rows), losses, z_bar)
    assert found == (wrong[0] if wrong else -1)
    assert ((losses == 7).all() and (z_bar == 7).all()) == bool(wrong)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_not_finite_stay_apart(dtype):
    x = np.zeros((5, 50), dtype)
    x[0, 7], x[1, 7], x[2, 7], x[3] = np.nan, np.inf, -np.inf, -np.inf
    x[4, 7] = np.copysign(np.nan, -1)
    y, losses = np.empty_like(x), np.empty_like(x[:, 0])
    softmax.softmax(x, y)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(y, references.softmax(x), rtol=1e-6)
    assert np.isnan(y[[0, 1, 4]]).all()
    assert np.isfinite(y[2:4]).all()
    cross_entropy.losses_and_probabilities(x, np.full(5, 7), losses, y)
    assert np.isnan(losses[[0, 1, 4]]).all()
    np.testing.assert_array_equal(losses[2:4], [np.inf, np.inf])


@pytest.mark.slow
@given(EITHER.flatmap(lambda dtype: matrices(dtype, 1.0, 4)), st.floats(1, 100))
def test_layer_norm_is_blind_to_shifts_and_its_adjoint_is_orthogonal_to_them(x, shift):
    n = x.shape[1]
    gamma, beta, sigma = np.ones(n, x.dtype), np.zeros(n, x.dtype), np.empty_like(x[:, 0])
    y, x_hat, x_bar, again = (np.empty_like(x) for _ in range(4))
    eps = np.finfo(x.dtype).eps
    normalization.layer_norm(x, gamma, beta, 0.1, y, x_hat, sigma)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=16 * eps)
    normalization.layer_norm_backward(x, gamma, x_hat, sigma, x_bar, np.empty_like(gamma), np.empty_like(beta))
    np.testing.assert_allclose(x_bar.sum(axis=1), 0, atol=64 * n * eps)
    normalization.layer_norm(x + x.dtype.type(shift), gamma, beta, 0.1, again, x_hat, sigma)
    np.testing.assert_allclose(again, y, atol=20 * (1 + shift) * eps)


@given(EITHER, st.floats(0.1, 10))
def test_rms_norm_is_blind_to_scale(dtype, factor):
    x = np.random.default_rng(0).standard_normal((3, 20)).astype(dtype)
    gamma, sigma, x_hat = np.ones(20, dtype), np.empty(3, dtype), np.empty_like(x)
    y, again = np.empty_like(x), np.empty_like(x)
    normalization.rms_norm(x, gamma, 0.0, y, x_hat, sigma)
    normalization.rms_norm(x * dtype(factor), gamma, 0.0, again, x_hat, sigma)
    np.testing.assert_allclose(again, y, rtol=16 * np.finfo(dtype).eps)


@walked("bad", [np.nan, np.inf, -np.inf])
@walked("name", STEPS)
def test_a_gradient_that_is_not_finite_shows_in_the_value_as_in_numpy(name, bad):
    states, several = STEPS[name]
    for given_settings in several:
        arrays = arrays_of_step(np.float32, 50, states)
        arrays[1][7] = bad
        expected = [array.copy() for array in arrays]
        with np.errstate(all="ignore"):
            getattr(references, name)(*expected, *given_settings)
        getattr(optimizers, name)(*arrays, *given_settings)
        for a, b in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_gradient_without_eps_is_no_number_as_in_numpy(dtype):
    value, grad, total = np.ones(50, dtype), np.zeros(50, dtype), np.zeros(50, dtype)
    optimizers.adagrad(value, grad, total, 0.1, 0.0, 0.0, 1.0)
    assert np.isnan(value).all()


@settings(max_examples=20)
@given(st.sampled_from(list(STEPS)), st.integers(0, 3), st.integers(1, 100))
def test_a_step_up_the_gradient_is_one_down_its_negative(name, which, size):
    states, several = STEPS[name]
    *start, sign = several[which % len(several)]
    up, down = (arrays_of_step(np.float32, size, states) for _ in range(2))
    np.negative(down[1], out=down[1])
    getattr(optimizers, name)(*up, *start, sign)
    getattr(optimizers, name)(*down, *start, -sign)
    for k in (0, *range(2, len(up))):
        np.testing.assert_array_equal(up[k], down[k])
