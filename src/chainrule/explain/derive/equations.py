"""An equation with its verdict, and helpers that adapt a formula to its unit."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.explain.laws.laws import Law, with_signs_of_products
from chainrule.observe.entry import Entry, array_of
from chainrule.present.unicode_math import group

from .numerals import fraction
from .operands import Named, Operand
from .template import is_sum, sides, without_brackets
from .unit import Unit
from .verify import Deviation


@dataclass(frozen=True)
class Equation:
    """One displayed equation: its LaTeX, the same with numbers where they fit, its verdict, its value's rests."""

    latex: str
    numbers: str | None
    verdict: Deviation
    rests: frozenset[float] = frozenset()


_SYMBOL = r"(?:[A-Za-z]|\\[a-z]+ ?)(?:\^\{\(\d+\)\})?"


def unbracketed(latex: str) -> str:
    """Drop the brackets around whole right-hand sides."""
    left, right = sides(latex)
    return " = ".join([left, *map(without_brackets, right)]) if right and left else latex


_SIZE = r"(?:\\frac\{[\d.]+\}\{[\d.]+\}|10\^\{-?\d+\}|[\d.]+(?: \\cdot 10\^\{-?\d+\})?)"
_UNIT = r"(?:\\,)?\\mathrm\{i\}"
_NEGATIVE = re.compile(
    rf"(\\cdot |\\odot |[+-] |/|(?<![\w)}}\]] )(?<![\w)}}\]])-)(-(?:{_SIZE}(?:{_UNIT})?|{_UNIT}))(?![\d.^])"
)


def _without_division_by_one(latex: str) -> str:
    r"""Write what is over 1 by itself: a mean over a batch of one is its only term.

    >>> _without_division_by_one(r"L = \frac{\left(a - b\right)}{1}"), _without_division_by_one(r"2 \frac{a - b}{1}")
    ('L = \\left(a - b\\right)', '2 \\left(a - b\\right)')
    """
    for match in reversed(list(re.finditer(r"\\frac(?=\{)", latex))):
        over, middle = group(latex, match.end())
        if latex[middle : middle + 3] == "{1}":
            whole = is_sum(over) and without_brackets(over) == over
            latex = latex[: match.start()] + (rf"\left({over}\right)" if whole else over) + latex[middle + 3 :]
    return latex


def with_signs_bracketed(latex: str) -> str:
    r"""Put a negative number in brackets after an operator.

    >>> with_signs_bracketed(r"y = -3 \cdot x - -1 + x \cdot -10^{5}")
    'y = -3 \\cdot x - (-1) + x \\cdot (-10^{5})'
    """
    return _NEGATIVE.sub(r"\1(\2)", latex)


_NUMBER_WITHIN = re.compile(rf"(?<=[=+-] )([^=+\- ]*\\top\}}(?:_\{{\w+\}})?) ({_SIZE}) (?=\\frac\{{\\partial)")
"""A number between two factors of a product of matrices, where it was part of the second."""
_RECIPROCAL = re.compile(r"\\frac\{1\}\{(\d*\.\d+)\}")
_ONE_BEFORE = re.compile(r"(?<![\w.}\])^_])1(?: |\\,)+(?=e\^|\\left\(|\(|\\frac|[A-Za-z](?![A-Za-z]))")
"""The factor 1 before another factor: a setting such as α = 1."""


_ONE_OF_A_CASE = re.compile(r"(\\begin\{cases\} ?|\\\\ ?)1(?: |\\,)+(?:\\left)?\(([^()&]*?)(?:\\right)?\) ?&")


def without_ones(latex: str) -> str:
    r"""Drop the factor 1 before another factor.

    >>> without_ones(r"[x > 0] + 1 e^{x}"), without_ones(r"1 + e^{1 x}"), without_ones("11 x")
    ('[x > 0] + e^{x}', '1 + e^{x}', '11 x')
    >>> without_ones(r"\begin{cases} x & x > 0 \\\\ 1 \left(e^{x} - 1\right) & \text{otherwise} \end{cases}")
    '\\begin{cases} x & x > 0 \\\\\\\\ e^{x} - 1 & \\text{otherwise} \\end{cases}'
    """
    latex = _ONE_OF_A_CASE.sub(r"\1\2 &", latex)
    return _ONE_BEFORE.sub("", re.sub(r"\\frac\{1\}\{1\} ?(?:\\cdot )?(?=[\\(A-Za-z])", "", latex))


