"""Shortcuts for the calls that make up nearly all of a tape: boxes of one tape with arrays in them.

`applier(op)` makes the function that runs an operation. On plain arrays it calls the primal; on boxes of one tape it
does what `dispatch` and `Tape.process` do, in one frame. Where the boxes hold boxes of an outer tape, as in derivatives
of derivatives, it calls itself on those. Every other call (lists, values of several traces, captures, `vmap`, operands
of other libraries) goes to `dispatch`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.operands.foreign import PLAIN, one_of
from chainrule.core.tensor import Tensor

from .capturing import running
from .dispatch import ARGUMENT_ERRORS, NO_SETTINGS, dispatch, refuse_complex, reraise
from .modes import latest
from .tape import FLOAT64, Tape, record

floor = latest.get
new: Any = object.__new__
Array = np.ndarray
BOTH, FIRST, SECOND = (True, True), (True, False), (False, True)
"""Which of two arguments have a gradient."""
REFUSED = Complex.REFUSED


def applier(op: Any) -> Callable[..., Any]:
    """Return `apply(*arrays, **settings)` for an operation."""
    plain = not op.defaults and not op.several and op.composite is None and op.kind != "constant"
    if plain and not op.variadic and 1 <= len(op.arguments) <= 2:
        return _unary(op) if len(op.arguments) == 1 else _binary(op)
    if op.several:
        return _several(op)
    alone = len(op.arguments) == 1 and not op.variadic and not op.keeps and op.kind != "constant"
    return _single(op) if alone else _general(op)


def _completed(op: Any) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
    """Return the function that adds the defaults to the settings of a call."""
    defaults = op.defaults or NO_SETTINGS
    count = len(defaults)

    def complete(settings: dict[str, Any]) -> Mapping[str, Any]:
        if not settings:
            return defaults
        full = {**defaults, **settings}
        if len(full) != count:
            unknown, known = sorted(settings.keys() - defaults.keys()), sorted(defaults)
            raise TypeError(f"{op.name}: got the unexpected settings {unknown}, expected some of {known}")
        return full

    return complete


def _several(op: Any) -> Callable[..., Any]:
    complete = _completed(op)
    return lambda *args, **settings: dispatch(op, args, complete(settings))


def _general(op: Any) -> Callable[..., Any]:
    primal, complete = op.primal, _completed(op)
    compute = getattr(op, "primal_keeping", primal) if op.keeps else primal  # one that is only read may have none
    is_constant, keeps, on_complex = op.kind == "constant", bool(op.keeps), op.on_complex
    nests = op.composite is None and not keeps
    savers: dict[int, Callable[..., Any]] = {}

    def apply(*args: Any, **settings: Any) -> Any:
        full = complete(settings)
        if running.capture is not None or running.maps:
            return dispatch(op, args, full)
        if PLAIN.issuperset(map(type, args)):  # in the rules of a first-order pass, for example
            if on_complex is REFUSED:
                refuse_complex(op, args)
            try:
                return primal(*args, **full)
            except ARGUMENT_ERRORS as error:
                reraise(error, op, args)
        trace, tracked, run = None, 0, primal
        values: list[Any] = []
        parents: list[Any] = []
        for x in args:
            link = None
            if type(x) is not Array and type(x) not in PLAIN:
                if not isinstance(x, Tensor) or type(x._trace) is not Tape:
                    return dispatch(op, args, full)
                if x._trace is not trace:
                    if trace is not None:
                        return dispatch(op, args, full)
                    trace = x._trace
                x, link = x._value, x._link
                if type(x) is not Array and isinstance(x, Tensor):
                    if type(x._trace) is not Tape or not nests:
                        return dispatch(op, args, full)
                    run = apply
                if link is not None:
                    tracked |= 1 << len(values)
            values.append(x)
            parents.append(link)
        is_recorded = tracked and not is_constant and floor().level <= trace.level  # type: ignore[union-attr]
        if on_complex is REFUSED:
            refuse_complex(op, tuple(values))
        try:
            y = compute(*values, **full) if keeps and is_recorded else run(*values, **full)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, args)
        if not is_recorded:
            return y if trace is None else Tensor(y, trace, None)
        save = savers.get(tracked)
        if save is None:
            save = savers[tracked] = op.saver(tuple(link is not None for link in parents))
        if keeps:
            y, *kept = y
            values += kept
        box: Tensor = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._alias = y, trace, None
        box._link = record(op, y, tuple(parents), save(y, *values), full, 2)
        return box

    return apply


def _single(op: Any) -> Callable[..., Any]:
    """Return `apply` for an operation of one array with settings."""
    primal, complete, is_refused = op.primal, _completed(op), op.on_complex is REFUSED
    nests = op.composite is None
    save = None

    def apply(*args: Any, **settings: Any) -> Any:
        nonlocal save
        full = complete(settings)
        if running.capture is not None or running.maps or len(args) != 1:
            return dispatch(op, args, full)
        trace, value, link, run = None, args[0], None, primal
        if type(value) not in PLAIN:
            if not isinstance(value, Tensor) or type(value._trace) is not Tape:
                return dispatch(op, args, full)
            trace, value, link = value._trace, value._value, value._link
            if type(value) is not Array and isinstance(value, Tensor):
                if type(value._trace) is not Tape or not nests:
                    return dispatch(op, args, full)
                run = apply
        if is_refused and (type(value) is not Array or value.dtype is not FLOAT64):
            refuse_complex(op, (value,))
        try:
            y = run(value, **full)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, args)
        if trace is None:
            return y
        box: Tensor = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._alias = y, trace, None
        if link is None or floor().level > trace.level:
            box._link = None
            return box
        if save is None:
            save = op.saver((True,))
        box._link = record(op, y, (link,), save(y, value), full, 2)
        return box

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
        value, run = x._value, primal
        if type(value) is not Array and isinstance(value, Tensor):
            if type(value._trace) is not Tape:
                return dispatch(op, (x,), NO_SETTINGS)
            run = apply
        try:
            y = run(value)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, (x,))
        if link is None or floor().level > trace.level:
            if op.on_complex is REFUSED:
                refuse_complex(op, (x,))
            return Tensor(y, trace, None)
        if save is None:
            save = op.saver((True,))
        box: Tensor = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._alias = y, trace, None
        box._link = record(op, y, (link,), save(y, value), NO_SETTINGS, 2)
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
        run = primal
        # Nearly always both are arrays: what they are costs less to ask than what they are not.
        if type(x) is not Array or type(y) is not Array:
            for given, inner in ((a, x), (b, y)):
                if isinstance(inner, Tensor):
                    if not isinstance(given, Tensor) or type(inner._trace) is not Tape:  # a list may have become one
                        return dispatch(op, (a, b), NO_SETTINGS)
                    run = apply
        try:
            z = run(x, y)
        except ARGUMENT_ERRORS as error:
            reraise(error, op, (a, b))
        if (first is None and second is None) or floor().level > trace.level:
            if op.on_complex is REFUSED:
                refuse_complex(op, (x, y))
            return Tensor(z, trace, None)
        tracked = BOTH if first is not None and second is not None else FIRST if second is None else SECOND
        save = savers.get(tracked) or op.saver(tracked)
        box = new(Tensor)  # `Tensor(…)`, written out
        box._value, box._trace, box._alias = z, trace, None
        box._link = record(op, z, (first, second), save(z, x, y), NO_SETTINGS, 2)
        return box

    return apply
