"""Several processes that each read some of the blocks find what one finds in all of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import DataError, stream
from chainrule.data.streams.blocks import Block, Content, distinct_words
from chainrule.data.streams.csv_blocks import CsvSource
from chainrule.data.streams.parquet import ParquetSource
from chainrule.data.streams.seen import Look, Seen

from .making import LEAST, write_parquet
from .ranks import Rank, in_ranks

NAMES = ("a", "b", "kind", "y")


def table(rows, seed=0):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(rows) < 0.2, np.nan, rng.standard_normal(rows))
    kind = rng.choice(["red", "green", "7"], rows)
    return {"a": a, "b": rng.integers(0, 9, rows), "kind": kind, "y": rng.integers(0, 3, rows)}


def write(path, columns):
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [",".join("" if cell != cell else str(cell) for cell in row) for row in rows]
    path.write_text("\n".join([",".join(columns), *lines]))


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turns")
    for k, rows in enumerate([700, 30, 400]):
        write(folder / f"part-{k}.csv", table(rows, k))
    return folder / "part-*.csv"


def facts(found):
    f = found.facts
    state = {"moments": f.moments.to_dict(), "fill": None if f.fill is None else f.fill.tolist()}
    names = ("blocks", "schema", "counts", "inferred", "digest")
    return state | {name: getattr(f, name) for name in names} | {"kept": f.kept.tolist(), "held": f.held.tolist()}


@pytest.mark.parametrize("missing", ["mean", "median", "indicator"])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_ranks_find_what_one_process_finds(pattern, size, missing):
    settings = {"held_out": 0.3, "missing": missing, "memory": LEAST}
    expected = facts(stream(pattern, **settings))
    assert len(expected["blocks"]) > 8

    def work(rank, exchange):
        return facts(stream(pattern, **settings, parallel=Rank(rank, size, exchange)))

    for found in in_ranks(size, work):
        assert found == expected


def test_each_block_is_read_by_one_rank(pattern, monkeypatch):
    read = []
    inner = CsvSource._columns

    def noted(self, raw, at, *rest):
        read.append((self.path.name, at))
        return inner(self, raw, at, *rest)

    monkeypatch.setattr(CsvSource, "_columns", noted)
    in_ranks(
        3, lambda rank, exchange: len(stream(pattern, missing="mean", memory=LEAST, parallel=Rank(rank, 3, exchange)))
    )
    assert len(read) == len(set(read)) > 8


def test_a_rank_passes_over_the_blocks_of_a_row_group_that_are_not_its_own(tmp_path):
    pytest.importorskip("pyarrow")
    path = write_parquet(tmp_path / "t.parquet", table(3000), row_group_size=3000)
    source, opened = ParquetSource(path, 1 << 12), []
    inner = source._parts
    source._parts = lambda *at: opened.append(at) or inner(*at)
    turn = iter(range(100))
    mine = [content for _, content in source.scanned(frozenset(), frozenset(NAMES), lambda: next(turn) % 3 == 1)]
    found = np.concatenate([content.columns["b"] for content in mine if content is not None])
    rows = source._rows
    expected = [k for k in range(3000) if k // rows % 3 == 1]
    np.testing.assert_array_equal(found, table(3000)["b"][expected])
    assert len(opened) == 1


def test_an_error_of_one_rank_is_raised_in_all(pattern, monkeypatch):
    inner = CsvSource._columns

    def broken(self, raw, at, *rest):
        if at[0] > 3000:
            raise DataError("the disk is gone")
        return inner(self, raw, at, *rest)

    monkeypatch.setattr(CsvSource, "_columns", broken)

    def work(rank, exchange):
        with pytest.raises(DataError, match="the disk is gone"):
            stream(pattern, missing="mean", memory=LEAST, parallel=Rank(rank, 4, exchange))
        return True

    assert all(in_ranks(4, work))


def test_faults_are_the_same_in_all_ranks(pattern):
    def message(**settings):
        with pytest.raises(DataError) as found:
            stream(pattern, memory=LEAST, **settings)
        return str(found.value)

    expected = message()
    assert "missing in 'a'" in expected
    assert "line 4 of part-0.csv" in expected
    assert set(in_ranks(3, lambda rank, exchange: message(parallel=Rank(rank, 3, exchange)))) == {expected}


def looked(columns, start):
    """What one block shows."""
    rows = len(columns["b"])
    words, codes = np.unique(columns["kind"], return_inverse=True)
    content = Content({**columns, "kind": distinct_words(codes, [str(word) for word in words])}, str)
    block = Block(start, rows, 0, None)
    return Look(block, content, NAMES, "y", 20, np.arange(start, start + rows) % 3 == 0, np.ones(rows, bool)).seen


def described(seen):
    faults = [(f.counts, f.first) for f in (seen.holes, seen.infinite, seen.odd, seen.ragged)]
    texts = [(name, text.all.values, text.kept.values, text.has_commas) for name, text in seen.texts.items()]
    return [seen.blocks, seen.kept, seen.held, seen.numbers, seen.values.values, seen.kept_values.values, faults, texts]


@settings(max_examples=30)
@given(st.integers(0, 99), st.lists(st.integers(1, 40), min_size=2, max_size=9), st.data())
def test_blocks_can_be_grouped_in_any_way(seed, sizes, data):
    starts = np.cumsum([0, *sizes])
    columns = table(int(starts[-1]), seed)
    parts = [looked({name: column[a:b] for name, column in columns.items()}, int(a)) for a, b in pairwise(starts)]

    def together(some):
        found = Seen(20)
        for one in some:
            found.add(one)
        return found

    cut = data.draw(st.integers(0, len(parts)))
    one_pass, halves = together(parts), together([together(parts[:cut]), together(parts[cut:])])
    assert described(halves) == described(one_pass)
    for name in ("a", "b"):
        found, expected = halves.moments(name), one_pass.moments(name)
        assert (found.count, found.missing.tolist()) == (expected.count, expected.missing.tolist())
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found.deviation, expected.deviation, rtol=1e-10)
