"""A language model, read back."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.data import DataError
from chainrule.data.corpus.read import pieces
from chainrule.data.corpus.streamed import Streamed
from chainrule.data.corpus.windows import Windows
from chainrule.nn.networks import LanguageModel, generate
from chainrule.train.saved.language_description import LanguageDescription
from chainrule.train.saved.predictor import Predictor
from chainrule.train.saved.saving import Checkpoint

SHORT, MOST = 8, 512
"""The length of the windows that are looked into number by number, and how many windows there are otherwise at most."""


def read(file: Checkpoint) -> "LanguagePredictor":
    """Build the network in a model file of a text. Raises ModelFileError where the description is not sound."""
    said, model = LanguageDescription.from_meta(file.path, file.meta, file.model)
    return LanguagePredictor(file.path, model, said)


class LanguagePredictor(Predictor):
    """A network that goes on with a text."""

    def __init__(self, path: str, model: LanguageModel, description: LanguageDescription) -> None:
        self.path, self.description, self.recipe = path, description, description.recipe
        self.model: LanguageModel = model

    @property
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""
        return nn.CrossEntropyLoss()

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        return self.description.lines()

    def table(self, source: str) -> tuple[list[str], Iterable[list[str]]]:
        """Raise ValueError: a language model has no prediction for a row."""
        raise ValueError(
            f"{self.path}: a language model goes on with a text and predicts no rows for {source}; use "
            f"`chainrule generate {self.path} --prompt TEXT`"
        )

    def examples(
        self, source: str, count: int | None = None, target: str | None = None, task: str = "auto"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return windows of a text file: the first `count`, of 8 tokens, or up to 512 of the model's whole context."""
        for name, value in (("target", target), ("task", None if task == "auto" else task)):
            if value is not None:
                raise ValueError(f"--{name} means nothing for a language model; leave it out")
        length = self.recipe.context if count is None else min(SHORT, self.recipe.context)
        wanted, found = (MOST if count is None else count) * length + 1, list[NDArray[Any]]()
        for text in pieces(source):
            found.append(self.description.tokens.encode(text))
            if sum(map(len, found)) >= wanted:
                break
        tokens = np.concatenate([np.empty(0, np.int32), *found])
        if len(tokens) <= length:
            raise DataError(f"{source}: {len(tokens)} tokens are too few; expected more than {length}")
        windows = Windows(tokens[:wanted], length, length)
        x, y = zip(*(windows[k] for k in range(len(windows))), strict=True)
        return np.stack(x), np.stack(y)

    def generate(
        self, prompt: str, length: int = 500, temperature: float = 0.8, top_k: int | None = None, seed: int = 0
    ) -> Iterator[str]:
        """Yield what follows a prompt, `length` tokens of it, as it is drawn (`nn.networks.generate`).

        An empty prompt stands for a line break, or the first token where the text had none. Raises DataError for
        characters that the model does not know, and ValueError for settings that cannot be.
        """
        tokens = self.description.tokens
        try:
            given = tokens.encode(prompt or "\n")
        except DataError as error:
            if prompt:
                raise DataError(f"--prompt: {error}") from error
            given = np.zeros(1, np.int32)
        drawn = generate(self.model, given.tolist(), length, temperature, top_k, np.random.default_rng(seed))
        return _streamed(Streamed(tokens), drawn)


def _streamed(stream: Streamed, drawn: Iterator[int]) -> Iterator[str]:
    for token in drawn:
        text = stream.add(token)
        if text:
            yield text
    rest = stream.rest()
    if rest:
        yield rest
