r"""The lines of a worked solution: a formula, the numbers in it, its value, and its deviation from the engine's.

A solution comes from one of two sources. A `Scene` is a network: `chainrule.explain` derives its gradients, and each
line is one of its verified steps. `Worked` is a sequence of formulas that no derivation contains, such as a step of
Adam: each is evaluated as written, and the result is compared with what the engine computes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.explain import Derivation, explain
from chainrule.explain.derive.numerals import shown
from chainrule.explain.derive.symbols import from_name
from chainrule.explain.derive.verify import TOLERANCE, deviation
from chainrule.formula.evaluation import parse

from .code import as_written
from .draw import Draw
from .names import LABEL, Named, ascii_of, key_of

Both = tuple[str, str]
"""A text in English and in Korean."""


@dataclass(frozen=True)
class Line:
    """One line of a solution.

    `symbol` (LaTeX) is what it computes, `formula` the equation, `numbers` its right-hand side with numbers put in (""
    if they do not fit), `value` the result, and `error` its relative deviation from the engine's.
    """

    symbol: str
    formula: str
    numbers: str
    value: Any
    error: float
    is_gradient: bool = True

    @property
    def name(self) -> str:
        """The symbol in ASCII: what a student types."""
        return ascii_of(self.symbol)

    @property
    def latex(self) -> str:
        """The whole line: the equation, its numbers and its value."""
        between = f" = {self.numbers}" if self.numbers else ""
        return f"{self.formula}{between} = {shown(self.value)}"

    @property
    def right(self) -> str:
        """The last right-hand side of the formula, which is what has to be computed."""
        return self.formula.rpartition(" = ")[2]


class Solution:
    """What scenes and worked sequences share: their lines, and the same lines with other numbers."""

    given: Mapping[str, Any]
    """The numbers of the question, by name."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in the order of the computation."""
        raise TypeError(f"{type(self).__name__} has no lines of its own")

    tolerance: float = TOLERANCE

    def elsewhere(self, draw: Draw) -> "Solution":
        """Return the same solution with other numbers, for comparing formulas."""
        raise TypeError(f"{type(self).__name__} has no other numbers, {draw}")

    def line(self, name: str) -> Line:
        """Return the line for a name such as `dW1`; KeyError if there is none."""
        return next((line for line in self.lines if line.name == name), None) or _missing(name, self.lines)

    @property
    def values(self) -> dict[str, Any]:
        """Every number that the solution contains, by its ASCII name: the question's and the lines'."""
        return {**self.given, **{line.name: line.value for line in self.lines}}

    def named(self, apart: str) -> list[Named]:
        """Return the values that a formula for `apart` may use: all others, errors of layers by both of their names."""
        found = [Named(name, str(from_name(name)), x) for name, x in self.given.items()]
        for line in self.lines:
            if line.name != apart:
                found.append(Named(line.name, line.symbol, line.value))
                if line.name.startswith("delta"):
                    label = line.name.removeprefix("delta")
                    found.append(Named(f"dz{label}", rf"\frac{{\partial L}}{{\partial z^{{({label})}}}}", line.value))
        return found

    @property
    def worst(self) -> float:
        """The largest deviation of a line from the engine's result."""
        return max(line.error for line in self.lines)

    def check(self) -> None:
        """Raise ArithmeticError unless every line agrees with the engine."""
        for line in self.lines:
            if not line.error <= self.tolerance:
                raise ArithmeticError(f"exercise: {line.formula} is off by {line.error:.1e}; please report this")


@dataclass(frozen=True)
class Scene(Solution):
    """A network with numbers: `network(**given)` is its loss, and `learned` are the arguments that have gradients.

    `spread` returns arguments with other numbers; by default each is drawn anew, whole numbers stay.
    """

    network: Callable[..., Any]
    given: Mapping[str, Any]
    learned: tuple[str, ...]
    spread: Callable[[Draw], Mapping[str, Any]] | None = field(default=None, compare=False)

    @cached_property
    def derivation(self) -> Derivation:
        """The derivation of the network's gradients."""
        order = list(self.given)
        learned = tuple(order.index(name) for name in self.learned)
        return explain(as_written(self.network), *self.given.values(), level="full", argnums=learned)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The forward pass, then the backward pass."""
        return tuple(
            Line(s.symbol, s.formula, s.numbers or "", s.value, _known(s.error), s.section == "backward")
            for s in self.derivation.steps
            if s.section in ("forward", "backward") and s.value is not None
        )

    def elsewhere(self, draw: Draw) -> "Scene":
        """Return the network with other numbers."""
        other = self.spread(draw) if self.spread else {name: _anew(x, draw) for name, x in self.given.items()}
        return Scene(self.network, other, self.learned, self.spread)


@dataclass(frozen=True)
class Worked(Solution):
    r"""Formulas in LaTeX, each for the symbol on its left, evaluated one after the other.

    `engine(given)` returns what chainrule computes for some of the symbols, by ASCII name; each must agree.
    """

    given: Mapping[str, Any]
    formulas: tuple[str, ...]
    engine: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    spread: Callable[[Draw], Mapping[str, Any]] | None = field(default=None, compare=False)
    tolerance: float = TOLERANCE
    """The deviation allowed, where the engine keeps a division by zero away with a small constant."""
    asked: tuple[str, ...] = ()
    """The symbols that may be asked for, in ASCII; none: all. A definition that nothing else tells is not."""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line for each formula."""
        known: dict[str, Any] = {key_of(name): x for name, x in self.given.items()}
        expected, lines = self.engine(self.given), []
        for text in self.formulas:
            symbol, _, right = text.partition(" = ")
            value = _plain(parse(f"y = {_readable(right)}").evaluate(known))
            known[key_of(ascii_of(symbol))] = value
            name = ascii_of(symbol)
            error = deviation(value, expected[name]) if name in expected else 0.0
            lines.append(Line(symbol, text, "", value, error, not self.asked or name in self.asked))
        return tuple(lines)

    def elsewhere(self, draw: Draw) -> "Worked":
        """Return the formulas with other numbers."""
        other = self.spread(draw) if self.spread else {name: _anew(x, draw) for name, x in self.given.items()}
        return replace(self, given=other)


def _readable(latex: str) -> str:
    """Return a formula as the reader takes it: a label is a subscript there."""
    return LABEL.sub(r"_{\1}", latex)


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array


def _known(error: float | None) -> float:
    return float("inf") if error is None else float(error)


def _anew(value: Any, draw: Draw) -> Any:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return value
    other = draw.uniform(*array.shape)
    return float(other) if array.ndim == 0 else other


def _missing(name: str, lines: tuple[Line, ...]) -> Line:
    raise KeyError(f"no line for {name!r}; there are {', '.join(line.name for line in lines)}")
