r"""The equations of a computation: each written with its symbols, evaluated on its own and compared with the tape."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.explain.laws.decompositions import PARTS
from chainrule.explain.laws.indexing import array_in, index_text
from chainrule.explain.laws.laws import (
    Law,
    backward_law,
    forward_law,
    law_without_indices,
    output_name,
)
from chainrule.explain.laws.special import (
    adapted,
    as_rows,
    in_rows,
    kept_laws,
    law_without_places,
    part_law,
    special_backward,
    special_forward,
)
from chainrule.formula.evaluation import FormulaError
from chainrule.formula.functions import as_double
from chainrule.observe.entry import Entry, array_of
from chainrule.present.escape import in_math
from chainrule.rules.elementary.arithmetic import Multiply, Square

from .composites import values_of
from .equations import (
    Equation,
    axes_shown,
    dotted,
    has_sign_of_product,
    is_composed,
    is_juxtaposed,
    is_numeric,
    last_of,
    last_side,
    over,
    real_part,
    repeated,
    settings_of,
    tidied,
    unbracketed,
    with_kept_axes,
    with_number_first,
    without_double_signs,
    without_factors_of_one,
    without_idle_brackets,
)
from .naming import Names
from .numerals import exactly, fraction
from .operands import Expression, Literal, Named, Operand
from .rests import Rests
from .subject import Recording
from .symbols import Derivative, Symbol, Through, from_name
from .template import Rendered, is_sum, render, sides, without_brackets
from .unit import Unit
from .verify import Deviation, deviation, evaluate, verify

LONG = 240
"""The maximum length in LaTeX of a sum of several parts written as one equation."""


class Book:
    """All equations of one recording."""

    def __init__(self, recording: Recording, units: Sequence[Unit], names: Names) -> None:
        self.recording = recording
        self.names = names
        self._uses: dict[Entry, list[tuple[Unit, int]]] = {}
        for unit in units:
            for k, x in enumerate(unit.inputs):
                if isinstance(x, Entry):
                    self._uses.setdefault(x, []).append((unit, k))
        self._ways: dict[Entry, dict[tuple[Unit, int], str]] = {}
        self.maker = {unit.output: unit for unit in units}
        self._steps: dict[Any, tuple[dict[str, Operand], list[Equation]]] = {}
        self._constants: dict[int, tuple[Any, Symbol]] = {}
        self._by_name: dict[str, tuple[Any, Symbol]] = {}
        self._indices: dict[bytes, tuple[Any, Symbol]] = {}
        self._own: dict[Any, Symbol] = {}
        self._inside: dict[tuple[Entry, str], Operand] = {}
        """The operands of values that have no symbol: each is in those of its user, which are asked for many times."""

    @cached_property
    def rests(self) -> Rests:
        """The numbers of the recording that are only rounding."""
        return Rests(self.recording.entries)

    # Symbols and operands

    def symbol(self, entry: Entry) -> Symbol:
        """Return the symbol of a value."""
        return self.names.of(entry)

    def gradient_symbol(self, entry: Entry) -> Derivative:
        """Return the symbol of the derivative of the loss with respect to a value."""
        symbol = self.names.of(entry)
        return Derivative(symbol.base, symbol.label)

    def is_written(self, entry: Entry) -> bool:
        """Whether a value has a symbol or a formula: what several operations in one line pass on has neither."""
        unit = self.maker.get(entry)
        return entry in self.names.symbols or (unit is not None and unit.inlined)

    def operand(self, x: Any) -> Operand:
        """Return the operand for an input of a unit."""
        if isinstance(x, Entry):
            unit = self.maker.get(x)
            if unit is not None and unit.inlined:
                if (x, "value") not in self._inside:
                    self._inside[x, "value"] = self._as_expression(self._forward(unit)[1])
                return self._inside[x, "value"]
            return Named(self.names.of(x), x.value, rests=self.rests.value(x))
        if np.ndim(x) == 0 and isinstance(x, int | float | complex | np.generic | np.ndarray):
            return Literal(as_double(x)[()])
        return Named(self._constant(x), x)

    def _constant(self, x: Any) -> Symbol:
        if id(x) not in self._constants:
            is_target = self.recording.inside_target is not None and np.array_equal(x, self.recording.inside_target)
            letter = r"\kappa" if any(s.base == "c" for s in self.names.symbols.values()) else "c"
            count = sum(symbol.base == letter for _, symbol in self._constants.values()) + 1
            name = self.recording.name_of_constant(x)
            if name in self._by_name and np.array_equal(self._by_name[name][0], x):  # the same, made by another layer
                return self._by_name[name][1]
            known = self._before_the_first(from_name(name)) if name else Symbol(letter, str(count))
            self._constants[id(x)] = x, Symbol("y") if is_target else self.names.free(known)
            if name:
                self._by_name.setdefault(name, self._constants[id(x)])
        return self._constants[id(x)][1]

    def _before_the_first(self, symbol: Symbol) -> Symbol:
        """Return the symbol of a constant that values of the same name replace: these are numbered from 1."""
        replaced = any(Symbol(symbol.base, label) in self.names.symbols.values() for label in ("", "1"))
        return Symbol(symbol.base, "0") if replaced and not symbol.label else symbol

    def constants_used(self) -> list[tuple[Any, Symbol]]:
        """Return the constants that the equations name, with their symbols."""
        return list(self._constants.values())

    def indices_used(self) -> list[tuple[Any, Symbol]]:
        """Return the arrays of indices that the equations name, with their symbols."""
        return list(self._indices.values())

    def own_symbol(self, key: Any, letter: str) -> Symbol:
        """Return the symbol of something that only the derivation has, always the same for one key."""
        if key not in self._own:
            self._own[key] = self.names.free(Symbol(letter))
        return self._own[key]

    def _index_symbol(self, x: Any) -> Symbol:
        key = np.asarray(x).tobytes()
        if key not in self._indices:
            self._indices[key] = x, self.names.free(Symbol("t"))
        return self._indices[key][1]

    def _index_of(self, unit: Unit) -> dict[str, Operand]:
        """Return the operands for an index that has an array: its text, and the symbol of the array."""
        array = array_in(unit.settings["index"]) if "index" in unit.settings else None
        if array is None:
            return {}
        symbol = self._index_symbol(array)
        text = index_text(unit.settings["index"], symbol.latex)
        return {"index": Literal(0.0, text), "t": Named(symbol, array)}

    def plain(self, latex: str, error: float) -> Equation:
        """Return an equation that was verified elsewhere."""
        return Equation(latex, None, Deviation(error))

    def bar(self, entry: Entry) -> Operand:
        """Return the operand for the derivative of the loss with respect to a value."""
        if entry is self.recording.loss:
            return Literal(1.0)
        unit = self.maker.get(entry)
        if unit is None or not unit.inlined:
            return self._gradient_operand(entry)
        if (entry, "gradient") not in self._inside:
            self._inside[entry, "gradient"] = self._bar_inside(entry, unit.consumers[0])
        return self._inside[entry, "gradient"]

    def _gradient_operand(self, entry: Entry) -> Operand:
        return Named(self.gradient_symbol(entry), entry.gradient, rests=self.rests.gradient(entry))

    def _bar_inside(self, entry: Entry, user: Unit) -> Operand:
        """Return the operand for the derivative with respect to a value without a symbol, from its one user."""
        k = next(k for k, x in enumerate(user.inputs) if x is entry)
        outer = law_without_indices(user, k)
        law = outer or self._backward_law(user, k)[0]
        if law is None:
            return self._gradient_operand(entry)
        rendered = self._written(law, user, {})
        found = _number_of(rendered, law) or self._passed_on(rendered, law, entry, user.output)
        return replace(found, is_sum=True) if outer and isinstance(found, Expression) else found

    def _passed_on(self, rendered: Rendered, law: Law, entry: Entry, user: Entry) -> Operand:
        """Return the operand for the gradient that reaches an inlined value: often its user's, unchanged."""
        arriving = self.bar(user)
        is_same = entry.shape == user.shape and np.array_equal(entry.gradient, user.gradient)
        if isinstance(arriving, Named) and is_same and sides(rendered.shown)[1] == [arriving.show("", "")]:
            return arriving
        made = self._as_expression(rendered)
        if not entry.shape:
            return made
        is_number = np.ndim(_value_of(rendered, law)) == 0  # what a sum of everything sends back to each element
        return replace(made, shown=with_number_first(made.shown), is_number=is_number)

    def _as_expression(self, rendered: Rendered) -> Expression:
        shown, reading = (sides(text)[1][0] for text in (rendered.shown, rendered.reading))
        reading = reading.replace(r"_{\text{axis}}", "")  # what is inlined sums everything
        numbers = None if rendered.numbers is None else sides(rendered.numbers)[1][0]
        return Expression(shown, reading, numbers, rendered.values, is_sum(shown), one=shown == "1")

    def operands(self, unit: Unit, backward: bool) -> dict[str, Operand]:
        """Return the operand for each name in a unit's formulas."""
        found: dict[str, Operand] = {}
        for name, x in zip(unit.argument_names, unit.inputs, strict=True):
            if x is not None and not isinstance(x, tuple | str):
                found[name] = self.operand(x)
        output = output_name(unit).replace("\\", "")
        is_own = unit.inlined and not backward  # the formula being written has no symbol on its left
        value = Named(Symbol("u"), unit.output.value) if is_own else self.operand(unit.output)
        bar = self.bar(unit.output) if backward and unit.output.gradient is not None else None
        value, bar = (value, None) if bar is None else (with_kept_axes(unit, value), with_kept_axes(unit, bar))
        for key in (output, output.lower(), "y"):
            found.setdefault(key, value)
            if bar is not None:
                found.setdefault(f"{key}_bar", bar)
        for name in unit.record.keeps:
            if unit.saved.get(name) is not None:
                found[name] = Named(self._kept_symbol(name, unit), unit.saved[name])
        for name, value in unit.settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name != "axis":
                found.setdefault(name, Literal(float(value)))
        found = {name: self._held(operand, unit) for name, operand in found.items()}
        return in_rows(unit, found | adapted(unit) | self._index_of(unit) | self._parts_of(unit))

    def _held(self, operand: Operand, unit: Unit) -> Operand:
        """Return an operand that brackets hold together where it would read as part of another kind of product."""
        if not isinstance(operand, Expression) or operand.is_sum:
            return operand
        if unit.record.role is Role.DENSE:
            return replace(operand, is_sum=has_sign_of_product(operand.shown))
        return replace(operand, is_sum=unit.record is Multiply and is_juxtaposed(operand.shown))

    def _parts_of(self, unit: Unit) -> dict[str, Operand]:
        """Return the operands for the parts of a decomposition that the program uses, as the record names them."""
        found: dict[str, Operand] = {}
        for entry in self.recording.entries:
            names = PARTS.get(unit.record, ()) if entry.is_part_of(unit.output) else ()
            if names and entry in self.names.symbols and (name := names[entry.settings["part"]]):
                found[name] = self.operand(entry)
                found[f"{name}_bar"] = Literal(0.0) if entry.gradient is None else self.bar(entry)
        return found

    # The equations

    def forward(self, unit: Unit) -> tuple[Equation, list[Equation]]:
        """Return the equation of the forward pass, and the equations that it depends on."""
        law, rendered = self._forward(unit)
        if law is None:
            return self._unstated(self.symbol(unit.output).latex(), unit), []
        equation = self._judged(law, rendered, as_rows(unit, unit.output.value))
        return equation, [_settled(step, equation) for step in self._stepped(law, unit)[1]]

    def _forward(self, unit: Unit) -> tuple[Law | None, Rendered]:
        law = special_forward(unit) or forward_law(unit)
        if law is None:
            return None, Rendered("", "", None, {})
        steps = self._stepped(law, unit)[0]
        return law, self._written(dotted(law, unit), unit, steps)

    def kept(self, unit: Unit) -> list[tuple[Symbol, Equation, Any]]:
        """Return the equations of the values that an operation saves for its backward pass, with symbols and values."""
        found: list[tuple[Symbol, Equation, Any]] = []
        extra: dict[str, Operand] = {}
        if all(unit.saved.get(name) is None for name, _ in kept_laws(unit)):
            return found
        for name, law in kept_laws(unit):
            symbol, value = self._kept_symbol(name, unit), unit.saved.get(name)
            rendered = self._written(law, unit, {**extra, name: Named(symbol, 0.0)})
            held = value is not None
            value = as_rows(unit, value) if held else _value_of(rendered, law)
            if value is None:
                continue
            extra[name] = Named(symbol, value)
            equation = self._judged(law, rendered, value)
            if not held:  # the rules that ran do not save it; what they save is defined by it, and so verifies it
                equation = replace(equation, verdict=Deviation(None, name))
            found.append((symbol, equation, value))
        last = found[-1][1].verdict if found else Deviation(None)
        return [(s, replace(e, verdict=last) if e.verdict.error is None else e, v) for s, e, v in found]

    def _kept_symbol(self, name: str, unit: Unit) -> Symbol:
        own = self.names.symbols.get(unit.output, Symbol(""))
        if name == "y_hat":
            return Symbol(r"\hat y", "" if own.label == "" else own.label)
        letters = {"x_hat": r"\hat x", "sigma": r"\sigma", "mu": r"\mu"}
        return Symbol(letters.get(name, name.upper()), own.label)

    def backward(self, unit: Unit, k: int, alone: bool = True) -> tuple[Equation, list[Equation]]:
        """Return the equation of the cotangent that a unit sends to its input k, and those that it depends on.

        If it is not `alone`, the left-hand side is the part of the gradient that comes through this unit.
        """
        left = self.gradient_symbol(unit.inputs[k]) if alone else self._part(unit, k)
        law, local = self._backward_law(unit, k)
        if law is None:
            return self._unstated(left.latex(), unit), []
        steps, before = self._stepped(law, unit)
        name = f"{unit.argument_names[k]}_bar"
        extra = {**steps, name: Named(left, 0.0)}
        rendered = self._written(law, unit, extra)
        single = _number_of(rendered, law)
        whole = unit.output.shape if _is_pointwise(unit) else ()
        equation = self._judged(law, rendered, as_rows(unit, unit.contribution(k)), whole)
        head, right = sides(equation.latex)
        changed = equation.verdict.summed or equation.verdict.is_real_part
        if single is not None and is_composed(right[-1]) and not changed:
            equation = replace(equation, latex=f"{head} = {single.show('', '')}", numbers=None)
        before = [_settled(step, equation) for step in before]
        return self._with_chain(equation, unit, k, local, left), before

    def together(self, parts: Sequence[tuple[Unit, int]], entry: Entry) -> str | None:
        """Return a sum of whole right-hand sides as one equation, or None if it would be too long to read."""
        terms: list[str] = []
        for unit, k in parts:
            equation, before = self.backward(unit, k, alone=False)
            left, right = sides(equation.latex)
            # A left-hand side with an index says where the right-hand side belongs, which a sum would not.
            is_indexed = "_{" in left.partition("|")[0] or "[" in left.replace(self._part(unit, k).latex(), "")
            if before or is_indexed or equation.verdict.summed or not right:
                return None
            terms.append(right[-1])
        total = ""
        for term in dict.fromkeys(terms):
            times_over = terms.count(term)
            if times_over > 1:  # x * x, for example
                term = repeated(term, times_over)
            total += f" - {term[1:]}" if term.startswith("-") and total else f" + {term}" if total else term
        whole = f"{self.gradient_symbol(entry).latex()} = {total}"
        return without_idle_brackets(whole) if len(total) < LONG else None

    def _part(self, unit: Unit, k: int) -> Through:
        """Return the symbol of the part of the gradient of input k that comes through a unit."""
        whole = self.gradient_symbol(unit.inputs[k])
        return Through(whole.base, whole.label, user=self.way(unit, k))

    def way(self, unit: Unit, k: int) -> str:
        """Return how the part of a gradient that comes from input k of a unit is told from the others.

        That is the value which the unit's result appears in, and a number where this one uses the input several times.
        """
        x = unit.inputs[k]
        if x not in self._ways:
            self._ways[x] = self._ways_of(x)
        return self._ways[x].get((unit, k), self.through(unit))

    def _ways_of(self, x: Entry) -> dict[tuple[Unit, int], str]:
        through: dict[str, list[tuple[Unit, int]]] = {}
        for unit, k in self._uses.get(x, ()):
            if unit.output.tracked:
                through.setdefault(self.through(unit), []).append((unit, k))
        several = ((user, uses) for user, uses in through.items() if len(uses) > 1)
        return {use: f"{user}, {number}" for user, uses in several for number, use in enumerate(uses, 1)}

    def through(self, unit: Unit) -> str:
        """Return the symbol of the first value that a unit's result appears in."""
        while unit.inlined:
            unit = unit.consumers[0]
        return self.symbol(unit.output).latex()

    def _backward_law(self, unit: Unit, k: int) -> tuple[Law | None, str]:
        special = special_backward(unit, k)
        bar = self.bar(unit.output)
        factor = fraction(2 * bar.value) if unit.record is Square and isinstance(bar, Literal) else None
        if factor is not None:
            return Law(r"\bar x = x" if factor == "1" else rf"\bar x = {factor} x"), ""
        law, local = (special, "") if special is not None else backward_law(unit, k)
        if law is None:
            return None, ""
        output = output_name(unit)
        if bar.is_one:
            for sign in (r"\odot", r"\cdot"):
                without = law.latex.replace(rf"\bar {output} {sign} ", "").removesuffix(rf" {sign} \bar {output}")
                law = replace(law, latex=without)
        if isinstance(bar, Expression) and bar.is_number:
            law = replace(law, latex=law.latex.replace(rf"\bar {output} \odot", rf"\bar {output} \cdot"))
        return dotted(law, unit), local

    def _written(self, law: Law, unit: Unit, extra: Mapping[str, Operand]) -> Rendered:
        law = law_without_places(law, unit)
        backward = r"\bar" in law.latex + law.reading
        operands = {**self.operands(unit, backward), **extra}
        settings = settings_of(unit)
        rendered = render(law.latex, operands, settings)
        if law.reading:
            other = render(law.reading, operands, settings)
            rendered = replace(rendered, reading=other.reading, values=other.values, numbers=None)
        return replace(rendered, shown=axes_shown(rendered.shown, unit))

    def _stepped(self, law: Law, unit: Unit) -> tuple[dict[str, Operand], list[Equation]]:
        """Evaluate the formulas that precede a law, so that it can use their values."""
        key = (unit, law.steps)
        if key not in self._steps:
            self._steps[key] = self._worked(law, unit)
        return self._steps[key]

    def _worked(self, law: Law, unit: Unit) -> tuple[dict[str, Operand], list[Equation]]:
        found: dict[str, Operand] = {}
        equations = []
        inner = None
        for latex in law.steps:
            rendered = self._written(Law(latex, functions=law.functions), unit, found)
            verdict = verify(rendered.reading, rendered.values, law, 0.0)
            value = _value_of(rendered, law)
            if value is not None:
                inner = values_of(unit) if inner is None else inner
                verdict = _nearest(value, inner)
                left = sides(latex)[0]
                key = left.replace(r"\bar ", "").replace("\\", "").strip() + ("_bar" if r"\bar" in left else "")
                found[key] = Named(Symbol(left), value)
            equations.append(Equation(rendered.shown, None, verdict))
        return found, equations

    def parts(self, unit: Unit) -> list[tuple[Symbol, Equation, Any]]:
        """Return the equations of the outputs of an operation with several outputs."""
        found: list[tuple[Symbol, Equation, Any]] = []
        for entry in self.recording.entries:
            if entry.is_part_of(unit.output) and entry in self.names.symbols:
                law = part_law(unit, entry.settings["part"])
                operands = {"y": self.operand(entry), "x": self.operand(unit.inputs[0])}
                shown, read = render(law.latex, operands, {}), render(law.reading, operands, {})
                rendered = Rendered(shown.shown, read.reading, None, read.values)
                found.append((self.symbol(entry), self._judged(law, rendered, entry.value), entry.value))
        return found

    def _judged(self, law: Law, rendered: Rendered, expected: Any, whole: tuple[int, ...] = ()) -> Equation:
        verdict = verify(rendered.reading, rendered.values, law, expected, whole)
        shown = rendered.shown
        if verdict.summed:
            left, right = sides(shown)
            wrapped = rf"\left({right[0]}\right)" if is_sum(right[0]) else right[0]
            shown = rf"{left} = \sum{over(verdict.summed, np.ndim(expected))} {wrapped}"
        if verdict.is_real_part:
            shown = real_part(shown)
        changed = verdict.summed or verdict.is_real_part
        numbers = None if rendered.numbers is None or changed else last_side(rendered.numbers)
        numbers = None if numbers is None else tidied(without_brackets(numbers))
        if numbers is not None and " = 0 + " in rendered.shown:  # nothing is added to
            numbers = numbers.removeprefix("0 + ")
        shown = without_double_signs(without_factors_of_one(tidied(unbracketed(shown))))
        return Equation(shown, None if numbers == last_of(shown) else numbers, verdict)

    def _with_chain(self, equation: Equation, unit: Unit, k: int, local: str, left: Derivative) -> Equation:
        """Put the chain rule before the result: the gradient at the output, times the local derivative."""
        latex = equation.latex
        start = left.latex()
        if left.is_delta and latex.startswith(f"{start} = "):
            latex = f"{start} = {left.fraction()} = {latex.removeprefix(f'{start} = ')}"
        simple = not unit.inlined and isinstance(self.operand(unit.inputs[k]), Named)
        if local and simple and not equation.verdict.summed and unit.output is not self.recording.loss:
            sign = r"\odot" if unit.output.shape and np.shape(array_of(unit.inputs[k])) else r"\cdot"
            product = f"{self.gradient_symbol(unit.output).latex()} {sign} {self._local(unit, k)}"
            head, tail = latex.rsplit(" = ", 1) if " = " in latex else (latex, "")
            latex = f"{head} = {product} = {tail}" if "[" not in head else latex
        return replace(equation, latex=latex)

    def _local(self, unit: Unit, k: int) -> str:
        over, under = self.symbol(unit.output), self.symbol(unit.inputs[k])
        return rf"\frac{{\partial {over}}}{{\partial {under}}}"

    def _unstated(self, left: str, unit: Unit) -> Equation:
        name = in_math(unit.record.name.replace("_", " "))
        return Equation(rf"{left} = \text{{{name}}}(\ldots)", None, Deviation(None, "the record states no formula"))


