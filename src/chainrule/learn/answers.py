"""What an answer must be, and what is said of one that is not: a number or array, a formula, a choice, a function."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .draw import Draw
from .expression import AnswerError, evaluate
from .lines import Solution
from .words import words

Judged = tuple[bool, str]
"""Whether an answer is right, and why."""
CLOSE = 5e-3
"""The relative error that a number may have: the third digit may be rounded."""
SAME = 1e-6
"""The relative difference of two formulas at a point at which they count as equal."""
POINTS = 3
"""At so many points a formula is compared."""


def close(got: Any, expected: Any, tolerance: float = CLOSE) -> bool:
    """Whether numbers or arrays agree, relative to the largest expected number."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    if got.shape != expected.shape:
        return False
    scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return bool(np.all(np.abs(got - expected) <= tolerance * scale))


@dataclass(frozen=True)
class Mistake:
    """A wrong value that a known mistake leads to, and the key of the text that names the mistake."""

    value: Any
    reason: str


@dataclass(frozen=True)
class NumberAnswer:
    """A number or an array, to three digits."""

    name: str
    value: Any
    mistakes: Sequence[Mistake]
    lang: str

    @property
    def text(self) -> str:
        """The right answer, to six digits."""
        return written(self.value)

    def check(self, answer: Any) -> Judged:
        """Judge a number, an array, nested lists, or a text such as `-1/4` or `[[1, 2], [3, 4]]`."""
        say = words(self.lang)
        try:
            got = read_number(answer)
        except AnswerError as error:
            return False, say("unreadable", why=str(error))
        shape = np.shape(self.value)
        if got.shape != shape:
            if got.shape[::-1] == shape and close(got.T, self.value):
                return False, say("transposed")
            return False, say("shape", got=list(got.shape), expected=list(shape), name=self.name)
        if close(got, self.value):
            return True, say("right")
        if close(got, -np.asarray(self.value)):
            return False, say("sign")
        for mistake in self.mistakes:
            if close(got, mistake.value):
                return False, say(mistake.reason, name=self.name)
        return False, _factor(got, self.value, say) or say("wrong")


@dataclass(frozen=True)
class FormulaAnswer:
    """A formula for one line of a solution, compared with it at random points."""

    name: str
    solution: Solution
    shown: str
    lang: str

    @property
    def text(self) -> str:
        """The right answer, in LaTeX."""
        return self.shown

    def check(self, answer: Any) -> Judged:
        """Judge an expression in Python or LaTeX."""
        say = words(self.lang)
        if _same_text(str(answer), self.shown):
            return True, say("right")
        try:
            pairs = [self._at(str(answer), Draw("points", self.name, k)) for k in range(POINTS)]
        except AnswerError as error:
            return False, say("unreadable", why=str(error))
        if all(np.shape(got) == np.shape(expected) for got, expected, _ in pairs):
            if all(close(got, expected, SAME) for got, expected, _ in pairs):
                return True, say("right_formula", count=POINTS)
            return False, self._why(pairs, say)
        got, expected, _ = pairs[0]
        if np.shape(got)[::-1] == np.shape(expected) and close(np.transpose(got), expected, SAME):
            return False, say("transposed")
        return False, say("shape", got=list(np.shape(got)), expected=list(np.shape(expected)), name=self.name)

    def _at(self, answer: str, draw: Draw) -> tuple[Any, Any, Mapping[str, Any]]:
        solution = self.solution.elsewhere(draw)
        usable, expected = solution.named(self.name), solution.line(self.name).value
        got = np.asarray(evaluate(answer, usable, self._indices), float)
        if got.size == np.size(expected) and got.ndim > np.ndim(expected):
            got = got.reshape(np.shape(expected))  # LaTeX keeps an axis of one element
        if got.shape != np.shape(expected) and _fits(got.shape, np.shape(expected)):
            got = np.broadcast_to(got, np.shape(expected))
        return got, expected, {known.name: known.value for known in usable}

    @property
    def _indices(self) -> str:
        """The indices on the left of the formula."""
        found = re.search(r"_\{?([a-z](?:, ?[a-z]|[a-z])*)\}?\}?$", self.shown.partition(" = ")[0])
        return found[1] if found else ""

    def _why(self, pairs: list[tuple[Any, Any, Mapping[str, Any]]], say: Any) -> str:
        said = {_factor(got, expected, say) for got, expected, _ in pairs}
        if len(said) == 1 and (same := said.pop()):
            return same
        if all(np.ndim(e) == 2 and close(g.T, e, SAME) for g, e, _ in pairs):
            return str(say("transposed"))
        for other in pairs[0][2]:
            if all(np.shape(o[other]) == np.shape(e) and close(e * o[other], g, SAME) for g, e, o in pairs):
                return str(say("factor_too_many", factor=other))
            if all(np.shape(o[other]) == np.shape(e) and close(e, np.multiply(g, o[other]), SAME) for g, e, o in pairs):
                return str(say("factor_missing", factor=other))
        return str(say("wrong_formula"))


