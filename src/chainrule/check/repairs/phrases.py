"""What rules are made of, as expressions with their values: names at hand, functions of them, pairs of these."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

MOST = 40
"""The most names at hand that are combined."""
LARGEST = 400
"""The most elements of what is recognised."""
SIMPLEST = 3
"""How many expressions are returned for one value."""
FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sign", "floor")
NUMBERS = {"pi": np.pi, "sqrt(pi)": np.pi**0.5, "sqrt(2 * pi)": (2 * np.pi) ** 0.5, "log(2)": np.log(2)}
OPERATORS: dict[str, type[ast.operator]] = {
    "*": ast.Mult,
    "/": ast.Div,
    "-": ast.Sub,
    "+": ast.Add,
    "**": ast.Pow,
}
Array = Any


@dataclass(frozen=True)
class Phrase:
    """An expression, and how long it is: the number of its parts."""

    text: str
    size: int
    library: str = ""

    @cached_property
    def node(self) -> ast.expr:
        """Its syntax tree."""
        return ast.parse(self.text, mode="eval").body

    def scaled(self, factor: float) -> "Phrase":
        """Return it with a factor."""
        if factor == 1:
            return self
        name = _number(factor, self.library)
        if self.text == "1":
            return Phrase(name, self.size + 1, self.library)
        text = f"-({self.text})" if factor == -1 else f"{name} * ({self.text})"
        return Phrase(ast.unparse(ast.parse(text, mode="eval")), self.size + 1, self.library)


def _number(factor: float, library: str) -> str:
    """Return how a factor is written."""
    for name, value in NUMBERS.items():
        for sign in (1, -1):
            shown = name.replace("pi", f"{library}.pi")
            shown = f"{library}.{shown}" if name[0] != "p" else shown
            if abs(factor - sign * value) < 1e-7 * value:
                return shown if sign > 0 else f"-{shown}"
            if abs(factor * value - sign) < 1e-7:
                return f"{sign} / {shown}"
    fraction = Fraction(factor).limit_denominator(12)
    return str(fraction.numerator) if fraction.denominator == 1 else f"{fraction.numerator} / {fraction.denominator}"


@dataclass
class Known:
    """Expressions, and their values as the rows of a matrix, the shortest first."""

    found: list[Phrase]
    values: Array


def phrases(around: Mapping[str, Array], shape: tuple[int, ...], library: str) -> Known:
    """Return the expressions that can be made of what is at hand, and of a library's functions, and have a shape."""
    plain = {text: a for text, a in list(around.items())[:MOST] if _spreads(a, shape)}
    plain["1"] = np.ones(())
    with np.errstate(all="ignore"):
        texts, rows = _flat([(Phrase(text, 1, library), a) for text, a in plain.items()], shape)
        more, more_rows = _flat(list(_functions(plain, library, shape)), shape)
        pairs, pair_rows = _pairs(texts, rows, [*texts, *more], np.concatenate([rows, more_rows]), library)
        values = np.concatenate([rows, more_rows, pair_rows])
    kept = np.all(np.isfinite(values), axis=1) & np.any(values, axis=1)
    found = [p for p, yes in zip([*texts, *more, *pairs], kept, strict=True) if yes]
    return Known(found, values[kept])


