"""Rows taken and added by their numbers in machine code: NumPy's results, and its errors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.kernels import gather
from chainrule.kernels.native.tasks import run_all, run_once
from chainrule.nn import functional as F

pytest.importorskip("llvmlite", reason="machine code: pip install '.[fast]'")


@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 4), max_size=2),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.sampled_from(["int64", "int32", "uint8", "int8"]),
    st.sampled_from(["float32", "float64"]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_rows_are_those_of_numpy(
    count: int, shape: list[int], several: list[int], of_index: str, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    low = 0 if of_index == "uint8" else -count
    index = rng.integers(low, count, several).astype(of_index)
    table = rng.normal(size=(count, *shape)).astype(dtype)
    out = np.empty((*several, *shape), dtype)
    assert gather.fits(table, [index], out)
    run_all([gather.taken(table, [index], out)])()
    np.testing.assert_array_equal(out, table[index])
    rows, total, expected = rng.normal(size=out.shape).astype(dtype), np.empty_like(table), np.zeros_like(table)
    run_all(gather.added(rows, [index], total))()
    np.add.at(expected, index, rows)
    np.testing.assert_array_equal(total, expected)


@given(st.data(), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_elements_at_several_numbers_are_those_of_numpy(data: st.DataObject, several: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=data.draw(st.lists(st.integers(1, 4), min_size=several, max_size=3)))
    shape = data.draw(st.lists(st.integers(1, 4), max_size=3))
    index = []
    for n in table.shape[:several]:
        kept = [m if rng.random() < 0.7 else 1 for m in shape][rng.integers(len(shape) + 1) :]
        index.append(rng.integers(-n, n, [2 * m for m in kept])[tuple(slice(None, None, 2) for _ in kept)])
    index = [np.asarray(x) for x in index]
    out = np.empty_like(table[tuple(index)])
    assert gather.fits(table, index, np.asarray(out))
    run_all([gather.taken(table, index, np.asarray(out))])()
    np.testing.assert_array_equal(out, table[tuple(index)])
    rows, total, expected = rng.normal(size=np.shape(out)), np.empty_like(table), np.zeros_like(table)
    run_all(gather.added(rows, index, total))()
    np.add.at(expected, tuple(index), rows)
    np.testing.assert_array_equal(total, expected)


@pytest.mark.parametrize("bad", [3, -4])
def test_a_number_out_of_range_is_the_error_of_numpy(bad: int) -> None:
    table, index, out = np.zeros((3, 2)), np.array([0, bad]), np.zeros((2, 2))
    for tasks in ([gather.taken(table, [index], out)], gather.added(out, [index], table)):
        with pytest.raises(IndexError, match=rf"index {bad} is out of bounds for axis 0 with size 3"):
            run_all(tasks)()
    assert run_once(gather.in_range(np.array([0, 2, 3], np.int32), 3)) == 2
    assert run_once(gather.in_range(np.array([0, 2], np.int32), 3)) == -1


def test_a_sum_of_rows_in_parts_is_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, index = rng.normal(size=(5000, 256)), rng.integers(0, 7, 5000)
    total, expected = np.empty((7, 256)), np.zeros((7, 256))
    *_, task = tasks = gather.added(rows, [index], total)
    assert task.parts > 1
    run_all(tasks)()
    np.add.at(expected, index, rows)
    np.testing.assert_array_equal(total, expected)


def test_a_compiled_embedding_looks_at_its_indices() -> None:
    table = np.arange(6.0).reshape(3, 2)

    def f(table: Any, x: Any) -> Any:
        return cr.grad(lambda t: (F.embedding(x, t) ** 2).sum())(table)

    compiled = cr.compile(f)
    x = np.array([[0, 2], [2, 2]])
    for _ in range(2):
        np.testing.assert_array_equal(compiled(table, x), f(table, x))
    with pytest.raises(IndexError, match=r"embedding: indices\[1, 0\] is 3, expected 0 to 2"):
        compiled(table, np.array([[0, 2], [3, 2]]))
    with pytest.raises(IndexError, match=r"embedding: indices\[0, 0\] is -1, expected 0 to 2"):
        compiled(table, np.array([[-1, 2], [1, 2]]))


def test_a_compiled_loss_leaves_out_what_is_ignored() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(4, 3, 5)).astype(np.float32), rng.integers(0, 5, (4, 3))
    y[0, 1] = y[3] = -100

    def f(z: Any, y: Any) -> Any:
        return cr.value_and_grad(lambda z: F.cross_entropy(z, y))(z)

    compiled = cr.compile(f)
    for _ in range(2):
        for found, expected in zip(compiled(z, y), f(z, y), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert not np.any(compiled(z, y)[1][3])
    with pytest.raises(IndexError, match=r"target\[2, 0\] is 5, expected a class from 0 to 4"):
        compiled(z, np.where(np.arange(12).reshape(4, 3) == 6, 5, y))
    with pytest.raises(ValueError, match="no row counts"):
        compiled(z, np.full_like(y, -100))
    z[3] = np.inf  # of rows that do not count
    assert np.isfinite(compiled(z, y)[0])
