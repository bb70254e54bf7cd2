"""What machine code takes from a whole epoch, and leaves for it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.kernels import batches
from chainrule.kernels.native.tasks import run_all

pytest.importorskip("llvmlite", reason="machine code: pip install '.[fast]'")


@walked(
    ("source", "batch"),
    [("f4", "f4"), ("f8", "f4"), ("f4", "f8"), ("i8", "i8"), ("u1", "u1"), ("?", "?"), ("i2", "i2")],
)
@walked("shape", [(), (3,), (2, 3), (0,)])
def test_rows_are_gathered(source: str, batch: str, shape: Any) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(11, *shape)) * 10).astype(source)
    made, order, step = np.zeros((3, *shape), batch), rng.permutation(11), np.array([2])
    if not made.size:
        assert not batches.can_gather(x, made)
        return
    assert batches.can_gather(x, made)
    run_all([batches.gathered(x, order, made, step)])()
    np.testing.assert_array_equal(made, x[order[6:9]].astype(batch))


@walked(
    ("source", "batch"),
    [
        (np.zeros((4, 2), np.int64), np.zeros((2, 2), np.float32)),
        (np.zeros((4, 2), np.float16), np.zeros((2, 2), np.float32)),
        (np.zeros((4, 2)), np.zeros((2, 3))),
        (np.zeros((4, 2)).T, np.zeros((2, 4))),
        (np.zeros((4, 2), object), np.zeros((2, 2), object)),
    ],
)
def test_what_cannot_be_gathered(source: Any, batch: Any) -> None:
    assert not batches.can_gather(source, batch)


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf])


@given(st.data(), st.integers(1, 4), st.integers(1, 5), st.sampled_from([None, -1, 0, 2]))
def test_hits_are_those_of_argmax(data: Any, rows: int, width: int, ignored: int | None) -> None:
    z = np.array(data.draw(st.lists(NUMBERS, min_size=rows * width, max_size=rows * width))).reshape(rows, width)
    y = np.array(data.draw(st.lists(st.integers(-1, width), min_size=rows, max_size=rows)))
    counts, step = np.full(3, 99), np.array([1])
    run_all([batches.hits(z, y, ignored, counts, step)])()
    counted = np.ones(rows, bool) if ignored is None else y != ignored
    assert counts.tolist() == [99, int(np.sum(counted & (z.argmax(axis=-1) == y))), 99]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_noted(dtype: Any) -> None:
    numbers, step = np.zeros(3), np.array([1])
    run_all([batches.noted(np.array(0.1, dtype), numbers, step)])()
    assert numbers.tolist() == [0.0, float(dtype(0.1)), 0.0]