def _spreads(a: Array, shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(np.shape(a), shape) == shape and int(np.prod(shape)) <= LARGEST
    except ValueError:
        return False


def _flat(found: list[tuple[Phrase, Array]], shape: tuple[int, ...]) -> tuple[list[Phrase], Array]:
    rows = [np.broadcast_to(a, shape).ravel() for _, a in found]
    return [p for p, _ in found], np.array(rows).reshape(len(rows), int(np.prod(shape)))


def _functions(plain: Mapping[str, Array], library: str, shape: tuple[int, ...]) -> Iterator[tuple[Phrase, Array]]:
    for text, a in plain.items():
        inner = f"({text})" if not text.replace(".", "").isidentifier() else text
        yield Phrase(f"1 - {inner}", 2, library), 1 - a
        yield Phrase(f"1 + {inner}", 2, library), 1 + a
        yield Phrase(f"{inner} ** 2", 2, library), a * a
        yield Phrase(f"1 - {inner} ** 2", 3, library), 1 - a * a
        yield Phrase(f"1 + {inner} ** 2", 3, library), 1 + a * a
        yield Phrase(f"{inner} * (1 - {inner})", 3, library), a * (1 - a)
        for name in FUNCTIONS if library else ():
            yield Phrase(f"{library}.{name}({text})", 2, library), getattr(np, name)(a)
        if a.ndim and a.shape == shape:
            kept = "dim=-1, keepdim=True" if library == "torch" else "axis=-1, keepdims=True"
            total = a.sum(axis=-1, keepdims=True)
            yield Phrase(f"{inner}.sum({kept})", 2, library), total
            yield Phrase(f"{inner} / {inner}.sum({kept})", 3, library), a / total


def _pairs(
    texts: list[Phrase], rows: Array, others: list[Phrase], other_rows: Array, library: str
) -> tuple[list[Phrase], Array]:
    found: list[Phrase] = []
    values = [np.zeros((0, rows.shape[1]))]
    for one, row in zip(texts, rows, strict=True):
        for sign, result in (
            ("*", row * other_rows),
            ("/", row / other_rows),
            ("-", row - other_rows),
            ("+", row + other_rows),
            ("**", row**other_rows),
        ):
            found += [Phrase(f"({one.text}) {sign} ({p.text})", p.size + 1, library) for p in others]
            values.append(result)
        for name in ("sqrt", "floor") if library else ():
            result = getattr(np, name)(row / rows)
            found += [Phrase(f"{library}.{name}(({one.text}) / ({p.text}))", 4, library) for p in texts]
            values.append(result)
    for k, (one, row) in enumerate(zip(texts, rows, strict=True)):  # as in the slope of arctan2
        found += [Phrase(f"({one.text}) ** 2 + ({p.text}) ** 2", 4, library) for p in texts[k:]]
        values.append(row**2 + rows[k:] ** 2)
    return found, np.concatenate(values)


def times(known: Known, target: Array, close: float) -> list[tuple[Phrase, float]]:
    """Return the shortest expressions that are a target, or a number with a name times smaller, with that number.

    A NaN in the target is a place where any value does.
    """
    wanted, values = target.ravel(), known.values
    if np.any(np.isnan(wanted)):
        values, wanted = values[:, ~np.isnan(wanted)], wanted[~np.isnan(wanted)]
    squares = np.maximum(np.einsum("ij,ij->i", values, values), np.finfo(float).tiny)
    factors = values @ wanted / squares
    left = np.linalg.norm(wanted - factors[:, None] * values, axis=1)
    fitting = np.flatnonzero(left <= close * np.linalg.norm(wanted))
    rounded = [(known.found[k], _rounded(factors[k])) for k in fitting]
    found = [(phrase, factor) for phrase, factor in rounded if factor is not None]
    found.sort(key=lambda pair: (pair[0].size + (pair[1] != 1), len(pair[0].text)))
    return [(Phrase(ast.unparse(p.node), p.size, p.library), c) for p, c in found[:SIMPLEST]]


def _rounded(factor: float) -> float | None:
    """Return a factor if it has a name: a small fraction, or one of the numbers that rules have."""
    for value in NUMBERS.values():
        for one in (value, 1 / value):
            if abs(abs(factor) - one) <= 1e-7 * one:
                return float(np.copysign(one, factor))
    fraction = Fraction(float(factor)).limit_denominator(12)
    near = abs(factor - float(fraction)) <= 1e-7 * abs(factor)
    return float(fraction) if fraction and near and abs(fraction.numerator) <= 24 else None
