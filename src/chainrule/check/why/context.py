"""The context of one wrong gradient: the data that hypotheses are tested on."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.base.budget import look
from chainrule.check.subjects.subject import eps_of
from chainrule.check.subjects.trace import Trace

Array: TypeAlias = NDArray[Any]
Arguments: TypeAlias = dict[str, Array]

LARGEST_JACOBIAN = 1 << 20
"""The most entries of a Jacobian that is measured; beyond that, hypotheses that need one are skipped."""
NOISE = 1e-8
"""The relative error of numerical gradients of float64 code, erring wide."""


@dataclass(frozen=True)
class Context:
    """One argument's wrong gradient, and all related measurements.

    `gradients` are the analytic gradients of ⟨ȳ, f⟩ by argument; `numeric` are the measured ones, where missing entries
    are measured on demand. `forward` evaluates f at other arguments; `backward(y_bar, arguments)` is the rule under
    test, for running at other points, cotangents and shapes, or None if that is impossible. `square` means that the
    shapes are square, so that a rule that is right only for square shapes seems right.
    """

    y_bar: Array
    output: Array
    arguments: Arguments
    argument: str
    forward: Callable[[Arguments], Array]
    gradients: Arguments
    numeric: Arguments
    backward: Callable[[Array, Arguments], Mapping[str, Any]] | None = None
    square: bool = False
    follow: Callable[[Arguments], Trace | None] | None = None
    """Runs f on chainrule's tape, if it can be run there."""
    until: float = math.inf
    """When, by the processor's time, no further hypothesis is tried."""
    _jacobians: dict[str, Array | None] = field(default_factory=dict, repr=False, compare=False)

    @property
    def x(self) -> Array:
        """The argument whose gradient is wrong."""
        return self.arguments[self.argument]

    @property
    def result(self) -> str:
        """What the output is called in a sentence: y, unless that is the name of an argument."""
        return "y" if "y" not in self.arguments else "the output"

    @cached_property
    def analytic(self) -> Array:
        """Its gradient according to the rule under test."""
        return np.asarray(self.gradients[self.argument])

    @cached_property
    def expected(self) -> Array:
        """Its measured gradient: the given one, or measured now. NaN where f is not defined around the point."""
        found = self.gradient_of(self.argument)
        if found is None:
            found = self.measured(self.arguments)
        return np.full(self.x.shape, np.nan) if found is None else found

    @cached_property
    def error(self) -> Array:
        """The error of the rule under test: expected − analytic, which must have the same shape."""
        return self.expected - self.analytic

    @cached_property
    def same_shape(self) -> bool:
        """Whether analytic and expected gradient can be compared element by element."""
        return self.analytic.shape == self.expected.shape

    @cached_property
    def noise(self) -> float:
        """The norm below which a difference of gradients is insignificant."""
        relative = 1e3 * self.coarsest if self.is_coarse else NOISE
        return relative * max(norm(self.expected), norm(self.analytic))

    @property
    def coarsest(self) -> float:
        """The machine epsilon of the narrowest dtype that takes part."""
        return max(eps_of(a) for a in (self.analytic, self.output, self.x))

    @property
    def is_coarse(self) -> bool:
        """Whether something is computed in a narrower dtype than float64."""
        return self.coarsest >= 1e-12

    def expired(self) -> bool:
        """Say whether the time for hypotheses is over."""
        return time.process_time() > self.until

    @cached_property
    def floating(self) -> Arguments:
        """The arguments that have a gradient."""
        return {name: x for name, x in self.arguments.items() if np.asarray(x).dtype.kind == "f"}

    @cached_property
    def trace(self) -> Trace | None:
        """The run of f on chainrule's tape at the arguments, or None."""
        return None if self.follow is None else self.follow(self.arguments)

    def evaluate(self, arguments: Arguments) -> Array | None:
        """Return f at other arguments, or None if it rejects them."""
        look()
        with np.errstate(all="ignore"):
            try:
                return np.asarray(self.forward({name: np.array(x) for name, x in arguments.items()}))
            except Exception:
                return None

    def rerun(self, arguments: Arguments, y_bar: Array | None = None) -> Array | None:
        """Return the rule's gradient for the argument at another point, or None if it gives none."""
        if self.backward is None:
            return None
        look()
        y_bar = self.y_bar if y_bar is None else y_bar
        with np.errstate(all="ignore"):
            try:
                found = self.backward(np.array(y_bar), {name: np.array(x) for name, x in arguments.items()})
                value = found.get(self.argument)
                return None if value is None else np.asarray(value)
            except Exception:
                return None

    def jacobian(self, name: str | None = None) -> Array | None:
        """Return the measured ∂f/∂argument as [output.size, argument.size]; None if it is too large or undefined."""
        name = self.argument if name is None else name
        if name not in self._jacobians:
            size = np.size(self.arguments[name]) * self.output.size
            self._jacobians[name] = self._measured_jacobian(name) if 0 < size <= LARGEST_JACOBIAN else None
        return self._jacobians[name]

    def _measured_jacobian(self, name: str) -> Array | None:
        columns = []
        for k in range(np.size(self.arguments[name])):
            column = self.column(self.arguments, name, k)
            if column is None or column.shape != self.output.shape:
                return None
            columns.append(column.ravel())
        return np.stack(columns, axis=1)

    def column(self, arguments: Arguments, name: str, k: int) -> Array | None:
        """Return ∂f/∂(element k of an argument) by central differences of order h⁴, or None if f is not defined."""
        x = np.asarray(arguments[name])
        step = float(max(eps_of(self.output), eps_of(x)) ** 0.25 * max(1.0, abs(x.flat[k])))
        values = []
        for distance in (-2, -1, 1, 2):
            moved = np.array(x)
            moved.flat[k] += distance * step
            value = self.evaluate({**arguments, name: moved})
            if value is None or value.size == 0 or not np.all(np.isfinite(value)):
                return None
            values.append(np.asarray(value, np.result_type(value.dtype, np.float64)))
        far_left, left, right, far_right = values
        return np.asarray((8 * (right - left) - (far_right - far_left)) / (12 * step))

    def gradient_of(self, name: str) -> Array | None:
        """Return the expected gradient of an argument, given or measured, or None."""
        if name in self.numeric:
            return np.asarray(self.numeric[name])
        jacobian = self.jacobian(name)
        return None if jacobian is None else (self.y_bar.ravel() @ jacobian).reshape(np.shape(self.arguments[name]))

    def measured(self, arguments: Arguments, only: list[int] | None = None) -> Array | None:
        """Return the numerical gradient of ⟨ȳ, f⟩ at other arguments, in all elements or only at some flat indices."""
        which = range(np.size(arguments[self.argument])) if only is None else only
        found = []
        for k in which:
            column = self.column(arguments, self.argument, k)
            if column is None or column.shape != self.y_bar.shape:
                return None
            found.append(float(np.vdot(self.y_bar, column)))
        gradient = np.array(found)
        return gradient.reshape(np.shape(arguments[self.argument])) if only is None else gradient


def norm(a: Any) -> float:
    """Return the Euclidean norm of an array of any shape."""
    return float(np.linalg.norm(np.asarray(a, np.float64).ravel()))
