"""A model's loss and target on the command line: `--loss mse --target y`."""

import ast
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

    Raises ValueError for a target without a loss, a loss that lacks its target, and a name that is not found.

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
    chosen = _loss(module, loss)
    if target is not None:
        return chosen, _target(module, target, seed)
    if _compares(chosen):
        raise ValueError(
            f"--loss {loss}: it compares the output with a target; add --target NAME, a name in the file, or a list, "
            f"as --target '[0, 1]'"
        )
    return chosen, None


@contextmanager
def of_rows(loss: str | None, target: str | None, args: Sequence[Any], goal: Any) -> Iterator[None]:
    """Say that a target has another number of rows than the first input, if what runs in this block fails at it."""
    try:
        yield
    except Exception as error:
        rows, given = _rows(args[0] if args else None), _rows(goal)
        if None in (loss, target, rows, given) or rows == given:
            raise
        raise ValueError(
            f"--target {target}: it has {given} rows, but the input has {rows}; give one target for each  ({error})"
        ) from error


def _rows(x: Any) -> int | None:
    shape = getattr(x, "shape", None)
    return int(shape[0]) if shape else None


def _compares(loss: Any) -> bool:
    """Whether a loss cannot be computed of the output alone."""
    from inspect import Parameter, signature

    try:
        parameters = signature(getattr(loss, "forward", loss)).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return False
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in parameters) > 1


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
