"""The kinds of data that `chainrule train` trains on: how each is recognised, and the job that it makes.

A kind is one entry of `KINDS`: its module is imported only when it is used, so that the command line starts fast.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from chainrule.data.idx_file import is_idx
from chainrule.data.named import SOURCES
from chainrule.data.streams import is_large
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.sections import Sections
from chainrule.train.alone import Alone


@dataclass(frozen=True)
class Kind:
    """A kind of data, and the module `chainrule.jobs.training.<module>` that trains on it.

    The module has `build(source, options) -> Job` and `files(source) -> list[Path]`, the files that it reads; the
    module `<module>_report` beside it has `SECTIONS`, its part of the report.
    """

    name: str
    """In a sentence: "a table"."""
    module: str
    options: frozenset[str]
    """The options that mean something for it, besides `--seed`."""
    fits: Callable[[str, Options], bool]

    def _module(self) -> Any:
        return import_module(f"chainrule.jobs.training.{self.module}")

    refused: Mapping[str, str] = field(default_factory=dict)
    """Options that a user may well expect here, and why they are not taken."""
    is_read_together: bool = False
    """Whether several processes each read a part of the data; then `build` takes them as `parallel`."""

    def build(self, source: str, options: Options, parallel: Alone | None = None) -> Job:
        """Read the data and create the job. Raises ValueError for an option that means nothing here."""
        for option in options.given():
            if option in self.refused:
                raise ValueError(f"{_flag(option)}: {self.refused[option]}")
            if option not in self.options | {"seed", "as_"}:
                raise ValueError(
                    f"{_flag(option)} means nothing for {self.name}; leave it out. What it takes: "
                    + ", ".join(map(_flag, sorted(self.options)))
                )
        more = {"parallel": parallel} if self.is_read_together else {}
        job: Job = self._module().build(source, options, **more)
        return job

    def searched(self, job: Job, options: Options, say: Callable[[str], None]) -> Job:
        """Return the job with the best of `options.search` settings; a kind that takes the option has a module for it,
        `chainrule.jobs.search.<module>`.
        """
        found: Job = import_module(f"chainrule.jobs.search.{self.module}").searched(job, options, say)
        return found

    def files(self, source: str) -> list[Path]:
        """Return the files that the data are read from: no output may overwrite one of them."""
        found: list[Path] = self._module().files(source)
        return found

    def sections(self) -> Sections:
        """Return the kind's part of the report."""
        found: Sections = import_module(f"chainrule.jobs.training.{self.module}_report").SECTIONS
        return found


def _flag(option: str) -> str:
    return f"--{option.strip('_').replace('_', '-')}"


def _is_text(source: str, options: Options) -> bool:
    from chainrule.data.corpus.read import is_table

    if options.as_ is not None:
        return options.as_ == "text"
    path = Path(source)
    return path.suffix.lower() == ".txt" and path.is_file() and not is_table(path)


def _is_series(_source: str, options: Options) -> bool:
    """Whether the rows are said to be moments of time: a table alone does not say so."""
    told = options.series or options.time is not None or options.window is not None or options.horizon is not None
    return options.as_ == "series" or (options.as_ is None and told)


def _are_pictures(source: str, options: Options) -> bool:
    """Whether data may be pictures, as `pictures.fits` says; its module is not imported for data that cannot be."""
    path = Path(source)
    is_possible = path.is_dir() or (path.is_file() and path.suffix.lower() in _MAY_BE_PICTURES)
    is_possible |= options.model is not None and (source in SOURCES or is_idx(path))
    if options.as_ is not None or not is_possible:
        return options.as_ == "pictures"
    return bool(import_module("chainrule.jobs.training.pictures").fits(source, options))


_MAY_BE_PICTURES = frozenset({".csv", ".tsv", ".txt", ".png", ".jpg", ".jpeg", ".webp"})
_COMMON = frozenset({"epochs", "batch_size", "lr", "held_out"})
_OF_TABLES = frozenset({"target", "task", "hidden", "dropout", "weight_decay", "stream"})
_READING = frozenset({"missing", "unknown", "without", "encoding"})


def _is_streamed(source: str, options: Options) -> bool:
    """Whether a table is read in blocks: as asked, or because it is large."""
    return is_large(source) if options.stream is None else options.stream


def _no_search(what: str, instead: str) -> Mapping[str, str]:
    said = f"it is for tables: it trains dozens of networks, and one for {what} takes minutes"
    return {"search": f"{said}. Try a few settings one by one: {instead}"}


PICTURES = Kind(
    "pictures",
    "pictures",
    _COMMON | {"target", "task", "pictures", "model", "size", "fit", "augment"},
    _are_pictures,
    _no_search("pictures", "--model, --lr and --augment"),
)
TEXT = Kind(
    "a text",
    "language",
    _COMMON | {"dropout", "weight_decay", "tokens", "layers", "heads", "width", "context"},
    _is_text,
    _no_search("a text", "--lr, --dropout and --width"),
)
SERIES = Kind(
    "a series",
    "series",
    _COMMON
    | {"target", "hidden", "dropout", "weight_decay", "series", "time", "window", "horizon", "model", "without"},
    _is_series,
    _no_search("a series", "--model, --window and --lr"),
)
STREAM = Kind(
    "a table that is read in blocks",
    "streamed",
    _COMMON | _OF_TABLES | _READING,
    _is_streamed,
    {
        "search": "it trains dozens of networks on rows in memory, and these are read in blocks; give --no-stream to "
        "read the file whole, or search on a part of it first"
    },
    is_read_together=True,
)
TABLE = Kind("a table", "table", STREAM.options | {"search"}, lambda _source, _options: True)
AS = ("table", "text", "series", "pictures")
"""What `--as` may say where the file's content would be taken for something else."""
KINDS: Sequence[Kind] = (SERIES, PICTURES, TEXT, STREAM, TABLE)
"""The first that fits is taken; a table is the last, and says what is wrong with data of no kind."""


def kind_of(source: str, options: Options) -> Kind:
    """Return the kind of the data at a path, or of a named set. Raises ValueError for an unknown `--as`."""
    if options.as_ not in (None, *AS):
        raise ValueError(f"--as: expected {', '.join(AS[:-1])} or {AS[-1]}, got {options.as_!r}")
    return next(kind for kind in KINDS if kind.fits(source, options))
