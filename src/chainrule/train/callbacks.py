"""Callbacks: hooks into `fit`."""

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.optim import EMA

from .history import History, Row, is_better
from .saved.modelfile import ModelFileError, ModelFileMissing
from .saved.saving import save


@dataclass
class Run:
    """A training run as its callbacks see it, and the state that `fit` keeps up to date.

    `epoch` and `batch` count from 1, and so does `step`, which goes on counting from epoch to epoch, from the start of
    this `fit`; `batch_loss` and `grad_norm`, before clipping, are those of the last step. `flow` has the last epoch's
    `rows_per_second`, the seconds that it `waited` for data, and the `peak_memory` so far, in bytes, where it is known.
    `ends_epoch` says whether the last step was the last one of its epoch, as far as that is known.
    """

    model: Any
    loss: Any
    optimizer: Any
    loader: Any
    scheduler: Any
    history: History
    epochs: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    batch_loss: float = float("nan")
    grad_norm: float = float("nan")
    stopping: bool = False
    ends_epoch: bool = False
    flow: Mapping[str, Any] = field(default_factory=dict)

    def stop(self, reason: str) -> None:
        """End the training after the current epoch."""
        self.stopping = True
        self.history.stopped = reason


class Callback:
    """The base of every callback: define the methods you need.

    >>> class Printer(Callback):
    ...     def on_epoch_end(self, run):
    ...         print(run.epoch, run.history.last["loss"])

    If several processes train together (`chainrule.distributed`), a callback runs only in the first of them, so that
    nothing is printed or written twice. With `every_rank = True` it runs in each, which is required of callbacks that
    change the model or the optimiser, or end the training.

    A callback with `on_batch_end` has every step taken by itself, which keeps `fit` from taking many in one call. One
    that acts only now and then defines `next_step` as well:

    >>> class EveryHundredth(Callback):
    ...     def next_step(self, run):
    ...         return (run.step // 100 + 1) * 100
    ...
    ...     def on_batch_end(self, run):
    ...         if run.step % 100 == 0:
    ...             print(run.step, run.batch_loss)
    """

    every_rank = False

    def on_train_start(self, run: Run) -> None:
        """Called once, before the first epoch."""

    def on_batch_end(self, run: Run) -> None:
        """Called after each step, whose last batch is `run.batch`; `next_step` says which of them are needed."""

    def next_step(self, run: Run) -> int | None:  # noqa: ARG002
        """Return the next step, as `run.step` counts, after which `on_batch_end` must be called; None for none so far.

        `fit` may take the steps before it in one call. It asks again after every such call, about twenty times a
        second, so a callback that goes by the clock returns None until the time is up, and then `run.step + 1`.

        `on_batch_end` is still called after every step that was taken by itself, so it checks whether it is due. A
        class that overrides `on_batch_end` without `next_step` is called after every step, whatever its base class
        returns.
        """
        return None

    def on_epoch_end(self, run: Run) -> None:
        """Called once the row of an epoch is in `run.history.last`."""

    def on_train_end(self, run: Run) -> None:
        """Called once, after the last epoch, but not after an error or Ctrl-C, which leave the model as it is."""

    def on_close(self, run: Run) -> None:
        """Called once, at the very end, even after an error or Ctrl-C, to close what is open."""


class BestWeights(Callback):
    """Restores the weights of the best epoch when the training ends.

    `monitor` is a column of the history: the highest accuracy, or the lowest of anything else. `best` is its value,
    `epoch` where it occurred.

    Each `fit` starts afresh.
    """

    every_rank = True

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.min_delta = min_delta
        self.best: float | None = None
        self.epoch: int | None = None
        self._weights: dict[str, Any] | None = None

    def on_train_start(self, run: Run) -> None:  # noqa: ARG002
        """Forget an earlier training."""
        self.best = self.epoch = self._weights = None

    def on_epoch_end(self, run: Run) -> None:
        """Keep the weights if they are the best so far."""
        value = monitored(type(self).__name__, self.monitor, run.history.last)
        if is_better(self.monitor, value, self.best, self.min_delta):
            self.best, self.epoch, self._weights = value, run.epoch, run.model.state_dict()

    def on_train_end(self, run: Run) -> None:
        """Restore the best weights."""
        if self._weights is not None:
            run.model.load_state_dict(self._weights)


