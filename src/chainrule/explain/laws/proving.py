"""The proof of a rule, line by line: the record's own, with this network's symbols, each line checked numerically.

`chainrule.formula.chain` checks the lines against the definitions with which the proof begins, at the values of this
network; where those are too many or leave the range of floating point, at the first of the record's own cases. A rule
without a proof is taken as given.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.facts import ProofStep, Role
from chainrule.explain.derive.equations import Equation, over, tidied, without_ones
from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.operands import Expression, Literal, Named, Operand
from chainrule.explain.derive.steps import Line
from chainrule.explain.derive.symbols import Derivative, Symbol, Through
from chainrule.explain.derive.template import render, sides
from chainrule.explain.derive.unit import Unit
from chainrule.explain.derive.verify import deviation, verify
from chainrule.explain.write.catalogue import Catalogue
from chainrule.formula.evaluation import FormulaError, formulas_in, parse
from chainrule.observe.entry import Entry, array_of

from .instances import Instance, instance_of, small_instance
from .laws import Law, forward_law, is_complex, output_name, with_signs_of_products
from .special import without_places
from .spectra import TRANSFORMS
from .windows import with_places

SPARE = (r"\tilde {}", r"\check {}")
"""Spellings of a proof's own letters that the network has already taken."""


NOTHING_TO_CHECK = "neither these values nor an example are finite"


class WrittenDerivative(Derivative):
    r"""A derivative that a proof writes out as a fraction, whatever the layer."""

    @property
    def is_delta(self) -> bool:
        """Never a layer's delta."""
        return False


def proof_lines(book: Book, unit: Unit, k: int, equation: Equation, words: Catalogue) -> list[Line]:
    """Return the proofs behind one equation, from the value with a symbol back to input k of a unit.

    What is inlined has no equation of its own: in `(a - b)**2` a difference is proved after the square.
    """
    ways = [(unit, k)]
    while ways[-1][0].inlined:
        inner = ways[-1][0]
        user = inner.consumers[0]
        ways.append((user, next(j for j, x in enumerate(user.inputs) if x is inner.output)))
    lines: list[Line] = []
    chain = Letters(book)
    for u, j in reversed(ways):
        lines += _proved(Writer(book, u, chain), j, equation, words)
    return lines


class Letters:
    """The letters that one chain of proofs gives to values without a symbol, none of them twice.

    `of` maps such a value to its symbol, so that the proof of what made it goes on with the same letter.
    """

    def __init__(self, book: Book) -> None:
        self.taken: set[str] = set(book.names.taken)
        self.of: dict[Entry, Symbol] = {}

    def free(self, letter: str) -> Symbol:
        """Return a letter, spelt or numbered so that nothing else has it."""
        spellings = (Symbol(form.format(letter)) for form in ("{}", *SPARE))
        numbered = (Symbol(letter, str(number)) for number in range(2, 100))
        found = next(s for s in (*spellings, *numbered) if str(s) not in self.taken)
        self.taken.add(str(found))
        return found


def _proved(writer: "Writer", k: int, equation: Equation, words: Catalogue) -> list[Line]:
    """Return the proof of the rule for input k of a unit, or the line that says what is taken as given."""
    unit = writer.unit
    if not isinstance(unit.inputs[k], Entry):
        return []
    if is_complex(unit):  # the proofs are written for real numbers
        return _given(writer, k, equation, words)
    steps = unit.record.proofs.get(unit.argument_names[k]) if hasattr(unit.record, "proofs") else None
    if not steps:
        return _given(writer, k, equation, words)
    errors = checked(steps, instance_of(unit))
    if errors is None or not all(error is None or np.isfinite(error) for error, _ in errors):
        errors = checked(steps, small_instance(unit.record)) or errors
    lines = [replace(line, title=words["proof_name"]) for line in writer.introduced.values()]
    along = _along(unit, words)
    for step, (error, reason) in zip(steps, errors or [(None, NOTHING_TO_CHECK)] * len(steps), strict=True):
        lines.append(Line(writer.title(words.title(step.title)) + along, writer.write(step), error, reason))
        along = ""  # said once, where the rows appear
    return lines


