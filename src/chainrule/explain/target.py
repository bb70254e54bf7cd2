"""What the command line explains: a function or model in a file, or a network that `chainrule train` wrote."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.from_file import Inputs, find, load_name, shapes_of
from chainrule.data import Standardizer, load
from chainrule.nn import CrossEntropyLoss, Module, MSELoss
from chainrule.train.job import Predictor

from .criterion import criterion


@dataclass(frozen=True)
class Call:
    """A call of `explain`: its subject and arguments, and for a model its loss and target."""

    subject: Any
    args: tuple[Any, ...]
    loss: Any = None
    target: Any = None


@dataclass(frozen=True)
class Source:
    """Where the inputs come from: a data set with so many of its rows, or shapes and a seed."""

    data: str | None = None
    samples: int = 2
    shapes: tuple[str, ...] = ()
    seed: int = 0
    loss: str | None = None
    target: str | None = None


def call_of(target: str, source: Source) -> Call:
    """Return what `FILE.py:NAME`, `module:NAME` or `MODEL.safetensors` stands for, with its inputs.

    A function takes its inputs from `shapes`, its annotations or its file, as in `chainrule check`; a model takes the
    first rows of the data set, standardised as in training, with cross-entropy for classes and the mean squared error
    for numbers.

    Raises ValueError where the target is not to be found, or nothing says what its inputs are.
    """
    if source.samples < 1:
        raise ValueError(f"--samples: expected at least 1, got {source.samples}")
    if target.endswith(".safetensors"):
        predictor = Predictor.load(target)
        return _on_data(target, predictor.model, predictor.meta, source)
    module, name = load_name(target)
    found = find(module, name)
    made = found() if isinstance(found, type) and issubclass(found, Module) else found
    if isinstance(made, Module) and source.data is not None:
        return _on_data(target, made, {}, source)
    try:
        args = Inputs(module, name, shapes_of(source.shapes), source.seed).of(made)
    except ValueError as error:
        hint = "; a model can take a data set: --data iris" if isinstance(made, Module) else ""
        raise ValueError(f"{error}{hint}") from error
    return Call(made, tuple(args), *criterion(module, source.loss, source.target, source.seed))


def _on_data(target: str, model: Module, meta: Any, source: Source) -> Call:
    if source.data is None:
        raise ValueError(f"{target}: a model needs data: add --data with the name or file that it was trained on")
    data = load(source.data, task=meta["task"] if meta else "auto")
    if meta and len(meta["feature_names"]) != data.x.shape[1]:
        raise ValueError(
            f"--data: {data.name} has {data.x.shape[1]} features, the model was trained on {len(meta['feature_names'])}"
        )
    scaling = Standardizer.from_dict(meta["scaling"]) if meta else Standardizer.fit(data.x)
    x, y = scaling.transform(data.x[: source.samples]), data.y[: source.samples]
    if data.task == "classification":
        return Call(model, (x,), CrossEntropyLoss(), y)
    of_target = Standardizer.from_dict(meta["target_scaling"]) if meta else Standardizer.fit(data.y)
    return Call(model, (x,), MSELoss(), np.asarray(of_target.transform(y))[:, None])
