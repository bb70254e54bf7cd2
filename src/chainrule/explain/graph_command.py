"""What the command line draws: a function or model in a file, or a network that `chainrule train` wrote."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.from_file import Inputs, find, load_name, shapes_of
from chainrule.core.tensor import Tensor
from chainrule.data import Data, Standardizer, load
from chainrule.nn import CrossEntropyLoss, Module, MSELoss
from chainrule.train.job import Predictor

from .criterion import criterion
from .graph import Graph, graph


@dataclass(frozen=True)
class Options:
    """The options of `chainrule graph`."""

    data: str | None = None
    samples: int = 8
    shapes: tuple[str, ...] = ()
    seed: int = 0
    fold: bool = True
    lang: str = "en"
    loss: str | None = None
    target: str | None = None


def graph_of(target: str, options: Options) -> Graph:
    """Return the graph of what `FILE.py:NAME`, `module:NAME` or `MODEL.safetensors` stands for.

    A function takes its inputs from `shapes`, its annotations or its file, as in `chainrule check`; a model takes the
    first `samples` rows of the data set, standardised, with cross-entropy for classes and the mean squared error for
    numbers. A tensor is drawn as it is.

    Raises ValueError where the target is not to be found, or nothing says what its inputs are.
    """
    if target.endswith(".safetensors"):
        return _of_model(target, *_trained(target), options)
    module, name = load_name(target)
    found = find(module, name)
    made = found() if isinstance(found, type) and issubclass(found, Module) else found
    if isinstance(made, Tensor):
        return graph(made, fold=options.fold, lang=options.lang)
    if isinstance(made, Module) and options.data is not None:
        return _of_model(target, made, None, options)
    try:
        args = Inputs(module, name, shapes_of(options.shapes), options.seed).of(made)
    except ValueError as error:
        data = "; a model can take a data set: --data iris" if isinstance(made, Module) else ""
        raise ValueError(f"{error}{data}") from error
    loss, goal = criterion(module, options.loss, options.target, options.seed)
    return graph(made, *args, loss=loss, target=goal, fold=options.fold, lang=options.lang)


def _trained(path: str) -> tuple[Module, Predictor]:
    predictor = Predictor.load(path)
    return predictor.model, predictor


def _of_model(target: str, model: Module, predictor: Predictor | None, options: Options) -> Graph:
    if options.data is None:
        raise ValueError(f"{target}: a model needs data: add --data with the name or file that it was trained on")
    if options.samples < 1:
        raise ValueError(f"--samples: expected at least 1, got {options.samples}")
    data = load(options.data, task="auto" if predictor is None else predictor.meta["task"])
    x, y, loss = _prepared(data, predictor, options.samples)
    return graph(model, x, loss=loss, target=y, fold=options.fold, lang=options.lang)


def _prepared(data: Data, predictor: Predictor | None, samples: int) -> tuple[Any, Any, Any]:
    meta = {} if predictor is None else predictor.meta
    if predictor is not None and len(meta["feature_names"]) != data.x.shape[1]:
        raise ValueError(
            f"--data: {data.name} has {data.x.shape[1]} features, the model was trained on {len(meta['feature_names'])}"
        )
    scaling = Standardizer.from_dict(meta["scaling"]) if meta else Standardizer.fit(data.x)
    x = scaling.transform(data.x[:samples])
    if data.task == "classification":
        return x, data.y[:samples], CrossEntropyLoss()
    of_target = Standardizer.from_dict(meta["target_scaling"]) if meta else Standardizer.fit(data.y)
    return x, np.asarray(of_target.transform(data.y[:samples]))[:, None], MSELoss()