def _along(unit: Unit, words: Catalogue) -> str:
    """Return what a proof of rows says of an operation whose rows do not run along the last axis."""
    if unit.record.role is not Role.SOFTMAX:
        return ""
    ndim, axis = np.ndim(array_of(unit.inputs[0])), unit.settings["axis"]
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    found = sorted(a % ndim for a in axes)
    return "" if found == [ndim - 1] else words("proof_along", axes=", ".join(map(str, found)))


def checked(steps: Sequence[ProofStep], instance: Instance | None) -> list[tuple[float | None, str]] | None:
    """Return the deviation of each line or the reason why there is none; None for values too many or out of range."""
    if instance is None:
        return None
    chain, found = instance.chain(), list[tuple[float | None, str]]()
    for step in steps:
        try:
            found.append((chain.check(step.latex) if step.check is None else _compared(step, instance), ""))
        except OverflowError:
            return None
        except FormulaError as error:
            found.append((None, str(error)))
    return found


def _compared(step: ProofStep, instance: Instance) -> float:
    """Return the deviation of the two arrays that a line's own check returns."""
    assert step.check is not None
    left, right = step.check(instance.named())
    return deviation(left, right, instance.values)


def _given(writer: "Writer", k: int, equation: Equation, words: Catalogue) -> list[Line]:
    """Return the line that names the rule taken as given, in the record's own letters.

    Where it leads to or from a value without a symbol it has the letters of the chain, with which other proofs go on.
    """
    unit = writer.unit
    law = forward_law(unit)
    rule = _stated_rule(unit, k)
    if law is None or not rule or law.steps or unit.record in TRANSFORMS:
        return []
    name = unit.argument_names[k]
    if (unit.inlined or name in writer.introduced) and "operatorname" not in rule and r"\text" not in rule:
        named = (line for key, line in writer.introduced.items() if key == name or re.search(rf"\b{key}\b", rule))
        lines = [replace(line, title=words["proof_name"]) for line in named]
        shown = _summed(writer.rule(rule), equation, k, unit)
        return [*lines, Line(words["proof_given_here"], shown, equation.verdict.error, equation.verdict.reason)]
    stated = f"{sides(law.latex)[0]} = {sides(law.latex)[1][-1]}"
    title = words("proof_given", formula=f"${stated}$")
    return [Line(title, rule, equation.verdict.error, equation.verdict.reason)]


def _summed(shown: str, equation: Equation, k: int, unit: Unit) -> str:
    """Return a rule with the sum over the axes along which an argument was repeated, which a rule leaves unsaid."""
    left, right = sides(shown)
    x = unit.inputs[k]
    axes = equation.verdict.summed if isinstance(x, Entry) and x.shape != unit.output.shape else ()
    return rf"{left} = \sum{over(axes, x.ndim)} {right[-1]}" if axes and r"\sum" not in shown else shown


def _stated_rule(unit: Unit, k: int) -> str:
    """Return the formula of the rule for input k, as its record writes it."""
    record = unit.record
    if not hasattr(record, "rule_of") or getattr(record, "variadic", False):
        return ""
    rule = record.rule_of(unit.argument_names[k])
    complex_one = record.of_complex.get(rule.__name__) if rule and is_complex(unit) else None
    texts = formulas_in(inspect.cleandoc(complex_one or (rule.__doc__ if rule else "") or ""))
    wanted = rf"\bar{unit.argument_names[k]}".lower()
    own = [t for t in texts if sides(t)[0].replace(" ", "").lower().startswith(wanted)]
    return (own or texts)[0] if len(own or texts) == 1 else ""