@dataclass(frozen=True)
class ChoiceAnswer:
    """One of several, each with what is to be said of it."""

    right: int
    reasons: Sequence[str]
    lang: str

    @property
    def text(self) -> str:
        """The letter of the right answer."""
        return letter(self.right)

    def check(self, answer: Any) -> Judged:
        """Judge a letter, or a number that counts from 1."""
        say, text = words(self.lang), str(answer).strip().strip("().").upper()
        letters = [letter(k) for k in range(len(self.reasons))]
        if text.isdecimal() and 1 <= int(text) <= len(letters):
            text = letters[int(text) - 1]
        if text not in letters:
            return False, say("not_a_choice", choices=", ".join(letters))
        k = letters.index(text)
        return k == self.right, self.reasons[k]


@dataclass(frozen=True)
class CodeAnswer:
    """A function, judged by `chainrule.check`."""

    judge: Callable[[Callable[..., Any]], Judged]
    source: str
    lang: str

    @property
    def text(self) -> str:
        """A right function, as source."""
        return self.source

    def check(self, answer: Any) -> Judged:
        """Judge a function; source text is not run."""
        if not callable(answer):
            return False, words(self.lang)("not_a_function")
        return self.judge(answer)


Answer = NumberAnswer | FormulaAnswer | ChoiceAnswer | CodeAnswer


def _same_text(answer: str, shown: str) -> bool:
    """Whether an answer is the formula of the key, or one of its sides."""
    sides = [shown, *shown.split(" = ")[1:]]
    return _spaceless(answer) in {_spaceless(side) for side in sides}


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, expected) == expected
    except ValueError:
        return False


def _spaceless(text: str) -> str:
    return re.sub(r"\\,|\s|\$", "", text)


def letter(k: int) -> str:
    """Return the name of a choice: A, B, …"""
    return chr(ord("A") + k)


def written(value: Any) -> str:
    """Return a number or array as a student types it."""
    array = np.round(np.asarray(value, float), 12) + 0.0
    if array.ndim == 0:
        return f"{float(array):.6g}"
    return "[" + ", ".join(written(row) for row in array) + "]"


def read_number(answer: Any) -> Any:
    """Return an answer as an array; AnswerError if it is none."""
    if isinstance(answer, str):
        answer = _parsed(answer)
    try:
        array = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise AnswerError("expected a number, or rows of numbers such as [[1, 2], [3, 4]]") from None
    if not np.all(np.isfinite(array)):
        raise AnswerError("expected finite numbers")
    return array


def _parsed(text: str) -> Any:
    text = text.strip().replace("−", "-").replace("–", "-")
    if re.fullmatch(r"[-+]?\d+\s*/\s*\d+", text):
        try:
            return float(Fraction(text.replace(" ", "")))
        except ZeroDivisionError:
            raise AnswerError("a fraction with 0 below the line") from None
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        raise AnswerError("write a decimal point, not a comma")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise AnswerError("expected a number such as -0.25 or -1/4, or rows such as [[1, 2], [3, 4]]") from None


def _factor(got: Any, expected: Any, say: Any) -> str:
    """Return what is said of an answer that is off by one simple factor, or ""."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    size = float(np.sum(expected * expected))
    factor = float(np.sum(got * expected)) / size if size else 0.0
    if not factor or not close(got, factor * expected):
        return ""
    if abs(factor + 1) < CLOSE:
        return str(say("sign"))
    simple = Fraction(factor).limit_denominator(16)
    off = abs(float(simple) / factor - 1) > CLOSE or abs(simple.numerator) > 16
    if simple == 1 or off or min(abs(simple.numerator), simple.denominator) > 1:
        return ""  # any two numbers have a quotient; -12/5 helps nobody
    return str(say("factor", factor=str(simple)))
