"""What the command line examines: a network in a file, or the one that `chainrule train` would train."""

from collections.abc import Mapping
from typing import Any

PARTS = ("model", "loss", "batches", "optimizer")


def patient_of(target: str) -> tuple[Any, Any, Any, Any]:
    """Return model, loss, batches and optimiser (or None).

    `FILE.py:NAME` and `module:NAME` name a dict or a tuple of them, or a function without arguments that returns one;
    anything else is a data set, a name or a file, for which the network of `chainrule train` is made.

    Raises ValueError for what is none of these.
    """
    if ":" in target:
        return _of_file(target)
    from chainrule.data import load
    from chainrule.train.job import Job, Recipe

    job = Job(load(target), Recipe())
    return job.model, job.loss, job.loader, job.optimizer


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
