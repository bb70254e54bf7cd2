r"""A chain of formulas, each checked numerically: the steps of a proof, from definitions to a rule.

The left-hand side says what is checked:

- a new name, `\mu_i = …`: a definition. Later lines may use it; the output's is compared with the given value;
- a derivative, `\frac{\partial y_i}{\partial x_j} = …`: compared with the difference quotient of the definitions
  from x to y, along a random direction;
- a cotangent, `\bar x_j = …`: compared in the same way with the change of the sum of ȳ y;
- anything else: its own value.

All right-hand sides of a line must agree. Numbers come from the definitions alone, by the evaluator of this package,
so that a proof cannot borrow from the code it is meant to justify.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .evaluation import NO_LENGTHS, Formula, FormulaError, parse
from .functions import Array
from .tokens import tokenize

WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
"""The central difference quotient of order 8: Fornberg, "Generation of finite difference formulas …" (1988)."""
STEPS = (1e-2, 1e-3)
"""Step sizes: the smaller one where the function bends sharply."""
ROUNDING = 1e-4
"""The rounding error of a difference quotient that counts as none, in units of 1e-9 of the function's values."""
Sides = list[Array]
_DERIVATIVE = re.compile(r"\\frac\{\\partial (.+?)\}\{\\partial (.+?)\}$")


@dataclass(frozen=True)
class Definition:
    """A name with its formula and the shape of its value."""

    name: str
    formula: Formula
    shape: tuple[int, ...] | None


@dataclass
class Chain:
    """Values by name, and the definitions so far.

    `output` is the name of the result, `expected` its value, and `cotangent` the gradient at it. Entries of a value
    that are 0 stay so if `fixed_at_zero`, for functions with a kink there. `most` limits the terms of one line.
    """

    values: dict[str, Any]
    output: str = "y"
    expected: Any = None
    cotangent: Any = None
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    fixed_at_zero: bool = False
    most: int = 4_000_000
    definitions: list[Definition] = field(default_factory=list)

    @np.errstate(all="ignore")  # what is not finite deviates
    def check(self, latex: str) -> float:
        r"""Return the largest relative deviation of a line's sides from what they claim to be.

        Raises FormulaError for a line that cannot be evaluated, and OverflowError for one with too many terms.

        >>> chain = Chain({"x": np.array([0.5, -1.0])})
        >>> lines = (r"y = \frac{1}{1 + e^{-x}}", r"\frac{\partial y}{\partial x} = y (1 - y)")
        >>> [chain.check(line) < 1e-9 for line in lines]
        [True, True]
        """
        formula = parse(latex, tuple(self.functions))
        left = latex.partition(" = ")[0].strip()
        derivative = _DERIVATIVE.fullmatch(left)
        if derivative is not None:
            return self._derivative(formula, *(_named(side) for side in derivative.groups()))
        name = formula.left
        if name.endswith("_bar") and self._find(name.removesuffix("_bar")) is not None:
            return self._cotangent(formula, name.removesuffix("_bar"))
        known = self._find(name)
        if known is not None and name != self.output:
            return _worst(self._sides(formula, np.shape(known)), known)
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            return _worst(self._sides(formula, None), parse(left, tuple(self.functions)).evaluate(self.values))
        return self._define(name, formula)

    # Definitions

    def _define(self, name: str, formula: Formula) -> float:
        expected = self.expected if name == self.output else None
        shape = None if expected is None or not formula.indices else np.shape(expected)
        sides = self._sides(formula, shape)
        if not np.all(np.isfinite(sides[0])) and (expected is None or np.all(np.isfinite(expected))):
            raise OverflowError  # these numbers leave the range of floating point, where others do not
        self.definitions.append(Definition(name, formula, shape))
        self.values[name] = sides[0] if expected is None else np.reshape(sides[0], np.shape(expected))
        return _worst(sides, self.values[name] if expected is None else expected)

    def _sides(self, formula: Formula, shape: tuple[int, ...] | None, lengths: Mapping[str, int] = NO_LENGTHS) -> Sides:
        """Return all sides; an OverflowError if a line has too many terms, over all its indices, to be written out."""
        for root in formula.alternatives:
            known = {**lengths, **formula.lengths(root, self.values, shape)}
            if math.prod(known.values()) > self.most:
                raise OverflowError
        return formula.evaluate_all(self.values, self.functions, shape=shape, lengths=lengths)

    def _find(self, name: str) -> Any:
        return next((self.values[key] for key in (name, name.lower()) if key in self.values), None)

    def _key(self, name: str) -> str:
        key = name if name in self.values else name.lower()
        if key not in self.values:
            raise FormulaError(f"no value for {name}")
        return key

    # Derivatives

    def _moved(self, source: str, result: str, direction: Array, step: float) -> Array:
        """Return the result when the source has moved, from the definitions between the two."""
        key = self._key(source)
        values = {**self.values, key: self.values[key] + step * direction}
        places = [k for k, definition in enumerate(self.definitions) if definition.name == key]
        for definition in self.definitions[places[-1] + 1 if places else 0 :]:
            made = definition.formula.evaluate(values, self.functions, shape=definition.shape)
            values[definition.name] = np.reshape(made, np.shape(self.values[definition.name]))
        return np.asarray(values[self._key(result)])

    def _slope(self, source: str, result: str, direction: Array, step: float) -> Array:
        """Return the derivative of the result along a direction of the source."""
        total: Any = 0.0
        for k, weight in enumerate(WEIGHTS, 1):
            ends = (self._moved(source, result, direction, sign * k * step) for sign in (1, -1))
            total = total + weight * (next(ends) - next(ends)) / step
        return np.asarray(total)

    def _direction(self, name: str) -> Array:
        """Return a random direction in which no element changes its sign."""
        value = np.asarray(self.values[self._key(name)], float)
        drawn = np.random.default_rng(0).uniform(0.5, 1.0, value.shape)
        drawn *= np.random.default_rng(1).choice([-1.0, 1.0], value.shape)
        size = np.minimum(np.abs(value), 1.0)
        return np.asarray(drawn * (size if self.fixed_at_zero else np.where(value == 0, 1.0, size)))

    def _derivative(self, formula: Formula, over: tuple[str, str], under: tuple[str, str]) -> float:
        (result, of), (source, by) = over, under
        direction = self._direction(source)
        y, x = np.asarray(self.values[self._key(result)]), direction
        lengths = dict(zip(of, y.shape[y.ndim - len(of) :], strict=True))
        lengths |= dict(zip(by, x.shape[x.ndim - len(by) :], strict=True))
        sides = self._sides(formula, None, lengths)
        if of or by:
            every = "".join(dict.fromkeys(of + by))
            spelled = every if formula.indices else ""
            sides = [np.einsum(f"...{spelled},...{by}->...{of}", side, direction) for side in sides]
        else:
            sides = [side * direction for side in sides]
        return self._nearest(sides, lambda step: self._slope(source, result, direction, step), y)

    def _cotangent(self, formula: Formula, source: str) -> float:
        value = np.asarray(self.values[self._key(source)])
        direction = self._direction(source)
        lengths = dict(zip(reversed(formula.indices), reversed(value.shape), strict=False))
        sides = [_summed_to(side, value.shape) for side in self._sides(formula, None, lengths)]
        products = [np.sum(side * direction) for side in sides]
        y_bar = np.asarray(self.cotangent)
        terms = [0.0]  # their sum may cancel: the deviation is relative to their size

        def slope(step: float) -> Array:
            parts = y_bar * self._slope(source, self.output, direction, step)
            terms[0] = float(np.sum(np.abs(parts)))
            return np.asarray(np.sum(parts))

        return min(_worst(products, slope(step), terms[0] / ROUNDING) for step in STEPS)

    def _nearest(self, sides: list[Any], slope: Callable[[float], Any], values: Any) -> float:
        return min(_worst(sides, slope(step), values) for step in STEPS)


