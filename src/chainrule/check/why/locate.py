"""Where a gradient is wrong: the first operation whose own gradient is wrong, and branches that flip at kinks."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.check.measuring.coverage import cover
from chainrule.check.measuring.measure import ASIDE, ZERO_SCALE, Probe, random_direction
from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.subject import (
    Array,
    Arrays,
    BackwardError,
    Recorded,
    Subject,
    cut,
    first_place,
    joined,
    located,
    parted,
    rms,
)
from chainrule.core.custom import Custom, is_floating
from chainrule.core.tensor import value_of
from chainrule.core.transforms import derivatives as transforms

SEARCHING = 15.0
"""Seconds of the processor's time after which no further part of a run is checked: it then has no place."""


class OperationSubject(Subject):
    """One operation at the inputs that it had in a run."""

    def __init__(self, recorded: Recorded, inputs: Sequence[Any] | None = None) -> None:
        self.recorded = recorded
        self.inputs = tuple(recorded.inputs if inputs is None else inputs)
        op = recorded.op
        self.op, self.name, self.source = op, str(op.name), recorded.source
        self.written = located(op.rules["vjp"]) if isinstance(op, Custom) and "vjp" in op.rules else None
        names = [f"{op.arguments[0]}[{k}]" for k in range(len(self.inputs))] if op.variadic else op.arguments
        self.names = tuple(names)
        self.arguments = {
            name: np.array(x)
            for name, x, tracked in zip(names, self.inputs, recorded.tracked, strict=False)
            if tracked and is_floating(x)
        }

    def _run(self, values: Mapping[str, Any]) -> list[Any]:
        inputs = [values.get(name, x) for name, x in zip(self.names, self.inputs, strict=False)]
        y = self.op.apply(*inputs, **self.recorded.settings)
        return [part for part in (y if self.op.several else (y,)) if is_floating(part)]

    def forward(self, arguments: Arrays) -> Array:
        """Run the operation."""
        return joined([np.asarray(value_of(y)) for y in self._run(arguments)])

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run its reverse-mode rules."""
        names = list(arguments)

        def run(*values: Any) -> list[Any]:
            return self._run(dict(zip(names, values, strict=True)))

        outputs, pullback = transforms.vjp(run, *arguments.values())
        parts = parted(y_bar, [np.asarray(value_of(y)) for y in outputs])
        return {name: value_of(g) for name, g in zip(names, pullback(parts), strict=True)}

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the rule of a user-defined operation, and the functions that it calls."""
        op = self.op

        def with_rule(rule: FunctionType) -> Subject:
            changed = copy.copy(op)
            changed.rules = {**op.rules, "vjp": rule}
            one = self.recorded
            again = Recorded(changed, one.inputs, one.tracked, one.settings, one.output, one.source)
            return OperationSubject(again, self.inputs)

        if isinstance(op, Custom) and "vjp" in op.rules:
            yield from with_helpers(op.rules["vjp"], with_rule)

    def aside(self, seed: int) -> "OperationSubject":
        """Return the operation at slightly shifted inputs."""
        rng = np.random.default_rng(seed)

        def shifted(name: str, x: Any) -> Any:
            if name not in self.arguments:
                return x
            return (x + ASIDE * (rms(x) or ZERO_SCALE) * rng.standard_normal(np.shape(x))).astype(
                self.arguments[name].dtype
            )

        return OperationSubject(self.recorded, [shifted(*pair) for pair in zip(self.names, self.inputs, strict=False)])

    def sizes(self) -> set[int]:
        """Return the lengths of all axes of the inputs."""
        return {n for x in self.inputs for n in np.shape(x)}

    def reduced(self, sizes: Mapping[int, int]) -> "OperationSubject":
        """Return the operation at inputs with shortened axes."""
        return OperationSubject(self.recorded, [cut(x, sizes) for x in self.inputs])


@dataclass(frozen=True)
class Located:
    """The result of a search on the tape: a wrong operation, or one that cuts the gradient, or kinks."""

    kind: str
    operation: str
    source: Source | None
    subject: Subject | None = None


