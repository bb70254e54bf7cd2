"""The numbers of a forward and of a backward pass by which an almost right gradient may be off."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from chainrule.check.hypotheses import Hypothesis
from chainrule.check.hypotheses.candidate import Detail
from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.subject import Subject

Numbers = dict[float, None]
"""Numbers in the order in which they are met."""
SMALL = 1e-3
"""The largest number that is taken for an ε."""
DIGITS = 5
"""From so many significant digits on a number looks rounded."""
MOST = 3
"""How many numbers are named."""


def with_numbers(near: Hypothesis, subject: Subject) -> Hypothesis:
    """Return the reason that a gradient is approximate, with what may be off where the code of both passes shows it."""
    passes = _forward(subject), [f for f, _ in subject.editable() if isinstance(f, FunctionType)]
    said = next(_said(*map(_numbers, passes)), "") if all(passes) else ""
    if not said:
        return near
    text = (
        f"the gradient agrees to {near.detail['size']} of its size; the rest may come from {said}; if that is meant, "
        "pass expected='approximate'"
    )
    return replace(near, detail=Detail({**near.detail, "text": text}))


def _said(forward: Numbers, backward: Numbers) -> Iterator[str]:
    for here, other, which in ((forward, backward, "forward"), (backward, forward, "backward")):
        alone = [c for c in here if abs(c) <= SMALL and c not in other]
        if alone:
            yield f"{_listed(alone)} in the {which} pass, which the other does not have"
    rounded = [c for c in backward if c not in forward and _digits(c) >= DIGITS]
    if rounded:
        yield f"the rounding of {_listed(rounded)} in the backward pass"


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{c:g}" if _digits(c) <= DIGITS else repr(c) for c in numbers[:MOST])


def _digits(number: float) -> int:
    return len(f"{number:.15e}".partition("e")[0].replace(".", "").replace("-", "").rstrip("0"))


def _forward(subject: Subject) -> list[FunctionType]:
    """Return the functions that make up a forward pass."""
    held: Any = getattr(subject, "layer", getattr(subject, "f", None))
    held = getattr(held, "forward", getattr(held, "fun", held))
    return [f for f, _ in with_helpers(held, lambda f: f)]


def _numbers(functions: Iterable[FunctionType]) -> Numbers:
    """Return the numbers in the code of functions, and in their defaults."""
    found: Numbers = {}
    for f in functions:
        values = (*_constants(f.__code__), *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
        found.update(dict.fromkeys(c for c in values if isinstance(c, float) and math.isfinite(c) and c))
    return found


def _constants(code: CodeType) -> Iterator[Any]:
    for c in code.co_consts:
        if isinstance(c, CodeType):
            yield from _constants(c)
        else:
            yield c
