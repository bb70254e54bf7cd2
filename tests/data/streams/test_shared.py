"""Ranks that each read a part of a stream get the shares of the very same batches."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import DataError, DataLoader, stream

from .making import LEAST
from .ranks import in_ranks


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    found = tmp_path_factory.mktemp("shared") / "t.npz"
    np.savez(found, x=rng.standard_normal((900, 4)), y=rng.integers(0, 3, 900))
    return found


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(1, 400), st.integers(2, 5), st.booleans(), st.booleans(), st.data())
def test_shares_are_those_of_one_reader(path, batch_size, size, shuffle, drop_last, data):
    def loader():
        return DataLoader(stream(path, memory=LEAST), batch_size, shuffle=shuffle, drop_last=drop_last, seed=2)

    whole = loader()
    expected = [list(whole) for _ in range(2)]
    first = data.draw(st.integers(0, len(whole)))

    def work(rank, exchange):
        mine = loader()
        mine.load_state_dict(mine.state_dict() | {"batch": first})
        with mine.sharded(rank, size, exchange):
            return [list(mine), list(mine)]

    found = in_ranks(size, work)
    for epoch, batches in enumerate([expected[0][first:], expected[1]]):
        assert {len(rank[epoch]) for rank in found} == {len(batches)}
        for k, batch in enumerate(batches):
            for part, values in enumerate(batch):
                np.testing.assert_array_equal(np.concatenate([rank[epoch][k][part] for rank in found]), values)


def test_a_rank_reads_its_own_part(path):
    read = [set(), set()]

    def work(rank, exchange):
        found = stream(path, memory=LEAST)
        inner = found.files.read

        def noted(block, *rest):
            read[rank].add(block.start)
            return inner(block, *rest)

        found.files.read = noted
        loader = DataLoader(found, 50, shuffle=True, seed=0)
        with loader.sharded(rank, 2, exchange):
            return len(list(loader))

    assert in_ranks(2, work) == [18, 18]
    assert not read[0] & read[1]
    assert min(map(len, read)) > 2


def test_an_error_of_one_rank_is_raised_in_all(path):
    def work(rank, exchange):
        found = stream(path, memory=LEAST)

        def broken(block, *rest):
            raise DataError("the disk is gone")

        if rank == 1:
            found.files.read = broken
        loader = DataLoader(found, 50)
        with loader.sharded(rank, 3, exchange), pytest.raises(DataError, match="the disk is gone"):
            list(loader)

    in_ranks(3, work)
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]
