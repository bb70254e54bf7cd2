"""Training on a table: a fully connected network, from the split of the rows to the saved model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.core.random import seed
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import ArrayDataset, Data, DataLoader, Imputer, Schema, Standardizer, Stream, load
from chainrule.data.named import files_of
from chainrule.data.reading import PLAIN, names
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.options import Options
from chainrule.nn.mode import in_mode
from chainrule.train.evaluation import evaluate
from chainrule.train.saved.description import Description, HeldOut, result
from chainrule.train.saved.recipe import Recipe, network
from chainrule.train.saved.saving import save

if TYPE_CHECKING:
    from chainrule.jobs.search.halving import Trial


@dataclass(frozen=True)
class Score:
    """The results on held-out data: `accuracy` and `confusion`, or for a regression `rmse` in the target's unit."""

    samples: int
    loss: float
    truth: NDArray[Any]
    predicted: NDArray[Any]
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None
    rmse: float | None = None

    def __str__(self) -> str:
        return result(self.samples, self.accuracy, self.rmse)


def _scaling(x: NDArray[Any], is_image: bool) -> Standardizer:
    """Scale each column to mean 0 and deviation 1; pixels are scaled jointly, so that border noise is not magnified."""
    if not is_image:
        return Standardizer.fit(x)
    whole = Standardizer.fit(x.reshape(-1))
    return Standardizer(np.full(x.shape[1], whole.mean), np.full(x.shape[1], whole.scale))


class RowsJob(Job):
    """Rows of numbers, a fully connected network, AdamW, and a learning rate that falls to zero along a cosine."""

    recipe: Recipe
    schema: Schema
    is_classification: bool

    def _set_up(self, training: ArrayDataset | Stream, least_epochs: int) -> None:
        """Create the network, with weights drawn from the default generator, and all that trains it on these rows."""
        schema, recipe = self.schema, self.recipe
        self.measured = ("loss", "accuracy") if self.is_classification else ("loss",)
        self.model = network(len(schema.features), recipe.hidden, len(schema.class_names) or 1, recipe.dropout)
        self.loss = nn.CrossEntropyLoss() if self.is_classification else nn.MSELoss()
        self.loader = DataLoader(training, recipe.batch_size, shuffle=True, seed=recipe.seed)
        self.epochs = recipe.epochs or max(least_epochs, round(2500 / len(self.loader)))
        self.optimizer = optim.AdamW(self.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.epochs)


class TableJob(RowsJob):
    """A table in memory."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        super().__init__()
        self.data, self.recipe, self.schema = data, recipe, data.schema
        self.tried: Sequence[Trial] = ()
        self.name, self.said = data.name, (repr(data), *data.inferred)
        self.is_classification = data.task == "classification"
        seed(recipe.seed)
        indices = np.arange(len(data.x))
        whole = ArrayDataset(data.x, data.y, indices)
        labels = data.y if self.is_classification else None
        kept, held = whole.split(recipe.held_out, recipe.seed, stratify=labels)
        missing = data.reading.missing
        self.imputer = Imputer.fit(kept.arrays[0], data.features, missing) if data.reading.fills else None
        self.scaling = _scaling(self._filled(kept.arrays[0]), is_image=data.image_shape is not None)
        self.target_scaling = None if self.is_classification else Standardizer.fit(kept.arrays[1])
        self.training = self._part(kept)
        self.held_out = self._part(held)
        self.validation = self.held_out.arrays
        self.held_out_rows = held.arrays[2]
        self._set_up(self.training, least_epochs=10)

    def _part(self, part: ArrayDataset) -> ArrayDataset:
        x, y = part.arrays[0], part.arrays[1]
        if self.target_scaling is not None:
            y = self.target_scaling.transform(y)[:, None].astype(np.float32)
        return ArrayDataset(self.scaling.transform(self._filled(x)).astype(np.float32), y)

    def _filled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x if self.imputer is None else self.imputer.transform(x)

    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training samples, for checking the network's gradients."""
        x, y = self.training[:count]
        return x, y

    def content(self) -> str:
        """Return a digest of the columns, the classes and the numbers."""
        schema = self.schema
        features = [feature.to_list() for feature in schema.features]
        reading = [] if schema.reading == PLAIN else [schema.reading.to_dict()]
        columns = json.dumps([features, schema.class_names, schema.target, schema.target_is_text, *reading])
        return sha256(columns.encode() + self.data.x.tobytes() + self.data.y.tobytes()).hexdigest()

    def score(self) -> Score:
        """Evaluate the network on the held-out data."""
        x, y = self.held_out.arrays
        found = evaluate(self.model, self.loss, (x, y))
        predicted = found["predictions"]
        if self.target_scaling is None:
            return Score(len(x), found["loss"], y, predicted, found["accuracy"], found["confusion"])
        truth, predicted = (self.target_scaling.inverse(v[:, 0]) for v in (y, predicted))
        rmse = float(np.sqrt(np.mean((truth - predicted) ** 2)))
        return Score(len(x), found["loss"], truth, predicted, rmse=rmse)

    def truth(self, part: ArrayDataset | None = None) -> NDArray[Any]:
        """Return the classes, or the target in its own unit, of a part of the data: the held-out one by default."""
        y = (self.held_out if part is None else part).arrays[1]
        return y if self.target_scaling is None else self.target_scaling.inverse(y[:, 0])

    def probabilities(self) -> NDArray[np.float64]:
        """Return the probability of each class [N, K] for the held-out part."""
        x, _ = self.held_out.arrays
        with in_mode(self.model, False), no_grad():
            return np.asarray(nn.functional.softmax(self.model(x), axis=-1).numpy(), np.float64)

    def save(self, path: str | Path, score: Score) -> None:
        """Write the network with everything needed for predictions: columns, scaling, classes (`Description`)."""
        write(path, self, score)


def write(path: str | Path, job: Any, score: Score) -> None:
    """Write the network of a job on a table, however the table was read."""
    said = Description(
        schema=job.schema,
        source=job.data.source,
        scaling=job.scaling,
        target_scaling=job.target_scaling,
        recipe=replace(job.recipe, epochs=job.epochs),
        held_out=HeldOut(score.samples, score.loss, score.accuracy, score.rmse),
        loss=type(job.loss).__name__,
        imputer=job.imputer,
    )
    save(path, job.model, **said.to_meta())


def build(source: str, options: Options) -> TableJob:
    """Read a table, by name or from a file, and create its job."""
    recipe = recipe_of(options)  # refuses a wrong setting before a large file is read
    return TableJob(load(source, options.target, options.task or "auto", **reading_of(options)), recipe)


def recipe_of(options: Options, **defaults: Any) -> Recipe:
    """Return the recipe of a table with what the options say, and the defaults where they say nothing."""
    given = defaults | options.settings(Recipe)
    if "hidden" in given:
        given["hidden"] = _widths(given["hidden"])
    return Recipe(**given)


def reading_of(options: Options) -> dict[str, Any]:
    """Return how a table's cells are to be read, as `load` and `stream` take it."""
    return {
        "missing": options.missing or "error",
        "unknown": options.unknown or "error",
        "without": names(options.without),
        "encoding": options.encoding,
    }


def _widths(text: str) -> tuple[int, ...]:
    """Return the widths in `--hidden`, such as "256,128". Raises ValueError for anything else."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(f"--hidden: expected widths such as 256,128, got {text!r}") from None


def files(source: str) -> list[Path]:
    """Return the files that a table is read from."""
    return files_of(source)
