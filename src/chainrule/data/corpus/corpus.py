"""A text, divided into tokens, with its end held out."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.corpus.byte_pairs import LEAST, MOST, BytePairs
from chainrule.data.corpus.characters import Characters
from chainrule.data.corpus.read import pieces

IN_MEMORY = 100_000_000
"""How many tokens are kept in memory; more are kept in a temporary file."""
CHARACTERS_PER_TOKEN = 500
"""By default a text has so many characters for each token of byte-pair encoding, which so occurs often enough."""


class Tokens(Protocol):
    """How a text is divided: `Characters` or `BytePairs`."""

    kind: str

    def __len__(self) -> int: ...
    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the numbers of a text."""
        ...

    def decode(self, numbers: Iterable[Any]) -> str:
        """Return the text of some numbers."""
        ...


@dataclass(frozen=True)
class Part:
    """Tokens in their order, and how many characters of text they are."""

    tokens: NDArray[Any]
    characters: int

    @property
    def characters_per_token(self) -> float:
        """How long a token is on average."""
        return self.characters / len(self.tokens)


@dataclass(frozen=True)
class Corpus:
    """A text as a language model learns it: the tokens, and the two parts, of which `held_out` is the end of the text.

    `content` is a digest of the text, which tells it from another one.
    """

    name: str
    tokens: Tokens
    training: Part
    held_out: Part
    content: str

    @property
    def characters(self) -> int:
        """The length of the whole text."""
        return self.training.characters + self.held_out.characters


def read_corpus(path: str | Path, tokens: str = "char", held_out: float = 0.1) -> Corpus:
    """Read a text file in UTF-8 for training on it; the last `held_out` of its characters are held out.

    `tokens` is "char", one token for each character, or "bpe", byte-pair encoding that is learned from the training
    part: one token for each 500 characters of text, from 512 to 8,192 of them, or as many as "bpe:2000" says. The text
    is read in pieces, and a long one's tokens lie in a temporary file, so it may be larger than memory.

    Raises :class:`DataError` for a file that is no text (`pieces` says which), is empty, or has one character only, and
    for other `tokens`; ImportError if "bpe" lacks the library `tokenizers`.
    """
    path = Path(path)
    kind, size = _kind(tokens)
    if not 0 < held_out < 1:
        raise DataError(f"held_out: expected a share between 0 and 1, got {held_out}")
    vocabulary: set[str] = set()
    digest, length = sha256(), 0
    for text in pieces(path):
        vocabulary |= set(text)
        digest.update(text.encode("utf-8", "surrogatepass"))
        length += len(text)
    if length == 0:
        raise DataError(f"{path.name}: the file is empty; expected a text to learn")
    if len(vocabulary) < 2:
        raise DataError(
            f"{path.name}: the text consists of one character, {min(vocabulary)!r}; there is nothing to learn"
        )
    cut = length - max(1, round(length * held_out))
    if kind == "char":
        made: Tokens = Characters(sorted(vocabulary))
    else:
        many = min(8192, max(512, length // CHARACTERS_PER_TOKEN)) if size is None else size
        made = BytePairs.of(_between(path, 0, cut), many)
    training, end = (_encoded(made, _between(path, *ends)) for ends in ((0, cut), (cut, length)))
    return Corpus(path.name, made, training, end, digest.hexdigest())


def _kind(tokens: str) -> tuple[str, int | None]:
    kind, colon, size = tokens.partition(":")
    if kind == "bpe" and colon and size.isdecimal() and LEAST <= int(size) <= MOST:
        return kind, int(size)
    if tokens not in ("char", "bpe"):
        raise DataError(
            f"tokens: expected 'char', 'bpe', or 'bpe:N' with N tokens from {LEAST} to {MOST:,}, got {tokens!r}"
        )
    return kind, None


def _between(path: Path, begin: int, end: int) -> Iterator[str]:
    """Yield the characters of a text from `begin` to `end`, in pieces."""
    place = 0
    for text in pieces(path):
        part = text[max(begin - place, 0) : max(end - place, 0)]
        place += len(text)
        if part:
            yield part
        if place >= end:
            return


def _encoded(tokens: Tokens, texts: Iterator[str]) -> Part:
    """Return a part as numbers of the smallest type that holds them."""
    dtype = np.uint16 if len(tokens) <= 2**16 else np.uint32
    found, count, characters = list[NDArray[Any]](), 0, 0
    for text in texts:
        found.append(tokens.encode(text).astype(dtype))
        count, characters = count + len(found[-1]), characters + len(text)
        if count > IN_MEMORY:
            return _in_file(tokens, found, texts, characters)
    return Part(np.concatenate([np.empty(0, dtype), *found]), characters)


def _in_file(tokens: Tokens, found: list[NDArray[Any]], texts: Iterator[str], characters: int) -> Part:
    """Return the same as memory of a temporary file, which goes when nothing refers to it any more."""
    dtype, count = found[0].dtype, sum(map(len, found))
    with tempfile.TemporaryFile(prefix="chainrule-") as file:
        for numbers in found:
            file.write(numbers.tobytes())
        found.clear()
        for text in texts:
            numbers = tokens.encode(text).astype(dtype)
            file.write(numbers.tobytes())
            count, characters = count + len(numbers), characters + len(text)
        file.flush()
        return Part(np.memmap(file, dtype, "r", shape=(count,)), characters)
