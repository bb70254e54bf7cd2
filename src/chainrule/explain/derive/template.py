r"""Substituting symbols into a record's formula.

`\bar W = x^\top\,\bar y` and the operands for x, W, y and their cotangents give
$\frac{\partial L}{\partial W^{(1)}} = a^{(0)\top}\,\delta^{(1)}$, the same formula for the evaluator, and the same
with numbers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.formula.names import ACCENTS
from chainrule.formula.nodes import ALIASES
from chainrule.formula.tokens import GREEK
from chainrule.present.unicode_math import group

from .operands import Operand, Values

_TOKEN = re.compile(
    r"""
      (?P<fixed> \\operatorname\*?\s*\{[^{}]*\} | \\(?:begin|end)\{[^{}]*\} )
    | (?P<atom>
        \\(?P<accent>bar|hat|dot|tilde) (?![A-Za-z]) \s*
          (?P<brace>\{\s*)? (?P<accented>\\(?:text|mathrm)\s*\{[^{}]*\} | \\[A-Za-z]+ | [A-Za-z]) (?(brace)\s*\})
      | (?P<bare>\\(?:text|mathrm)\s*\{[^{}]*\} | \\[A-Za-z]+ | [A-Za-z]) )
    | (?P<number> \d+(?:\.\d+)? )
    | (?P<space> \s+ | \\[,;:!>\ ] | ~ )
    | (?P<other> \\. | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\\(?:text|mathrm)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Rendered:
    """A formula in its three forms; `values` is what the evaluator's form needs."""

    shown: str
    reading: str
    numbers: str | None
    values: Values


def render(latex: str, operands: Mapping[str, Operand], settings: Mapping[str, Any]) -> Rendered:
    """Substitute operands for the names in a formula; a name without one is left unchanged."""
    values: Values = dict(settings)
    show = _Writer(operands, lambda o, sub, sup, _: o.show(sub, sup)).write(latex)
    read = _Writer(operands, lambda o, sub, sup, cap: o.read(sub, sup, cap, values)).write(latex)
    digits = _Digits(operands)
    numbers = digits.write(latex)
    return Rendered(show, read, None if digits.failed or not digits.used else numbers, values)


def find(key: str, operands: Mapping[str, Operand]) -> Operand | None:
    """Look a name up as the evaluator does: as written, in lower case, by its alias."""
    return next((operands[k] for k in (key, key.lower(), ALIASES.get(key, key)) if k in operands), None)


class _Writer:
    """Walks over a formula and rewrites it."""

    def __init__(self, operands: Mapping[str, Operand], write_operand: Callable[..., str]) -> None:
        self.operands = operands
        self.write_operand = write_operand

    def write(self, latex: str) -> str:
        return "".join(self.pieces(latex))

    def pieces(self, latex: str) -> Iterator[str]:
        position = 0
        while position < len(latex):
            match = _TOKEN.match(latex, position)
            assert match is not None
            position = match.end()
            key = _key(match) if match.lastgroup == "atom" or match["atom"] else None
            operand = find(key, self.operands) if key else None
            if operand is None:
                yield self.other(match)
                continue
            sub, sup, position = _scripts(latex, position)
            assert key is not None
            text = self.named(operand, self.inner(sub), self.inner(sup), key[0].isupper())
            before, after = latex[match.start() - 1 : match.start()], latex[position : position + 1]
            if before == "{" and after == "}":  # the braces hold it together
                text = without_brackets(text)
            yield f"{{{text}}}" if before in {"^", "_"} else text

    def inner(self, script: str) -> str:
        """Rewrite a subscript or a power, which may contain names itself: `z_{i t_i}`, `a^b`."""
        return self.write(script) if script else ""

    def named(self, operand: Operand, sub: str, sup: str, capital: bool) -> str:
        return self.write_operand(operand, sub, sup, capital)

    def other(self, match: re.Match[str]) -> str:
        return match.group()


class _Digits(_Writer):
    """Writes numbers; adjacent numbers need a dot between them."""

    def __init__(self, operands: Mapping[str, Operand]) -> None:
        super().__init__(operands, lambda *_: "")
        self.failed = False
        self.used = False
        self.after_number = False

    def named(self, operand: Operand, sub: str, sup: str, _capital: bool) -> str:
        text = operand.digits(sub, sup)
        if text is None:
            self.failed = True
            return ""
        is_number = not text.startswith(r"\begin")
        dot = r" \cdot " if self.after_number and is_number else ""
        self.after_number, self.used = is_number, True
        return dot + text

    def other(self, match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith((r"\sum", r"\max_", "_")) or "axis" in text:
            self.failed = True
        if match["space"]:
            return text
        dot = r" \cdot " if self.after_number and match["number"] else ""
        self.after_number = bool(match["number"]) or text in {")", "}", "]"}
        return dot + text

    def inner(self, script: str) -> str:
        """Write a script independently of the text around it."""
        before, self.after_number = self.after_number, False
        text = super().inner(script)
        self.after_number = before
        return text


def _key(match: re.Match[str]) -> str | None:
    word = match["accented"] or match["bare"]
    found = _WORD.fullmatch(word)
    if found:
        base = found[1].strip().replace(" ", "_")
    elif word.startswith("\\"):
        base = word[1:] if word[1:] in GREEK else word[1:].removeprefix("var")
        if base not in GREEK:
            return None
    else:
        base = word
    return base + (ACCENTS["\\" + match["accent"]] if match["accent"] else "")


def _scripts(latex: str, position: int) -> tuple[str, str, int]:
    """Return the subscript and superscript at a position, and where they end."""
    found = {"_": "", "^": ""}
    while position < len(latex) and latex[position] in found and not found[latex[position]]:
        mark = latex[position]
        text, position = group(latex, position + 1)
        found[mark] = text
    return found["_"], found["^"], position


def without_brackets(latex: str) -> str:
    r"""Drop the `\left( \right)` around a whole term."""
    start, end = r"\left(", r"\right)"
    if latex.startswith(start) and latex.endswith(end):
        inner = latex[len(start) : -len(end)]
        depth = 0
        for part in re.findall(r"\\left(?![a-z])|\\right(?![a-z])", inner):
            depth += 1 if part == r"\left" else -1
            if depth < 0:  # the first bracket is closed before the end
                return latex
        return inner
    return latex


def is_sum(latex: str) -> bool:
    """Whether a right-hand side has a top-level sum or difference, and so needs brackets in a product."""
    depth = 0
    text = latex.replace(r"\left", "").replace(r"\right", "")
    for place, mark in enumerate(text):
        depth += (mark in "({[") - (mark in ")}]")
        if depth == 0 and mark in "+-" and (place > 0 or mark == "-"):
            return True
        if depth == 0 and text.startswith(r"\sum", place):
            return True
    return r"\begin{cases}" in text


def sides(latex: str) -> tuple[str, list[str]]:
    """Split a formula at its top-level equals signs: the left-hand side, and the others.

    >>> sides(r"y = [x = 1] = z")
    ('y', ['[x = 1]', 'z'])
    """
    parts, depth = [""], 0
    for mark in latex:
        depth += (mark in "({[") - (mark in ")}]")
        if mark == "=" and depth == 0:
            parts.append("")
        else:
            parts[-1] += mark
    stripped = [part.strip() for part in parts]
    return (stripped[0], stripped[1:]) if len(stripped) > 1 else ("", stripped)
