"""What is wrong with a gradient even before its values are compared."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.base.budget import Budget
from chainrule.check.report.found import Finding
from chainrule.check.subjects.raised import place_of
from chainrule.check.subjects.subject import Array, Arrays, BackwardError, Subject, eps_of, first_place

REPEATABLE = 8
"""Two runs that differ by this many rounding errors of the largest value count as equal: threads may reorder sums."""

TWICE = 6.0
"""A run is repeated if there is time for so many of them."""
BLOCKING = frozenset({"raises", "signature", "shape", "non-deterministic", "not-finite"})
"""After these verdicts there is nothing left to compare; for a wrong shape, see `blocks`."""


@dataclass
class FirstRun:
    """The first run of a function: its output, its arguments as they were afterwards, and the seconds that it took."""

    output: Array
    arguments: Arrays
    seconds: float
    repeated: bool = True
    """Whether both passes were run a second time."""

    @classmethod
    def of(cls, subject: Subject) -> "FirstRun":
        """Run the function."""
        clock, arguments = Budget(math.inf), _copies(subject)
        with np.errstate(all="ignore"):
            return cls(np.array(subject.forward(arguments)), arguments, clock.used)


def preliminary(
    subject: Subject, y_bar: Array, first: FirstRun | None = None, clock: Budget | None = None
) -> list[Finding]:
    """Return what is wrong with the behaviour of the passes, apart from the gradients' values.

    `first` is the function's first run, if it was run. What takes more than a share of the time of `clock` is not run
    a second time.
    """
    found = list(_overlaps(subject.given()))
    first, clock = first or FirstRun.of(subject), clock or Budget(math.inf)
    y = first.output
    with np.errstate(all="ignore"):
        found += _changed("the forward pass", subject.arguments, first.arguments)
        if not np.all(np.isfinite(y)):
            return [*found, _not_finite("", "the function's value", y)]
        first.repeated = clock.allows(TWICE * first.seconds)
        again = np.array(subject.forward(_copies(subject))) if first.repeated else y
        if (finding := _differs("the function", y, again)) is not None:
            return [*found, finding]
        began = clock.used
        arguments, bar = _copies(subject), np.array(y_bar, y.dtype)
        try:
            gradients = {n: None if g is None else np.array(g) for n, g in subject.backward(arguments, bar).items()}
            second: Mapping[str, Any] = gradients
            first.repeated &= clock.allows(TWICE * (clock.used - began))
            if first.repeated:
                second = subject.backward(_copies(subject), np.array(y_bar, y.dtype))
        except BackwardError as error:
            return [*found, _raised(subject, error)]
    found += [f for f in _changed("the backward pass", subject.arguments, arguments) if f.argument not in _names(found)]
    found += _changed("the backward pass", {"y_bar": np.array(y_bar, y.dtype)}, {"y_bar": bar})
    for name, gradient in gradients.items():
        found += _of_gradient(name, subject, gradient, second[name])
    return found


def _raised(subject: Subject, error: BackwardError) -> Finding:
    """Return the finding for a pass that raised, with the line at which it did so where that is known."""
    place = place_of(error) if error.__cause__ is not None else None
    name = subject.backward_name if place is not None else ""
    source = subject.source if place is None else place
    return Finding(error.verdict, error.argument, str(error), error.verdict, operation=name, source=source)


def blocks(finding: Finding) -> bool:
    """Say whether a finding leaves nothing to compare: a wrong shape of one argument's gradient leaves the others."""
    return finding.verdict in BLOCKING and not (finding.verdict == "shape" and finding.argument)


def _copies(subject: Subject) -> dict[str, Array]:
    return {name: np.array(x) for name, x in subject.arguments.items()}


def _names(findings: list[Finding]) -> set[str]:
    return {finding.argument for finding in findings}


def _of_gradient(name: str, subject: Subject, gradient: Any, again: Any) -> Iterator[Finding]:
    x = subject.arguments[name]
    if gradient is None:
        return
    if gradient.shape != x.shape:
        detail = f"the gradient has shape {list(gradient.shape)}, expected {list(x.shape)}, the argument's own"
        yield Finding("shape", name, detail, "shape", operation=subject.backward_name, source=subject.source)
        return
    if gradient.dtype != x.dtype:
        detail = f"the gradient has dtype {gradient.dtype}, expected {x.dtype}, the argument's own"
        yield Finding("dtype", name, detail, "dtype")
    if gradient.dtype.kind in "biu":  # a mask that was returned as the gradient, or a sum of one
        gradient, again = gradient.astype(x.dtype), None if again is None else np.asarray(again, x.dtype)
    if not np.all(np.isfinite(gradient)):
        yield _not_finite(name, "the gradient", gradient)
    elif again is None or np.shape(again) != gradient.shape:
        yield Finding("non-deterministic", name, "a second backward pass gives no gradient of that shape", "")
    elif (finding := _differs("the gradient", gradient, np.asarray(again), name)) is not None:
        yield finding


def _not_finite(name: str, what: str, values: Array) -> Finding:
    index = first_place(~np.isfinite(values))
    count = int(np.sum(~np.isfinite(values)))
    detail = f"{what} is {values[index]} ({count} of {values.size} elements are not finite)"
    return Finding("not-finite", name, detail, "not-finite", index=index, analytic=float(values[index]))


def _differs(what: str, a: Array, b: Array, name: str = "") -> Finding | None:
    if a.shape != b.shape:
        detail = f"{what} has shape {list(a.shape)} in one run and {list(b.shape)} in the next"
        return Finding("non-deterministic", name, detail, "non-deterministic")
    far = np.abs(a - b) > REPEATABLE * eps_of(a) * float(np.max(np.abs(a), initial=0.0))
    if not np.any(far):
        return None
    index = first_place(far)
    detail = (
        f"{what} is {a[index]:.6g} in one run and {b[index]:.6g} in the next ({int(np.sum(far))} of {a.size} elements "
        f"differ); fix the random numbers: .eval() for dropout, a seeded generator made inside the function"
    )
    return Finding("non-deterministic", name, detail, "non-deterministic", index=index)


def _changed(who: str, before: Arrays, after: Arrays) -> Iterator[Finding]:
    for name, x in before.items():
        if after[name].tobytes() != x.tobytes():
            index = first_place(~((after[name] == x) | ((after[name] != after[name]) & (x != x))))
            detail = f"{who} changes it in place (from {x[index]:.6g} to {after[name][index]:.6g}); work on a copy"
            yield Finding("mutates-input", name, detail, "mutates-input", index=index)


def _overlaps(given: Mapping[str, Any]) -> Iterator[Finding]:
    arrays = {name: x for name, x in given.items() if isinstance(x, np.ndarray)}
    for name, x in arrays.items():
        if any(n > 1 and step == 0 for n, step in zip(x.shape, x.strides, strict=True)):
            detail = "several of its elements are one number in memory (a broadcast view); pass a copy"
            yield Finding("overlapping-memory", name, detail, "overlapping-memory")
    for (a, x), (b, y) in combinations(arrays.items(), 2):
        if np.may_share_memory(x, y) and np.shares_memory(x, y):
            detail = f"it shares memory with {b}: a change in one changes the other; pass copies"
            yield Finding("overlapping-memory", a, detail, "overlapping-memory")
