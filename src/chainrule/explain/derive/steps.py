"""The steps of a derivation, with their verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chainrule.base.provenance import Source
from chainrule.present.html import tag
from chainrule.present.mathematics import formula
from chainrule.present.page import fragment
from chainrule.present.texts import Texts
from chainrule.present.unicode_math import to_unicode

from .numerals import shown
from .rests import NONE, cleared
from .verify import TOLERANCE

SHOWN: Texts = {
    "line": {"en": "Line", "ko": "식"},
    "step": {"en": "Step", "ko": "단계"},
    "not verified": {"en": ", not verified", "ko": ", 검증되지 않음"},
}


@dataclass(frozen=True, repr=False)
class Line:
    """One equation within a step: its title, its LaTeX, and its deviation (None: not verified)."""

    title: str
    latex: str
    error: float | None
    reason: str = ""
    lang: str = "en"

    @property
    def ok(self) -> bool:
        """Whether the equation is verified."""
        return self.error is not None and self.error <= TOLERANCE

    def __repr__(self) -> str:
        return _in_one_line(SHOWN["line"], self.latex, self.ok, self.lang)

    def _repr_html_(self) -> str:
        return fragment(self.lang, tag("div", formula(self.latex)))


@dataclass(frozen=True, repr=False)
class Step:
    """One step of a derivation.

    `symbol` and `formula` are LaTeX; `numbers` is the right-hand side with its numbers, where they fit. `value` is the
    exact value, from the tape. `error` is the largest deviation of the formula, evaluated on its own, from that value,
    relative to the value's largest element; None if the formula could not be evaluated, for the `reason` given.
    `lines` are the equations that lead to this one.
    """

    section: str
    symbol: str
    formula: str
    numbers: str | None
    shape: tuple[int, ...]
    value: Any
    error: float | None
    reason: str = ""
    operation: str = ""
    module: str = ""
    source: Source | None = None
    lines: tuple[Line, ...] = ()
    parameter: str = ""
    key: tuple[Any, ...] = ()
    lang: str = "en"
    rests: frozenset[float] = NONE
    """The sizes of the numbers in the value that are only the rounding of terms that cancel."""

    @property
    def displayed(self) -> Any:
        """The value with 0 in the place of its rests."""
        return cleared(self.value, self.rests)

    @property
    def verified(self) -> bool:
        """Whether the formula and all its lines are verified."""
        return self.error is not None and self.error <= TOLERANCE and all(line.ok for line in self.lines)

    def __repr__(self) -> str:
        return _in_one_line(SHOWN["step"], self.formula, self.verified, self.lang)

    def _repr_html_(self) -> str:
        sides = (self.formula, *(f"= {one}" for one in (self.numbers, shown(self.displayed)) if one))
        return fragment(self.lang, (tag("div", formula(one)) for one in sides))

    def said_in(self, lang: str) -> "Step":
        """Return the step in a language: that of its own line and of those that lead to it."""
        return replace(self, lang=lang, lines=tuple(replace(line, lang=lang) for line in self.lines))


def _in_one_line(words: Mapping[str, str], latex: str, ok: bool, lang: str) -> str:
    return f"<{words[lang]} {to_unicode(latex)}{'' if ok else SHOWN['not verified'][lang]}>"


@dataclass(frozen=True)
class SymbolRow:
    """One symbol of the network: what it stands for, its name in the program, its shape."""

    symbol: str
    name: str
    role: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Confirmation:
    """A parameter's gradient compared with numerical differentiation, along one direction."""

    symbol: str
    name: str
    analytic: float
    numeric: float
    error: float
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class Account:
    """What a derivation holds: its steps in order, its symbols, and the numerical confirmation."""

    title: str
    steps: tuple[Step, ...]
    symbols: tuple[SymbolRow, ...]
    modules: tuple[tuple[str, str], ...]
    confirmations: tuple[Confirmation, ...]
    unused: tuple[str, ...] = ()
    lang: str = "en"
    level: str = "full"

    @property
    def ok(self) -> bool:
        """Whether every equation is verified and every gradient confirmed."""
        return all(step.verified for step in self.steps) and all(row.ok for row in self.confirmations)

    @property
    def unverified(self) -> tuple[Step, ...]:
        """The steps that are not verified."""
        return tuple(step for step in self.steps if not step.verified)

    @property
    def forward(self) -> tuple[Step, ...]:
        """The steps of the forward pass."""
        return tuple(step for step in self.steps if step.section == "forward")

    @property
    def backward(self) -> tuple[Step, ...]:
        """The steps of the backward pass, from the loss to the inputs."""
        return tuple(step for step in self.steps if step.section == "backward")

    @property
    def worst(self) -> float:
        """The largest deviation among the equations that could be evaluated."""
        return max(self._errors(), default=0.0)

    def equations(self) -> int:
        """Return how many equations are shown."""
        return sum(1 + len(step.lines) for step in self.steps)

    def equations_verified(self) -> int:
        """Return how many of them are verified."""
        return sum(
            (step.error is not None and step.error <= TOLERANCE) + sum(line.ok for line in step.lines)
            for step in self.steps
        )

    def _errors(self) -> Iterator[float]:
        for step in self.steps:
            yield from (e for e in (step.error, *(line.error for line in step.lines)) if e is not None)

    def __getitem__(self, symbol: str) -> Step:
        r"""Return the step that computes a symbol; a parameter's gradient is found by the parameter's name.

        Raises KeyError, which lists the symbols, if there is none.
        """
        for step in self.steps:
            if symbol in (step.symbol, step.parameter, to_unicode(step.symbol)):
                return step
        raise KeyError(f"no step for {symbol!r}; expected one of {', '.join(to_unicode(s.symbol) for s in self.steps)}")

    def __bool__(self) -> bool:
        return self.ok
