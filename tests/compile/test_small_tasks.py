"""Parts of loops in NumPy's style as machine code: sums of exponentials, rolls, written slices, rows by number."""

import itertools
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
import chainrule.torch as door
from chainrule import special
from chainrule.compile.plan.plan import Plan
from chainrule.kernels.suitable import HAS_COMPILER

from ..named import named
from .test_natives import made

needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="without a compiler these are NumPy's")
RNG = np.random.default_rng(0)


def agrees(f: Callable[..., Any], *arrays: Any, names: tuple[str, ...] = (), rtol: float = 1e-12) -> Any:
    """Hold a compiled function against itself uncompiled, and return it; steps of these names are machine code."""
    compiled = cr.compile(f)
    for k in range(2):
        given = [x * (1 - 2 * k) for x in arrays]
        for found, expected in zip(
            cr.core.tree.flatten(compiled(*given))[0], cr.core.tree.flatten(f(*given))[0], strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
            assert np.asarray(found).dtype == np.asarray(expected).dtype
    if HAS_COMPILER and names:
        found = made(f, *arrays)
        assert all(found[name] for name in names), found
    return compiled


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_along_any_axes(dtype: Any) -> None:
    axes = [None, -1, 0, 1, (0, 2), (2, 0), (1, 2), (-1,), (0, 1, 2)]
    x = (5 * RNG.normal(size=(2, 3, 4))).astype(dtype)
    for axis, keepdims in itertools.product(axes, (False, True)):
        with named(axis, keepdims):
            rtol = 1e-5 if dtype is np.float32 else 1e-12
            agrees(
                lambda x, axis=axis, keepdims=keepdims: (
                    special.logsumexp(x, axis, keepdims=keepdims),
                    special.softmax(x, axis),
                    special.log_softmax(x, axis),
                    cr.grad(lambda x: (special.logsumexp(x, axis, keepdims=keepdims) ** 2).sum())(x),
                ),
                x,
                names=("logsumexp", "softmax", "log_softmax"),
                rtol=rtol,
            )


def test_exponentials_of_masked_and_of_bad_rows() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([[1.0, -inf, 2.0], [-inf, -inf, -inf], [nan, 1.0, 2.0], [inf, 0.0, 1.0], [1e4, -1e4, 800.0]])
    for axis, table in ((1, x), (0, x.T.copy())):
        compiled = cr.compile(lambda x, axis=axis: (special.logsumexp(x, axis), special.softmax(x, axis)))
        with np.errstate(all="ignore"):
            for found, expected in zip(
                compiled(table), (special.logsumexp(table, axis), special.softmax(table, axis)), strict=True
            ):
                np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rolls() -> None:
    x = RNG.normal(size=(3, 4))
    for shift, axis in itertools.product((-7, -1, 0, 2, 3, 4, 9), (0, 1, -1)):
        with named(shift, axis):
            agrees(
                lambda x, shift=shift, axis=axis: cr.value_and_grad(lambda x: (np.roll(x, shift, axis) * x**2).sum())(
                    x
                ),
                x,
                names=("roll",),
            )
    agrees(lambda x: np.roll(x, 5), x)
    x = RNG.normal(size=(2, 3, 5))
    for shift, axis in (((1, 2), (0, 1)), ((-1, 7), (2, -2)), (2, (1, 2)), ((1, 3), (2, 2)), ((0, 0), (0, 1))):
        with named(shift, axis):
            agrees(
                lambda x, shift=shift, axis=axis: cr.value_and_grad(lambda x: (np.roll(x, shift, axis) * x**2).sum())(
                    x
                ),
                x,
                names=("roll",),
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_an_axis_in_the_middle(dtype: Any) -> None:
    for behind in ((1,), (2,), (3,), (8,), (16,), (17,), (64,), (65,), (3, 5)):
        x = RNG.normal(size=(5, 4, *behind)).astype(dtype)
        with named(behind):
            f = lambda x: (np.sum(x, 1), np.mean(x, 1), np.sum(x[:, :1], 1))  # noqa: E731
            agrees(f, x, names=("sum", "mean"), rtol=1e-5 if dtype is np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_that_are_products_and_roots(dtype: Any) -> None:
    ends = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 3e-20, 1e19, 2.5]
    x = np.concatenate([np.array(ends), 3 * RNG.normal(size=30)]).astype(dtype)
    rtol = 1e-5 if dtype is np.float32 else 1e-13
    for power in (4, -2, -3, -0.5, 1.5, -1.5, 2.5, -2.5, np.dtype(dtype).type(-1.5)):
        with named(power), np.errstate(all="ignore"):
            compiled = cr.compile(lambda x, power=power: x**power + 0)
            found, expected = compiled(x), x**power + 0
            np.testing.assert_allclose(found, expected, rtol=rtol)
            np.testing.assert_array_equal(1 / found[:2], 1 / expected[:2])  # the sign of zero
            assert found.dtype == expected.dtype
            assert not HAS_COMPILER or all(step.loop is not None for step in compiled.plan.steps)


def test_factors_of_two_types_are_products_of_one() -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4), (4, 5)))

    def f(x: Any, w: Any) -> Any:
        y = (x / np.sqrt(4)) @ w  # NumPy's square root is a float64
        return (y * y).sum() + np.einsum("bij,jk->bik", x, w * np.float64(2)).sum() + (x @ w).sum()

    compiled = agrees(lambda x, w: cr.value_and_grad(f, (0, 1))(x, w), x, w, rtol=1e-5)
    assert not HAS_COMPILER or len(compiled.plan.calls) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_places_of_extremes(dtype: Any) -> None:
    x = RNG.integers(-3, 3, (4, 3, 70)).astype(dtype)  # many ties
    x[0, 0, 5] = x[1, 2, 7] = x[1, 2, 9] = np.nan
    x[2, 1, :3], x[3, 2] = (np.inf, -np.inf, np.inf), -0.0
    for axis in (None, 0, 1, -1):
        with named(axis):
            f = lambda x, axis=axis: (np.argmax(x, axis), np.argmin(x, axis))  # noqa: E731
            agrees(f, x, names=("argmax", "argmin"))
            agrees(f, x[0, 0], names=("argmax", "argmin")) if axis != 1 else None
    agrees(lambda x: (np.argmax(x.T, 0), np.argmin(x[:, ::2], -1), np.argmax(x, 1, keepdims=True)), x[0])


