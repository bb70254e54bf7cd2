"""From a call to the innermost trace among its arguments.

`applier(op)` makes the function that runs an operation. On plain arrays it just calls the primal. Operations of one or
two arrays without settings, which make up most of a tape, get a shortcut that does what `process` does.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.operands.foreign import PLAIN, one_of, operands, without_lists
from chainrule.core.tensor import Tensor, Trace, value_of

from .capturing import boxes_in, running
from .modes import latest
from .tape import Tape, real_only, record

NO_SETTINGS: Mapping[str, Any] = {}
floor = latest.get
new: Any = object.__new__
Array = np.ndarray
BOTH, FIRST, SECOND = (True, True), (True, False), (False, True)
"""Which of two arguments have a gradient."""
LISTS = frozenset({list, tuple})
REFUSED = Complex.REFUSED
ARGUMENT_ERRORS = (TypeError, ValueError, IndexError, MemoryError)


def applier(op: Any) -> Callable[..., Any]:
    """Return `apply(*arrays, **settings)` for an operation."""
    plain = not op.defaults and not op.several and op.composite is None and op.kind != "constant"
    if plain and not op.variadic and 1 <= len(op.arguments) <= 2:
        return _unary(op) if len(op.arguments) == 1 else _binary(op)
    return _general(op)


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


def _general(op: Any) -> Callable[..., Any]:
    defaults = op.defaults

    def apply(*args: Any, **settings: Any) -> Any:
        if not settings.keys() <= defaults.keys():
            unknown = sorted(settings.keys() - defaults.keys())
            raise TypeError(f"{op.name}: got the unexpected settings {unknown}, expected some of {sorted(defaults)}")
        return dispatch(op, args, {**defaults, **settings} if defaults else NO_SETTINGS)

    return apply


def _unary(op: Any) -> Callable[..., Any]:
    primal = op.primal
    save = None

    def apply(x: Any) -> Any:
        nonlocal save
        if not isinstance(x, Tensor):
            return dispatch(op, (x,), NO_SETTINGS)
        trace, link = x._trace, x._link
        if type(trace) is not Tape:
            return dispatch(op, (x,), NO_SETTINGS)
        value = x._value
        if type(value) is not Array and isinstance(value, Tensor):
            return dispatch(op, (x,), NO_SETTINGS)
        try:
            y = primal(value)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, (x,))
        if link is None or floor().level > trace.level:
            if op.on_complex is REFUSED:
                refuse_complex(op, (x,))
            return Tensor(y, trace, None)
        if save is None:
            save = op.saver((True,))
        box: Tensor = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._link = y, trace, record(op, y, (link,), save(y, value), NO_SETTINGS, 2)
        return box

    return apply


def _binary(op: Any) -> Callable[..., Any]:
    primal = op.primal
    savers = op._savers

    def apply(a: Any, b: Any) -> Any:
        if isinstance(a, Tensor):
            trace = a._trace
            if type(trace) is not Tape:
                return dispatch(op, (a, b), NO_SETTINGS)
            x, first = a._value, a._link
            if isinstance(b, Tensor):
                if b._trace is not trace:
                    return dispatch(op, (a, b), NO_SETTINGS)
                y, second = b._value, b._link
            else:
                y, second = b if type(b) in PLAIN else one_of(op, 1, b), None
        elif isinstance(b, Tensor):
            trace = b._trace
            if type(trace) is not Tape:
                return dispatch(op, (a, b), NO_SETTINGS)
            x = a if type(a) in PLAIN else one_of(op, 0, a)
            first, y, second = None, b._value, b._link
        else:
            return dispatch(op, (a, b), NO_SETTINGS)
        # Nearly always both are arrays: what they are costs less to ask than what they are not.
        if (type(x) is not Array or type(y) is not Array) and (isinstance(x, Tensor) or isinstance(y, Tensor)):
            return dispatch(op, (a, b), NO_SETTINGS)
        try:
            z = primal(x, y)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, (a, b))
        if (first is None and second is None) or floor().level > trace.level:
            if op.on_complex is REFUSED:
                refuse_complex(op, (x, y))
            return Tensor(z, trace, None)
        tracked = BOTH if first is not None and second is not None else FIRST if second is None else SECOND
        save = savers.get(tracked) or op.saver(tracked)
        box: Tensor = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._link = z, trace, record(op, z, (first, second), save(z, x, y), NO_SETTINGS, 2)
        return box

    return apply


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
