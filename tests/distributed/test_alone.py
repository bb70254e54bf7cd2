"""What holds without MPI: the shares of a batch, and what is said where there is no MPI, or another one."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataLoader
from chainrule.data.loader import share
from chainrule.distributed import DataParallel, launched
from chainrule.distributed import mpi as module


@given(count=st.integers(0, 50), size=st.integers(1, 9))
def test_shares_are_a_whole_as_equal_as_can_be_and_the_first_is_never_short(count, size):
    parts = [range(count)[share(count, rank, size)] for rank in range(size)]
    assert [k for part in parts for k in part] == list(range(count))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert lengths[0] == max(lengths)


class Samples:
    """A data set that is no array."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return np.full(3, index), np.int64(index)


@given(
    batch_size=st.integers(1, 12),
    size=st.integers(1, 5),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    of_arrays=st.booleans(),
    prefetch=st.sampled_from([0, 2]),
)
def test_the_shares_of_all_ranks_are_the_batches_of_one(batch_size, size, shuffle, drop_last, of_arrays, prefetch):
    if drop_last and batch_size > 11:
        return

    def loader():
        data = (np.arange(33).reshape(11, 3), np.arange(11)) if of_arrays else Samples()
        return DataLoader(data, batch_size, shuffle, drop_last, seed=3, prefetch=prefetch)

    def batches(rank):
        one = loader()
        with one.sharded(rank, size):
            found = [batch for _ in range(2) for batch in one]
        return found, one.state_dict()

    one = loader()
    whole = [batch for _ in range(2) for batch in one]
    shares, states = zip(*map(batches, range(size)), strict=True)
    assert all(state == one.state_dict() for state in states)
    for batch, *parts in zip(whole, *shares, strict=True):
        for k, field in enumerate(batch):
            np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), field)


def test_a_program_without_a_launcher_is_alone(monkeypatch):
    for name in module._SIZES:
        monkeypatch.delenv(name, raising=False)
    with launched() as parallel:
        assert (parallel.size, parallel.leads, parallel.agreed(3)) == (1, True, 3)


def test_without_mpi4py_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(ImportError, match=r"needs mpi4py, which is not installed; run: pip install 'chainrule\[mpi\]'"):
        DataParallel()
    with pytest.raises(ImportError, match="mpi4py"), launched():
        pass


def test_a_launcher_of_another_mpi_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "mpi", lambda: SimpleNamespace(COMM_WORLD=SimpleNamespace(size=1)))
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(RuntimeError, match="started 4 processes, but mpi4py sees only one"):
        DataParallel()


def test_a_timeout_is_positive():
    with pytest.raises(ValueError, match="timeout must be a positive number of seconds, got 0"):
        DataParallel(timeout=0)