def _worst(sides: list[Any], expected: Any, values: Any = 0.0) -> float:
    """Return the largest deviation of the sides from what is expected, relative to its largest element."""
    expected = np.asarray(expected, float)
    scale = _largest(expected) + ROUNDING * _largest(values)
    worst = 0.0
    for side in sides:
        made = np.broadcast_to(side, expected.shape) if np.size(side) != expected.size else side
        difference = _largest(np.reshape(made, expected.shape) - expected)
        worst = max(worst, difference / scale if scale else (math.inf if difference else 0.0))
    return worst if math.isfinite(worst) else math.inf


def _largest(x: Any) -> float:
    array = np.abs(np.asarray(x, float))
    return float(array.max()) if array.size else 0.0


def _summed_to(value: Array, shape: tuple[int, ...]) -> Array:
    """Sum a value over batch axes and broadcast ones that the shape does not have."""
    value = np.asarray(value)
    if value.size <= math.prod(shape) and value.ndim <= len(shape):
        return np.broadcast_to(value, shape)
    value = value.sum(axis=tuple(range(value.ndim - len(shape))))
    spread = tuple(k for k, n in enumerate(shape) if n == 1 != value.shape[k])
    return np.asarray(value.sum(axis=spread, keepdims=True))


def _named(side: str) -> tuple[str, str]:
    r"""Return the name and the indices of one side of a derivative: `\hat x_{ij}` is x_hat and ij."""
    bare, _, below = side.partition("_")
    parsed = parse(rf"{bare} = 0")
    if not parsed.left:
        raise FormulaError(f"expected a name in a derivative, found {side!r}")
    return parsed.left, "".join(t.text for t in tokenize(below) if t.kind == "letter")
