"""Arrays that run together, and their division into two parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data import ArrayDataset

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=40)
FRACTIONS = st.floats(0, 1, exclude_min=True, exclude_max=True)
SEEDS = st.integers(0, 2**32)


@given(LABELS, st.data())
def test_an_index_gives_the_same_rows_of_every_array(labels, draw):
    x, y = np.arange(len(labels)), np.array(labels)
    dataset = ArrayDataset(x, y)
    index = draw.draw(
        st.one_of(
            st.integers(-len(x), len(x) - 1),
            st.slices(len(x)),
            st.lists(st.integers(0, len(x) - 1), min_size=1),
            st.lists(st.booleans(), min_size=len(x), max_size=len(x)),
        )
    )
    chosen = index if isinstance(index, int | slice) else np.asarray(index)
    for got, array in zip(dataset[index], (x, y), strict=True):
        np.testing.assert_array_equal(got, array[chosen])


@walked("index", [(0, 1), None, ...])
def test_other_indices_are_refused(index):
    with pytest.raises(TypeError, match="expected an integer, a slice or an array of indices"):
        ArrayDataset(np.eye(3))[index]


@walked(
    ("arrays", "message"),
    [
        ((), "at least one array"),
        ((np.float64(1),), "first axis of samples"),
        ((np.ones(2), np.ones((3, 2))), r"lengths must be equal, got shapes \[2\], \[3, 2\]"),
        ((np.ones((0, 2)),), "is empty"),
    ],
)
def test_arrays_that_do_not_run_together_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataset(*arrays)


@pytest.mark.slow
@given(LABELS, FRACTIONS, SEEDS)
def test_a_split_divides_the_samples_in_that_proportion(labels, held_out, seed):
    n = len(labels)
    kept, held = ArrayDataset(np.arange(n), np.array(labels)).split(held_out, seed)
    assert sorted([*kept.arrays[0], *held.arrays[0]]) == list(range(n))
    assert len(held) == min(max(1, round(n * held_out)), n - 1)
    for part in (kept, held):
        np.testing.assert_array_equal(part.arrays[1], np.array(labels)[part.arrays[0]])


@given(LABELS, FRACTIONS, SEEDS)
def test_a_stratified_split_divides_every_class_and_empties_none(labels, held_out, seed):
    y = np.array(labels)
    counts = np.bincount(y)
    dataset = ArrayDataset(y)
    if counts.max() == 1:
        with pytest.raises(ValueError, match="can be held out without emptying a class"):
            dataset.split(held_out, seed, stratify=y)
        return
    kept, held = dataset.split(held_out, seed, stratify=y)
    of_class = np.bincount(held.arrays[0], minlength=len(counts))
    assert len(kept) + len(held) == len(y)
    assert np.all(np.abs(of_class - counts * held_out) <= 1)
    assert np.all(of_class[counts > 0] < counts[counts > 0])


@pytest.mark.slow
@given(LABELS, FRACTIONS, SEEDS)
def test_a_seed_fixes_the_split(labels, held_out, seed):
    first, second = (ArrayDataset(np.arange(len(labels))).split(held_out, seed) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.arrays[0], b.arrays[0])


def test_another_seed_gives_another_split():
    dataset = ArrayDataset(np.arange(100))
    first, second = (dataset.split(seed=seed)[1].arrays[0].tolist() for seed in (0, 1))
    assert first != second


@walked("held_out", [0, 1, -0.1, float("nan")])
def test_a_fraction_beyond_the_parts_is_refused(held_out):
    with pytest.raises(ValueError, match="held_out must be between 0 and 1"):
        ArrayDataset(np.eye(3)).split(held_out)


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="one label for each of the 3 samples"):
        ArrayDataset(np.eye(3)).split(stratify=[0, 1])
