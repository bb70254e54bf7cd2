"""A stream gives the rows that a whole table has, each once, in an order that a seed fixes and a state restores."""

import json
import threading
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import DataError, DataLoader, Standardizer, WeightedSampler, load, stream

from .making import LEAST, table, whole, write_csv, write_feather, write_parquet

WRITERS = {"csv": write_csv, "parquet": write_parquet, "feather": write_feather}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("streams")
    for ending, write in WRITERS.items():
        write(path / f"t.{ending}", table())
    return path


@pytest.mark.parametrize("form", WRITERS)
def test_a_stream_is_the_whole_table(folder, form):
    found = stream(folder / f"t.{form}", memory=LEAST)
    expected = load(folder / f"t.{'parquet' if form == 'feather' else form}")
    x, y = whole(DataLoader(found, 37))
    np.testing.assert_array_equal(x, expected.x)
    np.testing.assert_array_equal(y, expected.y)
    assert len(found.facts.blocks) > 3
    assert found.schema.features == expected.schema.features
    assert found.class_names == expected.class_names
    assert found.inferred == expected.inferred
    scaling = Standardizer.fit(expected.x)
    np.testing.assert_allclose(found.standardizer().mean, scaling.mean, atol=1e-14)
    np.testing.assert_allclose(found.standardizer().scale, scaling.scale, rtol=1e-13)
    assert sum(found.counts.values()) == len(x)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_restored_loader_goes_on_exactly(folder, form, shuffle):
    def loader(seed):
        return DataLoader(stream(folder / f"t.{form}", memory=LEAST), 23, shuffle=shuffle, seed=seed)

    def values(batches):
        return [[part.tolist() for part in batch] for batch in batches]

    running = loader(5)
    first, second = values(running), values(running)
    assert (first != second) == shuffle
    assert Counter(str(row) for x, _ in first for row in x) == Counter(str(row) for x, _ in second for row in x)
    for taken in (0, 1, 11, len(first)):
        stopped = loader(5)
        epoch = iter(stopped)
        list(islice(epoch, taken))
        state = json.loads(json.dumps(stopped.state_dict()))
        epoch.close()
        restored = loader(0)
        restored.load_state_dict(state)
        assert values(restored) == first[taken:]
        assert values(restored) == second
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.booleans(), st.booleans(), st.integers(1, 5))
def test_every_row_comes_once_in_batches_of_one_size(folder, batch_size, shuffle, drop_last, ranks):
    found = stream(folder / "t.parquet", memory=LEAST)
    if batch_size > len(found) and drop_last:
        return
    loader = DataLoader(found, batch_size, shuffle=shuffle, drop_last=drop_last, seed=1)
    expected = [x for x, _ in loader]
    assert len(expected) == len(loader)
    assert [len(x) for x in expected[:-1]] == [batch_size] * (len(expected) - 1)
    if not drop_last:
        assert Counter(map(tuple, np.concatenate(expected))) == Counter(map(tuple, load(folder / "t.parquet").x))
    shares = []
    for rank in range(ranks):
        with loader.sharded(rank, ranks):
            loader.load_state_dict(loader.state_dict() | {"epoch": 0, "batch": 0})
            shares.append([x for x, _ in loader])
    for k, batch in enumerate(expected):
        np.testing.assert_array_equal(np.concatenate([share[k] for share in shares]), batch)


def test_the_same_rows_are_held_out_whatever_the_blocks(folder):
    parts = []
    for form, memory in (("csv", LEAST), ("parquet", LEAST), ("parquet", 1 << 24)):
        kept = stream(folder / f"t.{form}", held_out=0.3, seed=4, memory=memory)
        x, held = whole(DataLoader(kept, 50))[0], whole(DataLoader(kept.held_out, 50))[0]
        assert len(x) + len(held) == 600
        assert 0.2 < len(held) / 600 < 0.4
        np.testing.assert_allclose(kept.standardizer().mean, x.mean(axis=0), atol=1e-14)
        parts.append(held)
    np.testing.assert_array_equal(parts[0], parts[1])
    np.testing.assert_array_equal(parts[1], parts[2])
    other = stream(folder / "t.csv", held_out=0.3, seed=5)
    assert whole(DataLoader(other.held_out, 50))[0].tolist() != parts[0].tolist()


