"""Callbacks that report a training run: to a CSV file, to TensorBoard, on the screen."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.base.optional import needed

from .callbacks import Callback, Run
from .event_file import EventFile
from .history import Row


class CSVLog(Callback):
    """Writes the history to a CSV file, one row per epoch, rewritten after every epoch.

    The file is replaced atomically, so it can be read at any time, and a run resumed with an earlier history has that
    history's rows as well. A column that a row lacks is empty there.

    >>> import numpy as np
    >>> from chainrule import nn, optim, train
    >>> model = nn.Linear(2, 2)
    >>> data = [(np.eye(2), np.array([0, 1]))]
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> _ = train.fit(model, nn.CrossEntropyLoss(), optimizer, data, 2, callbacks=[train.CSVLog("log.csv")])
    >>> Path("log.csv").read_text().splitlines()[0]
    'epoch,loss,accuracy,grad_norm,grad_norm_max,lr,seconds'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, run: Run) -> None:
        """Replace the file."""
        text = io.StringIO()
        writer = csv.DictWriter(text, run.history.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(run.history)
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(text.getvalue(), encoding="utf-8")
        part.replace(self.path)


class TensorBoard(Callback):
    """Writes the numbers of each epoch's row into a new event file in `folder`, for `tensorboard --logdir`.

    With `batches`, the loss and the gradient's norm of every step are written as well, as `batch/loss` and
    `batch/grad_norm`; their steps count on over the epochs. TensorBoard need not be installed.
    """

    def __init__(self, folder: str | os.PathLike[str], batches: bool = False) -> None:
        self.folder = Path(folder)
        self.batches = batches
        self.file: EventFile | None = None
        self._steps = 0

    def _write(self, step: int, values: Row) -> None:
        if self.file is None:
            self.file = EventFile(self.folder)
        self.file.write(step, values)

    def next_step(self, run: Run) -> int | None:
        """Return the very next step, if the numbers of every step are wanted."""
        return run.step + 1 if self.batches else None

    def on_batch_end(self, run: Run) -> None:
        """Write the step's numbers, if they are wanted."""
        self._steps += 1
        if self.batches:
            self._write(self._steps, {"batch/loss": run.batch_loss, "batch/grad_norm": run.grad_norm})

    def on_epoch_end(self, run: Run) -> None:
        """Write the row's numbers."""
        numbers = {key: value for key, value in run.history.last.items() if isinstance(value, int | float)}
        self._write(run.epoch, {key: value for key, value in numbers.items() if key != "epoch"})

    def on_close(self, run: Run) -> None:  # noqa: ARG002
        """Close the file; the next run begins another one."""
        if self.file is not None:
            self.file.close()
            self.file = None


class ProgressBar(Callback):
    """Shows a progress bar over the epochs, with the last epoch's figures. Needs rich, from the extra `app`.

    `console` is the `rich.console.Console` to draw on, by default on standard output; `words` says what to write for
    "epoch", "loss", "val loss", "accuracy" and "val accuracy".
    """

    def __init__(self, console: Any = None, words: Mapping[str, str] | None = None) -> None:
        self.console = console
        self.words = dict(words or {})
        self._progress: Any = None
        self._task: Any = None

    def on_train_start(self, run: Run) -> None:
        """Start the bar where the history ends."""
        progress = needed("rich.progress", "ProgressBar", "pip install 'chainrule[app]'")
        columns = (
            progress.TextColumn(f"{self.words.get('epoch', 'epoch')} {{task.completed}}/{{task.total}}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[figures]}"),
            progress.TimeElapsedColumn(),
        )
        self._progress = progress.Progress(*columns, console=self.console)
        done = len(run.history)
        self._task = self._progress.add_task("", total=done + run.epochs, completed=done, figures="")
        self._progress.start()

    def on_epoch_end(self, run: Run) -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=1, figures=figures(run.history.last, self.words))

    def on_close(self, run: Run) -> None:  # noqa: ARG002
        """Leave the bar as it is and release the screen."""
        if self._progress is not None:
            self._progress.stop()


def figures(row: Row, words: Mapping[str, str] | None = None) -> str:
    """Format the losses and the best known accuracy of a row.

    >>> figures({"epoch": 1, "loss": 0.25, "val_loss": 0.5, "val_accuracy": 0.75})
    'loss 0.2500  val loss 0.5000  val accuracy 75.00 %'
    """

    def word(name: str) -> str:
        english = name.replace("_", " ")
        return (words or {}).get(english, english)

    parts = [f"{word(name)} {row[name]:.4f}" for name in ("loss", "val_loss") if name in row]
    accuracy = next((name for name in ("val_accuracy", "accuracy") if name in row), None)
    if accuracy is not None:
        parts.append(f"{word(accuracy)} {100 * row[accuracy]:.2f} %")
    return "  ".join(parts)
