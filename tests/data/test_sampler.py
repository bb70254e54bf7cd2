"""Samplers, prefetching and texts: what a loader gives out with them."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data import ArrayDataset, DataError, DataLoader, StratifiedSampler, TextDataset, WeightedSampler

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(LABELS, st.integers(1, 20), st.integers(0, 2**32))
def test_stratified_batches_have_the_classes_in_proportion(labels, batch_size, seed):
    loader = DataLoader((np.arange(len(labels)), labels), batch_size, seed=seed, sampler=StratifiedSampler(labels))
    classes, counts = np.unique(labels, return_counts=True)
    seen = []
    for rows, batch in loader:
        seen += rows.tolist()
        for k, count in zip(classes, counts, strict=True):
            share = count / len(labels)
            assert abs((batch == k).sum() - len(batch) * share) <= 1 + len(classes) * share
    assert sorted(seen) == list(range(len(labels)))


def test_stratified_epochs_differ_and_a_seed_fixes_them():
    labels = np.arange(40) % 4
    orders = [
        [rows.tolist() for (rows,) in loader]
        for loader in (DataLoader(np.arange(40), 8, seed=3, sampler=StratifiedSampler(labels)) for _ in range(2))
        for _ in range(2)
    ]
    assert orders[0] == orders[2] != orders[1] == orders[3]


def test_weights_are_probabilities():
    sampler = WeightedSampler([1.0, 2.0, 0.0, 5.0], num_samples=80_000)
    counts = np.bincount(sampler.order(np.random.default_rng(0)), minlength=4)
    expected = np.array([1, 2, 0, 5]) * 10_000
    assert counts[2] == 0
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected)).all()


def test_without_replacement_none_comes_twice_and_each_draw_is_weighed():
    far = WeightedSampler([1e-300, 1e300, 0, 1], 3, replacement=False)
    assert far.order(np.random.default_rng(0)).tolist() == [1, 3, 0]
    sampler, rng = WeightedSampler([1.0, 2.0, 5.0], replacement=False), np.random.default_rng(0)
    orders = [tuple(sampler.order(rng).tolist()) for _ in range(8000)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    # The first with 5/8, then the second of the other two with 2/3.
    assert abs(orders.count((2, 1, 0)) / 8000 - 5 / 8 * 2 / 3) < 5 * np.sqrt(0.25 / 8000)


@walked(
    ("call", "message"),
    [
        (lambda: WeightedSampler([1.0, -1.0]), "0 or more"),
        (lambda: WeightedSampler([0.0, 0.0]), "not all of them zero"),
        (lambda: WeightedSampler([1.0, np.nan]), "weights: 1 of 2 values is not finite"),
        (lambda: WeightedSampler([1.0, 0.0], 2, replacement=False), "at least 1 and at most 1, got 2"),
        (lambda: StratifiedSampler([]), r"expected labels \[N\]"),
        (lambda: DataLoader(np.arange(3), shuffle=True, sampler=WeightedSampler([1, 1, 1])), "leave shuffle=True out"),
        (lambda: DataLoader(np.arange(3), sampler=WeightedSampler([1, 1])), "from 2 samples, the data set has 3"),
        (lambda: DataLoader(np.arange(3), prefetch=-1), "prefetch must be at least 0"),
        (lambda: TextDataset("abc", 3), "a text of 3 characters is too short for 3"),
        (lambda: TextDataset("abc", 0), "at least 1, got 0"),
        (lambda: TextDataset("abc", 1, vocabulary="ab"), "the character 'c' at 2 is not in the vocabulary of 2"),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=40)
@given(
    n=st.integers(1, 30),
    batch_size=st.integers(1, 7),
    prefetch=st.integers(1, 12),
    kind=st.sampled_from(["plain", "shuffled", "weighted"]),
    data=st.data(),
)
def test_a_prefetching_loader_gives_the_same_and_goes_on_exactly(n, batch_size, prefetch, kind, data):
    def loader(ahead):
        sampler = WeightedSampler(np.arange(1, n + 1), 2 * n) if kind == "weighted" else None
        return DataLoader(np.arange(n), batch_size, kind == "shuffled", seed=5, sampler=sampler, prefetch=ahead)

    expected = loader(0)
    epochs = [[rows.tolist() for (rows,) in expected] for _ in range(2)]
    ahead = loader(prefetch)
    stop = data.draw(st.integers(0, len(ahead) - 1), "stop")
    given_out = []
    for rows in ahead:
        given_out.append(rows[0].tolist())
        if len(given_out) > stop:
            state = ahead.state_dict()
            break
    assert (state["batch"], state["samples"]) == (stop + 1, 2 * n if kind == "weighted" else n)
    resumed = loader(prefetch)
    resumed.load_state_dict(state)
    given_out += [rows.tolist() for (rows,) in resumed]
    assert given_out == epochs[0]
    assert [rows.tolist() for (rows,) in resumed] == epochs[1]


class Slow:
    """Samples that take time, and one that cannot be read."""

    def __init__(self, broken=None):
        self.broken, self.threads, self.fetched = broken, set(), 0

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.threads.add(threading.current_thread().name)
        self.fetched += 1
        time.sleep(0.01)
        if index == self.broken:
            raise OSError(f"cannot read sample {index}")
        return np.array(index)


def test_fetching_goes_on_while_a_batch_is_learned_from():
    loader = DataLoader(Slow(), 2, prefetch=2)
    batches = iter(loader)
    next(batches)
    # Nobody asks for the next batch, and it is fetched all the same; a minute is only the limit of patience.
    end = time.monotonic() + 60
    while loader.dataset.fetched < 4 and time.monotonic() < end:
        time.sleep(0.01)
    assert loader.dataset.fetched >= 4
    assert len(list(batches)) == 5
    assert all(name.startswith("DataLoader") for name in loader.dataset.threads)


def test_an_error_comes_where_its_batch_would_have():
    batches = iter(DataLoader(Slow(broken=5), 2, prefetch=4))
    assert [next(batches)[0].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(OSError, match="sample 5"):
        next(batches)


def test_leaving_an_epoch_ends_the_thread():
    batches = iter(DataLoader(Slow(), 2, prefetch=4))
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("DataLoader")]


@given(st.text(min_size=2, max_size=30), st.data())
def test_a_text_comes_in_pieces_that_are_one_character_apart(text, data):
    length = data.draw(st.integers(1, len(text) - 1), "length")
    stride = data.draw(st.integers(1, 5), "stride")
    pieces = TextDataset(text, length, stride)
    assert pieces.decode(pieces.encode(text)) == text
    assert len(pieces) == len(range(0, len(text) - length, stride))
    for k, start in enumerate(range(0, len(text) - length, stride)):
        x, y = pieces[k]
        assert pieces.decode(x) == text[start : start + length]
        assert pieces.decode(y) == text[start + 1 : start + length + 1]


def test_a_text_takes_no_memory_for_its_pieces_and_loads_in_batches():
    pieces = TextDataset("abcdefghij" * 10_000, 1000)
    assert isinstance(pieces, ArrayDataset)
    assert pieces.arrays[0].strides == (8, 8)
    x, y = next(iter(DataLoader(pieces, 4, shuffle=True, seed=0)))
    assert x.shape == y.shape == (4, 1000)
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])


def test_a_text_file_may_have_a_byte_order_mark_and_korean_but_no_other_encoding(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeff나랏말싸미 듕귁에 달아".encode())
    text = TextDataset.from_file(path, 4)
    assert text.decode(text[0][0]) == "나랏말싸"
    assert "\ufeff" not in text.vocabulary
    assert TextDataset.from_file(path, 2, vocabulary=text.vocabulary).vocabulary == text.vocabulary
    path.write_bytes("나랏말싸미".encode("euc-kr"))
    with pytest.raises(DataError, match=r"text\.txt: byte 0 is not UTF-8"):
        TextDataset.from_file(path, 2)
