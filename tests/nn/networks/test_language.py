"""The language model, its cache, and generating."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn.networks import LanguageModel, Reader, expected, generate


def small(context=12, layers=2, dtype=np.float32, vocabulary=11):
    return LanguageModel(vocabulary, context, 16, layers, 2, generator=np.random.default_rng(0), dtype=dtype)


def logits_of(model, tokens):
    model.eval()
    with cr.no_grad():
        return model(np.array([tokens])).numpy()[0, -1]


@pytest.mark.slow
@settings(max_examples=25)
@given(pieces=st.lists(st.lists(st.integers(0, 10), min_size=1, max_size=7), min_size=1, max_size=9))
def test_the_cache_gives_the_logits_of_the_window_read_at_once(pieces):
    model, reader = small(), None
    reader = Reader(model)
    for piece in pieces:
        found = reader.read(piece)
        np.testing.assert_allclose(found, logits_of(model, reader.window), rtol=0, atol=2e-6)


@settings(max_examples=25)
@given(tokens=st.lists(st.integers(0, 10), min_size=1, max_size=50), context=st.integers(1, 9), data=st.data())
def test_a_window_does_not_depend_on_the_pieces_it_is_read_in(tokens, context, data):
    model = small(context, layers=1)
    one_by_one, in_pieces = Reader(model), Reader(model)
    for token in tokens:
        one_by_one.read([token])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(tokens)), max_size=4)))
    for begin, end in zip([0, *cuts], [*cuts, len(tokens)], strict=True):
        if end > begin:
            in_pieces.read(tokens[begin:end])
    assert one_by_one.window == in_pieces.window
    assert len(one_by_one.window) > min(context // 2, len(tokens) - 1)
    assert one_by_one.window == tokens[len(tokens) - len(one_by_one.window) :]


def test_what_comes_later_does_not_matter():
    model, x = small(), np.array([[1, 2, 3, 4, 5]])
    changed = np.array([[1, 2, 3, 9, 9]])
    model.eval()
    np.testing.assert_array_equal(model(x).numpy()[:, :3], model(changed).numpy()[:, :3])


def test_greedy_and_top_k():
    model = small()
    greedy = list(generate(model, [1], 30, temperature=0.0))
    assert greedy == list(generate(model, [1], 30, top_k=1, generator=np.random.default_rng(3)))
    again = [list(generate(model, [1], 30, generator=np.random.default_rng(7))) for _ in range(2)]
    assert again[0] == again[1]


@given(
    logits=st.lists(st.floats(-50, 50), min_size=1, max_size=8),
    temperature=st.floats(0.1, 5),
    top_k=st.one_of(st.none(), st.integers(1, 10)),
)
def test_probabilities(logits, temperature, top_k):
    found = expected(np.array(logits), temperature, top_k)
    assert abs(found.sum() - 1) < 1e-12
    if top_k is not None:
        assert np.count_nonzero(found) <= top_k
    assert found[int(np.argmax(logits))] == found.max()


@walked(
    ("changed", "said"),
    [
        ({"length": -1}, "length: expected at least 0, got -1"),
        ({"temperature": -0.5}, "temperature: expected a finite number from 0, got -0.5"),
        ({"temperature": float("nan")}, "temperature: expected a finite number"),
        ({"top_k": 0}, "top_k: expected at least 1, got 0"),
        ({"tokens": []}, "tokens: expected at least one to go on from"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_generated(changed, said):
    arguments = {"tokens": [1], "length": 3} | changed
    with pytest.raises(ValueError, match=re.escape(said)):
        generate(small(), **arguments)


def test_more_tokens_than_the_context_are_refused():
    with pytest.raises(ValueError, match="expected at most 12 tokens, its context, got 13"):
        small()(np.zeros((1, 13), np.int64))


def test_a_token_out_of_range_is_refused():
    with pytest.raises(IndexError, match="is 11, expected 0 to 10"):
        small()(np.array([[11]]))


def test_its_gradients_are_right():
    model = small(context=4, layers=1, dtype=np.float64, vocabulary=5)
    x, y = np.array([[0, 1, 2, 3], [4, 3, 2, 1]]), np.array([[1, 2, 3, 4], [3, 2, 1, 0]])
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()
    loss(model(x), y).backward()
    for name, p in model.named_parameters():
        direction = np.random.default_rng(1).normal(size=p.shape)
        before, values = p.data.copy(), []
        for step in (1e-5, -1e-5):
            p.data = before + step * direction
            values.append(loss(model(x), y).item())
        p.data = before
        found = float(np.sum(p.grad.numpy() * direction))
        assert abs((values[0] - values[1]) / 2e-5 - found) < 1e-7 + 1e-5 * abs(found), name


@pytest.mark.slow
def test_it_learns_a_rule_and_goes_on_by_it():
    cr.seed(0)
    model = small(vocabulary=5)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(0)
    for _ in range(60):
        w = (rng.integers(0, 5, (8, 1)) + 2 * np.arange(13)) % 5
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(w[:, :-1]), w[:, 1:]).backward()
        optimizer.step()
    found = list(generate(model, [0], 30, temperature=0.0))
    assert found == [2 * (k + 1) % 5 for k in range(30)]
