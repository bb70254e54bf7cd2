"""The subject of `chainrule doctor`: a network in a file, or the one that `chainrule train` would train."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.doctor import Diagnosis
    from chainrule.jobs.targets import InputSource

PARTS = ("model", "loss", "batches", "optimizer")


def patient_of(target: str, source: "InputSource") -> tuple[Any, Any, Any, Any]:
    """Return model, loss, batches and optimiser (or None).

    `FILE.py:NAME` and `module:NAME` refer to a dict or a tuple of them, or to a function without arguments that returns
    one. They may also refer to a model alone if the source gives its loss, and its target unless the loss is a
    function of the output alone; the inputs then follow from the
    source's shapes or from the file. `MODEL.safetensors` is a network written by `chainrule train`, examined on the
    source's data, whose columns are matched by name. Anything else is a data set, by name or file, for which the
    network of `chainrule train` is created.

    Raises ValueError for any other target, and if the data do not fit the network.
    """
    if target.endswith(".safetensors"):
        return _trained(target, source)
    if source.data is not None:
        raise ValueError(f"--data goes with a model that `chainrule train` wrote, got {target}; leave it out")
    if ":" in target:
        return _of_file(target, source)
    if source.loss or source.shapes:
        raise ValueError(f"{target}: --loss and --shape are for a model in a file, as net.py:model")
    from chainrule.jobs.training.kinds import kind_of
    from chainrule.jobs.training.options import Options

    options = Options(target=source.target, task=None if source.task == "auto" else source.task)
    job = kind_of(target, options).build(target, options)
    return job.model, job.loss, job.loader, job.optimizer


def examined(target: str, source: "InputSource", **settings: Any) -> "Diagnosis":
    """Return the diagnosis of a target.

    Raises ValueError also if a model that was named alone, or its loss, raises an error at the arguments of the call.
    """
    from chainrule.doctor import doctor
    from chainrule.jobs.criterion import of_rows
    from chainrule.jobs.foreign import is_module, raised_by

    model, *rest = patient_of(target, source)
    is_ours = source.loss is not None and isinstance(rest[1], list) and not is_module(model)
    batch = rest[1][0] if is_ours else (None,)
    try:
        with of_rows(source.loss, source.target, batch[:-1], batch[-1]):
            return doctor(model, *rest, **settings)
    except Exception as error:
        if source.loss is None or str(error).startswith(("doctor: ", "--target ")):
            raise
        if is_module(model):
            raise raised_by(model, error) from error
        parts = _parts(model, rest[1])
        if not parts:
            raise
        raise ValueError(
            f"{target}: --loss {source.loss} cannot take what the model returns, {parts}; name a function of the file "
            f"that takes the part it needs  ({error})"
        ) from error


def _parts(model: Any, batches: Any) -> str:
    """Describe what a model returns if it is not one array; an empty string if it is, or if the model raises."""
    from chainrule.core.tensor import Tensor
    from chainrule.core.transforms.derivatives import no_grad
    from chainrule.explain.derive.subject import described

    try:
        with no_grad():
            output = model(*batches[0][:-1])
    except Exception:  # the caller has the error that matters
        return ""
    return "" if isinstance(output, Tensor | np.ndarray) else described(output)


@dataclass(frozen=True)
class _OfOutput:
    """A loss that has no target, as one of an output and a target."""

    loss: Callable[[Any], Any]

    def __call__(self, output: Any, _: Any) -> Any:
        return self.loss(output)


def _trained(path: str, source: "InputSource") -> tuple[Any, Any, Any, Any]:
    from chainrule.data import DataLoader
    from chainrule.optim import AdamW
    from chainrule.train.saved.predictor import read_predictor

    predictor = read_predictor(path)
    if source.data is None:
        raise ValueError(f"{path}: a model needs data: add --data with the name or file that it was trained on")
    recipe = predictor.recipe
    x, y = predictor.examples(source.data, None, source.target, source.task)
    parts = (x if x.dtype.kind in "iu" else x.astype(np.float32), y if y.dtype.kind in "iu" else y.astype(np.float32))
    loader = DataLoader(parts, recipe.batch_size, shuffle=True, seed=recipe.seed)
    optimizer = AdamW(predictor.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    return predictor.model.train(), predictor.loss, loader, optimizer


def _of_file(target: str, source: "InputSource") -> tuple[Any, Any, Any, Any]:
    from chainrule.jobs.calling import made
    from chainrule.jobs.check_functions import Inputs, find, load_name, shapes_of
    from chainrule.jobs.criterion import LOSSES, criterion
    from chainrule.jobs.foreign import built, instance, is_module, loss_of_torch
    from chainrule.nn import Module

    module, name = load_name(target)
    found = find(module, name)
    if source.loss is not None or source.target is not None or isinstance(found, Module) or is_module(found):
        model = built(instance(found, Module), Module)
        chosen, y = criterion(module, source.loss, source.target, source.seed)
        if chosen is None or (y is None and source.loss in LOSSES):
            raise ValueError(f"{target}: a model alone needs its loss and target: add --loss mse --target y")
        if is_module(model):
            chosen = loss_of_torch(chosen)
        if y is None:  # a loss of the output alone
            chosen, y = _OfOutput(chosen), 0.0
        return model, chosen, [(*Inputs(module, name, shapes_of(source.shapes), source.seed).of(model), y)], None
    if callable(found):
        found = made(found, "a function without arguments, which returns (model, loss, batches)")
    if isinstance(found, Mapping):
        found = tuple(found.get(part) for part in PARTS)
    if not isinstance(found, tuple | list) or not 3 <= len(found) <= 4 or any(part is None for part in found[:3]):
        raise ValueError(
            f"{target}: expected (model, loss, batches) or (model, loss, batches, optimizer), a dict with these keys, "
            f"or a function that returns one; got {type(found).__name__}"
        )
    model, loss, batches, *rest = found
    return model, loss, batches, rest[0] if rest else None
