"""A PyTorch module as the subject of a command: converted, with its arguments, loss and target."""

import copy
import functools
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature, isfunction, signature
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.optional import is_of_torch
from chainrule.formula.functions import as_double
from chainrule.jobs.calling import is_program, made
from chainrule.jobs.criterion import LOSSES

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def instance(found: Any, base: type) -> Any:
    """Return an instance of a class of modules, of this package or of PyTorch; anything else unchanged."""
    is_class = isinstance(found, type) and (
        issubclass(found, base) or any(cls.__module__ == "torch.nn.modules.module" for cls in found.__mro__)
    )
    return made(found, "an instance, or a function without arguments that returns one") if is_class else found


def built(found: Any, base: type) -> Any:
    """Return the model that a function without arguments makes; anything else unchanged."""
    if not isfunction(found) or signature(found).parameters:
        return found
    model = found()
    return model if isinstance(model, base) or is_module(model) else found


def is_module(found: Any) -> bool:
    """Whether something is a PyTorch module."""
    return is_of_torch(found) and hasattr(found, "named_parameters")


@dataclass(frozen=True)
class Converted:
    """A PyTorch module as a model of this package, with its arguments, and its loss and target if it has them."""

    model: Any
    args: tuple[Any, ...]
    loss: Any = None
    target: Any = None


def ours(model: Any, args: Sequence[Any], loss: Any = None, target: Any = None) -> Converted:
    """Return a PyTorch module converted at its arguments, computing in float64, with its loss and target.

    A loss that this package has is this package's. One that is written for PyTorch is traced with the module: the
    model's result is then the loss, and its last argument the target.

    Raises ValueError for what cannot be converted, and if the module or the loss raises an error, with its place.
    """
    args, target = tuple(map(in_double, args)), in_double(target)
    if is_module(loss) or not (loss is None or _is_written_here(loss)):
        try:
            chosen = loss_of_ours(loss)
        except ValueError:
            chosen = loss
        if chosen is loss:
            scored, more = _scored(model, loss, target is not None), () if target is None else (np.asarray(target),)
            return Converted(_converted(scored, (*args, *more)), (*args, *more))
        loss = chosen
    return Converted(_converted(model, args), args, _along_its_axis(loss), target)


def _along_its_axis(loss: Any) -> Any:
    """Return a loss named on the command line with the classes where PyTorch has them: along axis 1 of several."""
    if loss not in LOSSES.values() or "axis" not in signature(loss).parameters:
        return loss

    @functools.wraps(loss)
    def along(output: Any, target: Any) -> Any:
        return loss(output, target, axis=1 if getattr(output, "ndim", 0) > 2 else -1)

    return along


def _converted(model: Any, args: tuple[Any, ...]) -> Any:
    from chainrule.interop.torch import from_torch

    copied = copy.deepcopy(model).double()
    try:
        return from_torch(copied, args)
    except Exception as error:
        if str(error).startswith("from_torch"):
            raise ValueError(str(error)) from error
        raise raised_by(model, error) from error


def raised_by(model: Any, error: Exception) -> ValueError:
    """Return the error of a call whose model or loss raised an error, with its place in the user's files."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if is_program(frame.filename)]
    where = f" at {places[-1].filename}:{places[-1].lineno}" if places else ""
    first = str(error).partition("\n")[0]
    return ValueError(
        f"{type(model).__name__}: with these arguments its forward, or its loss, raises{where}: "
        f"{type(error).__name__}: {first}"
    )


def _is_written_here(loss: Any) -> bool:
    """Whether a loss is of this package, or code that uses it; any other one is PyTorch's to compute."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    function = loss if hasattr(loss, "__code__") else type(loss).__call__
    names = [getattr(loss, "__module__", None) or "", type(loss).__module__]
    if hasattr(function, "__code__"):
        used = [function.__globals__.get(name) for name in function.__code__.co_names]
        names += [getattr(x, "__name__" if isinstance(x, ModuleType) else "__module__", None) or "" for x in used]
        names += function.__code__.co_names  # what is imported inside
    return any(str(name).partition(".")[0] == "chainrule" for name in names)


def _scored(model: Any, loss: Any, has_target: bool) -> Any:
    """Return a copy of a PyTorch module whose result is its loss; the target, if it has one, is its last argument."""
    kind = type(model)

    def forward(self: Any, *args: Any) -> Any:
        inputs, goal = (args[:-1], args[-1:]) if has_target else (args, ())
        return loss(kind.forward(self, *inputs), *goal)

    own = [p for p in signature(kind.forward).parameters.values() if p.kind in POSITIONAL]
    goal = [Parameter("target", Parameter.POSITIONAL_OR_KEYWORD)] if has_target else []
    forward.__signature__ = Signature([p.replace(default=Parameter.empty) for p in own] + goal)  # type: ignore[attr-defined]
    copied = copy.deepcopy(model)
    copied.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return copied


def in_double(value: Any) -> Any:
    """Return PyTorch tensors, at any depth, as arrays, and arrays of floating-point numbers in double precision."""
    if isinstance(value, Mapping):
        return {name: in_double(x) for name, x in value.items()}
    if isinstance(value, tuple | list):
        items = map(in_double, value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    value = plain(value)
    return as_double(value) if isinstance(value, np.ndarray) and value.dtype.kind in "fc" else value


def plain(value: Any) -> Any:
    """Return a PyTorch tensor as an array; anything else unchanged."""
    return value.detach().cpu().numpy() if is_of_torch(value) and hasattr(value, "detach") else value


def loss_of_ours(loss: Any) -> Any:
    """Return a loss that is a PyTorch module as this package's of the same name and settings; any other unchanged.

    Raises ValueError for one that it does not have, or not with these settings.
    """
    if not is_module(loss):
        return loss
    name = type(loss).__name__
    kind = getattr(nn, name, None) if type(loss).__module__.startswith("torch.nn") else None
    known = {} if kind is None else signature(kind.function).parameters
    settings = {k: plain(getattr(loss, k)) for k in known if hasattr(loss, k)}
    if "axis" in known:
        settings["axis"] = 1  # where PyTorch has the classes
    other = [
        p.name
        for p in signature(type(loss)).parameters.values()
        if p.name not in known and getattr(loss, p.name, p.default) != p.default
    ]
    if kind is None or other:
        why = f" with {', '.join(other)}" if kind else ""
        raise ValueError(
            f"--loss: chainrule.nn has no {name}{why}; name a function of (output, target) in the file that computes "
            "it with chainrule"
        )
    return kind(**settings)


def loss_of_torch(loss: Any) -> Any:
    """Return PyTorch's function of the name of one of this package's losses; any other loss unchanged."""
    if not getattr(loss, "__module__", "").startswith("chainrule.nn"):
        return loss
    from torch.nn import functional

    return getattr(functional, loss.__name__, loss)
