"""A network that was trained on pictures, read back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data.pictures import Pictures, PictureSet, find_files, find_known, is_table, listed_files, survey
from chainrule.data.pictures.walk import shown
from chainrule.present.escape import csv_cell, visible
from chainrule.train.saved.picture_description import PictureDescription
from chainrule.train.saved.predictor import Predictor
from chainrule.train.saved.saving import Checkpoint

BATCH = 256
MOST_EXAMPLES = 2048
"""How many labelled pictures are read where all are asked for: enough to look into a network."""


def read(file: Checkpoint) -> "PicturePredictor":
    """Build the network in a model file of pictures. Raises ModelFileError where the description is not sound."""
    said, model = PictureDescription.from_meta(file.path, file.meta, file.model)
    return PicturePredictor(model, said)


class PicturePredictor(Predictor):
    """A network that tells the class of pictures."""

    def __init__(self, model: nn.Module, description: PictureDescription) -> None:
        self.model, self.description, self.recipe = model, description, description.recipe

    @property
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""
        return self.description.loss

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        return self.description.lines()

    def table(self, source: str) -> tuple[list[str], Iterator[list[str]]]:
        """Return a row for each picture of a folder, of a table that lists them, or for one: path, class,
        probabilities.

        Raises DataError, which names the files that cannot be read, before the first row.
        """
        path = Path(source)
        paths = listed_files(path) if is_table(path) else find_files([path])[0]
        survey(paths, shown(path))
        names = self.description.class_names
        header = ["path", "prediction", *(f"p({visible(name)})" for name in names)]
        return header, self._rows(paths, [csv_cell(name) for name in names], shown(path))

    def _rows(self, paths: Sequence[Path], cells: Sequence[str], name: str) -> Iterator[list[str]]:
        for start in range(0, len(paths), BATCH):
            part = paths[start : start + BATCH]
            for path, row in zip(part, self.predict(part, name), strict=True):
                yield [csv_cell(shown(path)), cells[row.argmax()], *(f"{p:.6f}" for p in row)]

    def predict(self, paths: Sequence[Path], name: str = "pictures") -> NDArray[np.float64]:
        """Return the probabilities [N, K] of the classes for picture files.

        Raises DataError for files that cannot be read, and FloatingPointError where a probability is not finite.
        """
        x, _ = self._set(paths, np.zeros(len(paths), np.int64), name).stacked(np.arange(len(paths)))
        with np.errstate(over="ignore", invalid="ignore"), no_grad():
            values = np.asarray(nn.functional.softmax(self.model(x), axis=-1).numpy(), np.float64)
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            raise FloatingPointError(
                f"the prediction for {shown(paths[wrong[0]])} is not finite: the model file's numbers are too large; "
                "restore it, or train again"
            )
        return values

    def examples(
        self, source: str, count: int | None = None, target: str | None = None, task: str = "auto"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return pictures `[n, C, H, W]` and classes `[n]`, spread evenly over all that there are."""
        if task not in ("auto", "classification"):
            raise ValueError(f"--task: the model was trained for a classification, got {task!r}; leave it out")
        found = find_known(source, self.description.class_names, target)
        most = min(len(found.paths), MOST_EXAMPLES if count is None else count)
        chosen = np.linspace(0, len(found.paths) - 1, most).round().astype(int)
        paths = [found.paths[i] for i in chosen]
        return self._set(paths, found.labels[chosen], found.name).stacked(np.arange(most))

    def _set(self, paths: Sequence[Path], labels: NDArray[np.int64], name: str) -> PictureSet:
        form = self.description.form
        pictures = Pictures.read(paths, form, name, may_turn_grey=False)
        return PictureSet(pictures, np.arange(len(paths)), labels, self.description.scaling)