def tidied(latex: str) -> str:
    r"""Drop factors and divisors of one, as in $\frac{1}{1} \sum \ell$, and bracket negative numbers as factors.

    >>> tidied(r"g = X^{\top} 0.1 \frac{\partial L}{\partial u}"), tidied(r"y = 1 \left(e^{z} - 1\right) + 1 \cdot x")
    ('g = 0.1 X^{\\top} \\frac{\\partial L}{\\partial u}', 'y = e^{z} - 1 + 1 \\cdot x')
    """
    latex = _NUMBER_WITHIN.sub(r"\2 \1 ", _RECIPROCAL.sub(_reciprocal, latex))
    latex = without_ones(re.sub(r"(?<![\d.])(\d+) - 0(?=\})", r"\1", latex))
    latex = latex.replace(r"\frac{1}{1}", "1").replace("e^{0}", "1")
    latex = re.sub(r"(?<=\\left\()0 \+ ", "", latex)  # Python's sum begins with 0
    latex = re.sub(r"(?<== )0 \+ ", "", latex)
    latex = re.sub(rf"(?<== )\\left\(({_SYMBOL})\\right\)(?= [+-])", r"\1", latex)
    latex = re.sub(r"\\frac\{\\left\(((?:(?!\\left|\\right).)*)\\right\)\}", r"\\frac{\1}", latex)
    latex = re.sub(r"\\frac\{\((-[^(){}]*)\)\}", r"\\frac{\1}", latex)
    latex = _without_division_by_one(latex)
    latex = with_signs_bracketed(unbracketed(re.sub(r"/1(?![\d.])", "", latex)))
    return with_numbers_beside(without_idle_brackets(latex))


def _reciprocal(found: re.Match[str]) -> str:
    """Return one over a decimal fraction as a number, if that is a whole one."""
    inverse = 1 / float(found[1])
    return f"{inverse:.0f}" if inverse.is_integer() and inverse < 1e6 else found[0]


def without_double_signs(latex: str) -> str:
    r"""Join two signs into one: in $-\left(-x\right)$, in $a - (-3)$, in $-1 \odot x$.

    >>> without_double_signs(r"y = -\left(-x \odot c\right)"), without_double_signs(r"y = a - \left(-x\right)^{2}")
    ('y = x \\odot c', 'y = a - \\left(-x\\right)^{2}')
    >>> without_double_signs(r"y = a - (-3) \cdot x + (-2)"), without_double_signs(r"y = -1 \odot c")
    ('y = a + 3 \\cdot x - 2', 'y = -c')
    >>> without_double_signs(r"y = a + \left(-k\right) \cdot q"), without_double_signs(r"y = \left(-k\right) \odot q")
    ('y = a - k \\cdot q', 'y = -k \\odot q')
    >>> without_double_signs(r"y = a + q \cdot \left(-k\right)"), without_double_signs(r"y = q \odot \left(-k\right)")
    ('y = a - q \\cdot k', 'y = -q \\odot k')
    """
    latex = re.sub(rf"([\w)}}\]]) - \(-({_SIZE})\)(?!\^)", r"\1 + \2", latex)
    latex = re.sub(rf"([\w)}}\]]) \+ \(-({_SIZE})\)(?!\^)", r"\1 - \2", latex)
    latex = re.sub(r"(^|= |\\left\()-1 \\[co]dot (?=[\\A-Za-z])", r"\1-", latex)
    for match in reversed(list(re.finditer(r"(?P<before>^|= |\\left\(|[\w)}\]] )-(?P<gap> ?)(?=\\left\(-)", latex))):
        inner, end = _bracketed(latex, match.end())
        binary = bool(match["gap"])
        stands = match["before"].endswith((" ", "")) if binary else match["before"] in ("", "= ", r"\left(")
        if stands and not is_sum(inner[1:]) and latex[end : end + 1] not in {"^", "_"}:
            sign = "+ " if binary else ""
            latex = latex[: match.end("before")] + sign + inner[1:].lstrip() + latex[end:]
    latex = _NEGATIVE_FACTOR.sub(_sign_before, _NEGATIVE_SECOND.sub(_sign_first, latex))
    return re.sub(rf"(= |\\sum )\\left\(({_SYMBOL})\\right\)(?![\^_])", r"\1\2", latex)


