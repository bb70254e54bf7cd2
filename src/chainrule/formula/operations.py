"""The operations of a formula: arithmetic, matrix products, functions, sums and cases."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .functions import (
    ARITY,
    IN_LOGARITHMS,
    NEUTRAL,
    POINTWISE,
    REDUCTIONS,
    WHOLE,
    Array,
    log_of_sum,
    log_sigmoid,
    log_softmax,
)
from .nodes import Environment, Name, Node, Number, aligned, label, letter, walk, whole
from .tokens import FormulaError

LOGARITHMS: dict[str, Callable[..., Any]] = {
    **{"exp": lambda x: x, "softmax": log_softmax},
    **{"sigma": log_sigmoid, "sigmoid": log_sigmoid},
}
"""The logarithms of functions that may be out of range where these are not."""
AXES = {"rows": 0, "batch": 0, "columns": -1}
"""Axes with names of their own under a sum sign."""


def _combined(env: Environment, function: Callable[..., Any], parts: tuple[Node, ...]) -> Array | None:
    """Apply a function to the logarithms of the parts; None if not every part has one, or none is an exponential."""
    if all(isinstance(part, Number) for part in parts):
        return None
    logs = [log for part in parts if (log := part.logarithm(env)) is not None]
    return np.asarray(function(*logs)) if len(logs) == len(parts) else None


@dataclass(frozen=True)
class Pointwise(Node):
    """A function of the elements: arithmetic, comparison, powers of e."""

    function: Callable[..., Any]
    arguments: tuple[Node, ...]

    def _value(self, env: Environment) -> Any:
        value = self.function(*aligned(env, self.arguments))
        if self.function is np.divide and not np.all(np.isfinite(value)):  # exponentials that are out of range
            log = self.logarithm(env)
            return value if log is None else np.exp(log)
        return value

    def logarithm(self, env: Environment) -> Array | None:
        """That of a power of e; of sums, products and quotients of what has one."""
        if self.function is np.exp:
            exponent = self.arguments[0].evaluate(env)
            return exponent if np.isrealobj(exponent) else None
        combined = IN_LOGARITHMS.get(self.function)
        return None if combined is None else _combined(env, combined, self.arguments)


@dataclass(frozen=True)
class Product(Node):
    """Two adjacent parts: a matrix product if one is a matrix and neither a scalar, else an elementwise product."""

    left: Node
    right: Node

    def _value(self, env: Environment) -> Any:
        left, right = aligned(env, (self.left, self.right))
        if self.laid_out or not self.matrix or left.ndim == 0 or right.ndim == 0:
            return left * right
        return left @ right

    def logarithm(self, env: Environment) -> Array | None:
        """The sum of those of its parts."""
        return None if self.matrix else _combined(env, np.add, (self.left, self.right))


@dataclass(frozen=True)
class Power(Node):
    r"""`x^p`, elementwise. A matrix has no such power: it must be written `A A` or `A \odot A`."""

    base: Node
    exponent: Node

    def _value(self, env: Environment) -> Any:
        base, exponent = aligned(env, (self.base, self.exponent))
        if self.base.matrix and base.ndim > 1:
            raise FormulaError(r"the power of a matrix is ambiguous: write A A, A \odot A or A^{\odot p}")
        return np.power(base, exponent)

    def logarithm(self, env: Environment) -> Array | None:
        """The exponent times that of the base, a positive number."""
        base, exponent = self.base.evaluate(env), self.exponent.evaluate(env)
        if base.ndim or np.iscomplexobj(exponent) or not base.real > 0:
            return None
        return np.asarray(exponent * np.log(base.real))


@dataclass(frozen=True)
class Transpose(Node):
    r"""`A^\top`: the last two axes are swapped."""

    argument: Node
    matrix = True

    def _value(self, env: Environment) -> Any:
        value = whole(env, self.argument, "a transpose")
        if value.ndim < 2:
            raise FormulaError(f"{label(self.argument)} of shape {value.shape} has no transpose: it needs two axes")
        return np.swapaxes(value, -1, -2)


@dataclass(frozen=True)
class Inverse(Node):
    """The inverse of a matrix, the reciprocal of anything else."""

    argument: Node

    def _value(self, env: Environment) -> Any:
        value = self.argument.evaluate(env)
        return np.linalg.inv(value) if self.matrix and value.ndim > 1 else 1.0 / value


@dataclass(frozen=True)
class Call(Node):
    """A function by name: a supplied or a built-in one."""

    name: str
    arguments: tuple[Node, ...]

    @property
    def matrix(self) -> bool:
        """Like its arguments, unless the function turns matrices into something else."""
        return self.name in {"diag", "matrix"} or (
            super().matrix and self.name not in {"tr", "det", "rowsum", "logsumexp"}
        )

    def _value(self, env: Environment) -> Any:
        if self.name in env.functions:
            return env.functions[self.name](*aligned(env, self.arguments))
        arity = ARITY.get(self.name, 1)
        if self.name not in {"max", "min"} and len(self.arguments) != arity:
            raise FormulaError(f"{self.name} takes {arity} argument(s), not {len(self.arguments)}")
        if self.name in POINTWISE:
            value = POINTWISE[self.name](*aligned(env, self.arguments))
            if self.name in {"log", "ln"} and not np.all(np.isfinite(value)):
                log = self.arguments[0].logarithm(env)
                return value if log is None else log
            return value
        if self.name in WHOLE:
            return WHOLE[self.name](whole(env, self.arguments[0], f"{self.name}: write {self.name}(x)_i; it"))
        raise FormulaError(f"no function {self.name}: pass it in `functions`, or write a product with a space")

    def logarithm(self, env: Environment) -> Array | None:
        r"""That of `\exp(x)`, `\sigma(x)` and `\operatorname{softmax}(x)`."""
        log = LOGARITHMS.get(self.name)
        if log is None or self.name in env.functions:
            return None
        argument = self.arguments[0].evaluate(env)
        return np.asarray(log(argument)) if np.isrealobj(argument) else None


@dataclass(frozen=True)
class Reduce(Node):
    r"""A sum, mean, norm … of a whole array over the axes in the value named `axis`, which keep length 1.

    Without an axis (None, the bare `\sum x`) those are the axes given as "axis", or all if none are given.
    """

    kind: str
    axis: str | None
    argument: Node
    matrix = False

    def terms(self, env: Environment) -> int | None:
        """How many elements a sum adds up for each result."""
        if self.kind != "sum":
            return None
        value, result = self.argument.evaluate(env), self.evaluate(env)
        return value.size // max(result.size, 1)

    def _value(self, env: Environment) -> Any:
        value = whole(env, self.argument, f"a {self.kind} without an index")
        axis, keepdims = self._axis(env)
        return REDUCTIONS[self.kind](value, axis=axis, keepdims=keepdims)

    def _axis(self, env: Environment) -> tuple[Any, bool]:
        """The axes, and whether they stay with length 1."""
        key = "axis" if self.axis is None else self.axis
        if self.axis is not None and key not in env.values and key not in AXES:
            raise FormulaError(f"no value for the axes {key} of a {self.kind}: pass {key}=…")
        axis = env.values.get(key, AXES.get(key))
        return axis, axis is not None

    def logarithm(self, env: Environment) -> Array | None:
        """That of a sum of exponentials."""
        log = None if self.kind != "sum" or self.laid_out else self.argument.logarithm(env)
        if log is None:
            return None
        log = np.broadcast_to(log, self.argument.evaluate(env).shape)
        return np.asarray(log_of_sum(log, *self._axis(env)))


@dataclass(frozen=True)
class IndexReduce(Node):
    r"""`\sum_k`, `\max_j` …: over every value of its indices, or only where a condition on them holds."""

    kind: str
    over: tuple[str, ...]
    condition: Node | None
    count: Node | None
    argument: Node
    laid_out = True
    matrix = False

    def terms(self, env: Environment) -> int | None:
        """How many terms a sum without a condition has."""
        if self.kind != "sum" or self.condition is not None:
            return None
        return int(np.prod([env.length(index) for index in self.over]))

    def _value(self, env: Environment) -> Any:
        self._check_count(env)
        value = self._terms(env, self.argument.evaluate(env), NEUTRAL[self.kind])
        return REDUCTIONS[self.kind](value, axis=self._axes(env, value), keepdims=True)

    def logarithm(self, env: Environment) -> Array | None:
        """That of a sum of exponentials."""
        log = self.argument.logarithm(env) if self.kind == "sum" else None
        if log is None:
            return None
        self._check_count(env)
        log = self._terms(env, log, -np.inf)
        return np.asarray(log_of_sum(log, self._axes(env, log), True))

    def _terms(self, env: Environment, value: Array, neutral: float) -> Array:
        """The terms at their full length, those that the condition excludes replaced."""
        value = self._spread(env, self.argument, value)
        if self.condition is None:
            return value
        return np.where(self._spread(env, self.condition, self.condition.evaluate(env)) != 0, value, neutral)

    def _axes(self, env: Environment, value: Array) -> tuple[int, ...]:
        first = value.ndim - len(env.indices)
        return tuple(first + env.indices.index(index) for index in self.over)

    def _spread(self, env: Environment, node: Node, value: Array) -> Array:
        """A value at its full length along the axes to be reduced."""
        if not node.laid_out and value.ndim:
            raise FormulaError(f"{label(node)} of shape {value.shape} is under \\{self.kind} without indices")
        value = value.reshape((1,) * (len(env.indices) - value.ndim) + value.shape)
        first = value.ndim - len(env.indices)
        lengths = [
            env.length(i) if i in self.over else n for i, n in zip(env.indices, value.shape[first:], strict=True)
        ]
        return np.broadcast_to(value, (*value.shape[:first], *lengths))

    def _check_count(self, env: Environment) -> None:
        """The upper bound of a sum, if it has a value, must be the end of the axis."""
        if self.count is None or any(isinstance(n, Name) and env.find(n.key) is None for n in walk(self.count)):
            return
        count, length = self.count.evaluate(env), env.length(self.over[0])
        if count != length:
            raise FormulaError(f"index {letter(self.over[0])} has {count:g} values by its bounds, but length {length}")


@dataclass(frozen=True)
class Cases(Node):
    """The first result whose condition holds; a missing condition always holds."""

    results: tuple[Node, ...]
    conditions: tuple[Node, ...]

    def _value(self, env: Environment) -> Any:
        values = np.broadcast_arrays(*aligned(env, (*self.results, *self.conditions)))
        results, conditions = values[: len(self.results)], [c != 0 for c in values[len(self.results) :]]
        if not np.all(np.logical_or.reduce(conditions)):
            raise FormulaError("some elements match no case: add a row with \\text{otherwise}")
        return np.select(conditions, results)
