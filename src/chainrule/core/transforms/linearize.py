"""`linearize`: one forward pass, then any number of tangents through it.

The trace is a forward trace that keeps the operations to apply to a tangent instead of the tangent itself: each
operation with its arguments and output. Later passes run through this list from the start. They use the rules of
forward mode themselves, so the results are those of `jvp` to the last bit; transposing the pullback (Griewank &
Walther's adjoint of the adjoint) would need no new trace, but a derivative of every reverse rule, and a longer tape.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.errors import InPlaceError
from chainrule.core.memory.changes import changes, tick
from chainrule.core.memory.loans import arrays_in, borrowed, look_at_loans
from chainrule.core.memory.sealing import Found, Sealed, sealed_all
from chainrule.core.tensor import is_array
from chainrule.core.traces.forward import Forward, pushed
from chainrule.core.traces.tape import next_level

from .derivatives import ForwardRun, Function, matching_all, owned
from .values import Argument, Given


class _Step(NamedTuple):
    """One operation; tangents are numbered: `dots` has those of its inputs (None for zero), `links` those it makes."""

    op: Any
    outputs: tuple[Any, ...]
    args: tuple[Any, ...]
    dots: tuple[int | None, ...]
    settings: Mapping[str, Any]
    links: tuple[int, ...]
    order: int
    constants: tuple[Any, ...]
    """The constant arguments, sealed if others can write to them."""


class _Recorder(Forward):
    """Forward mode's trace for tangents that are given later. A box's link is the number of its tangent."""

    __slots__ = ("number", "steps")

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.number = 0
        self.steps: list[_Step] = []

    def numbers(self, count: int) -> tuple[int, ...]:
        """Return numbers for new tangents."""
        self.number += count
        return tuple(range(self.number - count, self.number))

    def tangents(
        self, op: Any, outputs: Sequence[Any], args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Record the operation."""
        if op.kind in ("linear", "bilinear") or (op.kind == "elementwise" and "y" not in op.residuals):
            # The tangent does not depend on the output.
            outputs = tuple(map(_blank, outputs))
        if op.kind == "linear":  # nor on what moves
            args = tuple(x if dot is None else _blank(x) for x, dot in zip(args, dots, strict=True))
        links = self.numbers(len(outputs))
        if borrowed:
            look_at_loans((outputs, args))
        constants = _constants(op, args, dots) if None in dots else ()
        kept = sealed_all(constants, [(op.name, constants)]) if constants else ()
        self.steps.append(_Step(op, tuple(outputs), args, dots, settings, links, tick(), kept))
        return links


def _constants(op: Any, args: tuple[Any, ...], dots: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments without a tangent that the tangents of others depend on."""
    names = op.arguments * len(args) if op.variadic else op.arguments
    return tuple(
        x
        for x, k, dot in zip(args, names, dots, strict=False)
        if dot is None and (op.kind != "linear" or k not in op.differentiable)
    )


def _blank(x: Any) -> Any:
    """Return an array of the shape and dtype of `x`, without its memory."""
    return _zero(x.shape, x.dtype)


@functools.lru_cache(maxsize=1024)
def _zero(shape: tuple[int, ...], dtype: Any) -> Any:
    return np.broadcast_to(np.zeros((), dtype), shape)


class Linearized:
    """A function at a point, as a linear map of tangents."""

    def __init__(self, transform: str, f: Function, primals: Sequence[Any]) -> None:
        recorder = _Recorder(next_level())
        self.inputs = [Argument(transform, f"primal {k}", primal) for k, primal in enumerate(primals)]
        self.arguments = Given(self.inputs)
        numbers = [recorder.numbers(len(one.values)) for one in self.inputs]
        self.run = ForwardRun(recorder, f, self.inputs, numbers)
        self.given = [number for row in numbers for number in row]
        self.steps = _needed(recorder.steps, self.run.links)
        self.largest = max((y.size for step, _ in self.steps for y in step.outputs), default=1)
        self.done = tick()

    def push(self, dots: Iterable[Any]) -> list[Any]:
        """Return the tangent of each output, given one for each leaf of the primals; None means zero."""
        self.arguments.look()
        look_at_loans()
        self._check_unchanged()
        found = {number: dot for number, dot in zip(self.given, dots, strict=True) if dot is not None}
        for step, last in self.steps:
            arriving = tuple(None if number is None else found.get(number) for number in step.dots)
            if any(dot is not None for dot in arriving):
                found.update(
                    zip(step.links, pushed(step.op, step.outputs, step.args, arriving, step.settings), strict=True)
                )
            for number in last:
                found.pop(number, None)
        return [None if number is None else found.get(number) for number in self.run.links]

    def _check_unchanged(self) -> None:
        marked = changes.last > self.done
        found: Found = {}
        for step, _ in self.steps:
            used = arrays_in((step.outputs, step.args)) if marked else ()
            sealed = step.constants
            if any(changes.since(step.order, array) for array in used) or (
                isinstance(sealed, Sealed) and sealed.changed(found)
            ):
                raise InPlaceError(
                    f"linearize: a value was changed in place after {step.op.name} used it; linearize again at the new "
                    f"values, or change a copy"
                )


def _needed(steps: Sequence[_Step], wanted: Iterable[int | None]) -> list[tuple[_Step, set[int]]]:
    """Return the steps that lead to the tangents `wanted`, each with the tangents that no later step needs."""
    later = {number for number in wanted if number is not None}
    kept = []
    for step in reversed(steps):
        if not later.isdisjoint(step.links):
            used = {number for number in step.dots if number is not None}
            kept.append((step, used - later))
            later |= used
    return kept[::-1]


def linearize(f: Function, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    r"""Return `f(*primals)` and its derivative there: `f_jvp(*tangents)` is $\dot y = J \dot x$.

    `f` runs once, here; `f_jvp` may be called any number of times, each at the cost of the derivatives alone, and takes
    one tangent per primal, of the same structure and shapes. As long as it exists it holds the values that `f`
    computed: for a single tangent, `jvp` needs less memory.

    `f_jvp` raises InPlaceError if one of these values was changed in place in the meantime.

    >>> import chainrule as cr
    >>> y, f_jvp = cr.linearize(lambda a, b: a * b, 2.0, 3.0)
    >>> float(y), float(f_jvp(1.0, 0.0)), float(f_jvp(0.0, 1.0))
    (6.0, 3.0, 2.0)
    """
    line = Linearized("linearize", f, primals)

    def f_jvp(*tangents: Any) -> Any:
        dots = matching_all("f_jvp", tangents, line.inputs)
        return line.run.tangents(line.push([dot for row in dots for dot in row]))

    value = owned(line.run.value())
    line.run.values = [_blank(y) if is_array(y) else y for y in line.run.values]
    return value, f_jvp