@dataclass
class Writer:
    """Writes a proof's lines with the symbols of the network.

    The proof's own letters stay as they are if the network has no such symbol. An argument without a symbol, as in
    `(x + 1)**2`, is introduced by a line of its own.
    """

    book: Book
    unit: Unit
    letters: Letters

    def __post_init__(self) -> None:
        self.introduced: dict[str, Line] = {}
        self.operands: dict[str, Operand] = {}
        for name, x in zip(self.unit.argument_names, self.unit.inputs, strict=True):
            if x is not None and not isinstance(x, tuple | str):
                self._argument(name, self.book.operand(x), x)
        given = self.letters.of.get(self.unit.output)
        symbol = given or (self.letters.free("u") if self.unit.inlined else self.book.symbol(self.unit.output))
        output = output_name(self.unit).replace("\\", "")
        for key in (output, output.lower()):
            self._both(key, symbol)
        for name, value in self.unit.settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.operands.setdefault(name, Literal(float(value)))
        self.operands.update(_numbers(self.unit))

    def _argument(self, name: str, operand: Operand, x: Any) -> None:
        if isinstance(operand, Literal):
            self.operands[name] = operand
        elif isinstance(operand, Expression):
            symbol = self.letters.free(name)
            verdict = verify(f"u = {operand.reading}", operand.values, Law(""), array_of(x))
            shown = tidied(f"{symbol} = {operand.shown}")
            self.introduced[name] = Line("", shown, verdict.error, verdict.reason)
            if isinstance(x, Entry):
                self.letters.of[x] = symbol
            self._both(name, symbol)
        elif isinstance(operand, Named):
            self._both(name, operand.symbol)
            if isinstance(x, Entry) and len(x.arrived) > 1:  # what comes through this unit is a part of its gradient
                k = self.unit.argument_names.index(name)
                part = Through(operand.symbol.base, operand.symbol.label, user=self.book.way(self.unit, k))
                self.operands[f"{name}_bar"] = Named(part, 0.0)

    def _both(self, name: str, symbol: Symbol) -> None:
        self.operands[name] = Named(symbol, 0.0)
        self.operands[f"{name}_bar"] = Named(WrittenDerivative(symbol.base, symbol.label), 0.0)

    def rule(self, latex: str) -> str:
        """Return the rule for an argument with the symbols of the network and of the chain."""
        output = output_name(self.unit).replace("\\", "")
        is_loss = self.unit.output is self.book.recording.loss
        latex = with_signs_of_products(latex, self.unit)
        shown = render(latex, self.operands | ({f"{output}_bar": Literal(1.0)} if is_loss else {}), {}).shown
        shown = re.sub(r"(?<== )(-?)1 \\[co]dot ", r"\1", shown) if is_loss else shown
        return self._dotted(tidied(shown))

    def _dotted(self, latex: str) -> str:
        return latex.replace(r"\odot", r"\cdot") if self.unit.output.shape == () else latex

    def title(self, text: str) -> str:
        """Return a line's title with the network's symbols for the letters between dollars."""
        pieces = text.split("$")
        return "$".join(render(p, self.operands, {}).shown if j % 2 else p for j, p in enumerate(pieces))

    def write(self, step: ProofStep) -> str:
        """Return a line with the network's symbols."""
        if step.check is not None:
            return without_ones(render(with_places(step.latex, self.unit), self.operands, {}).shown)
        latex = without_places(step.latex, self.unit)
        name = parse(latex).left
        if name.isidentifier() and not name.endswith("_bar") and name not in self.operands:
            base, _, accent = name.partition("_")
            letter = f"\\{base}" if len(base) > 1 else base
            own = self.letters.free(rf"\{accent} {letter}" if accent else letter)
            self._both(name, own)
        return self._dotted(without_ones(render(latex, self.operands, {}).shown))


def _numbers(unit: Unit) -> Mapping[str, Operand]:
    from .special import adapted

    return {name: o for name, o in adapted(unit).items() if name in ("n", "N", "scale", "m")}


def line_of(title: str, law: Law, operands: Mapping[str, Operand], expected: Any) -> Line:
    """Return one line of a derivation: the law as displayed, and the deviation of its value from the expected one."""
    rendered = render(law.latex, operands, {})
    verdict = verify(rendered.reading, rendered.values, law, expected)
    return Line(title, rendered.shown, verdict.error, verdict.reason)
