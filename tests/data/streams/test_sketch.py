"""The median of values that are not kept is as near as the sketch says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import stream
from chainrule.data.streams.sketch import LEAST, MedianSketch, weighted_median

from .making import LEAST as LEAST_MEMORY
from .making import write_parquet


@st.composite
def parts(draw):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.standard_normal(draw(st.integers(1, 6000)))
    form = draw(st.sampled_from(["random", "sorted", "falling", "few", "one"]))
    if form in ("few", "one"):
        values = rng.integers(0, 5 if form == "few" else 1, len(values)).astype(float)
    values = np.sort(values)[:: -1 if form == "falling" else 1] if form in ("sorted", "falling") else values
    cuts = sorted(draw(st.lists(st.integers(0, len(values)), max_size=5)))
    return values, np.split(values, cuts)


@given(parts())
def test_the_median_is_within_the_error(drawn):
    values, split = drawn
    sketch = MedianSketch(LEAST)
    for part in split:
        sketch.add(part)
    assert sketch.count == len(values)
    assert sketch._kept <= 2 * LEAST
    if len(values) <= LEAST:
        assert (sketch.median, sketch.error) == (np.median(values), 0)
    assert sketch.error <= len(values) / 8
    below, up_to = (values < sketch.median).sum(), (values <= sketch.median).sum()
    middle = len(values) / 2
    assert below - sketch.error <= middle <= up_to + sketch.error


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=1).filter(lambda x: sum(n for _, n in x)))
def test_a_weighted_median_is_that_of_repeated_values(pairs):
    values, times = np.array(pairs, float).T
    assert weighted_median(values, times) == np.median(np.repeat(values, times.astype(int)))


def test_a_capacity_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="at least 256"):
        MedianSketch(10)


def test_a_stream_says_how_near_its_medians_are(tmp_path):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    x = np.where(rng.random(20_000) < 0.1, np.nan, rng.standard_normal(20_000))
    path = write_parquet(tmp_path / "t.parquet", {"a": x, "y": rng.integers(0, 2, 20_000)}, 1000)
    exact = stream(path, missing="median")
    assert exact.facts.fill == np.nanmedian(x)
    near = stream(path, missing="median", memory=LEAST_MEMORY)
    assert abs(near.facts.fill[0]) < 0.1
    assert "filled with the training part's median, known to within" in near.inferred[0]
    assert "known to within" not in exact.inferred[0]