_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_FACTOR = rf"(?:\\frac{_BRACED}{_BRACED}|(?:\\[a-z]+ ?)?[A-Za-z]?(?:\^\{{\(\w+\)\}})?)"
_NEGATIVE_FACTOR = re.compile(rf"(^|= |\\left\(|[\w)}}\]] \+ )\\left\(-({_FACTOR})\\right\)(?= |$)")
"""The first factor of a term that is the negative of one symbol or one derivative."""
_NEGATIVE_SECOND = re.compile(
    rf"(= |\\left\(|[\w)}}\]] \+ )({_FACTOR}) (\\[co]dot) \\left\(-({_FACTOR})\\right\)(?= [+=-]|\\right|$)"
)
"""The second and last factor of a term, likewise."""


def _sign_first(found: re.Match[str]) -> str:
    before = f"{found[1][:-2]}- " if found[1].endswith("+ ") else f"{found[1]}-"
    return rf"{before}{found[2]} {found[3]} {found[4]}"


def _sign_before(found: re.Match[str]) -> str:
    before = f"{found[1][:-2]}- " if found[1].endswith("+ ") else f"{found[1]}-"
    return before + found[2]


_ONE_FACTOR = re.compile(r"(?<![\w.)}\]^] )(?<![\w.])1 \\[co]dot (?=[\\A-Za-z])| \\[co]dot 1(?![\d.^]| \\[co]dot \d)")


def without_factors_of_one(latex: str) -> str:
    r"""Drop the number 1 as a factor of a product with a sign: a constant of the program, as where a loop starts.

    >>> without_factors_of_one(r"y = a \cdot 1 - b \cdot 1.5 + 1 \cdot c"), without_factors_of_one(r"y = 11 \cdot c")
    ('y = a - b \\cdot 1.5 + c', 'y = 11 \\cdot c')
    """
    return _ONE_FACTOR.sub("", latex)


def _bracketed(latex: str, start: int) -> tuple[str, int]:
    r"""Return what is inside the `\left( \right)` that starts at a position, and where it ends."""
    depth = 0
    for match in re.finditer(r"\\left(?![a-z])|\\right(?![a-z])", latex[start:]):
        depth += 1 if match.group() == r"\left" else -1
        if depth == 0:
            inner = latex[start + len(r"\left(") : start + match.start()]
            return inner, start + match.end() + 1
    return "", start


_OPENS = ("= ", "+ ", r"\left(", "{")
_CLOSES = (" + ", " - ", " = ", r"\right)", "}")


def without_idle_brackets(latex: str) -> str:
    r"""Drop the brackets around the terms of a sum, which hold together without them.

    >>> without_idle_brackets(r"z = \left(w \cdot x + \left(v \cdot 2\right)\right) + b")
    'z = w \\cdot x + v \\cdot 2 + b'
    >>> without_idle_brackets(r"y = a - \left(b + c\right)"), without_idle_brackets(r"y = a + \left(-b\right)")
    ('y = a - \\left(b + c\\right)', 'y = a - b')
    >>> without_idle_brackets(r"L = -\left(\frac{1}{4} \sum u\right)")
    'L = -\\frac{1}{4} \\sum u'
    >>> without_idle_brackets(r"2 \cdot \left(\sum u\right)")
    '2 \\sum u'
    """
    start = 0
    while (start := latex.find(r"\left(", start)) >= 0:
        inner, end = _bracketed(latex, start)
        before, after = latex[:start], latex[end:]
        shorter = _without_bracket(before, inner, after) if end > start else None
        start, latex = (start + 1, latex) if shorter is None else (max(start - 2, 0), shorter)
    return latex


def _without_bracket(before: str, inner: str, after: str) -> str | None:
    """Return a formula without one pair of brackets, or None if it needs them."""
    is_last = not after or after.startswith((" = ", r"\right)", "}"))
    signs, has_sigma = _signs_and_sigma(inner)
    if "cases" in inner or not (is_last or (after.startswith(_CLOSES) and not has_sigma)):
        return None
    if before.endswith(r"\cdot ") and inner.startswith(r"\sum") and not signs and is_last:
        return before.removesuffix(r"\cdot ") + inner + after
    if before.endswith("-") or before.endswith("- "):
        return None if signs or inner.startswith("-") else before + inner + after
    if before and not before.endswith(_OPENS):
        return None
    if before.endswith("+ ") and inner.startswith("-"):
        return before[:-2] + "- " + inner[1:].lstrip() + after
    return before + inner + after