INDICES: list[Any] = [
    0,
    -1,
    slice(1, -1),
    slice(None, None, -2),
    (slice(None), 2),
    (1, slice(1, 3)),
    (..., -1),
    (2, 3),
    (-1, ...),
]


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.sampled_from(INDICES), st.sampled_from(["number", "whole", "row", "part"])), min_size=1, max_size=6
    )
)
def test_slices_that_are_written(writes: list[tuple[Any, str]]) -> None:
    """Each write sees those before it, and a later one lies over an earlier one."""

    def f(x: Any) -> Any:
        y = x * 2
        for index, what in writes:
            before = y[index]
            value = {"number": 3, "whole": x[index] + before, "row": before.sum(), "part": before * 0.5}[what]
            y[index] = value
        return (y**2).sum() + y[0, 0]

    agrees(cr.value_and_grad(f), RNG.normal(size=(4, 5)), names=("index_set",), rtol=1e-10)


def test_single_numbers_and_diagonals_are_taken_and_put_back() -> None:
    def f(x: Any) -> Any:
        a, b = x[0, 1], x[-1, -2]
        kept = np.diag(x) * a + np.diagonal(x, 1).sum() * b
        return (kept**2).sum() + np.trace(x) + (np.diag(kept) * x).sum() + (np.diag(kept, 1)[:-1, 1:] * x).sum()

    compiled = agrees(cr.value_and_grad(f), RNG.normal(size=(4, 4)))
    assert not HAS_COMPILER or len(compiled.plan.calls) == 1
    agrees(lambda x: (x[0], x[1, ...], np.diagonal(x, axis1=0, axis2=2)), RNG.normal(size=(3, 2, 4)))
    agrees(lambda x: (x[2], x[3] * 2), np.arange(5))


def test_a_written_number_of_another_type_is_converted_as_eagerly() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[0] = 2.75
        y[1:] = x[1:] * 1.5
        return y

    agrees(f, np.arange(4.0))
    agrees(f, np.arange(4.0, dtype=np.float32))


def test_rows_by_the_columns_of_a_table() -> None:
    edges = np.array([[0, 1], [1, 2], [-1, 0], [2, 2]])

    def f(x: Any) -> Any:
        return (np.sin(x[edges[:, 0]] - x[edges[:, 1], :]) ** 2).sum()

    compiled = cr.compile(cr.value_and_grad(f))
    x = RNG.normal(size=(4, 2))
    for k in range(2):
        for found, expected in zip(compiled(x), cr.value_and_grad(f)(x), strict=True):
            np.testing.assert_allclose(found, expected)
        edges[0] = 3 - k, k  # which a replay reads again
    edges[0] = 7
    for g in (compiled, f):
        with pytest.raises(IndexError):
            g(x)


@needs_compiler
def test_a_recursion_in_logarithms_is_one_call() -> None:
    """The forward algorithm of a hidden Markov model."""
    start, step, seen = RNG.normal(size=4), RNG.normal(size=(4, 4)), RNG.normal(size=(6, 4))

    def f(step: Any) -> Any:
        alpha = start + seen[0]
        for one in seen[1:]:
            alpha = special.logsumexp(alpha[:, None] + step, axis=0) + one
        return special.logsumexp(alpha)

    compiled = cr.compile(cr.value_and_grad(f))
    for found, expected in zip(compiled(step), cr.value_and_grad(f)(step), strict=True):
        np.testing.assert_allclose(found, expected)
    assert len(compiled.plan.calls) == 1


@needs_compiler
def test_classes_that_are_looked_up_are_checked_by_a_task() -> None:
    z = door.tensor(RNG.normal(size=(5, 7)).astype(np.float32), requires_grad=True)
    functional = door.nn.functional

    def f(classes: Any) -> Any:
        z.grad = None
        loss = functional.nll_loss(functional.log_softmax(z, -1), classes)
        loss.backward()
        return loss

    with mock.patch.object(Plan, "_call", side_effect=AssertionError("a call of its own")) as apart:
        compiled = door.compile(f, fullgraph=True)
        for k in range(3):
            classes = door.tensor(np.arange(k, 5 + k) % 7)
            found = float(compiled(classes)), np.array(z.grad.numpy())
            expected = float(f(classes)), np.array(z.grad.numpy())
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5)
        assert not apart.called
        with pytest.raises(IndexError):
            compiled(door.tensor(np.array([0, 1, 2, 3, 7])))
