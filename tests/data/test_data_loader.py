"""Batches: every sample once, in an order that a seed fixes and a state restores at any point."""

import json
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.core.random import seed as seed_everything
from chainrule.data import ArrayDataset, Data, DataLoader

SIZES = st.integers(1, 30)
LAYOUTS = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 8), "shuffle": st.booleans(), "seed": st.integers(0, 2**63 - 1)}
)


def epochs(loader, count):
    return [[batch.tolist() for (batch,) in loader] for _ in range(count)]


@given(SIZES, LAYOUTS)
def test_an_epoch_gives_every_sample_once(n, layout):
    loader = DataLoader(np.arange(n), **layout)
    for batches in epochs(loader, 2):
        assert Counter(i for batch in batches for i in batch) == Counter(range(n))
        assert len(batches) == len(loader)
        assert all(len(batch) == loader.batch_size for batch in batches[:-1])


@given(SIZES, LAYOUTS)
def test_drop_last_leaves_out_only_the_smaller_batch(n, layout):
    whole = DataLoader(np.arange(n), **layout)
    if n < whole.batch_size:
        with pytest.raises(ValueError, match="there would be no batches"):
            DataLoader(np.arange(n), drop_last=True, **layout)
        return
    dropping = DataLoader(np.arange(n), drop_last=True, **layout)
    full = [batch for batch in epochs(whole, 1)[0] if len(batch) == whole.batch_size]
    assert epochs(dropping, 1) == [full]
    assert len(dropping) == len(full)


@given(SIZES, LAYOUTS, st.integers(0, 3), st.data())
def test_a_restored_loader_goes_on_exactly(n, layout, epoch, data):
    loader = DataLoader(np.arange(n), **layout)
    epochs(loader, epoch)
    running = iter(loader)
    taken = list(islice(running, data.draw(st.integers(0, len(loader)))))
    state = json.loads(json.dumps(loader.state_dict()))
    rest = [batch.tolist() for (batch,) in running]

    restored = DataLoader(np.arange(n), **{**layout, "seed": 0})
    restored.load_state_dict(state)
    assert restored.state_dict() == state
    assert len(taken) + len(rest) == len(loader)
    assert epochs(restored, 3) == [rest, *epochs(loader, 2)]


def test_leaving_an_epoch_early_begins_the_next():
    left, other = (DataLoader(np.arange(9), 2, shuffle=True, seed=3) for _ in range(2))
    next(iter(left))
    assert epochs(left, 1) == epochs(other, 2)[1:]


@given(SIZES, LAYOUTS)
def test_a_seed_fixes_the_order(n, layout):
    first, second = (DataLoader(np.arange(n), **layout) for _ in range(2))
    assert epochs(first, 2) == epochs(second, 2)


def test_epochs_and_seeds_differ():
    orders = [str(e) for seed in (0, 1) for e in epochs(DataLoader(np.arange(50), shuffle=True, seed=seed), 2)]
    assert len(set(orders)) == 4


def test_the_default_generator_gives_the_seed_that_is_not_given():
    def fresh():
        seed_everything(5)
        return [DataLoader(np.arange(20), shuffle=True).seed for _ in range(2)]

    first = fresh()
    assert fresh() == first
    assert first[0] != first[1]


def test_arrays_and_data_come_out_in_step():
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    named = Data(x, y, "classification", ("a", "b"), ("no", "yes"), "toy", "by hand")
    for source in ((x, y), ArrayDataset(x, y), named):
        for x_batch, y_batch in DataLoader(source, 4, shuffle=True):
            np.testing.assert_array_equal(y_batch, y[(x_batch[:, 0] / 2).astype(int)])


class Squares:
    """A data set of one's own: sample i is (i, i²)."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return np.float64(i), np.float64(i * i)


def test_samples_of_any_data_set_are_stacked():
    assert [(x.tolist(), y.tolist()) for x, y in DataLoader(Squares(), 3)] == [
        ([0, 1, 2], [0, 1, 4]),
        ([3, 4], [9, 16]),
    ]
    assert [x.tolist() for (x,) in DataLoader([[1, 2], [3, 4]], 2)] == [[[1, 2], [3, 4]]]


def test_samples_that_do_not_stack_are_named():
    loader = DataLoader([np.ones(2), np.ones(3)], 2)
    with pytest.raises(ValueError, match=r"samples \[0, 1\] do not stack"):
        next(iter(loader))


@walked(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, got 2.0"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer, got True"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got 1"),
        ({"drop_last": "no"}, TypeError, "drop_last must be True or False"),
        ({"dataset": 3}, TypeError, "expected an ArrayDataset, .* got int"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        DataLoader(**{"dataset": np.arange(4), **arguments})


@walked(
    ("changed", "error", "message"),
    [
        ({"samples": 5}, ValueError, "samples is 4 here and 5 in the state"),
        ({"batch_size": 3}, ValueError, "batch_size is 2 here and 3 in the state"),
        ({"shuffle": True}, ValueError, "shuffle is False here"),
        ({"batch": 3}, ValueError, "the state is at batch 3 of 2"),
        ({"epoch": -1}, ValueError, "epoch must be at least 0"),
        ({"seed": 1.5}, TypeError, "seed must be an integer"),
        ({"colour": 1}, ValueError, "expected a state with"),
    ],
)
def test_a_state_of_another_loader_changes_nothing(changed, error, message):
    loader = DataLoader(np.arange(4), 2, seed=9)
    next(iter(loader))
    before = loader.state_dict()
    with pytest.raises(error, match=message):
        loader.load_state_dict({**before, **changed})
    assert loader.state_dict() == before
