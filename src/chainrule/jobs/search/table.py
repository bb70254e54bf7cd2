"""The search for the settings of a network on a table."""

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from chainrule.data import Data
from chainrule.jobs.search.halving import Trial, halve
from chainrule.jobs.search.settings import draw
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.table import TableJob
from chainrule.train import NonFiniteError
from chainrule.train.saved.recipe import Recipe


def searched(job: TableJob, options: Options, say: Callable[[str], None]) -> TableJob:
    """Return the job with the best of `options.search` settings, which differ in what the options leave open."""
    tried = search(job, options.search or 0, options.given().keys() - {"search"}, say=say)
    best = tried[0].recipe
    found = TableJob(job.data, replace(best, epochs=job.epochs))
    found.tried = tried
    found.settled = {
        "hidden": ",".join(map(str, best.hidden)),
        "epochs": str(job.epochs),
        **{name: f"{getattr(best, name):g}" for name in ("batch_size", "lr", "dropout", "weight_decay")},
    }
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in found.settled.items())
    say(f"the best of {len(tried)} settings: {words}")
    return found


def search(
    job: TableJob, count: int, fixed: Collection[str] = (), jobs: int | None = None, say: Callable[[str], None] = print
) -> list[Trial]:
    """Try `count` settings on the training part of a job, which is split once more, and return them, the best first.

    The job's recipe is one of them; what is `fixed` stays as it is there. The recipe's seed fixes the settings and
    every training. `jobs` trainings run at once (:func:`in_parallel`).

    >>> from chainrule.data import load
    >>> job = TableJob(load("iris"), Recipe((4,), epochs=2))
    >>> len(search(job, 2, jobs=1, say=lambda line: None))
    2
    """
    data = _training(job)
    return halve(trial, data, draw(job.recipe, count, fixed), job.epochs, jobs, say)


def trial(data: Data, place: int, recipe: Recipe, epochs: int) -> Trial:
    """Train with a recipe on one part of the data, and measure the loss on the other."""
    job = TableJob(data, replace(recipe, epochs=epochs))
    try:
        loss = float(job.train().last["val_loss"])
    except NonFiniteError:
        loss = np.inf
    return Trial(place, recipe, epochs, loss if np.isfinite(loss) else np.inf)


def _training(job: TableJob) -> Data:
    """The rows that a job trains on, as they were read."""
    kept = np.setdiff1d(np.arange(len(job.data.x)), job.held_out_rows)
    return replace(job.data, x=job.data.x[kept], y=job.data.y[kept])
