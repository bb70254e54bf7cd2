"""A training job: what every kind of data has in common, from the first step to the checkpoint."""

import abc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.train.alone import Alone
from chainrule.train.callbacks import Callback, GradientFlow, Run, SaveCheckpoint
from chainrule.train.history import History
from chainrule.train.loop import fit
from chainrule.train.saved.description import FORMAT
from chainrule.train.saved.modelfile import ModelFileError
from chainrule.train.saved.packing import plain
from chainrule.train.saved.saving import load, save

SMALL_PRODUCT = 4_000_000
"""The number of multiplications in a matrix product that takes one core well under a millisecond."""


class Recipe(Protocol):
    """How a job trains: a dataclass. Jobs of one kind share its fields; these are in every kind."""

    @property
    def lr(self) -> float:
        """The initial learning rate."""

    @property
    def seed(self) -> int:
        """What fixes the split, the weights and the order."""


class Score(Protocol):
    """The results on held-out data. `str` of it is one line for the terminal."""

    @property
    def samples(self) -> int:
        """How many they were."""

    @property
    def loss(self) -> float:
        """Their mean loss."""


def threads(multiplications: int, cores: int | None = None) -> AbstractContextManager[Any]:
    """Limit BLAS to one thread if the largest product is small, else to `cores`, if that is a number.

    For small products, synchronising threads costs more than it saves, and many times more on a busy machine.
    """
    most = 1 if multiplications <= SMALL_PRODUCT else cores
    if most is None:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    return threadpool_limits(most, user_api="blas")  # type: ignore[no-any-return]


