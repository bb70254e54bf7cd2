"""`Derivation`: the steps of a derivation with their verdicts, and the forms it can be read in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.core.provenance import Source

from .verify import TOLERANCE


@dataclass(frozen=True)
class Line:
    """One equation within a step: what it is called, LaTeX, and its deviation (None: not verified)."""

    title: str
    latex: str
    error: float | None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the equation is verified."""
        return self.error is not None and self.error <= TOLERANCE


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    `symbol` and `formula` are LaTeX; `numbers` is the right-hand side with its numbers, where they fit. `value` is the
    exact value, from the tape. `error` is the largest deviation of the formula, evaluated by itself, from that value,
    relative to the value's largest element; None where the formula could not be evaluated, for the `reason` given.
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

    @property
    def verified(self) -> bool:
        """Whether the formula and all its lines are verified."""
        return self.error is not None and self.error <= TOLERANCE and all(line.ok for line in self.lines)


@dataclass(frozen=True)
class SymbolRow:
    """One symbol of the network: what it stands for, its name in the program, its shape."""

    symbol: str
    name: str
    role: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Confirmation:
    """A parameter's gradient against numerical differentiation, along one direction."""

    symbol: str
    name: str
    analytic: float
    numeric: float
    error: float
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class Derivation:
    """How the gradient of one computation comes about, step by step, each step verified.

    Prints as text; `to_markdown()`, `to_latex()` and `to_html()` give the same in other forms.
    """

    title: str
    steps: tuple[Step, ...]
    symbols: tuple[SymbolRow, ...]
    modules: tuple[tuple[str, str], ...]
    confirmations: tuple[Confirmation, ...]
    unused: tuple[str, ...] = ()
    lang: str = "en"
    level: str = "full"
    notes: tuple[str, ...] = field(default=())

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
        r"""Return the step that gives a symbol, a parameter's gradient by the parameter's name.

        Raises KeyError with the symbols there are.
        """
        for step in self.steps:
            if symbol in (step.symbol, step.parameter, _plain(step.symbol)):
                return step
        raise KeyError(f"no step gives {symbol!r}; there are {', '.join(_plain(s.symbol) for s in self.steps)}")

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        verified = self.equations_verified()
        return f"<Derivation of {self.title}: {verified} of {self.equations()} equations verified>"

    def to_text(self) -> str:
        """Return the derivation as plain text, its mathematics in Unicode."""
        from .writing_text import write_text

        return write_text(self)

    def to_markdown(self) -> str:
        """Return the derivation as Markdown, its mathematics in LaTeX between dollars."""
        from .writing_markdown import write_markdown

        return write_markdown(self)

    def to_latex(self) -> str:
        """Return the derivation as a LaTeX document that needs amsmath alone (and kotex for Korean)."""
        from .writing_latex import write_latex

        return write_latex(self)

    def to_html(self) -> str:
        """Return the derivation as one HTML page that needs nothing else: MathML, no script. Needs the extra `app`."""
        from .writing_html import write_html

        return write_html(self)

    def _repr_html_(self) -> str:
        from .writing_html import write_fragment

        return write_fragment(self)


def _plain(latex: str) -> str:
    from .unicode_math import to_unicode

    return to_unicode(latex)


def shown_steps(steps: Sequence[Step]) -> list[Step]:
    """Return the steps in order, as a list."""
    return list(steps)