def _signs_and_sigma(latex: str) -> tuple[bool, bool]:
    """Return whether a term has a plus or a minus between its parts, and whether it has a sum sign of its own."""
    depth, signs, sigma = 0, False, False
    text = latex.replace(r"\left", "     ").replace(r"\right", "      ")
    for place, mark in enumerate(text):
        depth += (mark in "({[") - (mark in ")}]")
        signs |= depth == 0 and mark in "+-" and place > 0
        sigma |= depth == 0 and text.startswith(r"\sum", place)
    return signs, sigma


_NUMBER_BEFORE = re.compile(rf"(?<![\w.}}])({_SIZE}|\(-{_SIZE}\)|-{_SIZE}) \\odot (?=\\(?!frac\{{\d)|[A-Za-z])")


def with_numbers_beside(latex: str) -> str:
    r"""Write the product of a number and an array without a sign: the circle is for two arrays.

    >>> with_numbers_beside(r"g = -0.25 \odot u"), with_numbers_beside(r"g = x \odot u^{2} \odot v")
    ('g = -0.25 u', 'g = x \\odot u^{2} \\odot v')
    >>> with_numbers_beside(r"g = -1 \odot u")
    'g = -u'
    """
    return _NUMBER_BEFORE.sub(lambda found: {"1": "", "-1": "-"}.get(found[1], f"{found[1]} "), latex)


_NUMBER_BEHIND = re.compile(rf"([^+]+?) \\[co]dot ({_SIZE})")


def with_number_first(latex: str) -> str:
    r"""Move a number that is the last factor of a product before it, where a factor may follow.

    >>> with_number_first(r"\frac{\partial L}{\partial s} \cdot \frac{1}{2}"), with_number_first("a + b")
    ('\\frac{1}{2} \\frac{\\partial L}{\\partial s}', 'a + b')
    """
    found = _NUMBER_BEHIND.fullmatch(latex)
    is_product = found is not None and not is_sum(latex) and not re.match(r"[-\d]|\\frac\{\d", found[1])
    return f"{found[2]} {found[1]}" if found is not None and is_product else latex


def is_composed(latex: str) -> bool:
    r"""Whether a formula has a product or a bracket, and so is more than a number or a symbol."""
    return re.search(r"\\[co]dot(?![a-z])|\(", latex) is not None


def _outermost(latex: str) -> str:
    """Return a formula without what stands in brackets and braces."""
    kept, depth = "", 0
    for mark in latex.replace(r"\left", "").replace(r"\right", ""):
        depth -= mark in ")}]"
        kept += mark if depth == 0 else " "
        depth += mark in "({["
    return kept


def has_sign_of_product(latex: str) -> bool:
    r"""Whether a formula is an elementwise product, which has a sign, and so no factor beside a matrix.

    >>> has_sign_of_product(r"a \odot b"), has_sign_of_product(r"\left(a \odot b\right) W")
    (True, False)
    """
    return r"\odot" in _outermost(latex)


def is_juxtaposed(latex: str) -> bool:
    r"""Whether a formula is a product of two symbols without a sign, as that of matrices is.

    >>> is_juxtaposed("X W^{(1)}"), is_juxtaposed(r"\frac{\partial L}{\partial z}"), is_juxtaposed("2 x")
    (True, False, False)
    """
    text = _outermost(latex)
    symbols = [part for part in re.split(r"\\,|\s+", text.replace("^", "")) if re.search("[A-Za-z]", part)]
    return len(symbols) > 1 and not re.search(r"odot|cdot|[+]", text)


_NUMERIC = re.compile(r"(?:\\(?:frac|odot|cdot|left|right|,)(?![a-z])|[-+\d.(){}/ ])+")


def is_numeric(latex: str) -> bool:
    r"""Whether a right-hand side is made of numbers only.

    >>> is_numeric(r"\frac{1}{60} \odot 0.5"), is_numeric(r"2 \cdot x")
    (True, False)
    """
    return _NUMERIC.fullmatch(latex) is not None


