"""What the processes of the tests do: `mpiexec -n 2 python ranks.py FOLDER TASK…` writes a file for each task and rank.

A test calls the same tasks by itself for what one process makes of them.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, stream
from chainrule.train import Callback, EarlyStopping, History, NonFiniteError, fit, load, save

TASKS = {}


def task(f):
    TASKS[f.__name__] = f
    return f


def points(samples=45):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def rank_of(parallel):
    return 0 if parallel is None else parallel.rank


class Training:
    """A training run in float64; each rank begins with other weights, which rank 0's replace."""

    def __init__(self, parallel, extra=(), batch_size=11, reduction="mean", dtype=np.float64, **options):
        cr.seed(7 + rank_of(parallel))
        first, last = nn.Linear(4, 6, dtype=dtype), nn.Linear(6, 2, dtype=dtype)
        self.model = nn.Sequential(first, *extra, nn.Tanh(), last)
        self.loss = nn.CrossEntropyLoss(reduction=reduction)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=0.02)
        self.scheduler = optim.lr_scheduler.StepLR(self.optimizer, 2, gamma=0.5)
        self.loader = DataLoader(points(), batch_size, shuffle=True, seed=1)
        self.parallel, self.options, self.history = parallel, {"compile": False, "clip_norm": 0.3, **options}, History()

    def fit(self, epochs=3, callbacks=(), loader=None, validation=None):
        fit(
            self.model,
            self.loss,
            self.optimizer,
            self.loader if loader is None else loader,
            epochs - len(self.history),
            validation=points(30) if validation is None else validation,
            scheduler=self.scheduler,
            history=self.history,
            callbacks=callbacks,
            parallel=self.parallel,
            **self.options,
        )
        return self.found()

    def found(self):
        state = self.model.state_dict()
        of_the_machine = {"seconds", "rows_per_second", "waited", "peak_memory"}
        rows = [{k: v for k, v in row.items() if k not in of_the_machine} for row in self.history]
        return {"state": {k: v.tolist() for k, v in state.items()}, "rows": rows}


@task
def plain(parallel):
    return Training(parallel).fit()


@task
def compiled(parallel):
    return Training(parallel, compile=True).fit()


@task
def several_batches(parallel):
    return Training(parallel, accumulate=3).fit()


@task
def sums(parallel):
    return Training(parallel, reduction="sum").fit()


@task
def fewer_samples_than_ranks(parallel):
    return Training(parallel, batch_size=1, compile=True).fit(2)


@task
def a_list_of_batches(parallel):
    x, y = points()
    return Training(parallel).fit(loader=[(x[:7], y[:7]), (x[7:8], y[7:8]), (x[8:], y[8:])])


@task
def a_stream(parallel):
    with TemporaryDirectory() as folder:
        x, y = points(700)
        np.savez(Path(folder, "t.npz"), x=x, y=y)
        data = stream(Path(folder, "t.npz"), held_out=0.2, memory=1 << 16, parallel=parallel)
        loader = DataLoader(data, 64, shuffle=True, seed=1)
        return Training(parallel, compile=True).fit(loader=loader, validation=DataLoader(data.held_out, 50))


@task
def frozen_and_unused(parallel):
    cr.seed(7 + rank_of(parallel))
    training = Training(parallel, extra=[nn.Linear(6, 6, dtype=np.float64)])
    training.model[0].weight.requires_grad_(False)
    training.model[1].unused = nn.Parameter(np.ones(3))
    return training.fit()


@task
def single_precision(parallel):
    return Training(parallel, dtype=np.float32).fit()


@task
def early_stopping(parallel):
    training = Training(parallel)
    stopping = EarlyStopping(patience=1, monitor="val_accuracy")
    return training.fit(20, [stopping]) | {"best": stopping.best, "stopped": training.history.stopped}


@task
def dropout_and_batch_norm(parallel):
    extra = [nn.BatchNorm1d(6, dtype=np.float64), nn.Dropout(0.3)]
    return Training(parallel, extra, batch_size=15, compile=True).fit()


class Watch(Callback):
    def __init__(self, at, act):
        self.at, self.act = at, act

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == self.at:
            self.act(run)


class WatchEverywhere(Watch):
    every_rank = True


@task
def only_rank_0_calls_back(parallel):
    calls = []
    Training(parallel).fit(1, [Watch((1, 2), calls.append)])
    everywhere = []
    Training(parallel).fit(1, [WatchEverywhere((1, 2), everywhere.append)])
    return [len(calls), len(everywhere)]


