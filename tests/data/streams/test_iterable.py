"""Any iterable is a data set: in its order or shuffled in runs, and restored at any point."""

import json
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataLoader, IterableDataset, stream


class Numbers(IterableDataset):
    def __init__(self, count, buffer=7):
        self.count, self.buffer, self.begun = count, buffer, 0

    def __iter__(self):
        self.begun += 1
        return iter(range(self.count))


class Stateful(Numbers):
    """Goes on where it was, as PyTorch's data sets with a state do."""

    at, restored = 0, False

    def __iter__(self):
        if not self.restored:
            self.at = 0
        self.restored = False
        while self.at < self.count:
            self.at += 1
            yield self.at - 1

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at, self.restored = state["at"], True


@pytest.mark.parametrize("kind", [Numbers, Stateful])
@given(st.integers(1, 30), st.integers(1, 8), st.booleans(), st.booleans(), st.data())
def test_a_restored_loader_goes_on_exactly(kind, count, batch_size, shuffle, drop_last, data):
    def loader(seed):
        return DataLoader(kind(count), batch_size, shuffle=shuffle, drop_last=drop_last, seed=seed)

    def epoch(loader):
        return [x.tolist() for (x,) in loader]

    running = loader(3)
    first, second = epoch(running), epoch(running)
    if not drop_last:
        assert Counter(sum(first, [])) == Counter(range(count))  # noqa: RUF017 - short
    taken = data.draw(st.integers(0, len(first)))
    stopped = loader(3)
    running = iter(stopped)
    assert [x.tolist() for (x,) in islice(running, taken)] == first[:taken]
    assert bool(stopped.batches_left) == (taken < len(first) or not first)
    state = json.loads(json.dumps(stopped.state_dict()))
    restored = loader(0)
    restored.load_state_dict(state)
    assert epoch(restored) == first[taken:]
    assert epoch(restored) == second


def test_shares_of_a_batch_are_the_batch():
    loader = DataLoader(Numbers(10), 4)
    shares = []
    for rank in range(3):
        with loader.sharded(rank, 3):
            shares.append([x.tolist() for (x,) in loader])
    assert [sum((share[k] for share in shares), []) for k in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]  # noqa: RUF017


def test_samples_may_be_tuples():
    loader = DataLoader(stream([(np.ones(2), 0), (np.zeros(2), 1)]), 2)
    x, y = next(iter(loader))
    assert x.shape == (2, 2)
    assert y.tolist() == [0, 1]
    assert len(loader) == 1


def test_wrong_iterables_are_refused():
    with pytest.raises(TypeError, match="can be read only once"):
        DataLoader(iter([1, 2]))
    with pytest.raises(TypeError, match="the number of batches is unknown; give the IterableDataset a __len__"):
        len(DataLoader(Numbers(3)))
    with pytest.raises(TypeError, match="an IterableDataset needs a method __iter__"):
        list(DataLoader(IterableDataset()))
    with pytest.raises(ValueError, match="do not stack into one batch"):
        list(DataLoader(stream([np.zeros(2), np.zeros(3)]), 2))
    with pytest.raises(ValueError, match="buffer must be at least 1"):
        stream([1], buffer=0)
    with pytest.raises(ValueError, match="target and held_out are for files"):
        stream([1], target="y")
