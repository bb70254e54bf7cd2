r"""The formula of each unit, and the operands for its names: taken from the record's docstrings.

A `Law` is a formula with the functions it calls. If the docstring's notation is for readers only (an index, a window),
the law also says how to evaluate it: `special` writes that out in plain NumPy.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.explain.derive.template import is_sum, sides
from chainrule.explain.derive.unit import Unit
from chainrule.formula.evaluation import formulas_in
from chainrule.observe.entry import Entry, array_of
from chainrule.rules.elementary.powers import Power


@dataclass(frozen=True)
class Law:
    """A formula as the reader sees it; `reading` is evaluated instead if it is given."""

    latex: str
    reading: str = ""
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    """Formulas evaluated first, for the values that it uses."""


def forward_law(unit: Unit) -> Law | None:
    """Return the law of the forward pass, or None if the record states no formula."""
    texts = _formulas(_of_this_call(unit, "primal") or _stated(unit.record))
    return Law(texts[-1], steps=tuple(texts[:-1])) if texts else None


def backward_law(unit: Unit, k: int) -> tuple[Law | None, str]:
    r"""Return the law for the cotangent of input k, and the left-hand side of the local derivative, if any.

    An elementwise record states a partial derivative: the cotangent is $\bar y$ times it.
    """
    argument = unit.argument_names[k]
    rule = _rule(unit.record, unit.record.arguments[0] if unit.record.variadic else argument)
    texts = _formulas((_of_this_call(unit, rule.__name__) or rule.__doc__) if rule else None)
    if not texts:
        return None, ""
    output = output_name(unit)
    if unit.record is Power and k == 0 and (written := _constant_power(unit)) is not None:
        return Law(rf"\bar a = \bar y \odot {written}"), r"\frac{\partial y}{\partial a}"
    if unit.record.kind == "elementwise":
        left, right = sides(texts[-1])
        factor = rf"\left({right[0]}\right)" if is_sum(right[0]) else right[0]
        law = Law(rf"\bar {argument} = \bar {output} \odot {factor}")
        return law, "" if depends_on_direction(unit, k) else left
    chosen = _of_argument(texts, argument)
    if chosen is None:
        return None, ""
    return Law(texts[chosen], steps=tuple(t for t in texts[:chosen] if _is_needed(t, texts[chosen], texts))), ""


def law_without_indices(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k in the form that other formulas can contain, if it has its own."""
    forms = getattr(unit.record, "without_indices", {}).get(unit.argument_names[k])
    return None if forms is None else Law(*forms)


def _constant_power(unit: Unit) -> str | None:
    """Return the derivative of a constant power as usually written: `3 a^{2}`; the record's law is for any exponent."""
    exponent = unit.inputs[1]
    if (
        isinstance(exponent, Entry)
        or np.ndim(exponent)
        or np.iscomplexobj(exponent)
        or float(exponent) in (0.0, 1.0, 2.0)
    ):
        return None
    factor, power = (f"{x:.6g}" for x in (float(exponent), float(exponent) - 1.0))
    if "e" in factor + power or float(factor) != float(exponent) or float(power) != float(exponent) - 1.0:
        return None
    factor = "-" if factor == "-1" else f"{factor} "
    return rf"\left({factor}a^{{{power}}}\right)" if factor.startswith("-") else rf"{factor}a^{{{power}}}"


def _formulas(docstring: str | None) -> list[str]:
    texts = formulas_in(inspect.cleandoc(docstring or ""))
    return texts if all("=" in text for text in texts) else []


def is_complex(unit: Unit) -> bool:
    """Whether an argument or the result is complex."""
    parts = unit.output.value if isinstance(unit.output.value, tuple) else (unit.output.value,)
    return any(map(np.iscomplexobj, (*map(array_of, unit.inputs), *parts)))


def depends_on_direction(unit: Unit, k: int) -> bool:
    """Whether the derivative by input k is no number: that of |z| depends on the direction in which z moves."""
    return np.iscomplexobj(array_of(unit.inputs[k])) and unit.record.on_complex is Complex.REAL_LINEAR


