"""The correct formula of a gradient, for a function that is a single operation: taken from its record."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.check.subjects.recording import record
from chainrule.present.unicode_math import to_unicode


def formula_of(run: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> str:
    """Return the formula of an argument's gradient in Unicode, or an empty string.

    There is one only if the function is a single chainrule operation, such as `np.tanh` or `x @ W`.
    """
    try:
        with np.errstate(all="ignore"):
            done = record(run, [np.asarray(x) for x in arguments.values()])
    except Exception:  # code that does not accept our boxes
        return ""
    if len(done) != 1 or not isinstance(done[0].op, type):
        return ""
    position = next((k for k, x in enumerate(done[0].inputs) if _is(x, arguments[name])), None)
    if position is None:
        return ""
    op: Any = done[0].op
    formulas, symbol = op.formulas(), op.arguments[min(position, len(op.arguments) - 1)]
    of_value = to_unicode(formulas["primal"])
    for key in (f"adjoint_{symbol}", "adjoint"):
        if formulas.get(key):
            return f"{to_unicode(formulas[key])} for {of_value}"
    for key in (f"partial_{symbol}", "partial"):
        if formulas.get(key):
            slope = to_unicode(formulas[key].partition("=")[2].strip())
            return f"{symbol}̄ = ȳ ⊙ ({slope}) for {of_value}"
    return ""


def _is(x: Any, argument: Any) -> bool:
    return np.shape(x) == np.shape(argument) and bool(np.array_equal(x, argument))