class Job(abc.ABC):
    """Data, split and prepared, with a network and everything needed to train it. One seed fixes everything.

    A kind of data is a subclass. Its constructor sets these attributes; what it is asked for besides are the abstract
    methods. `schedule_by` and `clip_norm` are those of `fit`.
    """

    name: str
    """The data's name, for titles."""
    say: Callable[[str], None] | None = None
    """What a line is shown by during training, if by anything."""
    said: Sequence[str] = ()
    """What was found out about the data, a line each: the data themselves, then what was inferred."""
    words: Sequence[str] = ()
    """What the command line says besides, for the same job again elsewhere."""
    recipe: Any
    model: nn.Module
    loss: nn.Module
    loader: DataLoader
    optimizer: optim.Optimizer
    schedule: Any
    epochs: int
    validation: Any
    """The held-out data, as `fit` takes them."""
    directions = coordinates = 2
    """In how many ways each parameter's gradient is checked before training (`check_parameters`)."""
    schedule_by: Any = "epoch"
    clip_norm: float | None = 1.0
    settled: Mapping[str, str] = MappingProxyType({})
    """The options that a search has found, by name: with them the job can be made again without it."""
    pace: Mapping[str, Any] = MappingProxyType({})
    """How fast the last epoch was, by `Run.flow`; nothing before one."""
    measured: Sequence[str] = ("loss",)
    """The columns that each row of the history has, for the training and the held-out part."""

    def __init__(self) -> None:
        self.history, self.flow = History(), GradientFlow()

    @abc.abstractmethod
    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training samples (x, y) as the network and the loss take them."""

    @abc.abstractmethod
    def score(self) -> Score:
        """Evaluate the network on the held-out data."""

    @abc.abstractmethod
    def save(self, path: str | Path, score: Any) -> None:
        """Write the network with everything that predicting needs."""

    @abc.abstractmethod
    def content(self) -> str:
        """Return a digest of the data: only a job with the same data may resume this one's checkpoint."""

    def train(self, callbacks: Sequence[Any] = (), parallel: Alone | None = None) -> History:
        """Train the remaining epochs.

        With `parallel`, several processes train together (see `fit`). After Ctrl-C the job can be saved with
        `save_checkpoint` and continued with `resume`.
        """
        cores = None if parallel is None else parallel.cores
        with threads(self.loader.batch_size * max(p.size for p in self.model.parameters()), cores):
            return fit(
                self.model,
                self.loss,
                self.optimizer,
                self.loader,
                epochs=self.epochs - len(self.history),
                validation=self.validation,
                callbacks=[self.flow, _Pace(self), *callbacks],
                clip_norm=self.clip_norm,
                scheduler=self.schedule,
                schedule_by=self.schedule_by,
                history=self.history,
                parallel=parallel,
            )

    def save_checkpoint(self, path: str | Path) -> None:
        """Write the job's current state, from which `resume` continues bit for bit."""
        save(
            path,
            self.model,
            self.optimizer,
            self.loader,
            scheduler=self.schedule,
            history=self.history,
            checkpoint=FORMAT,
            job=self._identity(),
            flow=self.flow.rows,
            **self._notes(),
        )

    def resume(self, path: str | Path) -> None:
        """Restore the state that `save_checkpoint` wrote for the same job.

        Raises ModelFileError, leaving everything unchanged, for any other file, and for a job with other data or
        another recipe.
        """
        wanted = "--resume expects the checkpoint left by Ctrl-C, such as model.checkpoint.safetensors"
        try:
            found = load(path)
        except ModelFileError as error:
            raise type(error)(f"{str(error).removesuffix('.')}; {wanted}") from error
        meta = found.meta
        if meta.get("checkpoint") != FORMAT:
            raise ModelFileError(
                f"{path}: not a checkpoint of an interrupted `chainrule train`; {wanted}; leave it out to start over"
            )
        mine, saved = plain(self._identity(), "job"), meta.get("job")
        if not isinstance(saved, dict):
            raise ModelFileError(f"{path}: the checkpoint does not identify its job; {wanted}")
        for name, value in mine.items():
            if saved.get(name) != value:
                raise ModelFileError(
                    f"{path}: was saved with {name} {saved.get(name)}, but here it is {value}; repeat the "
                    f"original command with --resume added"
                )
        flow = meta.get("flow")
        rows = found.history.get("rows") if isinstance(found.history, dict) else None
        columns = {"epoch", *(f"{part}{name}" for part in ("", "val_") for name in self.measured)}
        if not _are_rows(flow, {"epoch"}) or not _are_rows(rows, columns):
            raise ModelFileError(f"{path}: its history is damaged; {wanted}")
        try:
            take_notes = self._take_notes(meta)
        except ValueError as error:
            raise ModelFileError(f"{path}: {error}; {wanted}") from error
        load(path, self.model, self.optimizer, self.loader, scheduler=self.schedule, history=self.history)
        self.flow.rows[:] = list(flow or ())
        take_notes()

    def _notes(self) -> dict[str, Any]:
        """Return what else a checkpoint keeps of the training so far, as plain values."""
        return {}

    def _take_notes(self, meta: Mapping[str, Any]) -> Callable[[], None]:  # noqa: ARG002
        """Check these entries of a checkpoint's metadata, and return what takes them. Raises ValueError otherwise."""
        return lambda: None

    def _identity(self) -> dict[str, Any]:
        """Return what two runs must have in common for one to continue the other."""
        return {"data": self.name, "content": self.content(), **asdict(self.recipe), "epochs": self.epochs}


def _are_rows(rows: Any, columns: set[str]) -> bool:
    """Whether these are rows of numbers with these columns."""
    return isinstance(rows, list) and all(
        isinstance(row, dict) and set(row) >= columns and all(isinstance(v, int | float) for v in row.values())
        for row in rows
    )


class _Pace(Callback):
    """Notes how fast an epoch was."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def on_epoch_end(self, run: Run) -> None:
        """Note it."""
        self.job.pace = run.flow


class JobCheckpoint(SaveCheckpoint):
    """Writes a job's checkpoint for `resume` after a step, once `seconds` have passed since the last one."""

    def __init__(self, job: Job, path: Path, seconds: float, say: Callable[[str], None] | None = None) -> None:
        super().__init__(path, every=None, every_seconds=seconds)
        self.job, self.say = job, say

    def not_written(self, error: Exception) -> None:
        """Report that a checkpoint could not be written, by `say` or as a warning."""
        if self.say is None:
            super().not_written(error)
        else:
            self.say(f"no checkpoint: {error} The training goes on")

    def write(self, path: Path, run: Run, **meta: Any) -> None:  # noqa: ARG002
        """Write the job's current state."""
        self.job.save_checkpoint(path)