def _of_this_call(unit: Unit, rule: str) -> str:
    """Return the formula of a rule for complex numbers, or without an argument, where it differs; or nothing."""
    stated: str = getattr(unit.record, "of_complex", {}).get(rule, "")
    if stated and is_complex(unit):
        return stated
    left_out = tuple(name for name, x in zip(unit.argument_names, unit.inputs, strict=True) if x is None)
    return str(getattr(unit.record, "of_missing", {}).get(left_out, {}).get(rule, ""))


def _stated(record: Any) -> str | None:
    """Return the docstring with the formula; for a user-defined operation, that of its function."""
    return record.__doc__ if isinstance(record, type) else getattr(record.function, "__doc__", None)


def _rule(record: Any, argument: str) -> Any:
    is_record = hasattr(record, "rule_of")
    return record.rule_of(argument) if is_record else record.rules.get("vjp")


def _of_argument(texts: list[str], argument: str) -> int | None:
    """Find the formula whose left-hand side is the cotangent of an argument."""
    for k, text in enumerate(texts):
        bare = sides(text)[0].replace("{", "").replace("}", "").replace(r"\text", "").replace("\\", "").lower()
        if bare.split("_")[0].replace(" ", "") == f"bar{argument}".lower():
            return k
    return len(texts) - 1 if len(texts) == 1 else None


def _is_needed(text: str, last: str, texts: list[str]) -> bool:
    left = sides(text)[0]
    return left in last or any(left in other for other in texts if sides(other)[0] in last and other != text)


def output_name(unit: Unit) -> str:
    """Return what the record's formula calls its output: y, or another letter."""
    texts = _formulas(_stated(unit.record))
    left = sides(texts[-1])[0] if texts else "y"
    return left.split("_")[0].strip() or "y"


_EDGE = re.compile(r"\\[co]dot(?![a-z])|[=+,&]|(?<![\^{]) -|\\(?:begin|end)\b")
_NOT_NAMES = re.compile(r"\\operatorname\*?\s*\{[^{}]*\}|\\[A-Za-z]+")


def with_signs_of_products(latex: str, unit: Unit) -> str:
    r"""Write the elementwise products in a unit's formula as usual: $\odot$ between arrays, a dot with a number."""
    for match in reversed(list(re.finditer(r"\\odot(?![a-z])", latex))):
        if times(unit, _factor_before(latex[: match.start()]), _factor_behind(latex[match.end() :])) == r"\cdot":
            latex = rf"{latex[: match.start()]}\cdot{latex[match.end() :]}"
    return latex


def times(unit: Unit, *factors: str) -> str:
    r"""Return the sign of an elementwise product: a dot where a factor is a number."""
    shapes = [x.shape if isinstance(x, Entry) else np.shape(x) for x in unit.inputs]
    known = {name: np.shape(x) for name, x in unit.saved.items() if name in unit.record.keeps}
    known |= dict(zip(unit.argument_names, shapes, strict=True))
    known |= {output_name(unit).replace("\\", ""): unit.output.shape, "y": unit.output.shape}

    def is_array(factor: str) -> bool:
        names = re.findall("[A-Za-z]+", _NOT_NAMES.sub(" ", factor))
        if unit.record.kind == "general":  # its formulas have letters of their own, such as the mean of an axis
            return not names or any(known.get(name) != () for name in names)
        return any(known.get(name, ()) != () for name in names)

    return r"\odot" if all(map(is_array, factors)) else r"\cdot"


def _factor_behind(text: str) -> str:
    """Return the factor that a text starts with."""
    return text[: _end_of_factor(text)]


def _factor_before(text: str) -> str:
    """Return the factor that a text ends with."""
    start = 0
    for match in _EDGE.finditer(text):
        if _depth(text[match.end() :]) == 0:
            start = match.end()
    depth = 0
    for place in range(len(text) - 1, start - 1, -1):
        depth += (text[place] in ")}]") - (text[place] in "({[")
        if depth < 0:
            return text[place + 1 :]
    return text[start:]


def _end_of_factor(text: str) -> int:
    depth = 0
    edges = {match.start() for match in _EDGE.finditer(text)}
    for place, mark in enumerate(text):
        if depth == 0 and place in edges:
            return place
        depth += (mark in "({[") - (mark in ")}]")
        if depth < 0:
            return place
    return len(text)


def _depth(text: str) -> int:
    """Return how many brackets more a text opens than it closes; those that it closes first do not count."""
    return sum(mark in "({[" for mark in text) - sum(mark in ")}]" for mark in text)
