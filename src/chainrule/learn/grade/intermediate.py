"""The first wrong step of a hand-written network: what it returns by name, against the derivation's values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain import explain
from chainrule.learn.names import ascii_of
from chainrule.present.unicode_math import to_unicode

CLOSE = 1e-6


@dataclass(frozen=True)
class WrongStep:
    """A gradient by name (`dZ1`) and the formula that it should follow, in Unicode."""

    name: str
    formula: str


def first_wrong(network: Any, args: Sequence[Any], found: Mapping[str, Any]) -> WrongStep | None:
    """Return the first wrong value, in the order of the backward pass, among those that a submission names.

    None if all are right, or if the network has no derivation, such as one whose result is no scalar.
    """
    try:
        steps = explain(network, *args, level="full").steps
    except (ValueError, TypeError):
        return None
    named = {_key(name): value for name, value in found.items()}
    for step in steps:
        key = _key(ascii_of(step.symbol).replace("delta", "dz"))
        if step.section != "backward" or key not in named or step.value is None:
            continue
        value, expected = np.asarray(named[key]), np.asarray(step.value)
        scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
        if value.shape != expected.shape or not np.all(np.abs(value - expected) <= CLOSE * scale):
            given = next(name for name in found if _key(name) == key)
            return WrongStep(given, to_unicode(step.formula))
    return None


def _key(name: str) -> str:
    return name.replace("_", "").lower()
