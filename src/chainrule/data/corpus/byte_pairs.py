"""Text as numbers for pieces of words: byte-pair encoding, by the library `tokenizers`."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.optional import needed
from chainrule.data.checks import DataError

LEAST, MOST = 257, 50_000
"""How many tokens there may be: one for each byte, and at least one pair."""
LONGEST = 8_000_000
"""Bytes of the encoding as JSON, at most; 50,000 tokens take 3 MB."""
_HINT = "python -m pip install 'chainrule[text]'"


class BytePairs:
    """Numbers for pieces of text that are frequent in it: pairs of bytes, of those pairs, and so on.

    No text is unknown, because each byte has a number of its own. `state` is the JSON of a `tokenizers.Tokenizer` as
    :meth:`of` makes it; another one is refused, as are more than 50,000 tokens.

    Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units" (2016); over bytes
    as in Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).

    Raises :class:`DataError` for such a state, and ModuleNotFoundError without the library.
    """

    kind = "bpe"

    def __init__(self, state: str) -> None:
        _check(state)
        library = needed("tokenizers", "byte-pair encoding", _HINT)
        try:
            self._tokenizer = library.Tokenizer.from_str(state)
        except Exception as error:  # the library raises nothing more special
            raise DataError(f"BytePairs: the library tokenizers cannot read the encoding: {error}") from error
        self.state = state

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> "BytePairs":
        """Return the encoding with `size` tokens, or fewer if the pieces of text have no more pairs."""
        if not LEAST <= size <= MOST:
            raise DataError(f"BytePairs: expected {LEAST} to {MOST:,} tokens, got {size:,}")
        library = needed("tokenizers", "byte-pair encoding", _HINT)
        made = _empty(library)
        alphabet = library.pre_tokenizers.ByteLevel.alphabet()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, initial_alphabet=alphabet, show_progress=False
        )
        made.train_from_iterator(texts, trainer)
        return cls(made.to_str())

    def __len__(self) -> int:
        """The number of tokens."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the numbers [N] of a text."""
        return np.array(self._tokenizer.encode(text).ids, np.int32)

    def decode(self, numbers: Iterable[Any]) -> str:
        """Return the text of some numbers; bytes that are no UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode([int(k) for k in numbers]))

    def __str__(self) -> str:
        return f"byte-pair encoding, {len(self):,} tokens"


def _empty(library: Any) -> Any:
    """Return a tokenizer of bytes without any pairs."""
    made = library.Tokenizer(library.models.BPE())
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    return made


def _check(state: str) -> None:
    """Raise DataError unless this is an encoding as `BytePairs.of` makes it: the library does more than that."""
    if len(state) > LONGEST:
        raise DataError(f"BytePairs: expected an encoding of at most {LONGEST:,} characters, got {len(state):,}")
    try:
        found = json.loads(state)
        model = found["model"]
        others = {name: value for name, value in found.items() if value and name not in ("version", "model")}
        kinds = {name: value["type"] for name, value in others.items()}
        vocabulary, merges = model["vocab"], model["merges"]
        is_plain = (
            kinds == {"pre_tokenizer": "ByteLevel", "decoder": "ByteLevel"}
            and model["type"] == "BPE"
            and not any(model.get(name) for name in ("dropout", "unk_token", "byte_fallback", "ignore_merges"))
            and sorted(vocabulary.values()) == list(range(len(vocabulary)))
            and all(len(pair) == 2 and set(map(type, pair)) == {str} for pair in merges)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"BytePairs: not an encoding as JSON: {error}") from error
    if not is_plain or not LEAST - 1 <= len(vocabulary) <= MOST:
        raise DataError(
            f"BytePairs: expected a byte-level encoding of {LEAST} to {MOST:,} tokens as `BytePairs.of` makes it, got "
            f"another one"
        )
