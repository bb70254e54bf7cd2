"""Training on a table that is larger than memory: the network of `table`, its rows read in blocks."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from chainrule.base.machine_memory import free_memory
from chainrule.core.random import seed
from chainrule.data import DataError, Imputer, Stream, stream
from chainrule.data.idx_file import is_idx, pair
from chainrule.data.named import SOURCES
from chainrule.data.streams import FORMS, streamable
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.streamed_score import StreamedScore, scored
from chainrule.jobs.training.table import RowsJob, reading_of, recipe_of, write
from chainrule.train.alone import Alone
from chainrule.train.saved.recipe import Recipe

BATCH = 256
"""Samples per step unless said otherwise: such data have many rows."""
VALIDATION = 100_000
"""The most held-out rows that are measured after each epoch."""


class StreamedJob(RowsJob):
    """Rows of files that are read as they are needed, and otherwise what `TableJob` is."""

    words = ("--stream",)

    def __init__(self, data: Stream, recipe: Recipe, why: str = "") -> None:
        super().__init__()
        assert data.held_out is not None
        self.data, self.recipe, self.schema, self.name = data, recipe, data.schema, data.name
        self.is_classification = data.task == "classification"
        seed(recipe.seed)
        self.imputer = None if data.facts.fill is None else Imputer(data.facts.fill)
        self.scaling, self.target_scaling = data.standardizer(), data.target_standardizer()
        self.training = data.scaled(self.scaling, self.target_scaling)
        self.held_out = data.held_out.scaled(self.scaling, self.target_scaling)
        self.validation = self.held_out.some(VALIDATION)
        self._set_up(self.training, least_epochs=1)
        self.said = (repr(data), *([why] if why else []), self._said_of_held_out(), *data.inferred)

    def _said_of_held_out(self) -> str:
        rows, shown = len(self.held_out), len(self.validation[0])
        some = f", of which {shown:,} are measured after each epoch" if shown < rows else ""
        return f"held out: {rows:,} rows, drawn by a hash of the row's number and the seed{some}"

    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training samples, for checking the network's gradients."""
        x, y = self.training.first(count)
        return x, y

    def content(self) -> str:
        """Return a digest of the columns, the classes and all rows."""
        schema = self.schema
        features, reading = [feature.to_list() for feature in schema.features], schema.reading.to_dict()
        columns = json.dumps([features, schema.class_names, schema.target, schema.target_is_text, reading])
        return sha256(columns.encode() + self.data.digest.encode()).hexdigest()

    def _identity(self) -> dict[str, Any]:
        return {"reading": "in blocks (--stream)", **super()._identity()}

    def score(self) -> StreamedScore:
        """Evaluate the network on all held-out rows, block by block."""
        return scored(self.model, self.loss, self.held_out, self.target_scaling, self.recipe.seed)

    def save(self, path: str | Path, score: StreamedScore) -> None:
        """Write the network as `TableJob` does: it predicts for whole tables and for streams."""
        write(path, self, score)


def build(source: str, options: Options, parallel: Alone | None = None) -> StreamedJob:
    """Read the statistics of a table in files, each process a part of them, and create its job."""
    recipe = recipe_of(options, batch_size=BATCH)  # refuses a wrong setting before a large file is read
    if source in SOURCES or (Path(source).is_file() and not streamable(source)):
        raise DataError(f"{source}: cannot be read in blocks, as {FORMS} files can; leave --stream out")
    data = stream(
        source,
        options.target,
        options.task or "auto",
        held_out=recipe.held_out,
        seed=recipe.seed,
        parallel=parallel,
        **reading_of(options),
    )
    assert isinstance(data, Stream)
    return StreamedJob(data, recipe, _why(data, options))


def _why(data: Stream, options: Options) -> str:
    """Say that the files are read in blocks and, where nobody asked for it, why."""
    said = f"read in blocks, {data.files.nbytes / 1e6:,.1f} MB"
    if options.stream or len(data.files.paths) > 1:
        return said
    return (
        f"{said}: more than a quarter of the {free_memory() / 1e6:,.0f} MB of free memory; --no-stream reads it whole"
    )


def files(source: str) -> list[Path]:
    """Return the files that are read."""
    return [one for path in streamable(source) for one in (pair(path) if is_idx(path) else (path,))]
