"""The training loop."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np

from chainrule.data.loader import Rows
from chainrule.data.streams import Streamed
from chainrule.nn.mode import in_mode
from chainrule.optim.lr_scheduler import ReduceLROnPlateau

from .alone import Alone
from .batches import batches, check_set
from .callbacks import Callback, Run, monitored
from .evaluation import Norms, Score
from .history import History, Row
from .interrupt import WholeSteps
from .step import NonFiniteError, TrainingStep
from .throughput import flow_of_data
from .whole import free_steps, is_possible

__all__ = ["NonFiniteError", "fit"]


def fit(
    model: Any,
    loss: Any,
    optimizer: Any,
    loader: Any,
    epochs: int = 10,
    validation: Any = None,
    callbacks: Sequence[Callback] = (),
    clip_norm: float | None = None,
    scheduler: Any = None,
    schedule_by: Literal["epoch", "batch"] = "epoch",
    history: History | None = None,
    accumulate: int = 1,
    compile: bool | Literal["auto"] = "auto",
    parallel: Alone | None = None,
) -> History:
    """Train a model, and return its history, one row per epoch.

    - `loss(output, y)` gives one number, the mean over the batch (or a sum, if its `reduction` says so).
    - `loader` is a DataLoader or another iterable of batches (x, y), iterated once in each epoch. Floating data are
      converted to the dtype of the model's parameters.
    - `validation` is measured after each epoch by `evaluate`, which documents the accepted forms.
    - `clip_norm` bounds the norm of each step's gradient (`optim.clip_grad_norm_`).
    - `scheduler` is stepped after each epoch or, with `schedule_by="batch"`, after each batch, as is usual for
    `OneCycleLR` and `LinearWarmup`. `ReduceLROnPlateau` gets the validation loss, or without validation the training
    loss; with `mode="max"` the accuracy; by batches, the batch's loss.
    - `accumulate` batches make one step: their gradients are summed, weighted by their numbers of samples, so that the
    step equals that of one large batch (batch normalisation still sees each batch separately). Batches left over at the
    end of an epoch make a smaller step. A `schedule_by="batch"` counts steps.
    - `history` is filled while the training runs; pass an earlier run's to continue its rows and its count of epochs.
    `epochs` is how many to run now. A loader restored by `load` begins with the rest of its epoch.

    - `compile`: with "auto", each step is one compiled program (`chainrule.compile`) if the model can be captured,
      unless the run is so short that compiling would cost more than it saves, by an estimate from the model, the first
      batch and the number of steps; `history.compiled` says which it was and why. The decision is kept in the
      `history`, even if that is saved, loaded and passed again: a resumed run gives the same numbers as an
      uninterrupted one, or raises CaptureError if its steps were compiled and cannot be here. True always compiles, or
      raises CaptureError; False never does. Both agree up to rounding. Steps of several batches are never compiled.
    - `parallel`: a `chainrule.distributed.DataParallel`, with which several processes each take a share of every batch.

    A row has `epoch`, `loss` (the mean over the epoch's samples, as they were trained on), `accuracy` if the targets
    are class indices, `val_loss` and `val_accuracy`, `grad_norm` and `grad_norm_max` (mean and maximum over the steps,
    before clipping), `lr` (of the first group, in the epoch's last step) and `seconds`. With a stream
    (`data.stream`) it also has `rows_per_second` of its training, `waited`, the seconds of it that were spent waiting
    for data, and `peak_memory` of the process so far, in bytes.

    The model is trained in training mode, validated in evaluation mode, and returned to its previous mode.

    Where each step is one call of machine code, the data lie in memory and nothing asks for every single step (a
    callback's `on_batch_end` without `next_step`, a schedule by batches), steps are taken many at a time, to the same
    numbers (docs/compile.md).

    Ctrl-C: the current step is finished (and the epoch, if it is the last step of a DataLoader's epoch), then
    KeyboardInterrupt is raised. What is saved then resumes bit for bit, and the rows so far are in `history`, if you
    passed one. A second Ctrl-C does not wait.

    Raises DataError, before the first step, for data in memory that are not finite or labels out of range, else for
    the first such batch; NonFiniteError if the loss or a gradient is not finite, naming epoch, batch and parameter;
    ValueError if the loader gives no batch, or the optimiser has none of the model's parameters;
    TypeError for a model of PyTorch's names, and for what is no optimiser.

    >>> import chainrule as cr
    >>> from chainrule import data, nn, optim
    >>> cr.seed(0)
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    >>> loader = data.DataLoader((x, np.array([0, 1, 1, 0])), batch_size=4)
    >>> history = fit(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05), loader, epochs=100)
    >>> history.last["epoch"], history.last["accuracy"]
    (100, 1.0)
    """
    if epochs < 0:
        raise ValueError(f"fit: epochs must not be negative, got {epochs}")
    if schedule_by not in ("epoch", "batch"):
        raise ValueError(f"fit: schedule_by must be 'epoch' or 'batch', got {schedule_by!r}")
    if not any(compile is mode for mode in (True, False)) and compile != "auto":
        raise ValueError(f"fit: compile must be True, False or 'auto', got {compile!r}")
    if accumulate < 1:
        raise ValueError(f"fit: accumulate must be at least 1 batch, got {accumulate}")
    _check_trainable(model, optimizer)
    parallel = Alone() if parallel is None else parallel
    run = Run(model, loss, optimizer, loader, scheduler, History() if history is None else history, epochs)
    first = run.history.last["epoch"] + 1 if len(run.history) else 1
    run.history.interrupted, run.history.stopped = True, None
    interrupts = WholeSteps()
    trainer = _Trainer(run, callbacks, scheduler if schedule_by == "batch" else None, parallel)
    with parallel.training(run, interrupts), interrupts.watching(), in_mode(model, training=True), trainer.closing():
        trainer.training_step = TrainingStep(run, clip_norm, check_set(model, loss, loader), compile, parallel)
        trainer.tell("on_train_start")
        for epoch in range(first, first + epochs):
            run.epoch = epoch
            run.history.rows.append(_epoch(trainer, validation, accumulate))
            trainer.tell("on_epoch_end")
            parallel.after_epoch()
            if run.stopping:
                break
        trainer.tell("on_train_end")
    run.history.interrupted = False
    return run.history


def _check_trainable(model: Any, optimizer: Any) -> None:
    """Raise an error for another library's model, what is no optimiser, and one that would not move the model."""
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            f"fit: optimizer: expected an optimiser, such as optim.Adam(model.parameters()), got "
            f"{type(optimizer).__name__}"
        )
    if not hasattr(model, "parameters"):
        return
    if any(not isinstance(p.dtype, np.dtype) for p in model.parameters()):
        raise TypeError(
            f"fit: model: expected a module of chainrule.nn, got {type(model).__name__} with PyTorch's parameters; "
            f"write PyTorch's loop, whose step chainrule.torch.compile can take, or build the model of chainrule.nn"
        )
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = [p for p in model.parameters() if p.requires_grad]
    if own and trained.isdisjoint(map(id, own)):
        raise ValueError(
            "fit: optimizer: it has none of the model's parameters, so the model would not learn; make it of "
            "model.parameters(), after the last change of the model's layers"
        )


def _epoch(trainer: "_Trainer", validation: Any, accumulate: int) -> Row:
    """Train for one epoch, validate, and return the epoch's row."""
    run, started = trainer.run, time.perf_counter()
    run.model.train()
    score = Score(run.loss)
    run.batch = 0
    norms = Norms()
    part = run.history.running(partial(_part, run, score, norms)) if type(trainer.parallel) is Alone else None
    begin = getattr(run.loader, "first_batch", 0)
    if part is not None and begin and (part["epoch"], part["batch"]) == (run.epoch, begin):
        score.set_sums(part["samples"], part["total"], part["labels"], part["right"])
        norms.go_on(part["norms"], part["norm"], part["norm_max"])
    rows = run.loader.rows() if accumulate == 1 and trainer.is_whole else None
    waited = getattr(run.loader, "waited", 0.0)
    if rows is None:
        lr = _by_batches(trainer, accumulate, score, norms)
    else:
        with closing(rows):
            lr = _in_slices(trainer, rows, score, norms)
    seconds = time.perf_counter() - started
    run.history.running(None)
    if not norms.count:
        raise ValueError(
            f"fit: the loader gave no batch in epoch {run.epoch}; a generator can be read only once: pass a "
            f"DataLoader or a list of batches"
        )
    row: Row = {"epoch": run.epoch, **trainer.parallel.means(score)}
    if validation is not None:
        measured = trainer.parallel.evaluate(run.model, run.loss, validation)
        row |= {f"val_{name}": measured[name] for name in ("loss", "accuracy") if name in measured}
    if trainer.step_scheduler is None:
        _advance(run.scheduler, row)
    norms_of_epoch = {"grad_norm": norms.total / norms.count, "grad_norm_max": norms.largest}
    row |= norms_of_epoch | {"lr": lr, "seconds": time.perf_counter() - started}
    run.flow = flow_of_data(score.samples, seconds, getattr(run.loader, "waited", 0.0) - waited)
    if isinstance(getattr(run.loader, "dataset", None), Streamed):
        row |= run.flow
    return trainer.parallel.agreed(row)


def _part(run: Run, score: Score, norms: Norms) -> Row:
    """Return what an epoch has added up so far, for a run that is resumed in its middle."""
    sums = dict(zip(("samples", "total", "labels", "right"), score.sums(), strict=True))
    gradients = {"norms": norms.count, "norm": norms.total, "norm_max": norms.largest}
    batch = run.loader.state_dict().get("batch", 0) if hasattr(run.loader, "state_dict") else 0
    return {"epoch": run.epoch, "batch": batch, **sums, **gradients}


def _by_batches(trainer: "_Trainer", accumulate: int, score: Score, norms: Norms) -> float:
    """Take the steps of an epoch; return the learning rate of the last one."""
    run = trainer.run
    lr: float = run.optimizer.param_groups[0]["lr"]
    stream = trainer.parallel.shares(run.loader)
    while group := list(islice(stream, accumulate)):
        lr = run.optimizer.param_groups[0]["lr"]
        trainer.training_step.take(group, score)
        run.history.compiled = trainer.training_step.says
        _advance(trainer.step_scheduler, {"loss": run.batch_loss})
        norms.append(run.grad_norm)
        # A group that is not full has made the loader begin its next epoch.
        run.ends_epoch = len(group) < accumulate or not getattr(run.loader, "batches_left", True)
        trainer.tell("on_batch_end")
        # After an epoch's last batch wait for its end: a loader restored in between would be empty.
        if not run.ends_epoch:
            trainer.parallel.safe_point()
    return lr


def _in_slices(trainer: "_Trainer", rows: Rows, score: Score, norms: Norms) -> float:
    """Do the same as `_by_batches`, with as many steps at once as machine code can take and callbacks allow."""
    run, step = trainer.run, trainer.training_step
    lr: float = run.optimizer.param_groups[0]["lr"]
    while rows.left:
        rows.ready()
        lr = run.optimizer.param_groups[0]["lr"]
        free = free_steps(run, trainer.callbacks)
        if not step.take_several(rows, score, norms, free) or step.has_failed:
            step.take(list(batches([rows.fetch()], "fit")), score)
            norms.append(run.grad_norm)
            run.history.compiled = step.says
            run.ends_epoch = not rows.left
            trainer.tell("on_batch_end")
        if rows.left:
            trainer.parallel.safe_point()
    return lr


class _Trainer:
    """Takes the steps of a run, and notifies its callbacks."""

    def __init__(self, run: Run, callbacks: Iterable[Callback], step_scheduler: Any, parallel: Alone) -> None:
        self.run = run
        self.parallel = parallel
        self.callbacks = [c for c in callbacks if parallel.leads or getattr(c, "every_rank", False)]
        self.step_scheduler = step_scheduler
        self.training_step: TrainingStep
        self.is_whole = step_scheduler is None and is_possible(run, self.callbacks, parallel)
        """Whether nobody asks for every single step."""

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Let every callback close what it has open, however the block ends."""
        try:
            yield
        finally:
            self.tell("on_close")

    def tell(self, event: str) -> None:
        """Call one method of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self.run)


def _advance(scheduler: Any, row: Row) -> None:
    """Step a scheduler, if there is one, with the measure that it takes."""
    if isinstance(scheduler, ReduceLROnPlateau):
        measure = "accuracy" if scheduler.mode == "max" else "loss"
        scheduler.step(monitored("ReduceLROnPlateau", f"val_{measure}" if "val_loss" in row else measure, row))
    elif scheduler is not None:
        scheduler.step()
