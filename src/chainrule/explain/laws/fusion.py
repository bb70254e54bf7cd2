r"""Softmax with cross-entropy in full: the loss, the Jacobian, the substitution, and $\hat y - y$.

The lines are the record's own `derivation`, with this network's symbols; each is checked numerically.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.operation import RuleStep
from chainrule.explain.derive.equations import Equation
from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.operands import Literal, Named, Operand
from chainrule.explain.derive.steps import Line
from chainrule.explain.derive.symbols import Symbol
from chainrule.explain.derive.template import render
from chainrule.explain.derive.unit import Unit
from chainrule.explain.derive.verify import deviation, verify
from chainrule.explain.write.catalogue import Catalogue
from chainrule.observe.entry import Entry
from chainrule.rules.arrays.reduce import Mean
from chainrule.rules.network.cross_entropy import SoftmaxCrossEntropy, SparseSoftmaxCrossEntropy, one_hot

from .laws import Law
from .special import as_rows


def derivation_lines(book: Book, unit: Unit, k: int, equation: Equation, words: Catalogue) -> list[Line]:
    """Return the algebra of a fused operation, if its record states it, and the rule that it leads to."""
    steps = getattr(unit.record, "derivation", ())
    if unit.record.role is not Role.SOFTMAX_LOSS or k != 0:
        return []
    values = [x.value if isinstance(x, Entry) else np.asarray(x) for x in unit.inputs]
    operands = _operands(book, unit)
    lines = [*_one_hot(book, unit, words)]
    for step in steps:
        if step.applies is not None and not step.applies(*values):
            continue
        line = _line(unit, words.title(step.title), step, operands, values)
        if line.error is not None and not np.isfinite(line.error):  # a probability that is 0 has no logarithm
            line = _line(unit, line.title, step, *_example(book, unit, values))
        lines.append(line)
    verdict = equation.verdict
    lines.append(Line(words["chain_rule"], equation.latex, verdict.error, verdict.reason))
    return lines


def _line(unit: Unit, title: str, step: RuleStep, operands: dict[str, Operand], values: Sequence[Any]) -> Line:
    """Return a step with the network's symbols, checked in two ways: as it is written, and by its own two sides."""
    rendered = render(step.latex, operands, {})
    with np.errstate(all="ignore"):
        left, right = (_flat(unit, side) for side in step.check(*values))
    verdict = verify(rendered.reading, rendered.values, Law(step.latex), left)
    error = None if verdict.error is None else max(verdict.error, deviation(left, right, {"one": 1.0}))
    return Line(title, rendered.shown, error, verdict.reason)


def _example(book: Book, unit: Unit, values: Sequence[Any]) -> tuple[dict[str, Operand], list[Any]]:
    """Return the operands with the same symbols and targets, and moderate logits instead of the network's."""
    z = np.random.default_rng(0).uniform(-1.0, 1.0, np.shape(values[0]))
    powers = np.exp(z)
    replaced = {"z": as_rows(unit, z), "y_hat": as_rows(unit, powers / powers.sum(axis=-1, keepdims=True))}
    operands = _operands(book, unit)
    for name, value in replaced.items():
        operand = operands.get(name)
        operands[name] = Named(operand.symbol if isinstance(operand, Named) else Symbol(name), value)
    return operands, [z, *values[1:]]


def _one_hot(book: Book, unit: Unit, words: Catalogue) -> list[Line]:
    """Return the line that defines a class target as a one-hot row."""
    if unit.record is not SparseSoftmaxCrossEntropy:
        return []
    z, classes = (as_rows(unit, x.value if isinstance(x, Entry) else np.asarray(x)) for x in unit.inputs)
    law = Law(r"t_{ij} = [j = y_i]")
    rows = Named(book.own_symbol(unit, "t"), 0.0)
    rendered = render(law.latex, {"y": Named(_target(book, unit), classes), "t": rows}, {})
    verdict = verify(rendered.reading, rendered.values, law, one_hot(classes, z.shape[-1]))
    return [Line(words["one_hot"], rendered.shown, verdict.error, verdict.reason)]


def _flat(unit: Unit, side: Any) -> Any:
    """Return one side of a check with the rows along one axis, as in the operands."""
    rows = np.size(unit.output.value)
    return np.reshape(side, (rows, *np.shape(side)[unit.output.value.ndim :])) if np.ndim(unit.output.value) else side


def _operands(book: Book, unit: Unit) -> dict[str, Operand]:
    found = {name: o for name, o in book.operands(unit, backward=False).items() if name in ("z", "y_hat")}
    z, target = (as_rows(unit, x.value if isinstance(x, Entry) else np.asarray(x)) for x in unit.inputs)
    if unit.record is SoftmaxCrossEntropy:
        found["t"] = Named(_target(book, unit), target)
    else:
        found["t"] = Named(book.own_symbol(unit, "t"), one_hot(target, z.shape[-1]))
    return {**found, "L": Named(book.symbol(unit.output), 0.0)}


def _target(book: Book, unit: Unit) -> Symbol:
    operand = book.operand(unit.inputs[1])
    return operand.symbol if isinstance(operand, Named) else Symbol("y")


def simplified(book: Book, unit: Unit, k: int, equation: Equation) -> Equation:
    r"""Return $\frac{\hat y - y}{B}$ for the mean over B rows, where the record's rule weighs each row by $1/B$."""
    law = _mean_law(book, unit, k)
    if law is None:
        return equation
    entry: Any = unit.inputs[k]
    symbol = book.gradient_symbol(entry)
    values = {name: o for name, o in book.operands(unit, backward=False).items() if name == "y_hat"}
    target = unit.inputs[1].value if isinstance(unit.inputs[1], Entry) else np.asarray(unit.inputs[1])
    operands: dict[str, Operand] = {
        **values,
        "t": Named(_target(book, unit), as_rows(unit, target)),
        "z_bar": Named(symbol, 0.0),
    }
    operands["b"] = Literal(float(np.size(unit.output.value)))
    rendered = render(law.latex, operands, {})
    verdict = verify(rendered.reading, rendered.values, law, as_rows(unit, entry.gradient))
    if not verdict.ok:
        return equation
    latex = rendered.shown
    if symbol.is_delta:
        left, _, right = latex.partition(" = ")
        latex = f"{left} = {symbol.fraction(left.partition('_')[2].strip('{}'))} = {right}"
    return replace(
        equation, latex=latex, numbers=rendered.numbers and rendered.numbers.partition(" = ")[2], verdict=verdict
    )


def _mean_law(book: Book, unit: Unit, k: int) -> Law | None:
    if unit.record.role is not Role.SOFTMAX_LOSS or k != 0:
        return None
    user = unit.consumers[0] if len(unit.consumers) == 1 else None
    if user is None or user.record is not Mean or user.output is not book.recording.loss:
        return None
    numerator = r"\hat y_{ij} - [j = t_i]" if unit.record is SparseSoftmaxCrossEntropy else r"\hat y - t"
    left = r"\bar z_{ij}" if "_" in numerator else r"\bar z"
    alone = np.size(unit.output.value) == 1
    return Law(f"{left} = {numerator}" if alone else rf"{left} = \frac{{{numerator}}}{{B}}")
