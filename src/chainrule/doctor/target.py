"""What the command line examines: a network in a file, or the one that `chainrule train` would train."""

from collections.abc import Mapping
from typing import Any

import numpy as np

PARTS = ("model", "loss", "batches", "optimizer")


def patient_of(
    target: str, data: str | None = None, column: str | None = None, task: str = "auto"
) -> tuple[Any, Any, Any, Any]:
    """Return model, loss, batches and optimiser (or None).

    `FILE.py:NAME` and `module:NAME` name a dict or a tuple of them, or a function without arguments that returns one;
    `MODEL.safetensors` is a network that `chainrule train` wrote, on `data`, whose columns it finds by their names;
    anything else is a data set, a name or a file, for which the network of `chainrule train` is made. `column` is the
    target's, and `task` what is made of it.

    Raises ValueError for what is none of these, and where data do not fit the network.
    """
    if target.endswith(".safetensors"):
        return _trained(target, data, column, task)
    if data is not None:
        raise ValueError(f"--data goes with a model that `chainrule train` wrote, got {target}; leave it out")
    if ":" in target:
        return _of_file(target)
    from chainrule.data import load
    from chainrule.train.job import Job
    from chainrule.train.recipe import Recipe

    job = Job(load(target, column, task), Recipe())
    return job.model, job.loss, job.loader, job.optimizer


def _trained(path: str, data: str | None, column: str | None, task: str) -> tuple[Any, Any, Any, Any]:
    from chainrule.data import DataLoader
    from chainrule.optim import AdamW
    from chainrule.train.predictor import Predictor

    predictor = Predictor.load(path)
    if data is None:
        raise ValueError(f"{path}: a model needs data: add --data with the name or file that it was trained on")
    recipe = predictor.description.recipe
    x, y = predictor.inputs(predictor.read(data, column, task))
    parts = (x.astype(np.float32), y if y.ndim == 1 else y.astype(np.float32))
    loader = DataLoader(parts, recipe.batch_size, shuffle=True, seed=recipe.seed)
    optimizer = AdamW(predictor.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    return predictor.model.train(), predictor.loss, loader, optimizer


def _of_file(target: str) -> tuple[Any, Any, Any, Any]:
    from chainrule.check.from_file import find, load_name

    found = find(*load_name(target))
    if callable(found):
        found = found()
    if isinstance(found, Mapping):
        found = tuple(found.get(part) for part in PARTS)
    if not isinstance(found, tuple | list) or not 3 <= len(found) <= 4 or any(part is None for part in found[:3]):
        raise ValueError(
            f"{target}: expected (model, loss, batches) or (model, loss, batches, optimizer), a dict with these keys, "
            f"or a function that returns one; got {type(found).__name__}"
        )
    model, loss, batches, *rest = found
    return model, loss, batches, rest[0] if rest else None
