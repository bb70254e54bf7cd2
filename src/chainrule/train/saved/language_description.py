"""What a model file says of a network that was trained on a text, and its validation before anything is built."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from chainrule.data.corpus.byte_pairs import BytePairs
from chainrule.data.corpus.characters import Characters
from chainrule.nn.networks import LanguageModel
from chainrule.present.counting import counted
from chainrule.train.saved.entries import (
    WrongEntry,
    check_arrays,
    check_size,
    damaged,
    entries,
    number,
    one_of,
    real,
    text,
    whole,
)
from chainrule.train.saved.language_recipe import LanguageRecipe, language_network, parameters

KIND, FORMAT = "language", 1
Arrays = Mapping[str, np.ndarray[Any, Any]]
_ENTRIES = {"trained_on", "format", "data", "tokens", "vocabulary", "recipe", "held_out"}


@dataclass(frozen=True)
class LanguageScore:
    """The network's results on the end of the text: `loss` in nats per token, `nats` per character."""

    samples: int
    """How many tokens were predicted."""
    loss: float
    nats: float

    @property
    def perplexity(self) -> float:
        """Per token: among so many equally probable tokens the network wavers."""
        return float(np.exp(min(self.loss, 700.0)))

    def __str__(self) -> str:
        return (
            f"held-out loss {self.nats:.4f} nats per character, perplexity {self.perplexity:.4g} per token, on "
            f"{self.samples:,} tokens"
        )


@dataclass(frozen=True)
class LanguageDescription:
    """A language model of `chainrule train`: the name of its text, its tokens, how it was trained, how well it does."""

    name: str
    tokens: Characters | BytePairs
    recipe: LanguageRecipe
    held_out: LanguageScore

    def to_meta(self) -> dict[str, Any]:
        """Return the entries of the file's metadata."""
        return {
            "trained_on": KIND,
            "format": FORMAT,
            "data": self.name,
            "tokens": self.tokens.kind,
            "vocabulary": (
                "".join(self.tokens.vocabulary) if isinstance(self.tokens, Characters) else self.tokens.state
            ),
            "recipe": asdict(self.recipe),
            "held_out": asdict(self.held_out),
        }

    @classmethod
    def from_meta(cls, path: Any, meta: Mapping[str, Any], arrays: Arrays) -> tuple[Self, LanguageModel]:
        """Return the description in a file's metadata, and the network with the file's arrays, in evaluation mode.

        Raises ModelFileError, which names the entry, what it is and what was expected. No number causes an allocation
        that the file does not fill: the arrays are compared with the sizes before anything is built. ImportError if the
        tokens need a library that is not installed.
        """
        with damaged(path):
            said = cls(**_parts(meta))
            check_size(arrays, parameters(said.recipe, len(said.tokens)), "recipe and vocabulary")
            model = language_network(said.recipe, len(said.tokens))
            check_arrays(model, arrays)
        model.load_state_dict(dict(arrays))
        model.eval()
        return said, model

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        recipe = self.recipe
        return [
            "task: predicting the next token of a text",
            f"data: {self.name}",
            f"tokens: {self.tokens}",
            f"network: {recipe.layers} layers, {recipe.heads} heads, width {recipe.width}, context {recipe.context}",
            f"trained: {counted(recipe.epochs or 0, 'epoch')} in batches of {recipe.batch_size}, "
            f"learning rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}, "
            f"dropout {recipe.dropout:g}, seed {recipe.seed}",
            f"result: {self.held_out}",
        ]


def _parts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the description that the metadata make, each of them checked."""
    entries(dict(meta), "description", _ENTRIES)
    if whole(meta["format"], "format", 1) != FORMAT:
        raise WrongEntry("format", meta["format"], f"{FORMAT}, which this version of chainrule reads")
    kind, vocabulary = one_of(meta["tokens"], "tokens", ("char", "bpe")), text(meta["vocabulary"], "vocabulary")
    return {
        "name": text(meta["data"], "data"),
        "recipe": _recipe(meta["recipe"], kind),
        "held_out": _held_out(meta["held_out"]),
        "tokens": Characters(vocabulary) if kind == "char" else BytePairs(vocabulary),
    }


def _recipe(entry: Any, kind: str) -> LanguageRecipe:
    values = dict(entries(entry, "recipe", {field.name for field in fields(LanguageRecipe)}))
    tokens = text(values["tokens"], "recipe.tokens")
    if tokens.partition(":")[0] != kind:
        raise WrongEntry("recipe.tokens", tokens, f"{kind!r} as in the entry tokens")
    for name in ("layers", "heads", "width", "context", "epochs", "batch_size"):
        values[name] = whole(values[name], f"recipe.{name}", 1)
    values["seed"] = whole(values["seed"], "recipe.seed", 0)
    for name in ("lr", "weight_decay", "dropout", "held_out"):
        values[name] = number(values[name], f"recipe.{name}")
    return LanguageRecipe(**values)


def _held_out(entry: Any) -> LanguageScore:
    values = entries(entry, "held_out", {field.name for field in fields(LanguageScore)})
    # The loss on held-out text may be infinite: it only needs to be a number.
    loss, nats = (real(values[name], f"held_out.{name}") for name in ("loss", "nats"))
    return LanguageScore(whole(values["samples"], "held_out.samples", 1), loss, nats)