def _is_pointwise(unit: Unit) -> bool:
    """Whether an operation acts on each element by itself, with broadcasting."""
    return unit.record.kind == "elementwise" or bool(getattr(unit.record, "is_pointwise", False))


def _number_of(rendered: Rendered, law: Law) -> Literal | None:
    """Return a right-hand side as one number, whatever its shape; None if it is not made of numbers only.

    A product of several that is no short decimal and no fraction stays a product: it would be rounded.
    """
    shown = sides(rendered.shown)[1]
    if not shown or not is_numeric(shown[0]) or (value := _value_of(rendered, law)) is None:
        return None
    numbers = np.unique(value)
    if len(numbers) != 1:
        return None
    text = fraction(numbers[0], as_quotient=r"\frac" in shown[0])
    if text is None:
        return None if re.search(r"[co]dot", shown[0]) else Literal(numbers[0])
    return Literal(numbers[0]) if exactly(numbers[0]) == text else Literal(numbers[0], text)


def _value_of(rendered: Rendered, law: Law) -> Any:
    try:
        return evaluate(rendered.reading, rendered.values, law, None)[0]
    except (FormulaError, ValueError, TypeError):
        return None


BY_RESULT = "verified by the formula that uses it"


def _settled(step: Equation, result: Equation) -> Equation:
    """Verify a value that has no composite to compare with by the formula that uses it."""
    return replace(step, verdict=result.verdict) if step.verdict.reason == BY_RESULT else step


def _nearest(value: Any, candidates: Sequence[Any]) -> Deviation:
    """Return an intermediate value's deviation from the closest value on the composite's tape."""
    errors = [deviation(value, c) for c in candidates if np.shape(c) == np.shape(value)]
    if not candidates:
        return Deviation(None, BY_RESULT)
    if not errors:
        return Deviation(None, "no value of the composite has this shape")
    return Deviation(min(errors), "", value=value)