def locate(subject: Subject, arguments: Arrays, seed: int, missing: bool, seconds: float = SEARCHING) -> Located | None:
    """Return the first operation whose own gradient is wrong.

    If there is none, return the first that cuts the gradient, if it is `missing`, or else the first at a kink; where
    every operation is right and there is no kink, the only one that cuts a path.
    """
    with np.errstate(all="ignore"):
        end = time.process_time() + seconds
        for part in subject.parts():
            if time.process_time() > end:
                break
            if verdict_on(part, seed) == "wrong":  # one that raises, which the whole did not, is not on its way
                return Located("wrong", part.backward_name or part.name, part.source, part)
        operations = subject.operations({name: np.array(x) for name, x in arguments.items()})
        cutting: Located | None = None
        kink: Located | None = None
        cuts: dict[Source | None, Located] = {}
        for recorded in operations:
            if recorded.op.kind == "constant":
                if cutting is None and is_floating(recorded.output):
                    cutting = Located("cut", str(recorded.op.name), recorded.source)
                if _passes_on(recorded):
                    cuts.setdefault(recorded.source, Located("cut", str(recorded.op.name), recorded.source))
                continue
            if recorded.lost and is_floating(recorded.output):
                found = Located("cut", str(recorded.op.name), recorded.source)
                cuts.setdefault(recorded.source, found)
                cutting = cutting or found
            one = OperationSubject(recorded)
            verdict = verdict_on(one, seed)
            if verdict == "wrong" and not isinstance(one.op, Custom) and verdict_on(one.aside(seed), seed) == "right":
                verdict = "kink"  # only exactly here, where the record's convention applies
            if verdict in ("wrong", "raises"):
                return Located("wrong", one.name, recorded.source, one)
            if verdict == "kink" and kink is None:
                kink = Located("kink", one.name, recorded.source, one)
    if missing and cutting is not None:
        return cutting
    return next(iter(cuts.values())) if kink is None and len(cuts) == 1 else kink


def _passes_on(recorded: Recorded) -> bool:
    """Whether an operation without a derivative returns what it is given, as a detached tensor."""
    if not recorded.inputs or not is_floating(recorded.output):
        return False
    return np.array_equal(np.asarray(value_of(recorded.inputs[0])), np.asarray(recorded.output))


def verdict_on(subject: Subject, seed: int, only: str | None = None) -> str:
    """Return "wrong", "kink", "unclear" or "right" for a subject, or for one of its arguments.

    It is "raises" if the backward pass raises or returns a wrong shape, and "unclear" if the function does not run.
    """
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        try:
            y = np.asarray(subject.forward({name: np.array(x) for name, x in subject.arguments.items()}))
            probe = Probe(subject, random_direction(rng, y.shape).astype(y.dtype))
        except BackwardError:
            return "raises"
        except Exception:
            return "unclear"
        if not y.size or not np.all(np.isfinite(y)):
            return "unclear"
        names = [name for name in subject.arguments if only in (None, name)]
        if not set(names) <= set(probe.gradients):
            return "raises"  # a gradient of a wrong shape
        found = {cover([probe], name, rng, False).verdict for name in names}
    return next((verdict for verdict in ("wrong", "kink", "unclear") if verdict in found), "right")


def flipped(subject: Subject, below: Arrays, above: Arrays) -> tuple[Recorded, tuple[int, ...]] | None:
    """Return the first operation with kinks whose slopes differ between two nearby points, and the element."""
    with np.errstate(all="ignore"):
        pairs = zip(subject.operations(below), subject.operations(above), strict=False)
        for left, right in pairs:
            if left.op is not right.op:
                return right, ()
            choices = [_choices((one.output, one.inputs, list(one.settings.values()))) for one in (left, right)]
            for a, b in zip(*choices, strict=False):
                if a.shape != b.shape or not np.array_equal(a, b):
                    return right, first_place(a != b) if a.shape == b.shape else ()
            if left.op.kind == "constant" or not getattr(left.op, "kinks", ()):
                continue
            ends = OperationSubject(left), OperationSubject(right)
            for name in ends[0].arguments:
                ones = np.ones(np.shape(joined([np.asarray(left.output)])))
                try:
                    slopes = [s.backward(s.arguments, ones)[name] for s in ends]
                except Exception:
                    continue
                apart = np.abs(slopes[1] - slopes[0])
                if np.max(apart, initial=0.0) > 1e-3 * (np.max(np.abs(slopes), initial=0.0) or 1.0):
                    return right, first_place(apart == np.max(apart))
    return None


def _choices(value: Any) -> list[Array]:
    """Return the masks and indices among an operation's inputs and outputs, which determine the branch."""
    if isinstance(value, np.ndarray | np.generic):
        return [np.asarray(value)] if value.dtype.kind in "biu" else []
    return [array for item in value for array in _choices(item)] if isinstance(value, tuple | list) else []
