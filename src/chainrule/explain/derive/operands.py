r"""What can replace a name in a formula: a symbol with its value, a number, or another formula's right-hand side.

Each is written in three ways: `show` for the reader, `read` for the evaluator of `formula`, and `digits` with numbers.
All three come from the same walk over the same formula, so the formula that is verified is the one displayed.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .numerals import bracketed, exactly, has_two_parts, matrix, number
from .rests import NONE, cleared
from .symbols import Symbol

Values = dict[str, Any]


class Operand(ABC):
    """What replaces a name in a formula."""

    @abstractmethod
    def show(self, sub: str, sup: str) -> str:
        """Return the LaTeX for the reader."""

    @abstractmethod
    def read(self, sub: str, sup: str, capital: bool, values: Values) -> str:
        """Return the LaTeX for the evaluator, and add to `values` what it needs."""

    @abstractmethod
    def digits(self, sub: str, sup: str) -> str | None:
        """Return the LaTeX with numbers, or None if they do not fit."""

    @property
    def is_one(self) -> bool:
        """Whether it is the number 1, which a product omits."""
        return False


def _named(value: Any, sub: str, sup: str, capital: bool, values: Values) -> str:
    key = f"{'M' if capital else 'v'}{len(values)}"
    values[key] = value
    below, above = f"_{{{sub}}}" if sub else "", f"^{{{sup}}}" if sup else ""
    return rf"\mathrm{{{key}}}\,{below}{above}"


@dataclass(frozen=True)
class Named(Operand):
    """A symbol and its value."""

    symbol: Symbol
    value: Any
    new_axes: str = ""
    """The index that gives it the axes of length 1 that a formula needs: `[:, new]`."""
    rests: frozenset[float] = NONE

    def show(self, sub: str, sup: str) -> str:
        """Return the symbol."""
        return self.symbol.latex(sub, sup) + ("" if sub or sup else self.new_axes)

    def read(self, sub: str, sup: str, capital: bool, values: Values) -> str:
        """Return a name for the evaluator; an array without two axes is its own transpose."""
        return _named(self.value, sub, sup, capital, values)

    def digits(self, sub: str, sup: str) -> str | None:
        """Return the value, if it is small and not indexed."""
        value = cleared(self.value, self.rests)
        if sub or (text := matrix(value)) is None:
            return None
        if not sup:
            return text
        inner = text if np.ndim(value) else number(np.asarray(value)[()])
        is_plain = np.ndim(value) or inner.replace(".", "").isdigit()
        return f"{{{inner}}}^{{{sup}}}" if is_plain else rf"({inner})^{{{sup}}}"

    @property
    def is_one(self) -> bool:
        """Whether it is the derivative of the loss with respect to itself, the only symbol that a product omits."""
        return self.symbol.base == "1"


@dataclass(frozen=True)
class Literal(Operand):
    """A constant, written as its number or as given."""

    value: Any
    latex: str = ""

    def show(self, sub: str, sup: str) -> str:
        """Return the number."""
        text = self.latex or exactly(np.asarray(self.value)[()])
        if sub or not sup:
            return rf"({text})" if has_two_parts(text) and not self.latex else text
        return rf"\left({text}\right)^{{{sup}}}" if bracketed(text) != text else f"{text}^{{{sup}}}"

    def read(self, sub: str, sup: str, _capital: bool, values: Values) -> str:
        """Return a name for the evaluator, whose numbers have no exponent."""
        return _named(self.value, sub if np.ndim(self.value) else "", sup, False, values)

    def digits(self, sub: str, sup: str) -> str | None:
        """Return the number, in brackets if it is negative."""
        text = self.show(sub, sup)
        return rf"({text})" if text.startswith("-") and not self.latex else text

    @property
    def is_one(self) -> bool:
        """Whether it is 1."""
        return bool(np.ndim(self.value) == 0 and not self.latex and self.value == 1)


@dataclass(frozen=True)
class Expression(Operand):
    """The right-hand side of another formula, substituted for a value that has no symbol of its own."""

    shown: str
    reading: str
    numbers: str | None
    values: Values = field(default_factory=dict)
    is_sum: bool = True
    one: bool = False
    is_number: bool = False
    """Whether it is a number, whatever the shape of the value that it is written for."""

    def _wrapped(self, text: str, sub: str, sup: str) -> str:
        below, above = f"_{{{sub}}}" if sub else "", f"^{{{sup}}}" if sup else ""
        bracket = self.is_sum or sub or sup
        return rf"\left({text}\right){below}{above}" if bracket else text

    def show(self, sub: str, sup: str) -> str:
        """Return the formula, in brackets if it needs them."""
        return self._wrapped(self.shown, sub, sup)

    def read(self, sub: str, sup: str, capital: bool, values: Values) -> str:
        """Return the formula with its names made unique; in the place of a matrix it is one, whatever its letters."""
        text = self.reading
        for key in sorted(self.values, key=len, reverse=True):
            new = f"{key[0]}{len(values)}"
            values[new] = self.values[key]
            text = text.replace(rf"\mathrm{{{key}}}", rf"\mathrm{{{new}@}}")
        below, above = f"_{{{sub}}}" if sub else "", f"^{{{sup}}}" if sup else ""
        kind = r"\operatorname{matrix}" if capital else ""
        return rf"{kind}\left({text.replace('@', '')}\right){below}{above}"

    def digits(self, sub: str, sup: str) -> str | None:
        """Return the formula in numbers."""
        return None if self.numbers is None else self._wrapped(self.numbers, sub, sup)

    @property
    def is_one(self) -> bool:
        """Whether it is the number 1."""
        return self.one
