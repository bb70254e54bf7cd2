"""Is the gradient that trains a network the derivative of its loss? Every parameter, by numerical differentiation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.base.copies import copied
from chainrule.check.measuring.directional import ROUNDING, derivative
from chainrule.core.creation import tensor
from chainrule.core.custom import is_floating
from chainrule.core.operands.faces import opened
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.core.tree import flatten, unflatten
from chainrule.nn import Dropout
from chainrule.present.html import tag
from chainrule.present.page import fragment
from chainrule.present.table import table

THRESHOLD = 1e-6
"""A relative error above this means a wrong gradient.

The differences, extrapolated in float64, are right to 1e-9 or so if the loss is smooth, and a wrong rule is off by
about 1; this lies between the two. In a random direction one wrong element among n has a weight of 1/√n, which is still
a thousand times the threshold for a million elements."""
ASIDE = 1e-3
"""How far to move away from a kink of the loss, relative to the size of each parameter."""
ZERO_SCALE = 0.1
"""The size assumed for a parameter of zeros, such as a fresh bias."""
ROUGH = "the loss is not smooth here"
ZERO = "the gradient is zero"
MISSING = "the loss depends on it, but no gradient arrives"
ASIDE_NOTE = "checked a little aside"

_HEAD = ("parameter", "shape", "relative error", "", "note")

Vector = Any


@dataclass(frozen=True)
class ParameterRow:
    """The result for one parameter, in the direction where analytic and numerical derivative differ most.

    `analytic` is the gradient's component in that direction, `numeric` the measured one; `where` names the direction,
    and `note` has further remarks.
    """

    name: str
    shape: tuple[int, ...]
    analytic: float
    numeric: float
    relative_error: float
    where: str
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class ParameterCheck:
    """The result of `check_parameters`: a row for each parameter. It prints as a table."""

    rows: tuple[ParameterRow, ...]
    loss: float
    threshold: float

    @property
    def ok(self) -> bool:
        """Whether every parameter's gradient is right."""
        return all(row.ok for row in self.rows)

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max(row.relative_error for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON."""
        rows = [{**vars(row), "shape": list(row.shape)} for row in self.rows]
        return {"ok": self.ok, "loss": self.loss, "threshold": self.threshold, "rows": rows}

    def __str__(self) -> str:
        rows = [list(_HEAD), *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in rows]
        return "\n".join([*lines, self._verdict()])

    def _repr_html_(self) -> str:
        verdict = tag("p", self._verdict(), class_="good" if self.ok else "bad")
        return fragment("en", verdict, table(_HEAD, self._rows(), "parameters", named=True))

    def _rows(self) -> list[list[str]]:
        return [
            [r.name, "×".join(map(str, r.shape)) or "()", f"{r.relative_error:.1e}", "ok" if r.ok else "WRONG", r.note]
            for r in self.rows
        ]

    def _verdict(self) -> str:
        wrong = sum(not row.ok for row in self.rows)
        found = (
            f"All {len(self.rows)} gradients agree with numerical differentiation"
            if self.ok
            else f"{wrong} of {len(self.rows)} gradients {'does' if wrong == 1 else 'do'} not agree with numerical "
            "differentiation"
        )
        why = "" if self.ok else " For the place and the cause: cr.check(lambda x: loss(model(x), y), x)."
        return f"{found} (threshold {self.threshold:.0e}).{why}"


def check_parameters(
    model: Any,
    loss: Callable[[Any, Any], Any],
    x: ArrayLike,
    y: ArrayLike,
    *,
    directions: int = 2,
    coordinates: int = 2,
    threshold: float = THRESHOLD,
    training: bool = False,
    seed: int = 0,
) -> ParameterCheck:
    """Compare the gradient of `loss(model(x), y)` with respect to every parameter with numerical derivatives.

    Works on a deep copy of the model in float64, in evaluation mode: no dropout, and normalisation with its running
    statistics. With `training` the copy is in training mode, except for Dropout. The model itself does not change.

    For each parameter, the gradient's component in `directions` random directions is compared with the derivative of
    the loss along it (`directional.derivative`: central differences of order h⁶), and so are single elements: those of
    the `coordinates` largest gradients, and as many random ones. The relative error is |analytic − numeric| over the
    larger of them; if both are too small to show in a loss rounded to float64, over the smallest value that would. A
    loss near 0 is rounded as the numbers it is the difference of: those near 1, or the largest output that it uses.

    A kink (ReLU at 0) within the reach of a step is avoided by smaller steps. A kink at the point itself, as in a layer
    of zeros, shows as one-sided derivatives that differ; which slope is the gradient there is a convention that cannot
    be measured. A gradient of zeros, as behind a layer of zeros, says little about its rule. In both cases the
    parameter is checked at a point nearby, with all parameters moved at random by a thousandth of their size.

    Costs 7 to 33 forward passes per direction. A model and a loss of `chainrule.torch` take its tensors as `x` and `y`.

    Raises TypeError for a module of PyTorch (`check_torch` takes it), and ValueError for a model without parameters,
    for a loss that is not a finite number, and for one that differs from call to call.

    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> result = check_parameters(model, nn.CrossEntropyLoss(), np.eye(4), np.array([0, 1, 2, 0]))
    >>> result.ok, len(result.rows), result.worst < 1e-8
    (True, 4, True)
    """
    if min(directions, coordinates) < 0 or directions + coordinates == 0:
        raise ValueError(f"check_parameters: got {directions} directions and {coordinates} coordinates to check in")
    _refuse_pytorch(model)
    model, x, loss, y = opened(model, x, loss, y)
    rng = np.random.default_rng(seed)
    here = _Probe(model, loss, x, y, training)
    rows = {name: _Subject(here, name, threshold).check(rng, directions, coordinates) for name in here.parameters}
    open_questions = [name for name, row in rows.items() if row.note in (ROUGH, ZERO)]
    if open_questions:
        aside = _Probe(model, loss, x, y, training)
        aside.shift(rng)
        for name in open_questions:
            row = _Subject(aside, name, threshold).check(rng, directions, coordinates)
            rows[name] = replace(row, note=row.note or ASIDE_NOTE)
    return ParameterCheck(tuple(rows.values()), here.value, threshold)


def _refuse_pytorch(model: Any) -> None:
    if any(cls.__module__.partition(".")[0] == "torch" for cls in type(model).__mro__):
        name = type(model).__name__
        raise TypeError(
            f"check_parameters: got {name}, a module of PyTorch, expected one of chainrule; "
            "chainrule.check_torch(model, x) checks its parameters"
        )


class _Probe:
    """The loss of a copy of a model, as a function of the copy's parameters."""

    def __init__(self, model: Any, loss: Callable[[Any, Any], Any], x: Any, y: Any, training: bool) -> None:
        self.model, self.loss = copied([model, loss])  # a loss may refer to the model
        _set_up(self.model, training)
        self.x, self.y = (_double(part) for part in (x, y))
        self.parameters = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise ValueError("check_parameters: the model has no parameters that require a gradient")
        self.value = self.measure()
        if not np.isfinite(self.value):
            raise ValueError(f"check_parameters: the loss is {self.value}, so it has no derivative; use other data")
        if self.measure() != self.value:
            raise ValueError(
                "check_parameters: two evaluations of the same loss differ; fix the random numbers that the model or "
                "the loss draws"
            )
        self.gradients = self._differentiate()

    def measure(self) -> float:
        with no_grad():
            return float(value_of(self.loss(self.model(self.x), self.y)))

    @cached_property
    def size(self) -> float:
        """The size of the numbers that the loss may be a difference of: 1, as of logarithms, or the largest output.

        An output that the loss does not depend on, such as a masked one of -1e9, adds no rounding.
        """
        with no_grad():
            outputs, structure = flatten(self.model(self.x))
        leaves = [tensor(one, requires_grad=True) if is_floating(one) else one for one in outputs]
        loss = self.loss(unflatten(structure, leaves), self.y)
        if getattr(loss, "requires_grad", False):
            loss.backward()
        return max(1.0, *map(_largest_used, leaves))

    def along(self, parameter: Any, direction: Vector) -> Callable[[float], float]:
        """Return the loss as a function of a step in one parameter, whose value is restored afterwards."""
        start = np.array(parameter.data)

        def moved(t: float) -> float:
            parameter.data = start + t * direction
            try:
                return self.measure()
            finally:
                parameter.data = start

        return moved

    def shift(self, rng: np.random.Generator) -> None:
        """Move all parameters a little, at random."""
        for parameter in self.parameters.values():
            value = np.array(parameter.data)
            parameter.data = value + ASIDE * _size(value) * rng.standard_normal(value.shape)
        self.gradients = self._differentiate()

    def _differentiate(self) -> dict[str, Vector | None]:
        self.model.zero_grad()
        self.loss(self.model(self.x), self.y).backward()
        return {n: None if p.grad is None else np.array(p.grad.numpy()) for n, p in self.parameters.items()}


def _set_up(model: Any, training: bool) -> None:
    model.double().train(training)
    for module in model.modules():
        if isinstance(module, Dropout):
            module.eval()


def _size(value: Vector) -> float:
    """Return the size of a parameter's elements, so that steps can be relative to it."""
    return float(np.sqrt(np.mean(np.square(value)))) or ZERO_SCALE


def _largest_used(output: Any) -> float:
    """Return the largest finite magnitude in an output, of what has a gradient other than 0."""
    gradient = getattr(output, "grad", None)
    if gradient is None:
        return 0.0
    sizes = np.abs(value_of(output))
    return float(sizes.max(initial=0.0, where=np.isfinite(sizes) & (value_of(gradient) != 0)))


def _double(array: Any) -> Any:
    values = np.asarray(value_of(array))
    return values.astype(np.float64) if values.dtype.kind == "f" else values


@dataclass(frozen=True)
class _Subject:
    """One parameter under check."""

    probe: _Probe
    name: str
    threshold: float

    @property
    def parameter(self) -> Any:
        return self.probe.parameters[self.name]

    @property
    def gradient(self) -> Vector:
        found = self.probe.gradients[self.name]
        return np.zeros(self.parameter.shape) if found is None else found

    def check(self, rng: np.random.Generator, directions: int, coordinates: int) -> ParameterRow:
        """Check in all directions, and return the worst row."""
        if self.parameter.size == 0:
            return self.row(0.0, 0.0, 0.0, "nowhere", "has no element")
        rows = [self.compare(*one) for one in self.directions(rng, directions, coordinates)]
        worst = max(rows, key=_badness)
        return replace(worst, note=ZERO) if worst.ok and not self.gradient.any() else worst

    def directions(self, rng: np.random.Generator, directions: int, coordinates: int) -> Iterator[tuple[str, Vector]]:
        """Yield the name of each direction, and the direction."""
        shape, size, scale = self.parameter.shape, self.parameter.size, _size(self.parameter.data)
        for _ in range(directions):
            yield "a random direction", scale * rng.standard_normal(shape)
        count = min(coordinates, size)
        largest = np.argsort(-np.abs(self.gradient).ravel(), kind="stable")[:count]
        for index in dict.fromkeys([*largest.tolist(), *rng.choice(size, count, replace=False).tolist()]):
            unit = np.zeros(size)
            unit[index] = scale
            yield f"element {[int(i) for i in np.unravel_index(index, shape)]}", unit.reshape(shape)

    def compare(self, where: str, direction: Vector) -> ParameterRow:
        """Compare in one direction."""
        analytic = float(np.sum(self.gradient * direction))
        measured = derivative(self.probe.along(self.parameter, direction))
        larger = max(abs(analytic), abs(measured.value))
        difference = abs(analytic - measured.value)
        error = difference / (larger + measured.noise / self.threshold) if difference else 0.0
        if error > self.threshold:  # a small loss may be a difference of larger numbers, which are rounded, too
            noise = max(measured.noise, ROUNDING * self.probe.size / measured.step)
            measured, error = replace(measured, noise=noise), difference / (larger + noise / self.threshold)
        if not np.isfinite(analytic):
            return self.row(analytic, measured.value, np.inf, where, "the gradient is not finite")
        note = ""
        if not error <= self.threshold:
            tolerance = 10 * (self.threshold * larger + measured.noise)
            note = MISSING if not self.gradient.any() else f"in {where}"
            if not (measured.jump <= tolerance and measured.error <= tolerance):
                note = ROUGH
        return self.row(analytic, measured.value, error, where, note)

    def row(self, analytic: float, numeric: float, error: float, where: str, note: str = "") -> ParameterRow:
        ok = error <= self.threshold
        return ParameterRow(self.name, self.parameter.shape, analytic, numeric, error, where, ok, note)


def _badness(row: ParameterRow) -> tuple[bool, float]:
    return not row.ok, row.relative_error
