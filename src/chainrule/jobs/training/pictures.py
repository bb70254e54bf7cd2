"""The training job for pictures: from folders of files to a saved network."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import optim
from chainrule.core.random import seed
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import DataLoader, Standardizer
from chainrule.data.dataset import split_rows
from chainrule.data.named import files_of
from chainrule.data.pictures import (
    Found,
    PictureLoader,
    Pictures,
    PictureSet,
    Survey,
    augmentation,
    chosen_form,
    find,
    find_array,
    find_listed,
    is_array,
    is_table,
    lists_pictures,
    survey,
    survey_array,
)
from chainrule.data.pictures.walk import Skipped, any_below, below, is_picture
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.options import Options
from chainrule.nn.functional import softmax
from chainrule.nn.mode import in_mode
from chainrule.optim.lr_scheduler import CosineAnnealingLR, LinearWarmup
from chainrule.present.counting import counted
from chainrule.train.evaluation import confusion_matrix
from chainrule.train.saved.picture_description import PictureDescription, PictureScore
from chainrule.train.saved.picture_recipe import LEARNING_RATES, PictureRecipe, chosen_model, picture_network
from chainrule.train.saved.saving import save

SAMPLE = 2
"""How many pictures the gradients are checked on before training: a network for pictures takes its time for each."""
EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Score(PictureScore):
    """The results on held-out pictures, with truth, prediction and its probability for each of them, and the counts."""

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    confusion: NDArray[np.int64]

    def __str__(self) -> str:
        return super().__str__()


class PictureJob(Job):
    """Pictures with a class each, a network for them, AdamW, and a rate that rises and falls to zero along a cosine."""

    measured = ("loss", "accuracy")
    directions = coordinates = 1
    schedule_by = "batch"
    read = staticmethod(Pictures.read)

    def __init__(self, found: Found, recipe: PictureRecipe) -> None:
        super().__init__()
        self.found, self.name = found, found.name
        seed(recipe.seed)
        seen = survey(found.paths, found.name) if found.array is None else survey_array(found.array)
        asked = chosen_form(seen, recipe.size, recipe.fit)
        given = found.array
        self.pictures = self.read(found.paths, asked, found.name) if given is None else Pictures.of(given, asked)
        self.form = self.pictures.form
        kept, held = self._split(recipe)
        self.scaling = Standardizer(*self.pictures.moments(kept))
        self.training, self.held_out = (
            PictureSet(self.pictures, rows, found.labels[rows], self.scaling) for rows in (kept, held)
        )
        self.recipe = _resolved(recipe, self.form)
        self.augmentation = augmentation(recipe.augment, self.form.shape, found.class_names)
        self.loader: PictureLoader = PictureLoader(self.training, recipe.batch_size, recipe.seed, self.augmentation)
        self.validation = DataLoader(self.held_out, EVALUATION_BATCH, seed=0)
        self.epochs = recipe.epochs or max(10, round(2500 / len(self.loader)))
        self.model = picture_network(self.recipe.model, self.form.shape, len(found.class_names))
        self.loss = self._description(PictureScore(1, 0.0, 0.0)).loss
        self.optimizer = optim.AdamW(self.model.parameters(), lr=self.recipe.lr, weight_decay=recipe.weight_decay)
        steps = self.epochs * len(self.loader)
        rising = max(1, steps // 20)
        falling = CosineAnnealingLR(self.optimizer, max(1, steps - rising))
        self.schedule = LinearWarmup(self.optimizer, rising, 0.1, after=falling)
        self.said = self._said(seen)

    def _split(self, recipe: PictureRecipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows to train on and those held out: as the data say, or in the recipe's share of each class."""
        given = self.found.is_held_out
        if given is not None:
            return np.flatnonzero(~given), np.flatnonzero(given)
        return split_rows(len(self.found), recipe.held_out, recipe.seed, self.found.labels)

    def _said(self, seen: Survey) -> list[str]:
        found, memory = self.found, self.pictures.array
        kept = "decoded anew in each epoch, since they would take more than 2 GiB"
        is_own_size = bool((seen.heights == self.form.height).all() and (seen.widths == self.form.width).all())
        changes = "unchanged" if self.augmentation.is_none else f"changed at random: {self.augmentation}"
        return [
            f"{found.name}: {len(found):,} pictures, {len(found.class_names)} classes",
            *found.inferred,
            f"{seen}; as {self.form}" + ("" if is_own_size else f", by: {self.form.fit}"),
            f"{len(self.training):,} to train on, {len(self.held_out):,} held out; "
            + (kept if memory is None else f"{memory.nbytes / 1e6:,.1f} MB in memory"),
            f"in training, they are {changes}",
            f"network: {self.recipe.model}, {sum(p.size for p in self.model.parameters()):,} parameters; "
            f"{counted(self.epochs, 'epoch')} of {counted(len(self.loader), 'step')}",
        ]

    def sample(self, count: int = SAMPLE) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return some training pictures (x, y), at most 2, of classes that are as different as can be."""
        chosen = np.linspace(0, len(self.training) - 1, min(count, SAMPLE, len(self.training))).round().astype(int)
        return self.training.stacked(chosen)

    def content(self) -> str:
        """Return a digest of the pictures, their classes and the parts."""
        digest = sha256("\n".join(self.found.class_names).encode())
        for part in (self.pictures.digest(), self.found.labels.tobytes(), self.held_out.rows.tobytes()):
            digest.update(part)
        return digest.hexdigest()

    def score(self) -> Score:
        """Evaluate the network on the held-out pictures."""
        losses, values = 0.0, []
        with in_mode(self.model, training=False), no_grad():
            for x, y in self.validation:
                output = self.model(x)
                losses += float(self.loss(output, y)) * len(y)
                values.append(np.asarray(softmax(output, axis=-1).numpy(), np.float64))
        probabilities, truth = np.concatenate(values), self.held_out.labels
        predicted = probabilities.argmax(axis=1)
        return Score(
            samples=len(truth),
            loss=losses / len(truth),
            accuracy=float((predicted == truth).mean()),
            truth=truth,
            predicted=predicted,
            confidence=probabilities.max(axis=1),
            confusion=confusion_matrix(truth, predicted, len(self.found.class_names)),
        )

    def save(self, path: str | Path, score: PictureScore) -> None:
        """Write the network with everything that predicting needs (`PictureDescription`)."""
        save(path, self.model, **self._description(score).to_meta())

    def _description(self, score: PictureScore) -> PictureDescription:
        return PictureDescription(
            name=self.name,
            class_names=self.found.class_names,
            form=self.form,
            scaling=self.scaling,
            recipe=replace(self.recipe, epochs=self.epochs),
            held_out=score,
        )


def _resolved(recipe: PictureRecipe, form: Any) -> PictureRecipe:
    """Return the recipe with the network and the rate that it leaves open."""
    model = chosen_model(form.shape) if recipe.model == "auto" else recipe.model
    if model in ("cnn", "resnet8") and recipe.batch_size == 1:
        raise ValueError(
            f"--batch-size: {model} normalises over the batch, so one picture is too few; expected 2 or more"
        )
    lr = LEARNING_RATES[model] if recipe.lr is None else recipe.lr
    return replace(recipe, model=model, lr=lr, size=(form.height, form.width))


def build(source: str, options: Options) -> PictureJob:
    """Read the pictures at a path, a folder or a table that lists them, and create their job."""
    if options.task not in (None, "auto", "classification"):
        raise ValueError(f"--task: pictures are classified, got {options.task!r}; leave it out")
    given = options.settings(PictureRecipe)
    if "size" in given:
        given["size"] = picture_size(given["size"])
    recipe, path = PictureRecipe(**given), Path(source)
    is_of_array = is_array(source)
    if is_table(path):
        return PictureJob(find_listed(path, options.target, options.pictures), recipe)
    for name in ("target", "pictures"):
        if getattr(options, name) is not None:
            what = "holds pictures and their labels" if is_of_array else "is a folder"
            raise ValueError(f"--{name} is a column of a table, and {source} {what}; leave it out")
    if is_of_array:
        return PictureJob(find_array(source), recipe)
    found = find(path)
    if found.is_held_out is not None and options.held_out is not None:
        raise ValueError(f"--held-out: {source} has a held-out part of its own; leave it out")
    return PictureJob(found, recipe)


def picture_size(text: str) -> tuple[int, int]:
    """Return the height and width in `--size`, such as "64" or "48x64". Raises ValueError for anything else."""
    try:
        sides = [int(part) for part in text.lower().replace("×", "x").split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise ValueError(f"--size: expected pixels such as 64, or height and width as 48x64, got {text!r}")
    return sides[0], sides[-1]


def fits(source: str, options: Options) -> bool:
    """Whether these are pictures: a folder with some in it or with nothing, a table that lists some, or one picture.

    An array of images is taken for a table, unless a network for pictures is asked for.
    """
    path = Path(source)
    if is_array(source):
        return options.model is not None
    if path.is_dir():
        return any_below(path)
    return is_picture(source) or options.pictures is not None or lists_pictures(path)


def files(source: str) -> list[Path]:
    """Return the files that the pictures are read from."""
    path = Path(source)
    if is_array(source):
        return files_of(source)
    return [path] if not path.is_dir() else [*below(path, Skipped())]
