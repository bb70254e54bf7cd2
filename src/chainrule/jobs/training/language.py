"""Training on a text: a small transformer that predicts each next token."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.core.random import seed
from chainrule.data import DataError, DataLoader
from chainrule.data.corpus.corpus import Corpus, Part, read_corpus
from chainrule.data.corpus.windows import IGNORED, Windows, WindowSampler
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.options import Options
from chainrule.nn.networks import generate
from chainrule.present.counting import counted
from chainrule.train.alone import Alone
from chainrule.train.callbacks import Callback, Run
from chainrule.train.evaluation import measure
from chainrule.train.history import History
from chainrule.train.saved.language_description import LanguageDescription, LanguageScore
from chainrule.train.saved.language_recipe import STEP, LanguageRecipe, language_network, passes, sizes
from chainrule.train.saved.saving import save

EPOCH, EVALUATED = 500, 2000
"""The most batches of an epoch, and the most windows of the held-out part that are evaluated."""
BETAS = (0.9, 0.99)
CHECKED, SHOWN = 6, 4
"""The length of the windows whose gradients are checked and derived."""
SAMPLE, BEGINNING = 160, 16
"""How many tokens a sample has during training, after how many of the held-out text."""


class LanguageJob(Job):
    """A text, a `LanguageModel`, AdamW, and a learning rate that rises for a twentieth of the steps and then falls.

    The loss is the mean over all tokens of windows of the network's context; on the held-out part, over those that half
    a context comes before. `samples` is what the network wrote at the
    end of each epoch, and `say` gets it as a line.
    """

    directions, coordinates = 1, 0  # there are dozens of parameters

    def __init__(self, corpus: Corpus, recipe: LanguageRecipe) -> None:
        super().__init__()
        self.corpus, self.recipe, self.name = corpus, recipe, corpus.name
        self.samples: list[tuple[int, str]] = []
        seed(recipe.seed)
        self.training = self._windows(corpus.training, "training", 1)
        self.evaluated = self._evaluated()
        self.validation = DataLoader(self.evaluated, max(1, STEP // recipe.context), seed=0)
        sampler = WindowSampler(len(self.training), recipe.context, EPOCH * recipe.batch_size)
        self.loader = DataLoader(self.training, recipe.batch_size, sampler=sampler, seed=recipe.seed)
        self.model = self.network = language_network(recipe, len(corpus.tokens))
        self.loss: nn.Module = nn.CrossEntropyLoss(ignore_index=IGNORED)
        self.epochs = recipe.epochs or passes(len(self.loader))
        self.measured = ("loss", "accuracy")
        self.optimizer, self.schedule = self._optimizer()
        self.schedule_by = "batch"
        self.said = self._found()

    def _windows(self, part: Part, which: str, stride: int, ignored: int = 0) -> Windows:
        length = self.recipe.context
        if len(part.tokens) <= length:
            raise DataError(
                f"{self.name}: the {which} part of the text has {len(part.tokens)} tokens, and a window takes "
                f"{length + 1}; choose a shorter --context, or another --held-out, or give a longer text"
            )
        return Windows(part.tokens, length, stride, ignored)

    def _evaluated(self) -> Windows:
        """Return windows in whose second halves each held-out token is once: it is predicted from the half before it.

        That is how a text is generated. A token at the start of a window says less about the network.
        """
        length, tokens = self.recipe.context, len(self.corpus.held_out.tokens)
        stride = max(length - length // 2, (tokens - length - 1) // EVALUATED + 1)
        return self._windows(self.corpus.held_out, "held-out", stride, length // 2)

    @property
    def predicted(self) -> int:
        """How many held-out tokens are predicted."""
        return len(self.evaluated) * (self.evaluated.length - self.evaluated.ignored)

    def _optimizer(self) -> tuple[optim.AdamW, Any]:
        """Only matrices decay: biases and the scales of normalisations are few and have nothing to forget."""
        recipe, parameters = self.recipe, list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = optim.AdamW(groups, lr=recipe.lr, betas=BETAS)
        steps = self.epochs * len(self.loader)
        rising = max(1, steps // 20)
        falling = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - rising), recipe.lr / 20)
        return optimizer, optim.lr_scheduler.LinearWarmup(optimizer, rising, 1 / rising, after=falling)

    def _found(self) -> list[str]:
        corpus, recipe = self.corpus, self.recipe
        is_partly = self.predicted < 0.9 * (len(corpus.held_out.tokens) - recipe.context)
        partly = f", of which {self.predicted:,} tokens, evenly spread, are evaluated" if is_partly else ""
        sizes_of = f"{recipe.layers} layers, {recipe.heads} heads, width {recipe.width}"
        return [
            f"{corpus.name}: a text of {corpus.characters:,} characters; {corpus.tokens}",
            f"held out: the last {corpus.held_out.characters:,} characters{partly}",
            f"network: {sizes_of}, context {recipe.context} tokens",
            f"{counted(self.epochs, 'epoch')} of {counted(len(self.loader), 'step')}; losses are in nats per token",
        ]

    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training windows, cut to a few tokens: each of their numbers is looked at."""
        length = min(self.recipe.context, SHOWN if count < 16 else CHECKED)
        tokens = np.asarray(self.corpus.training.tokens[: count * length + 1], np.int64)
        whole = (len(tokens) - 1) // length * length
        return tokens[:whole].reshape(-1, length), tokens[1 : whole + 1].reshape(-1, length)

    def train(self, callbacks: Sequence[Any] = (), parallel: Alone | None = None) -> History:
        """Train the remaining epochs, and write a sample after each of them."""
        return super().train([*callbacks, _Samples(self)], parallel)

    def _notes(self) -> dict[str, Any]:
        return {"samples": [list(pair) for pair in self.samples]}

    def _take_notes(self, meta: Mapping[str, Any]) -> Callable[[], None]:
        found = meta.get("samples")
        if not isinstance(found, list) or not all(map(_is_sample, found)):
            raise ValueError("its samples are damaged")
        return lambda: self.samples.__setitem__(slice(None), [(epoch, text) for epoch, text in found])

    def written(self, epoch: int) -> str:
        """Return how the network goes on with the beginning of the held-out text."""
        tokens = self.corpus.tokens
        begin = [int(k) for k in self.corpus.held_out.tokens[:BEGINNING]]
        drawn = generate(self.network, begin, SAMPLE, 0.8, generator=np.random.default_rng((self.recipe.seed, epoch)))
        return tokens.decode(itertools.chain(begin, drawn))

    def content(self) -> str:
        """Return a digest of the text."""
        return self.corpus.content

    def score(self) -> LanguageScore:
        """Evaluate the network on the held-out text."""
        loss = measure(self.model, self.loss, self.validation)["loss"]
        return LanguageScore(self.predicted, loss, loss / self.corpus.held_out.characters_per_token)

    def save(self, path: str | Path, score: LanguageScore) -> None:
        """Write the network with its tokens (`LanguageDescription`)."""
        recipe = replace(self.recipe, epochs=self.epochs)
        tokens: Any = self.corpus.tokens
        save(path, self.model, **LanguageDescription(self.name, tokens, recipe, score).to_meta())