def error_of(f, kind):
    try:
        f()
    except kind as error:
        return str(error)
    return "no error"


@task
def not_finite(parallel):
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 2)

        def forward(self, x):
            return np.log(self.inner(x) * 0 + x[:, :1] + 4)

    x = np.full((8, 4), 1.0)
    x[-1, 0] = -5.0  # of the last rank alone
    messages = []
    for mode in (False, True):
        model = Bad()
        args = (model, nn.MSELoss(), optim.SGD(model.parameters(), 0.1), [(x, np.zeros((8, 2)))])
        messages.append(error_of(lambda a=args, m=mode: fit(*a, parallel=parallel, compile=m), NonFiniteError))
    return messages


@task
def unlike_models(parallel):
    model = nn.Linear(4, 2 + parallel.rank)
    args = (model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), [points()])
    return error_of(lambda: fit(*args, parallel=parallel), ValueError)


@task
def changed_in_one_rank(parallel):
    def change(run):
        with cr.no_grad():
            run.model[0].weight.data = run.model[0].weight.numpy() * 2

    training = Training(parallel)
    return error_of(lambda: training.fit(callbacks=[Watch((1, 2), change)]), RuntimeError)


def state_of(training):
    return training.found() | {"loader": training.loader.state_dict()}


@task
def ctrl_c_in_one_rank(parallel):
    def press(run):
        if parallel.rank == parallel.size - 1:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))

    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, however the tests were started
    training = Training(parallel)
    error = error_of(lambda: training.fit(callbacks=[WatchEverywhere((2, 2), press)]), KeyboardInterrupt)
    at = training.loader.state_dict()
    return [error, at["epoch"], at["batch"], len(training.history)]


def stopped(parallel, folder, **options):
    """Train until the middle of epoch 2, where rank 0 saves."""
    training = Training(parallel, **options)

    def keep(run):
        save(
            folder / "checkpoint", run.model, run.optimizer, run.loader, scheduler=run.scheduler, rows=run.history.rows
        )

    training.fit(callbacks=[Watch((2, 3), keep)])
    return training.found()["state"]


def resumed(parallel, folder, **options):
    """Go on from the file; rank 0 alone reads it, but for the rows."""
    training = Training(parallel, **options)
    if rank_of(parallel) == 0:
        load(folder / "checkpoint", training.model, training.optimizer, training.loader, scheduler=training.scheduler)
    training.history = History(load(folder / "checkpoint").meta["rows"])
    return training.fit()["state"]


@task
def resuming_with_dropout(parallel, folder):
    options = {"extra": [nn.Dropout(0.3)]}
    whole = stopped(parallel, folder, **options)
    return [whole, resumed(parallel, folder, **options)]


@task
def save_in_the_middle(parallel, folder):
    return stopped(parallel, folder)


@task
def resume(parallel, folder):
    return resumed(parallel, folder)


# The end of one rank is the end of the job


def wait_for_ever(run):
    while True:
        time.sleep(1)


@task
def raises(parallel):
    def fail(run):
        raise LookupError("of one rank alone")

    callbacks = [WatchEverywhere((1, 3), fail)] if parallel.rank == 1 else []
    Training(parallel).fit(callbacks=callbacks)


@task
def raises_outside_of_fit(parallel):
    if parallel.rank == 1:
        raise LookupError("of one rank alone")
    Training(parallel).fit()


@task
def is_killed(parallel):
    kill = WatchEverywhere((1, 3), lambda run: os.kill(os.getpid(), signal.SIGKILL))
    Training(parallel).fit(callbacks=[kill] if parallel.rank == 1 else [])


@task
def hangs(parallel):
    Training(parallel).fit(callbacks=[WatchEverywhere((1, 3), wait_for_ever)] if parallel.rank == 1 else [])


@task
def data_are_wrong_in_all(parallel):
    x, y = points()
    model = nn.Linear(4, 2)
    args = (model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), DataLoader((x * np.inf, y)))
    return error_of(lambda: fit(*args, parallel=parallel), ValueError)


def main():
    from chainrule.distributed import DataParallel

    folder, names = Path(sys.argv[1]), sys.argv[2:]
    timeout = 2.0 if "hangs" in names else 600.0
    parallel = DataParallel(timeout=timeout)
    for name in names:
        args = (parallel, folder) if TASKS[name].__code__.co_argcount == 2 else (parallel,)
        found = TASKS[name](*args)
        (folder / f"{name}.{parallel.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
