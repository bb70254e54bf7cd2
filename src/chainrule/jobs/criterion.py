"""A model's loss and target on the command line: `--loss mse --target y`."""

import ast
import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from chainrule.jobs.check_functions import find
from chainrule.nn import functional

LOSSES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "mse": functional.mse_loss,
        "l1": functional.l1_loss,
        "huber": functional.huber_loss,
        "smooth_l1": functional.smooth_l1_loss,
        "cross_entropy": functional.cross_entropy,
        "nll": functional.nll_loss,
        "bce": functional.binary_cross_entropy,
        "bce_logits": functional.binary_cross_entropy_with_logits,
    }
)
"""The losses that `--loss` knows by name; any other name is looked up in the file."""


def criterion(module: ModuleType, loss: str | None, target: str | None, seed: int = 0) -> tuple[Any, Any]:
    """Return the loss and the target given by the two options, None for an option not given.

    A loss is a name in `LOSSES`, or a name in the file: a function of (output, target), of the output alone if no
    target is given, or a class without arguments. A target is a number or a list in Python notation, or a name in the
    file: an array, or a function, which may take a random number generator.

    Raises ValueError for a target without a loss, and for a name that is not found.

    >>> import types
    >>> loss, y = criterion(types.ModuleType("net"), "mse", "[0.0, 1.0]")
    >>> float(loss(np.array([0.0, 3.0]), y))
    2.0
    """
    if loss is None:
        if target is not None:
            raise ValueError(
                f"--target {target}: a target needs a loss: add --loss mse, or --loss and a name in the file"
            )
        return None, None
    return _loss(module, loss), None if target is None else _target(module, target, seed)


def _loss(module: ModuleType, name: str) -> Any:
    found = _in_file(module, name, "--loss") if name not in LOSSES else LOSSES[name]
    found = found() if isinstance(found, type) else found
    if not callable(found):
        raise ValueError(f"--loss {name}: expected a function of (output, target), got {type(found).__name__}")
    return found


def _target(module: ModuleType, text: str, seed: int) -> Any:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = _in_file(module, text, "--target")
    if callable(found):
        from inspect import signature

        found = found(np.random.default_rng(seed)) if signature(found).parameters else found()
    return np.asarray(found) if isinstance(found, list | tuple) else found


def _in_file(module: ModuleType, name: str, option: str) -> Any:
    if hasattr(module, name.partition(".")[0]):
        return find(module, name)
    known = [*LOSSES] if option == "--loss" else []
    own = [key for key in vars(module) if not key.startswith("_")]
    near = difflib.get_close_matches(name, known + own, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}" if known else "or a list, as [0, 1]"
    raise ValueError(f"{option} {name}: {module.__name__} has no such name; {hint}")
