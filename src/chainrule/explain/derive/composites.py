"""The values inside a fused operation: its composite, run on a separate tape with the same inputs and cotangent."""

from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.explain.derive.recorder import DoubleRecorder
from chainrule.observe.backward import pull_back
from chainrule.observe.entry import Entry

from .unit import Unit


def values_of(unit: Unit) -> list[Any]:
    """Return every value and every gradient on the composite's tape; an empty list if there is no composite."""
    if unit.record.composite is None or unit.output.gradient is None:
        return []
    tape = DoubleRecorder()
    plain = [x.value if isinstance(x, Entry) else x for x in unit.inputs]
    boxes = [_boxed(tape, x, k) for k, x in enumerate(plain)]
    y = unit.record.composite(*boxes, **unit.settings)
    last = tape.entry_of(y) if isinstance(y, Tensor) else None
    if not isinstance(last, Entry):
        return []
    pull_back(tape.entries, last, unit.output.gradient)
    return [a for e in tape.entries for a in (e.value, e.gradient) if isinstance(a, np.ndarray)]


def _boxed(tape: DoubleRecorder, x: Any, k: int) -> Any:
    is_floating = getattr(x, "dtype", None) is not None and x.dtype.kind == "f"
    return tape.enter(x, f"x{k}", tracked=True) if is_floating else x
