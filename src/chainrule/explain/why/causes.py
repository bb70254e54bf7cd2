"""Why an operation passed a gradient that is zero, tiny or not finite: read from the values of its inputs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.facts import Flat, Role
from chainrule.core.tensor import value_of
from chainrule.observe.entry import Detached, Entry, array_of
from chainrule.rules.elementary.compare import StopGradient
from chainrule.rules.elementary.selection import Clip, Maximum, Minimum, Where
from chainrule.rules.network.activation import Relu

SATURATED = 1e-3
"""A local derivative below this, everywhere, is saturation: a sigmoid's is 1/4 at best."""


@dataclass(frozen=True)
class Cause:
    """What happened at a node: a code, and the numbers that show it, for a sentence in the catalogue."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


def constant_cause(entry: Entry) -> Cause:
    """Return why an entry's value carries no gradient although its input does."""
    name = entry.op.name
    if entry.op in (StopGradient, Detached):
        return Cause("detached", {"operation": name})
    if entry.op.kind != "constant":
        return Cause("no-grad", {"operation": name})
    if np.asarray(entry.value).dtype.kind in "iub":
        return Cause("integer-index", {"operation": name})
    return Cause("constant", {"operation": name})


def cut_cause(user: Entry, k: int) -> Cause:
    """Return why an operation passes nothing, or little, to its input k, although it receives a gradient."""
    x = array_of(user.inputs[k])
    for check in _checks(user.op):
        found = check(user, k, x)
        if found is not None:
            return found
    return Cause("vanishes", {"operation": user.op.name})


def pole_cause(user: Entry, k: int) -> Cause:
    """Return why the gradient that an operation passes to its input k is not finite, although the one received is."""
    at = next((j for j, name in enumerate(user.op.arguments) if name in user.op.poles), k)
    return Cause("pole", {"operation": user.op.name, "value": _smallest(array_of(user.inputs[at]))})


def _smallest(x: Any) -> float:
    """Return the element nearest to zero: that is where the poles are."""
    flat = x.astype(float).ravel()
    return float(flat[np.argmin(np.abs(flat))]) if flat.size else 0.0


def _dead(_user: Entry, _k: int, x: Any) -> Cause | None:
    return Cause("dead-relu", {"largest": float(np.max(x))}) if x.size and np.max(x) <= 0 else None


def _saturated(user: Entry, _k: int, x: Any) -> Cause | None:
    facts = {"low": float(np.min(x)), "high": float(np.max(x)), "operation": user.op.name}
    largest = float(np.max(np.abs(_slopes(user)))) if x.size else 0.0
    return Cause("saturated", {**facts, "slope": largest}) if largest < SATURATED else None


def _slopes(user: Entry) -> Any:
    """Return the derivative of each output element with respect to its input element."""
    y = np.asarray(user.value)
    if not user.op.is_pointwise:  # softmax: with respect to the element's own argument
        return y * (1 - y)
    return value_of(user.op.adjoints[0](np.ones_like(y), tuple(user.saved.values()), user.settings))


def _clipped(user: Entry, _k: int, x: Any) -> Cause | None:
    low, high = (array_of(v) for v in user.inputs[1:3])
    outside = bool(np.all((x < low) | (x > high)))
    return Cause("clipped", {"low": float(np.min(low)), "high": float(np.max(high))}) if outside else None


def _masked(user: Entry, k: int, _x: Any) -> Cause | None:
    chosen = array_of(user.inputs[0]).astype(bool)
    return Cause("masked", {"operation": user.op.name}) if not np.any(chosen if k == 1 else ~chosen) else None


def _other_larger(user: Entry, k: int, x: Any) -> Cause | None:
    """Return the cause where the other of two arguments is taken everywhere: of max(x, 0), that this ReLU is dead."""
    if user.op is Maximum and not np.any(array_of(user.inputs[1 - k])):
        return _dead(user, k, x)
    return Cause("masked", {"operation": user.op.name})


def _not_picked(user: Entry, _k: int, _x: Any) -> Cause | None:
    return Cause("not-picked", {"operation": user.op.name})


def _zero_factor(user: Entry, k: int, _x: Any) -> Cause | None:
    """Return the cause if the operation multiplies and the other factor is zero."""
    others = [array_of(x) for j, x in enumerate(user.inputs) if j != k and x is not None]
    factor = next((o for o in others if o.size and o.dtype.kind in "fiub" and not np.any(o)), None)
    if factor is None:
        return None
    return Cause("masked" if user.op.is_pointwise else "zero-factor", {"operation": user.op.name})


_Check = Callable[[Entry, int, Any], Cause | None]
_OWN: Mapping[Any, _Check] = {
    **{Relu: _dead, Clip: _clipped, Where: _masked},
    **dict.fromkeys((Maximum, Minimum), _other_larger),
}
"""The check to run first, by record."""


def _checks(op: Any) -> Iterator[_Check]:
    """Yield checks for what may have blocked the gradient at an operation."""
    if op in _OWN:
        yield _OWN[op]
    if op.flat in (Flat.RIGHT, Flat.BOTH):
        yield _saturated
    if op.picks:
        yield _not_picked
    if op.kind == "bilinear" or op.role is Role.DENSE:
        yield _zero_factor