def real_part(latex: str) -> str:
    r"""Return an equation for the real part of its right-hand sides: the gradient of a real value is real.

    >>> real_part(r"g = w \odot \mathrm{i}")
    'g = \\operatorname{real}\\left(w \\odot \\mathrm{i}\\right)'
    """
    left, right = sides(latex)
    return " = ".join([left, *(rf"\operatorname{{real}}\left({without_brackets(side)}\right)" for side in right)])


def repeated(term: str, count: int) -> str:
    r"""Return a term that is added several times, as one.

    >>> repeated("x", 2), repeated("1", 2), repeated(r"\frac{1}{3}", 2), repeated("a - b", 3)
    ('2 x', '2', '2 \\cdot \\frac{1}{3}', '3 \\left(a - b\\right)')
    """
    if is_sum(term):
        return rf"{count} \left({term}\right)"
    if re.fullmatch(r"[\d.]+", term) and (whole := fraction(count * float(term))):
        return whole
    return rf"{count} \cdot {term}" if re.match(r"[\d.]|\\frac\{\d", term) else f"{count} {term}"


def last_of(latex: str) -> str | None:
    """Return the last side of an equation."""
    right = sides(latex)[1]
    return right[-1] if right else None


_ALONE = re.compile(r"\(?-?[\d.]+\)?|\\begin\{pmatrix\}[^A-Za-z]*\\end\{pmatrix\}")


def last_side(numbers: str) -> str | None:
    """Return the right-hand side in numbers, or None if it is just the value itself."""
    if r"\begin{cases}" in numbers and r"\begin{pmatrix}" in numbers:
        return None  # a whole array on each side of a condition that is each element's own
    _, right = sides(numbers)
    last = right[0] if right else numbers
    return None if _ALONE.fullmatch(without_brackets(last).strip()) else last


def with_kept_axes(unit: Unit, operand: Operand) -> Operand:
    """Keep reduced axes with length 1, so that the output broadcasts against the input in a formula."""
    axis = unit.settings.get("axis")
    dropped = axis is not None and not unit.settings.get("keepdims", False)
    if not dropped or not isinstance(operand, Named) or isinstance(operand.value, tuple):
        return operand
    if np.shape(operand.value) != unit.output.shape:
        return operand
    ndim = array_of(unit.inputs[0]).ndim
    if ndim <= len(unit.output.shape):  # nothing was reduced: a stack
        return operand
    axes = tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(unit.output.shape) + len(axes) != ndim:
        return operand
    is_stretched = max(axes) >= len(axes)  # NumPy itself puts axes before the first
    index = ", ".join(r"\text{new}" if k in axes else ":" for k in range(ndim))
    return replace(
        operand, value=np.expand_dims(operand.value, axes), new_axes=f"[{index}]" if is_stretched and axes else ""
    )


def dotted(law: Law, unit: Unit) -> Law:
    r"""Write a product with a number as a dot: $\odot$ is for arrays."""
    return replace(law, latex=with_signs_of_products(law.latex, unit))


def settings_of(unit: Unit) -> dict[str, Any]:
    """Return the settings that a formula may name, and n, the number of elements reduced into one result."""
    found = {k: v for k, v in unit.settings.items() if isinstance(v, int | float | tuple | list) or v is None}
    if "axis" in unit.settings:
        first = unit.inputs[0]
        size = np.size(first.value if isinstance(first, Entry) else first)
        found.setdefault("n", size // max(math.prod(unit.output.shape), 1))
    return {k: v for k, v in found.items() if k == "axis" or v is not None}


def over(axes: tuple[int, ...], left: int) -> str:
    r"""Return the subscript of a sum over axes, by which a value is used more often than it has elements.

    >>> over((0,), 1), over((0, 1), 1), over((0, 1), 0)
    ('_{\\text{axis 0}}', '_{\\text{axes 0, 1}}', '')
    """
    if left == 0:
        return ""
    return rf"_{{\text{{{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}}}}}"


def axes_shown(shown: str, unit: Unit) -> str:
    """Write out the axes of a sum, or omit them if it is over all axes."""
    axis = unit.settings.get("axis", ())
    if axis == ():
        return shown
    ndim = max(array_of(unit.inputs[0]).ndim, getattr(unit.output.value, "ndim", 0), 1)  # `stack` makes an axis
    axes = () if axis is None else tuple(sorted(k % ndim for k in (axis if isinstance(axis, tuple) else (axis,))))
    text = "" if axis is None else over(axes, 1)
    return shown.replace(r"_{\text{axis}}", text)