class EarlyStopping(BestWeights):
    """Ends the training once `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `restore_best` the weights of the best epoch are restored, even if all epochs ran.

    Prechelt, "Early stopping, but when?", 1998, compares such criteria.
    """

    def __init__(
        self, patience: int = 5, monitor: str = "val_loss", restore_best: bool = True, min_delta: float = 0.0
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1 epoch, got {patience}")
        super().__init__(monitor, min_delta)
        self.patience = patience
        self.restore_best = restore_best
        self._bad_epochs = 0

    def on_train_start(self, run: Run) -> None:
        """Forget an earlier training."""
        super().on_train_start(run)
        self._bad_epochs = 0

    def on_epoch_end(self, run: Run) -> None:
        """Count the epochs since the best one."""
        super().on_epoch_end(run)
        self._bad_epochs = 0 if self.epoch == run.epoch else self._bad_epochs + 1
        if self._bad_epochs >= self.patience:
            run.stop(f"{self.monitor} has not improved for {self._bad_epochs} epochs; best {self.best} in {self.epoch}")

    def on_train_end(self, run: Run) -> None:
        """Restore the best weights, if requested."""
        if self.restore_best:
            super().on_train_end(run)


class AverageWeights(Callback):
    """Keeps an exponential moving average of the weights, and installs it when the training ends.

    `ema` is an `optim.EMA` of the model's parameters; it is updated after each step. Validation uses the trained
    weights. To measure the average, use `with ema.applied():`.
    """

    every_rank = True

    def __init__(self, ema: EMA) -> None:
        self.ema = ema

    def on_batch_end(self, run: Run) -> None:  # noqa: ARG002
        """Add the weights to the average."""
        self.ema.update()

    def on_train_end(self, run: Run) -> None:  # noqa: ARG002
        """Set the weights to the average."""
        self.ema.copy_to_parameters()


class GradientFlow(Callback):
    """Records gradient norms: `rows` has the norm of each parameter's gradient, by name, in each epoch's last step.

    Together they show where gradients vanish or explode on their way to the first layers. They are the gradients passed
    to the optimiser, after clipping, which scales all of them by one factor.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def on_epoch_end(self, run: Run) -> None:
        """Measure the gradients of the last step."""
        named = run.model.named_parameters()
        norms = {name: float(np.linalg.norm(value_of(p.grad))) for name, p in named if p.grad is not None}
        self.rows.append({"epoch": run.epoch, **norms})


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written."""


class SaveCheckpoint(Callback):
    """Saves model, optimizer, loader, scheduler and history every `every` epochs; training can resume from the file.

    With `every_batches` or `every_seconds` it also saves in the middle of an epoch, after the first step by which that
    many batches or seconds have passed since the last save: a killed run loses no more than that. It resumes bit for
    bit from the file, at the loader's position in the interrupted epoch. `every=None` saves by these alone.

    In `path`, `{epoch}` stands for the epoch's number; without it the file is replaced. With `monitor` an epoch is
    saved only when that column is the best so far. The file's meta, `chainrule.load(path).meta`, is the epoch's row, or
    `epoch`, `batch` and `loss` of the last step; and `rows`, those of the history. A resumed run takes over the history
    itself, `load(..., history=history)` and then `fit(..., history=history)`.

    A checkpoint that cannot be written, say on a full disk, raises a CheckpointWarning: the previous one is kept,
    training continues, and the next one is tried when it is due.

    Raises ValueError for a setting out of range, and, when the training starts, for a loader whose position cannot be
    saved in the middle of an epoch.

    >>> import numpy as np
    >>> from chainrule import data, nn, optim, train
    >>> loader = data.DataLoader((np.eye(8), np.arange(8)), batch_size=2, seed=0)
    >>> model = nn.Linear(8, 8)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> keep = train.SaveCheckpoint("part.safetensors", every=None, every_batches=3)
    >>> _ = train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=2, callbacks=[keep])
    >>> meta = train.load("part.safetensors").meta
    >>> meta["epoch"], meta["batch"]
    (2, 2)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str | None = None,
        every: int | None = 1,
        every_batches: int | None = None,
        every_seconds: float | None = None,
    ) -> None:
        if every is not None and every < 1:
            raise ValueError(f"SaveCheckpoint: every must be at least 1 epoch, got {every}")
        if every_batches is not None and every_batches < 1:
            raise ValueError(f"SaveCheckpoint: every_batches must be at least 1 batch, got {every_batches}")
        if every_seconds is not None and not every_seconds > 0:
            raise ValueError(f"SaveCheckpoint: every_seconds must be positive, got {every_seconds}")
        self.path = Path(path)
        self.monitor = monitor
        self.every = every
        self.every_batches = every_batches
        self.every_seconds = every_seconds
        self.saved: Path | None = None
        self._best: float | None = None
        self._batches = self._seen = 0
        self._since = 0.0

    def on_train_start(self, run: Run) -> None:
        """Forget an earlier training's best value, and start counting from here."""
        self._best = None
        self._batches = self._seen = 0
        self._since = time.monotonic()
        in_between = self.every_batches is not None or self.every_seconds is not None
        if in_between and not hasattr(run.loader, "batches_left"):
            raise ValueError(
                f"SaveCheckpoint: a {type(run.loader).__name__} does not say where it stands in an epoch, and training "
                f"could not go on there; pass a DataLoader, or save by epochs alone"
            )

    def next_step(self, run: Run) -> int | None:
        """Return the step by which `every_batches` will have passed, or the very next one if `every_seconds` have."""
        self._count(run)
        if self._is_due():
            return run.step + 1
        return None if self.every_batches is None else run.step + self.every_batches - self._batches

    def on_batch_end(self, run: Run) -> None:
        """Save, if due; after an epoch's last batch, wait for the epoch's end."""
        self._count(run)
        if self._is_due() and not run.ends_epoch:
            self._save(run, {"epoch": run.epoch, "batch": run.batch, "loss": run.batch_loss})

    def on_epoch_end(self, run: Run) -> None:
        """Save, if this epoch is due."""
        self._count(run)
        self._seen = 0
        row = run.history.last
        if self.monitor is not None:
            value = monitored("SaveCheckpoint", self.monitor, row)
            due = is_better(self.monitor, value, self._best)
            self._best = value if due else self._best
        else:
            due = self.every is not None and run.epoch % self.every == 0
        if due or self._is_due():
            self._save(run, row)

    def write(self, path: Path, run: Run, **meta: Any) -> None:
        """Write the file."""
        loader = run.loader if hasattr(run.loader, "state_dict") else None
        save(path, run.model, run.optimizer, loader, scheduler=run.scheduler, history=run.history, **meta)

    def not_written(self, error: Exception) -> None:
        """Warn that a checkpoint could not be written; training continues, and the previous one is kept."""
        warnings.warn(f"SaveCheckpoint: {error} The training goes on", CheckpointWarning, stacklevel=2)

    def _count(self, run: Run) -> None:
        self._batches += run.batch - self._seen
        self._seen = run.batch

    def _is_due(self) -> bool:
        by_batches = self.every_batches is not None and self._batches >= self.every_batches
        return by_batches or (self.every_seconds is not None and time.monotonic() - self._since >= self.every_seconds)

    def _save(self, run: Run, meta: Row) -> None:
        path = self.path.with_name(self.path.name.replace("{epoch}", str(run.epoch)))
        self._batches, self._since = 0, time.monotonic()
        try:
            self.write(path, run, **meta, rows=run.history.rows)
        except ModelFileError as error:
            if not isinstance(error.__cause__, OSError) or (isinstance(error, ModelFileMissing) and self.saved is None):
                raise  # not a full disk but an invalid request
            self.not_written(error)
        else:
            self.saved = path


def monitored(who: str, monitor: str, row: Row) -> float:
    """Return a row's value in a column; a KeyError that lists the columns."""
    if monitor not in row:
        hint = "; pass validation=… to fit" if monitor.startswith("val_") and "val_loss" not in row else ""
        raise KeyError(f"{who}: there is no column {monitor!r} to monitor, only {sorted(row)}{hint}")
    return float(row[monitor])
