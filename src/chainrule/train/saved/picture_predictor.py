"""A network that was trained on pictures, read back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data.pictures import (
    Pictures,
    PictureSet,
    find_array,
    find_files,
    find_known,
    is_array,
    is_table,
    listed_files,
    survey,
)
from chainrule.data.pictures.loader import normalised
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
        names = self.description.class_names
        columns = ["prediction", *(f"p({visible(name)})" for name in names)]
        if is_array(source):
            return ["row", *columns], self._rows_of_array(source, [csv_cell(name) for name in names])
        path = Path(source)
        paths = listed_files(path) if is_table(path) else find_files([path])[0]
        survey(paths, shown(path))
        return ["path", *columns], self._rows(paths, [csv_cell(name) for name in names], shown(path))

    def _rows(self, paths: Sequence[Path], cells: Sequence[str], name: str) -> Iterator[list[str]]:
        for start in range(0, len(paths), BATCH):
            part = paths[start : start + BATCH]
            for path, row in zip(part, self.predict(part, name), strict=True):
                yield [csv_cell(shown(path)), cells[row.argmax()], *(f"{p:.6f}" for p in row)]

    def _rows_of_array(self, source: str, cells: Sequence[str]) -> Iterator[list[str]]:
        pictures = find_array(source, counted=False).array
        assert pictures is not None
        for start in range(0, len(pictures), BATCH):
            part = pictures[start : start + BATCH]
            values = self._probabilities(self._normalised(part), [f"row {start + k}" for k in range(len(part))])
            for k, row in enumerate(values):
                yield [str(start + k), cells[row.argmax()], *(f"{p:.6f}" for p in row)]

    def _normalised(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = Pictures.of(pictures, self.description.form)
        return normalised(found[np.arange(len(pictures))], self.description.scaling)

    def pixels(self, source: str, most: int) -> NDArray[np.uint8]:
        """Return at most so many pictures of a source in the network's form, uint8 `[n, C, H, W]`, spread over all."""
        if is_array(source):
            array = find_array(source, counted=False).array
            assert array is not None
            return Pictures.of(array[_spread(len(array), most)], self.description.form)[:]
        path = Path(source)
        paths = listed_files(path) if is_table(path) else find_files([path])[0]
        chosen = [paths[k] for k in _spread(len(paths), most)]
        return Pictures.read(chosen, self.description.form, shown(path), may_turn_grey=False)[:]

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the probabilities [N, K] for pictures in the network's form, uint8 `[N, C, H, W]`."""
        x = normalised(pixels, self.description.scaling)
        return self._probabilities(x, [f"picture {k + 1}" for k in range(len(x))])

    def predict(self, paths: Sequence[Path], name: str = "pictures") -> NDArray[np.float64]:
        """Return the probabilities [N, K] of the classes for picture files.

        Raises DataError for files that cannot be read, and FloatingPointError where a probability is not finite.
        """
        x, _ = self._set(paths, np.zeros(len(paths), np.int64), name).stacked(np.arange(len(paths)))
        return self._probabilities(x, [shown(path) for path in paths])

    def _probabilities(self, x: NDArray[Any], places: Sequence[str]) -> NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"), no_grad():
            values = np.asarray(nn.functional.softmax(self.model(x), axis=-1).numpy(), np.float64)
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if wrong.size:
            raise FloatingPointError(
                f"the prediction for {places[wrong[0]]} is not finite: the model file's numbers are too large; "
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
        most = min(len(found), MOST_EXAMPLES if count is None else count)
        chosen = _spread(len(found), most)
        if found.array is not None:
            return self._normalised(found.array[chosen]), found.labels[chosen]
        paths = [found.paths[i] for i in chosen]
        return self._set(paths, found.labels[chosen], found.name).stacked(np.arange(most))

    def _set(self, paths: Sequence[Path], labels: NDArray[np.int64], name: str) -> PictureSet:
        form = self.description.form
        pictures = Pictures.read(paths, form, name, may_turn_grey=False)
        return PictureSet(pictures, np.arange(len(paths)), labels, self.description.scaling)


def _spread(total: int, most: int) -> NDArray[np.int64]:
    """Return at most so many numbers below a total, evenly spread."""
    return np.linspace(0, total - 1, min(total, most)).round().astype(np.int64)
