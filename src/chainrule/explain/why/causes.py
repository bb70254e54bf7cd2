"""Why an operation let nothing, little or no finite number through: read off its inputs' values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.explain.derive.recorder import Entry, array_of

SATURATED = 1e-3
"""A local derivative below this, everywhere, is saturation: a sigmoid's is 1/4 at best."""
DEAD_AT_ZERO = frozenset({"relu"})
SQUASHING = frozenset({"sigmoid", "tanh", "softmax", "erf", "logsigmoid", "hardtanh", "hardsigmoid", "expit"})
POLES = frozenset({"log", "sqrt", "divide", "reciprocal", "power", "log2", "log10", "log1p", "arccos", "arcsin"})
CONSTANT = frozenset({"stop_gradient", "detach"})


@dataclass(frozen=True)
class Cause:
    """What happened at a node: a code, and the numbers that show it, for a sentence of the catalogue."""

    code: str
    facts: dict[str, Any] = field(default_factory=dict)


def constant_cause(entry: Entry) -> Cause:
    """Say why a value that an entry made carries no gradient though its input does."""
    name = entry.op.name
    if name in CONSTANT:
        return Cause("detached", {"operation": name})
    if entry.op.kind != "constant":
        return Cause("no-grad", {"operation": name})
    if np.asarray(entry.value).dtype.kind in "iub":
        return Cause("integer-index", {"operation": name})
    return Cause("constant", {"operation": name})


def cut_cause(user: Entry, k: int) -> Cause:
    """Say why nothing, or little, passes from an operation to its input k, though something arrives at it."""
    name = user.op.name
    x = array_of(user.inputs[k])
    for applies, cause in _CUTS:
        found = cause(user, k, x) if applies(name) else None
        if found is not None:
            return found
    other = _zero_factor(user, k)
    if other is not None:
        return other
    return Cause("vanishes", {"operation": name})


def pole_cause(user: Entry, k: int) -> Cause:
    """Say why what passes from an operation to its input k is not finite, though what arrives at it is."""
    values = [array_of(x) for x in user.inputs]
    x = values[k]
    if user.op.name in ("divide", "reciprocal"):
        below = values[-1]
        return Cause("pole", {"operation": user.op.name, "value": _smallest(below)})
    return Cause("pole", {"operation": user.op.name, "value": _smallest(x)})


def _smallest(x: Any) -> float:
    """Return the element nearest to zero: that is where the poles are."""
    flat = x.astype(float).ravel()
    return float(flat[np.argmin(np.abs(flat))]) if flat.size else 0.0


def _dead(_user: Entry, _k: int, x: Any) -> Cause | None:
    return Cause("dead-relu", {"largest": float(np.max(x))}) if x.size and np.max(x) <= 0 else None


def _saturated(user: Entry, _k: int, x: Any) -> Cause | None:
    facts = {"low": float(np.min(x)), "high": float(np.max(x)), "operation": user.op.name}
    y = np.asarray(user.value)
    slope = {"sigmoid": lambda: y * (1 - y), "tanh": lambda: 1 - y * y, "softmax": lambda: y * (1 - y)}.get(
        user.op.name
    )
    largest = float(np.max(slope())) if slope and y.size else 0.0
    return Cause("saturated", {**facts, "slope": largest}) if largest < SATURATED else None


def _clipped(user: Entry, _k: int, x: Any) -> Cause | None:
    low, high = (array_of(v) for v in user.inputs[1:3])
    outside = bool(np.all((x < low) | (x > high)))
    return Cause("clipped", {"low": float(np.min(low)), "high": float(np.max(high))}) if outside else None


def _masked(user: Entry, k: int, _x: Any) -> Cause | None:
    chosen = array_of(user.inputs[0]).astype(bool)
    return Cause("masked", {"operation": user.op.name}) if not np.any(chosen if k == 1 else ~chosen) else None


def _not_picked(user: Entry, _k: int, _x: Any) -> Cause | None:
    return Cause("not-picked", {"operation": user.op.name})


def _zero_factor(user: Entry, k: int) -> Cause | None:
    """Where an operation multiplies: is the other factor zero?"""
    others = [array_of(x) for j, x in enumerate(user.inputs) if j != k and x is not None]
    if user.op.name in ("multiply", "matmul", "linear", "convolution", "einsum"):
        factor = next((o for o in others if o.size and o.dtype.kind in "fiub" and not np.any(o)), None)
        if factor is not None:
            is_mask = user.op.name == "multiply"
            return Cause("masked" if is_mask else "zero-factor", {"operation": user.op.name})
    return None


_Check = Callable[[Entry, int, Any], Cause | None]
_CUTS: tuple[tuple[Callable[[str], bool], _Check], ...] = (
    (DEAD_AT_ZERO.__contains__, _dead),
    (SQUASHING.__contains__, _saturated),
    (frozenset({"clip"}).__contains__, _clipped),
    (frozenset({"where"}).__contains__, _masked),
    (frozenset({"getitem", "max", "min", "max_pool", "maximum", "minimum"}).__contains__, _not_picked),
)