def _is_sample(entry: Any) -> bool:
    """Whether this is an epoch with what was written after it."""
    return isinstance(entry, list) and len(entry) == 2 and type(entry[0]) is int and isinstance(entry[1], str)


class _Samples(Callback):
    """Lets the network write a little after each epoch; what training draws does not change by it."""

    def __init__(self, job: LanguageJob) -> None:
        self.job = job

    def on_epoch_end(self, run: Run) -> None:
        """Keep and show a sample."""
        text = self.job.written(run.epoch)
        self.job.samples.append((run.epoch, text))
        if self.job.say is not None:
            self.job.say(f"epoch {run.epoch} writes: {text.replace(chr(10), ' ⏎ ')}")


def build(source: str, options: Options) -> LanguageJob:
    """Read a text file and create its job."""
    given = options.settings(LanguageRecipe)
    LanguageRecipe(**{"heads": 1, **given})  # what cannot be is refused before the text is read
    corpus = read_corpus(source, options.tokens or "char", given.get("held_out", LanguageRecipe.held_out))
    chosen = sizes(len(corpus.training.tokens)) | given
    if "width" in given and "heads" not in given:
        chosen["heads"] = max(k for k in range(1, 9) if given["width"] % k == 0)
    if "batch_size" not in given:
        chosen["batch_size"] = max(1, STEP // int(chosen["context"]))
    recipe: Any = LanguageRecipe
    return LanguageJob(corpus, recipe(**chosen))


def files(source: str) -> list[Path]:
    """Return the file that the text is read from."""
    return [Path(source)]
