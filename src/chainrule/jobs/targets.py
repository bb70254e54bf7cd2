"""The subject of `chainrule explain`: a function or model in a file, or a network written by `chainrule train`."""

from dataclasses import dataclass
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.data import Data, Standardizer, load
from chainrule.jobs.check_functions import Inputs, find, load_name, shapes_of
from chainrule.nn import CrossEntropyLoss, Module, MSELoss
from chainrule.train.saved.predictor import read_predictor

from .criterion import criterion
from .foreign import built, instance, is_module, loss_of_ours, ours, plain


@dataclass(frozen=True)
class ExplainCall:
    """A call of `explain`: its subject and arguments, and for a model its loss and target."""

    subject: Any
    args: tuple[Any, ...]
    loss: Any = None
    target: Any = None


@dataclass(frozen=True)
class InputSource:
    """The source of the inputs: a data set with a number of rows and a target, or shapes and a seed."""

    data: str | None = None
    samples: int = 2
    shapes: tuple[str, ...] = ()
    seed: int = 0
    loss: str | None = None
    target: str | None = None
    """The column that the model was trained on, or with `loss` the target to compare the output with."""
    task: str = "auto"


def call_of(target: str, source: InputSource) -> ExplainCall:
    """Return what `FILE.py:NAME`, `module:NAME` or `MODEL.safetensors` refers to, with its inputs.

    A function takes its inputs from `shapes`, its annotations or its file, as in `chainrule check`. A model takes the
    first rows of the data set. One written by `chainrule train` finds its columns and its target by name, and keeps the
    scaling and the loss that it was trained with; any other gets standardised columns, with cross-entropy for classes
    and the mean squared error for numbers. A PyTorch module is converted at its inputs, and so is a PyTorch loss.

    Raises ValueError if the target is not found, if nothing determines its inputs, and if the data do not match the
    columns of a trained model.
    """
    if source.samples < 1:
        raise ValueError(f"--samples: expected at least 1, got {source.samples}")
    if target.endswith(".safetensors"):
        return _trained(target, source)
    module, name = load_name(target)
    found = find(module, name)
    made = instance(found, Module)
    if source.loss is not None:  # so what is explained is a model
        made = built(made, Module)
    if isinstance(made, Module) and source.data is not None:
        return _on_data(made, load(source.data, source.target, source.task), source.samples)
    if isinstance(made, Tensor):
        return ExplainCall(made, ())
    try:
        args = Inputs(module, name, shapes_of(source.shapes), source.seed).of(made)
    except ValueError as error:
        hint = "; a model can take a data set: --data iris" if isinstance(made, Module) else ""
        raise ValueError(f"{error}{hint}") from error
    loss, goal = criterion(module, source.loss, source.target, source.seed)
    if is_module(made):
        here = ours(made, args, loss, goal)
        return ExplainCall(here.model, here.args, here.loss, here.target)
    return ExplainCall(made, tuple(args), loss_of_ours(loss), plain(goal))


def _trained(path: str, source: InputSource) -> ExplainCall:
    predictor = read_predictor(path)
    if source.data is None:
        raise ValueError(f"{path}: a model needs data: add --data with the name or file that it was trained on")
    x, y = predictor.examples(source.data, source.samples, source.target, source.task)
    return ExplainCall(predictor.model, (x,), predictor.loss, y)


def _on_data(model: Module, data: Data, samples: int) -> ExplainCall:
    x = Standardizer.fit(data.x).transform(data.x[:samples])
    if data.task == "classification":
        return ExplainCall(model, (x,), CrossEntropyLoss(), data.y[:samples])
    return ExplainCall(model, (x,), MSELoss(), Standardizer.fit(data.y).transform(data.y[:samples])[:, None])
