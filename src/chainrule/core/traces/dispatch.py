"""From a call to the innermost trace among its arguments: `dispatch`, for any call, and the errors of one that failed.

Most calls need none of it: see `shortcuts`.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.operands.foreign import operands, without_lists
from chainrule.core.tensor import Tensor, Trace, value_of

from .capturing import boxes_in, running
from .tape import real_only

NO_SETTINGS: Mapping[str, Any] = {}
Array = np.ndarray
LISTS = frozenset({list, tuple})
REFUSED = Complex.REFUSED
ARGUMENT_ERRORS = (TypeError, ValueError, IndexError, MemoryError)


def innermost(args: tuple[Any, ...]) -> Trace | None:
    """Return the trace with the highest level among the arguments, or None if none is a box."""
    found: Trace | None = None
    for x in args:
        if isinstance(x, Tensor) and (found is None or x._trace.level > found.level):
            found = x._trace
    return found


def dispatch(op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
    """Apply `op`; `settings` are complete."""
    if running.maps and op.kind == "constant" and "generator" in settings:
        like = np.broadcast_to(np.zeros((), args[0].dtype), args[0].shape)
        return running.maps[-1].drawn(op.name, lambda: op.apply(like, **settings))
    trace = innermost(args)
    if trace is None:
        for x in args:
            if type(x) in LISTS and isinstance(op, type):
                args = without_lists(args)
                trace = innermost(args)
                break
    if trace is None and running.capture is not None:
        # An index whose values differ from call to call, or random numbers, which do so anyway.
        draws = op.kind == "constant" and "generator" in settings
        if draws or any(True for _ in boxes_in(dict(settings))):
            trace = running.capture
        else:
            # A result computed from plain arrays is computed only once, so this looks at their values.
            args = tuple(map(value_of, args))
    if trace is not None and isinstance(op, type):  # a custom operation decides itself what it takes
        args = operands(op, args)
    if op.on_complex is REFUSED:
        refuse_complex(op, args)
    try:
        return op.primal(*args, **settings) if trace is None else trace.process(op, args, settings)
    except ARGUMENT_ERRORS as error:
        reraise(error, op, args)


def refuse_complex(op: Any, args: tuple[Any, ...]) -> None:
    """Raise a TypeError if an argument of an operation of real numbers is complex."""
    for x in args:
        if type(x) is Array:
            if x.dtype.kind != "c":
                continue
        elif getattr(getattr(x, "dtype", None), "kind", None) != "c" and type(x) is not complex:
            continue
        raise TypeError(real_only(op.name, described(x)))


def reraise(error: Exception, op: Any, args: tuple[Any, ...]) -> NoReturn:
    """Raise the error again, with the operation's name and a description of its arguments."""
    if str(error).startswith(f"{op.name}:"):
        raise error
    if op.on_complex is REFUSED and not isinstance(error, IndexError):
        refuse_complex(op, args)
    names = [f"{op.arguments[0]}[{i}]" for i in range(len(args))] if op.variadic else op.arguments
    got = ", ".join(f"{name} {described(x)}" for name, x in zip(names, args, strict=False))
    kinds = (np.linalg.LinAlgError, IndexError, MemoryError, TypeError, ValueError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    hint = "; reshape one of them, or give it an axis of length 1" if "broadcast" in str(error) else ""
    if any(x is None for x in args):
        hint = "; is the None the result of a function without a return?"
    raise kind(f"{op.name}: {str(error).strip()} (got {got}){hint}") from error


def described(x: Any) -> str:
    """Describe an argument for an error message: its shape and dtype, or its type."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}{list(x.shape)}"
    return type(x).__name__
