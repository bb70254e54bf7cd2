"""Statistics of parts merge to those of the whole, in whatever order and grouping."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.data import Counts, DataError, Faults, Moments, Standardizer
from chainrule.data.statistics import merged

SIZES = st.sampled_from([1e-200, 1e-3, 1.0, 1e6, 1e200])
ROWS = arrays.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(2)), elements=st.floats(-1, 1, width=32))


def same(a, b):
    assert a.count == b.count
    np.testing.assert_array_equal(a.low, b.low)
    np.testing.assert_array_equal(a.high, b.high)
    size = np.maximum(np.abs(a.low), np.abs(a.high))
    assert (np.abs(a.mean - b.mean) <= 1e-13 * size).all()
    assert (np.abs(a.deviation - b.deviation) <= 1e-7 * size).all()
    spread = a.deviation > 1e-6 * size
    np.testing.assert_allclose(a.deviation[spread], b.deviation[spread], rtol=1e-9)


@given(ROWS, SIZES, st.data())
def test_parts_merge_to_the_whole(x, size, data):
    x = x * size
    cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=6)))
    parts = [Moments.of(part) for part in np.split(x, cuts)]
    whole = Moments.of(x)
    same(merged(parts), whole)
    one_by_one = Moments.none(2)
    for part in reversed(parts):
        one_by_one = one_by_one.merged(part)
    same(one_by_one, whole)


@given(ROWS, ROWS, ROWS)
def test_merging_is_associative_and_commutative(x, y, z):
    a, b, c = map(Moments.of, (x, y, z))
    same(a.merged(b).merged(c), a.merged(b.merged(c)))
    same(a.merged(b), b.merged(a))


@given(ROWS, SIZES, st.floats(-1e6, 1e6))
def test_the_standardizer_is_that_of_the_rows(x, size, offset):
    x = (x + offset) * size
    found, expected = Moments.of(x).standardizer(), Standardizer.fit(x)
    spread = np.ptp(x, axis=0) > 1e-6 * np.abs(x).max(axis=0)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12, atol=1e-12 * np.abs(x).max())
    np.testing.assert_allclose(found.scale[spread], expected.scale[spread], rtol=1e-8)


def test_a_constant_column_gets_the_scale_1():
    halves = [Moments.of(np.full((50, 2), 0.1 * 3)) for _ in range(2)]
    assert merged(halves).standardizer().scale.tolist() == [1.0, 1.0]
    with pytest.raises(DataError, match="there are no rows"):
        Moments.none(2).standardizer()


@given(ROWS)
def test_the_moments_of_all_columns_as_one(x):
    same(Moments.of(x).jointly(), Moments.of(x.reshape(-1, 1)))


@given(ROWS)
def test_moments_are_restored_from_json(x):
    found = Moments.of(x)
    again = Moments.from_dict(json.loads(json.dumps(found.to_dict())))
    for name in ("mean", "deviation", "low", "high"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected rows \[N, n\], got shape \[3\]"):
        Moments.of([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="2 columns here, 3 there"):
        Moments.none(2).merged(Moments.none(3))


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=5), st.integers(1, 7))
def test_counts_merge_to_those_of_the_whole(parts, most):
    whole, joined = Counts(most), Counts(most)
    for part in parts:
        whole.add(part)
        mine = Counts(most)
        mine.add(part)
        joined = joined.merged(mine)
    assert (joined.values, joined.is_over) == (whole.values, whole.is_over)
    assert whole.is_over == (len({value for part in parts for value in part}) > most)


def test_the_first_faults_of_a_column_are_kept():
    first, second = Faults(most=3), Faults(most=3)
    first.add("a", 2, [(3, "x"), (4, "")])
    second.add("a", 5, [(9, ""), (10, ""), (11, "")])
    second.add("b", 1, [(8, "")])
    second.add("c", 0, [])
    found = first.merged(second)
    assert found.counts == {"a": 7, "b": 1}
    assert found.first == {"a": [(3, "x"), (4, ""), (9, "")], "b": [(8, "")]}
    assert first.first == {"a": [(3, "x"), (4, "")]}


@pytest.mark.slow
@given(ROWS, st.lists(st.booleans(), min_size=80, max_size=80), st.floats(-1e6, 1e6))
def test_filled_holes_count_as_values(x, are_holes, value):
    x = x.copy()
    x[np.array(are_holes).reshape(40, 2)[: len(x)]] = np.nan
    x[0] = 0.5
    found = Moments.of(x).filled(np.full(2, value))
    same(found, Moments.of(np.where(np.isnan(x), value, x)))
    assert not found.missing.any()
