"""A text as numbers: characters, byte pairs, parts, windows."""

import importlib.util
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data import DataError, DataLoader
from chainrule.data.corpus import corpus as module
from chainrule.data.corpus.byte_pairs import BytePairs
from chainrule.data.corpus.characters import Characters
from chainrule.data.corpus.corpus import read_corpus
from chainrule.data.corpus.streamed import Streamed
from chainrule.data.corpus.windows import Windows, WindowSampler

TEXT = "the cat sat on the mat, and the other cat sat there too.\n" * 40

bpe = pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="tokenizers is not installed")


@given(text=st.text(max_size=80))
def test_characters_come_back(text):
    tokens = Characters.of([text, "a"])
    assert tokens.decode(tokens.encode(text)) == text


def test_unknown_characters_are_named():
    with pytest.raises(DataError, match=re.escape("the characters 'x', '漢' do not occur in the text")):
        Characters("abc").encode("axb漢x")
    with pytest.raises(DataError, match=re.escape("the character '!' does not occur in the text")):
        Characters("abc").encode("a!")


@pytest.mark.parametrize("vocabulary", ["", "aba"])
def test_a_vocabulary_that_cannot_be(vocabulary):
    with pytest.raises(DataError, match="expected 1 to 50,000 different characters"):
        Characters(vocabulary)


def test_the_end_of_the_text_is_held_out(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    corpus = read_corpus(path, held_out=0.25)
    cut = len(TEXT) - round(len(TEXT) * 0.25)
    assert corpus.tokens.decode(corpus.training.tokens) == TEXT[:cut]
    assert corpus.tokens.decode(corpus.held_out.tokens) == TEXT[cut:]
    assert corpus.characters == len(TEXT)
    assert corpus.held_out.characters_per_token == 1.0


def test_a_long_text_lies_in_a_file(tmp_path, monkeypatch):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    usual = read_corpus(path)
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    found = read_corpus(path)
    assert isinstance(found.training.tokens, np.memmap)
    np.testing.assert_array_equal(found.training.tokens, usual.training.tokens)
    np.testing.assert_array_equal(found.held_out.tokens, usual.held_out.tokens)
    assert found.content == usual.content


@pytest.mark.parametrize(
    ("text", "tokens", "said"),
    [
        ("", "char", "book.txt: the file is empty"),
        ("\ufeff", "char", "book.txt: the file is empty"),
        ("aaaa", "char", "the text consists of one character, 'a'"),
        ("abc", "word", "tokens: expected 'char', 'bpe', or 'bpe:N' with N tokens from 257 to 50,000, got 'word'"),
        ("abc", "bpe:12", "got 'bpe:12'"),
        ("abc", "bpe:", "got 'bpe:'"),
    ],
)
def test_texts_that_cannot_be_learned(tmp_path, text, tokens, said):
    path = tmp_path / "book.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        read_corpus(path, tokens)


@bpe
def test_byte_pairs_come_back_from_their_state(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    corpus = read_corpus(path, "bpe:300")
    assert len(corpus.tokens) <= 300
    assert corpus.training.characters_per_token > 1.5
    again = BytePairs(corpus.tokens.state)
    for text in (TEXT[:200], "漢字 and 😀\n\n  new"):
        np.testing.assert_array_equal(again.encode(text), corpus.tokens.encode(text))
        assert again.decode(again.encode(text)) == text


@bpe
def test_byte_pairs_stream_whole_characters():
    tokens = BytePairs.of([TEXT], 280)
    stream = Streamed(tokens)
    found = [stream.add(number) for number in tokens.encode("the 漢字 😀 cat")]
    assert "".join(found) + stream.rest() == "the 漢字 😀 cat"
    assert not any("\ufffd" in piece for piece in found)
    stream.add(int(tokens.encode("漢")[0]))
    assert stream.rest() == "\ufffd"


@bpe
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+b"}, "content": ""}),
        lambda s: s.update(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+b"}, "behavior": "Isolated"}),
        lambda s: s["model"].update(unk_token="?"),
        lambda s: s["model"]["vocab"].update(extra=7),
        lambda s: s["model"].update(merges=[["a"]]),
        lambda s: s["model"].update(type="WordPiece"),
        lambda s: s.pop("model"),
    ],
)
def test_another_encoding_is_refused(change):
    state = json.loads(BytePairs.of([TEXT], 280).state)
    change(state)
    with pytest.raises(DataError, match="BytePairs"):
        BytePairs(json.dumps(state))


@walked("state", ["", "[]", "{}", "null", "[" * 100_000, "x" * 8_000_001])
def test_what_is_no_encoding_is_refused(state):
    with pytest.raises(DataError, match="BytePairs"):
        BytePairs(state)


@given(count=st.integers(2, 200), length=st.integers(1, 20), stride=st.integers(1, 9))
def test_windows_cover_the_sequence(count, length, stride):
    tokens = np.arange(count)
    if count <= length:
        with pytest.raises(DataError, match="too few for a window"):
            Windows(tokens, length, stride)
        return
    windows = Windows(tokens, length, stride)
    for i in range(len(windows)):
        x, y = windows[i]
        np.testing.assert_array_equal(x, np.arange(i * stride, i * stride + length))
        np.testing.assert_array_equal(y, x + 1)
    with pytest.raises(IndexError):
        windows[len(windows)]


@given(
    starts=st.integers(1, 300), length=st.integers(1, 40), most=st.none() | st.integers(1, 9), seed=st.integers(0, 9)
)
def test_an_epoch_lies_side_by_side(starts, length, most, seed):
    sampler = WindowSampler(starts, length, most)
    order = sampler.order(np.random.default_rng(seed))
    assert len(order) == len(sampler) >= 1
    assert order.min() >= 0
    assert order.max() < starts
    assert set(np.diff(np.sort(order)) % length) <= {0}
    assert len(set(order)) == len(order)


def test_a_loader_of_windows_goes_on_where_it_was():
    windows = Windows(np.arange(200), 5)
    loaders = [DataLoader(windows, 4, sampler=WindowSampler(len(windows), 5), seed=1) for _ in range(2)]
    batches = [next(stream) for stream in [iter(loaders[0])] for _ in range(3)]
    assert batches[0][0].shape == (4, 5)
    loaders[1].load_state_dict(loaders[0].state_dict())
    rest = [x for x, _ in loaders[1]]
    whole = [x for x, _ in DataLoader(windows, 4, sampler=WindowSampler(len(windows), 5), seed=1)]
    assert len(rest) == len(whole) - 3
    np.testing.assert_array_equal(rest[0], whole[3])
