"""A network that `chainrule train` wrote, read back: it predicts, and other commands look into it.

Each kind of data has its own description in the model file, and its own predictor; the file's entry "trained_on" says
which.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from reprlib import repr as short
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from chainrule import nn
from chainrule.train.saved.description import is_described as of_table
from chainrule.train.saved.modelfile import ModelFileError
from chainrule.train.saved.saving import Checkpoint, load

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "table": "table_predictor",
        "language": "language_predictor",
        "series": "series_predictor",
        "pictures": "picture_predictor",
    }
)
"""The module `chainrule.train.saved.<module>` of each kind, whose `read(file)` returns the predictor."""


class Predictor(abc.ABC):
    """A saved network that predicts, and what its file says of it."""

    model: nn.Module
    """In evaluation mode."""
    recipe: Any
    """How it was trained: `batch_size`, `lr`, `weight_decay`, `seed`."""

    @property
    @abc.abstractmethod
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""

    def choose(self, **choices: str) -> None:
        """Take choices of the command line by which other data are read. Raises ValueError where there are none."""
        for name, value in choices.items():
            raise ValueError(f"--{name} {value} is for a network that was trained on a table; leave it out")

    @abc.abstractmethod
    def lines(self) -> Sequence[str]:
        """Describe the network in words, one fact per line."""

    @abc.abstractmethod
    def table(self, source: str) -> tuple[list[str], Iterable[list[str]]]:
        """Predict for the data at a path, or of a named set: the header of a CSV file, and its rows."""

    @abc.abstractmethod
    def examples(
        self, source: str, count: int | None = None, target: str | None = None, task: str = "auto"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` samples (x, y), or all, as the network and its loss take them.

        `target` and `task` are those of the command line. Raises DataError where the data do not fit the network.
        """


def read_predictor(path: str | Path) -> Predictor:
    """Read a network that `chainrule train` wrote. Raises ModelFileError for any other file."""
    return predictor_of(load(path))


def is_described(meta: Mapping[str, Any]) -> bool:
    """Whether a file's metadata say that `chainrule train` wrote it."""
    return "trained_on" in meta or of_table(meta)


def predictor_of(file: Checkpoint) -> Predictor:
    """Return the network in a file that was read. Raises ModelFileError if `chainrule train` did not write it."""
    kind = file.meta.get("trained_on", "table")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ModelFileError(
            f"{file.path}: its entry trained_on: expected {' or '.join(map(repr, KINDS))}, got {short(kind)}; a newer "
            "version of chainrule may have written it"
        )
    found: Predictor = import_module(f"chainrule.train.saved.{KINDS[kind]}").read(file)
    return found
