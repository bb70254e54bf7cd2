"""From a recording to a derivation: the sections and their steps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.derivation import Derivation
from chainrule.explain.laws.blockwise import blockwise_lines
from chainrule.explain.laws.fusion import derivation_lines, simplified
from chainrule.explain.laws.proving import proof_lines
from chainrule.explain.write.catalogue import Catalogue
from chainrule.observe.entry import Entry

from .confirm import confirm
from .equations import Equation
from .evaluated import Book
from .indices import indices_in
from .naming import name_all
from .steps import Line, Step, SymbolRow
from .subject import Recording
from .symbols import Symbol
from .unit import Unit
from .units import is_drawn, units_of
from .verify import deviation

LEVELS = ("brief", "full", "proof")


def derive(recording: Recording, lang: str, level: str) -> Derivation:
    """Return the derivation of a recording."""
    units = units_of(recording)
    builder, steps = _written(recording, units, Catalogue(lang), level, frozenset())
    constants = (symbol for _, symbol in builder.book.constants_used())
    letters = indices_in(steps) | ({"e"} if any("e^" in step.formula for step in steps) else set())
    clashes = letters & {symbol.base for symbol in (*builder.book.names.symbols.values(), *constants)}
    if clashes:
        builder, steps = _written(recording, units, Catalogue(lang), level, clashes)
    book = builder.book
    unused = tuple(e.name for e in recording.parameters if e.gradient is None)
    return Derivation(
        recording.title,
        tuple(step.said_in(lang) for step in steps),
        tuple(builder.symbols()),
        tuple(recording.modules.items()),
        tuple(confirm(recording, book)),
        unused,
        lang,
        level,
    )


def _written(
    recording: Recording, units: Sequence[Unit], words: Catalogue, level: str, indices: frozenset[str]
) -> tuple["Builder", tuple[Step, ...]]:
    """Return all steps, in which no value has the letter of one of the indices."""
    builder = Builder(recording, Book(recording, units, name_all(recording, units, indices)), units, words, level)
    return builder, (*builder.forward(), *builder.backward())


class Builder:
    """Writes the steps of one computation."""

    def __init__(self, recording: Recording, book: Book, units: Sequence[Unit], words: Catalogue, level: str) -> None:
        self.recording, self.book, self.units, self.words, self.level = recording, book, units, words, level

    # The network

    def symbols(self) -> Iterator[SymbolRow]:
        """Yield the symbols of the inputs and of the outputs of all steps."""
        used = {x for unit in self.units for x in unit.inputs if isinstance(x, Entry)}
        for entry in self.recording.entries:
            if entry.is_leaf and (entry in used or entry.is_parameter):
                yield SymbolRow(self.book.symbol(entry).latex(), entry.name, self.words[self._role(entry)], entry.shape)
            elif is_drawn(entry) and entry in used:
                yield SymbolRow(self.book.symbol(entry).latex(), "", self.words["drawn"], entry.shape)
        for x, symbol in self.book.indices_used():
            name = next((name for name, value in self.recording.visible if np.array_equal(value, x)), "")
            yield SymbolRow(symbol.latex(), name, self.words["indices"], np.shape(x))
        for x, symbol in self.book.constants_used():
            yield SymbolRow(symbol.latex(), "", self.words["target" if symbol.base == "y" else "constant"], np.shape(x))

    def _role(self, entry: Entry) -> str:
        recording = self.recording
        if entry in recording.weights or (entry.is_parameter and not recording.weights):
            is_parameter = entry in recording.weights or recording.chosen
            return "parameter" if is_parameter else "variable"
        return "target" if entry is recording.goal else "input"

    # The forward pass

    def forward(self) -> Iterator[Step]:
        """Yield the steps of the forward pass."""
        for unit in self.units:
            if unit.inlined:
                continue
            if isinstance(unit.output.value, tuple):
                for symbol, equation, value in self.book.parts(unit):
                    yield self._step("forward", symbol, equation, value, unit, (), "part")
                continue
            for symbol, equation, value in self.book.kept(unit):
                yield self._step("forward", symbol, equation, value, unit, (), f"kept {symbol.base}")
            equation, before = self.book.forward(unit)
            lines = [self._line("", e) for e in before]
            equation = replace(equation, rests=self.book.rests.value(unit.output))
            yield self._step("forward", self.book.symbol(unit.output), equation, unit.output.value, unit, lines)

    def _step(
        self,
        section: str,
        symbol: Symbol | str,
        equation: Equation,
        value: Any,
        unit: Unit,
        lines: Sequence[Line],
        key: str = "",
        parameter: str = "",
    ) -> Step:
        verdict = equation.verdict
        source = unit.output.source
        if source is not None and (source.file, source.line) == self.recording.caller:
            source = None
        return Step(
            section,
            str(symbol),
            equation.latex,
            equation.numbers if self.level != "brief" else None,
            np.shape(value),
            value,
            verdict.error,
            verdict.reason,
            unit.record.name,
            unit.output.module,
            source,
            tuple(lines),
            parameter,
            (key or unit.record.name, np.shape(value)),
            rests=equation.rests,
        )

    # The backward pass

    def backward(self) -> Iterator[Step]:
        """Yield the steps of the backward pass: each gradient as soon as all its parts have arrived."""
        done: set[Entry] = set()
        users = self._users()
        for unit in reversed(self.units):
            if unit.output.gradient is None:
                continue
            for entry in self._in_order(unit):
                if entry in done or self._is_inlined(entry):
                    continue
                if users[entry][0][0] is unit:  # the earliest user in the program is the last to send its part
                    done.add(entry)
                    yield self._gradient(entry, users[entry])

    def _in_order(self, unit: Unit) -> list[Entry]:
        """Return the tracked inputs of a unit: its parameters first, then what leads to earlier layers."""
        return sorted((x for _, x in unit.tracked_inputs()), key=lambda x: not x.is_leaf)

    def _is_inlined(self, entry: Entry) -> bool:
        unit = self.book.maker.get(entry)
        return unit is not None and unit.inlined

    def _users(self) -> dict[Entry, list[tuple[Unit, int]]]:
        found: dict[Entry, list[tuple[Unit, int]]] = {}
        for unit in self.units:
            if unit.output.gradient is not None:
                for k, entry in unit.tracked_inputs():
                    found.setdefault(entry, []).append((unit, k))
        return found

    def _gradient(self, entry: Entry, uses: list[tuple[Unit, int]]) -> Step:
        name = entry.name if entry.is_leaf else ""
        symbol = self.book.gradient_symbol(entry)
        if len(uses) == 1:
            unit, k = uses[0]
            equation, before = self.book.backward(unit, k)
            lines = [*self._detail(unit, k, equation), *(self._line("", e) for e in before)]
            equation = replace(simplified(self.book, unit, k, equation), rests=self.book.rests.gradient(entry))
            return self._step("backward", symbol, equation, entry.gradient, unit, lines, parameter=name)
        return self._summed(entry, uses, name)

    def _summed(self, entry: Entry, uses: list[tuple[Unit, int]], name: str) -> Step:
        """Return the step for a value that is used several times: the sum of the gradients from all uses."""
        symbol, lines, parts = self.book.gradient_symbol(entry), [], []
        worst = deviation(sum(unit.contribution(k) for unit, k in reversed(uses)), entry.gradient)
        short = self.book.together(list(reversed(uses)), entry)
        for unit, k in reversed(uses):
            equation, before = self.book.backward(unit, k, alone=False)
            error = equation.verdict.error
            worst = float("inf") if error is None else max(worst, error)
            title = self.words["part"].format(symbol=f"${self.book.through(unit)}$")
            proved = self._detail(unit, k, equation) if self.level == "proof" and not short else []
            lines += [*proved, *(self._line("", e) for e in before), self._line(title, equation)]
            parts.append(rf"\left.{symbol.fraction()}\right|_{{{self.book.way(unit, k)}}}")
        latex = short or f"{symbol.latex()} = " + " + ".join(parts)
        lines = self._proofs(uses) if short else lines
        error = worst if short else deviation(sum(u.contribution(k) for u, k in reversed(uses)), entry.gradient)
        equation = replace(self.book.plain(latex, error), rests=self.book.rests.gradient(entry))
        return self._step("backward", symbol, equation, entry.gradient, uses[-1][0], lines, "sum", name)

    def _proofs(self, uses: list[tuple[Unit, int]]) -> list[Line]:
        """Return the proofs of a sum's parts, each once, at the level that has them."""
        if self.level != "proof":
            return []
        equations = ((unit, k, self.book.backward(unit, k, alone=False)[0]) for unit, k in reversed(uses))
        return list(dict.fromkeys(line for use in equations for line in self._detail(*use)))

    def _detail(self, unit: Unit, k: int, equation: Equation) -> list[Line]:
        if self.level == "brief":
            return []
        lines = derivation_lines(self.book, unit, k, equation, self.words)
        if self.level != "proof":
            return lines
        if k == 0:
            lines += blockwise_lines(self.book, unit, self.words)
        return lines or proof_lines(self.book, unit, k, equation, self.words)

    def _line(self, title: str, equation: Equation) -> Line:
        return Line(title, equation.latex, equation.verdict.error, equation.verdict.reason)
