"""What the command line examines: a network in a file, or the one that `chainrule train` would train."""

from collections.abc import Mapping, Sequence
from typing import Any

PARTS = ("model", "loss", "batches", "optimizer")


def patient_of(
    target: str, shapes: Sequence[str] = (), loss: str | None = None, goal: str | None = None, seed: int = 0
) -> tuple[Any, Any, Any, Any]:
    """Return model, loss, batches and optimiser (or None).

    `FILE.py:NAME` and `module:NAME` name a dict or a tuple of them, or a function without arguments that returns one.
    They may name a model alone, where `loss` and `goal` say its loss and target and `shapes`, or the file, its inputs.
    Anything else is a data set, a name or a file, for which the network of `chainrule train` is made.

    Raises ValueError for what is none of these.
    """
    if ":" in target:
        return _of_file(target, shapes, loss, goal, seed)
    if loss or goal or shapes:
        raise ValueError(f"{target}: --loss, --target and --shape are for a model in a file, as net.py:model")
    from chainrule.data import load
    from chainrule.train.job import Job, Recipe

    job = Job(load(target), Recipe())
    return job.model, job.loss, job.loader, job.optimizer


def _of_file(
    target: str, shapes: Sequence[str], loss_name: str | None, goal: str | None, seed: int
) -> tuple[Any, Any, Any, Any]:
    from chainrule.check.from_file import Inputs, find, load_name, shapes_of
    from chainrule.explain.criterion import criterion
    from chainrule.nn import Module

    module, name = load_name(target)
    found = find(module, name)
    if loss_name is not None or goal is not None or isinstance(found, Module):
        model = found() if isinstance(found, type) else found
        chosen, y = criterion(module, loss_name, goal, seed)
        if chosen is None or y is None:
            raise ValueError(f"{target}: a model alone needs its loss and target: add --loss mse --target y")
        return model, chosen, [(*Inputs(module, name, shapes_of(shapes), seed).of(model), y)], None
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
