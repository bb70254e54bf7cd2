"""A network that was trained on a table, read back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import Data, load_as, load_features
from chainrule.data.streams import features_in_blocks, is_large
from chainrule.present.escape import csv_cell, visible
from chainrule.train.saved.description import LOSSES, Description
from chainrule.train.saved.predictor import Predictor
from chainrule.train.saved.recipe import network
from chainrule.train.saved.saving import Checkpoint

ROWS = 4096
"""How many rows of a block are predicted for at one time."""


def read(file: Checkpoint) -> "TablePredictor":
    """Build the network in a model file of a table. Raises ModelFileError where the description is not sound."""
    said = Description.from_meta(file.path, file.meta, file.model)
    schema, recipe = said.schema, said.recipe
    model = network(len(schema.features), recipe.hidden, len(schema.class_names) or 1, recipe.dropout)
    model.load_state_dict(file.model)
    model.eval()
    return TablePredictor(model, said)


class TablePredictor(Predictor):
    """A fully connected network that predicts for the rows of a table."""

    def __init__(self, model: nn.Module, description: Description) -> None:
        self.model, self.description, self.recipe = model, description, description.recipe
        self.schema = description.schema

    def choose(self, **choices: Any) -> None:
        """Read other data with other choices than in training: `unknown` categories, the file's `encoding`."""
        self.schema = replace(self.schema, reading=replace(self.schema.reading, **choices))

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        return self.description.lines()

    @property
    def class_names(self) -> list[str]:
        """The names of the classes; empty for a regression."""
        return list(self.description.schema.class_names)

    @property
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""
        return LOSSES[self.description.loss]()

    def read(self, name_or_path: str | Path, target: str | None = None, task: str = "auto") -> Data:
        """Read features and target as those of the training were; `target` where the column has another name now.

        Raises DataError where the data do not fit, and ValueError for another task.
        """
        schema = self.description.schema
        if task not in ("auto", schema.task):
            raise ValueError(f"--task: the model was trained for a {schema.task}, got {task!r}; leave it out")
        schema = self.schema if target is None else replace(self.schema, target=target)
        return load_as(name_or_path, schema, schema.reading.encoding)

    def features(self, name_or_path: str | Path) -> NDArray[np.float64]:
        """Read the features [N, n] that the network takes; a target need not be there. Raises DataError as `read`."""
        return load_features(name_or_path, self.schema, self.schema.reading.encoding)

    def predict(self, x: NDArray[np.float64], first: int = 0) -> NDArray[np.float64]:
        """Class probabilities [N, K] for features [N, n], or predicted values [N] in the target's unit.

        Raises FloatingPointError where one is not finite; the rows count from ``first``.
        """
        with np.errstate(over="ignore", invalid="ignore"), no_grad():
            output = self.model(self.description.prepared(x).astype(np.float32))
            if self.description.target_scaling is None:
                values = np.asarray(nn.functional.softmax(output, axis=-1).numpy(), np.float64)
            else:
                values = self.description.target_scaling.inverse(output.numpy()[:, 0])
        wrong = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        if wrong.size:
            raise FloatingPointError(
                f"the prediction for row {first + wrong[0]} is not finite, as for {wrong.size} of {len(values)} rows: "
                f"its features are too far from those that the network was trained on; look at their scale"
            )
        return values

    def examples(
        self, source: str, count: int | None = None, target: str | None = None, task: str = "auto"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return features and target of the first rows, scaled as they were in training."""
        data = self.read(source, target, task)
        x = self.description.prepared(data.x[:count])
        if self.description.target_scaling is None:
            return x, data.y[:count]
        return x, self.description.target_scaling.transform(data.y[:count])[:, None]

    def table(self, source: str) -> tuple[list[str], Iterator[list[str]]]:
        """Return a row for each sample: the class and the probabilities of all, or the value.

        Files that are large, or several, are read block by block as the rows are asked for; one whose encoding was
        named is read as a whole.
        """
        by_block = is_large(source) and self.schema.reading.encoding is None
        values = self._in_blocks(source) if by_block else iter([self.predict(self.features(source))])
        if not self.class_names:
            return ["prediction"], ([f"{value:.8g}"] for part in values for value in part)
        cells = [csv_cell(name) for name in self.class_names]
        header = ["prediction", *(f"p({visible(name)})" for name in self.class_names)]
        return header, ([cells[row.argmax()], *(f"{p:.6f}" for p in row)] for part in values for row in part)

    def _in_blocks(self, source: str) -> Iterator[NDArray[np.float64]]:
        first = 0
        for block in features_in_blocks(source, self.schema):
            for start in range(0, len(block), ROWS):
                yield self.predict(block[start : start + ROWS], first + start)
            first += len(block)
