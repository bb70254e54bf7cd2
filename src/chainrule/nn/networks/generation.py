"""Going on with a sequence of tokens, one after the other, each drawn from what a language model expects."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import default_generator
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad

from ..init import Generator
from ..mode import in_mode
from .language import LanguageModel


class Reader:
    """A model that has read some tokens, and gives the logits of the next one.

    It keeps the keys and values of the tokens (`KeyValues`), so that reading one more costs the same however many came
    before. A model sees `context` tokens at most. When they are full, it starts again from the second half of them:
    each token is then predicted from at least half a context, and reading stays linear in the length of the text.

    >>> model = LanguageModel(10, context=8, width=8, layers=1, heads=2)
    >>> reader = Reader(model)
    >>> reader.read([1, 2, 3]).shape, reader.window
    ((10,), [1, 2, 3])
    >>> _ = reader.read([4, 5, 6, 7, 8, 9])
    >>> reader.window
    [5, 6, 7, 8, 9]
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.window: list[int] = []
        """The tokens that the next one is predicted from."""
        self._caches = model.new_caches()

    def read(self, tokens: Sequence[int]) -> NDArray[Any]:
        """Read some tokens, and return the logits [vocabulary] of the next one. Raises ValueError for no tokens."""
        if len(tokens) == 0:
            raise ValueError("Reader: expected at least one token to read, got none")
        context = self.model.context
        new = [int(token) for token in tokens]
        whole = self.window + new
        if len(whole) > context:
            new = whole = self._kept(whole)
            self._caches = self.model.new_caches()
        with in_mode(self.model, training=False), no_grad():
            logits = self.model(np.array([new]), self._caches)
        self.window = whole
        return np.asarray(value_of(logits)[0, -1])

    def _kept(self, whole: list[int]) -> list[int]:
        """Return what is kept of too many tokens: as if they had been read one by one."""
        context = self.model.context
        # Whenever the context is full, so many of the oldest tokens make room.
        room = context - context // 2
        over = -(-(len(whole) - context) // room)
        return whole[over * room :]


def generate(
    model: LanguageModel,
    tokens: Sequence[int],
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: Generator = None,
) -> Iterator[int]:
    """Yield `length` tokens that go on from `tokens`, each drawn from softmax(logits / temperature).

    With `top_k`, only the k most probable tokens are drawn from; a temperature of 0 takes the most probable one. Each
    token costs the same (`Reader`, which also says how a text longer than the model's context is read). `generator` is
    the source of the draws; None is the global one.

    Raises ValueError for a negative length or temperature, a `top_k` below 1, and no tokens to begin with.

    >>> model = LanguageModel(10, context=8, width=8, layers=1, heads=2, generator=np.random.default_rng(0))
    >>> found = list(generate(model, [1, 2, 3], length=20, generator=np.random.default_rng(0)))
    >>> len(found), all(0 <= token < 10 for token in found)
    (20, True)
    """
    if length < 0:
        raise ValueError(f"generate: length: expected at least 0, got {length}")
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise ValueError(f"generate: temperature: expected a finite number from 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"generate: top_k: expected at least 1, got {top_k}; leave it out to draw from all tokens")
    if len(tokens) == 0:
        raise ValueError("generate: tokens: expected at least one to go on from, got none")
    return _drawn(model, tokens, length, temperature, top_k, default_generator() if generator is None else generator)


def _drawn(
    model: LanguageModel,
    tokens: Sequence[int],
    length: int,
    temperature: float,
    top_k: int | None,
    generator: np.random.Generator,
) -> Iterator[int]:
    reader = Reader(model)
    for _ in range(length):
        probabilities = expected(reader.read(tokens), temperature, top_k)
        token = int(generator.choice(len(probabilities), p=probabilities))
        tokens = [token]
        yield token


def expected(logits: NDArray[Any], temperature: float = 1.0, top_k: int | None = None) -> NDArray[np.float64]:
    """Return the probabilities, float64, that logits [V] stand for; those of all but the `top_k` largest are 0.

    >>> expected(np.array([0.0, 0.0, -1000.0])).tolist()
    [0.5, 0.5, 0.0]
    >>> expected(np.array([1.0, 2.0, 3.0]), temperature=0.0).tolist()
    [0.0, 0.0, 1.0]
    """
    z = np.asarray(logits, np.float64)
    if temperature == 0:
        return np.asarray(np.arange(len(z)) == z.argmax(), np.float64)
    z = (z - z.max()) / temperature
    if top_k is not None and top_k < len(z):
        # Of equal logits the first ones stay, so that exactly `top_k` do.
        z[np.argsort(-z, kind="stable")[top_k:]] = -np.inf
    powers = np.exp(z)
    return np.asarray(powers / powers.sum())