def test_several_files_are_read_as_one(folder, tmp_path):
    columns = table()
    for k in range(3):
        part = {name: values[200 * k : 200 * (k + 1)] for name, values in columns.items()}
        write_parquet(tmp_path / f"part-{k}.parquet", part)
    x, y = whole(DataLoader(stream(tmp_path / "part-*.parquet"), 64))
    expected = load(folder / "t.parquet")
    np.testing.assert_array_equal(x, expected.x)
    np.testing.assert_array_equal(y, expected.y)


def test_standardised_rows_are_those_of_a_whole_table(folder):
    found = stream(folder / "t.parquet", target="a", memory=LEAST)
    expected = load(folder / "t.parquet", target="a")
    x, y = whole(DataLoader(found.standardized(), 100))
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(x, found.standardizer().transform(expected.x).astype(np.float32))
    np.testing.assert_array_equal(y[:, 0], found.target_standardizer().transform(expected.y).astype(np.float32))
    assert found.target_standardizer().mean.shape == ()


def test_blocks_can_be_mapped(folder):
    found = stream(folder / "t.parquet", memory=LEAST)
    doubled = found.mapped(lambda x, y: (2 * x, y)).mapped(lambda x, y: (x + 1, -y))
    x, y = whole(DataLoader(doubled, 50))
    expected = load(folder / "t.parquet")
    np.testing.assert_array_equal(x, 2 * expected.x + 1)
    np.testing.assert_array_equal(y, -expected.y)
    with pytest.raises(ValueError, match="must return a tuple of arrays with 100 rows each"):
        list(DataLoader(found.mapped(lambda x, y: (x[1:], y)), 50))


def test_two_iterations_at_the_same_time_do_not_disturb_each_other(folder):
    loader = DataLoader(stream(folder / "t.parquet", memory=LEAST), 10, shuffle=True, seed=0)
    expected = [x.tolist() for x, _ in loader] + [x.tolist() for x, _ in loader]
    again = DataLoader(stream(folder / "t.parquet", memory=LEAST), 10, shuffle=True, seed=0)
    pairs = [(a.tolist(), b.tolist()) for (a, _), (b, _) in zip(again, again, strict=True)]
    assert [a for a, _ in pairs] + [b for _, b in pairs] == expected


def test_leaving_early_leaves_no_thread_and_begins_the_next_epoch(folder):
    loader = DataLoader(stream(folder / "t.parquet", memory=LEAST), 10, shuffle=True, seed=0)
    for _ in loader:
        break
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]
    other = DataLoader(stream(folder / "t.parquet", memory=LEAST), 10, shuffle=True, seed=0)
    list(other)
    assert [x.tolist() for x, _ in loader] == [x.tolist() for x, _ in other]


def test_a_file_that_changes_is_noticed(folder, tmp_path):
    path = write_parquet(tmp_path / "t.parquet", table())
    loader = DataLoader(stream(path, memory=LEAST), 10)
    list(loader)
    write_parquet(path, table(rows=610))
    with pytest.raises(DataError, match=r"t\.parquet: the file was changed while it was read"):
        list(loader)
    path.unlink()
    with pytest.raises(DataError, match=r"t\.parquet: the file cannot be read any more"):
        list(loader)


def test_settings_out_of_range_are_refused(folder):
    path = folder / "t.parquet"
    for wrong, said in (
        ({"held_out": 1.0}, "held_out must be a fraction"),
        ({"memory": 10}, "memory must be at least 65,536 bytes"),
        ({"task": "ranking"}, "task: expected one of auto"),
    ):
        with pytest.raises(ValueError, match=said):
            stream(path, **wrong)
    with pytest.raises(ValueError, match="a stream is read in an order of its own"):
        DataLoader(stream(path), sampler=WeightedSampler(np.ones(600)))
    with pytest.raises(DataError, match="no column 'coluor' to use as the target; did you mean 'colour'"):
        stream(path, target="coluor")
