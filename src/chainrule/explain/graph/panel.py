"""What is said of one box: a panel beside it, shown while the box is pointed at or chosen. No scripts.

Panels come after everything else in the drawing, so that nothing covers them; a style rule for each box shows its own.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.present.escape import html as escape
from chainrule.present.texts import Words
from chainrule.present.unicode_math import to_unicode

from .layout import Place
from .texts import TEXT, amount, describe, formula_text, number
from .vertices import Link, Vertex

WIDTH = 300.0
"""Narrow enough for a telephone."""
SIZE = 11.5
PITCH = 15.0
COLUMNS = 44
DIGITS = 4


def passed_on(link: Link, vertex: Vertex) -> str:
    """Return what a scalar operation does with a gradient: incoming × local = outgoing; empty for arrays."""
    if link.local is None or link.gradient is None or vertex.gradient is None or np.ndim(vertex.gradient):
        return ""
    numbers = (number(float(np.asarray(x).item()), DIGITS) for x in (vertex.gradient, link.local, link.gradient))
    incoming, local, outgoing = (f"({n})" if n.startswith("−") and k == 1 else n for k, n in enumerate(numbers))
    return f"{incoming} × {local} = {outgoing}"


def named(link: Link) -> str:
    """Return what an argument is called: its name, the number of the operation that made it, or the record's letter."""
    if link.source.op is not None:
        return f"↓{link.source.forward}"
    return link.source.name or link.argument


def told(vertex: Vertex, place: str, lang: str) -> list[tuple[str, str]]:
    """Return the lines of a panel, each with the class that sets its style."""
    words = Words(TEXT, lang)
    lines = [(f"{words[vertex.kind]} {vertex.name}".strip(), "name")]
    if vertex.op is not None:
        lines.append((formula_text(vertex.op), "value"))
    lines += [(place, "small"), (f"{words['value']}: {describe(vertex.value, lang)}", "value")]
    if vertex.gradient is not None:
        lines.append((f"∂ {describe(vertex.gradient, lang)}", "gradient"))
    lines += [(line, "gradient") for line in _ways(vertex)]
    return [(text, look) for text, look in lines if text]


def _ways(vertex: Vertex) -> Iterator[str]:
    """Yield, for each argument, what is passed on to it: in numbers, or as the rule and the norm."""
    for link in vertex.inputs:
        if link.gradient is None or vertex.op is None:
            continue
        product = passed_on(link, vertex)
        if product:
            yield f"∂ {named(link)}: {product}"
        else:
            rule = rule_text(vertex.op, link.argument)
            yield f"∂ {named(link)}: {amount(link.gradient)}" + (f"   {rule}" if rule else "")


def rule_text(op: Any, argument: str) -> str:
    """Return the rule for an argument as text; empty if the record states none."""
    return to_unicode(rule_of(op, argument))


def rule_of(op: Any, argument: str) -> str:
    r"""Return the rule for an argument, in one form whatever its record states: $\bar x = \bar y \odot \ldots$."""
    formulas = op.formulas() if hasattr(op, "formulas") else {}
    partial = formulas.get(f"partial_{argument}", formulas.get("partial", ""))
    if partial:
        right = partial.partition(" = ")[2].replace("\n", " ")
        is_sum = any(mark in right for mark in (" + ", " - ", r"\begin{cases}"))
        return rf"\bar {argument} = \bar y \odot " + (rf"\left({right}\right)" if is_sum else right)
    return str(formulas.get(f"adjoint_{argument}", formulas.get("adjoint", formulas.get("vjp", ""))))


def panel(key: int, lines: Sequence[tuple[str, str]], box: Place, width: float, height: float) -> str:
    """Return the panel of a box: below it, or above it where there is no room below."""
    rows = [(row, look) for text, look in lines for row in _rows(text)]
    tall = PITCH * len(rows) + 14
    wide = min(WIDTH, width - 8)
    left = min(max(box.x - wide / 2, 4.0), max(width - wide - 4, 4.0))
    below = box.bottom + 8
    top = below if below + tall <= height else max(box.top - 8 - tall, 2.0)
    parts = [f'<g class="tip t{key}"><rect class="panel" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" ']
    parts.append(f'height="{tall:.1f}" rx="6"/>')
    for k, (row, look) in enumerate(rows):
        y = top + 7 + PITCH * (k + 0.75)
        parts.append(f'<text class="{look}" x="{left + 10:.1f}" y="{y:.1f}" font-size="{SIZE:g}">{escape(row)}</text>')
    return "".join([*parts, "</g>"])


def _rows(text: str) -> list[str]:
    wide = sum(ord(c) > 0x1100 for c in text) * 2 > len(text)
    return textwrap.wrap(text, COLUMNS // 2 if wide else COLUMNS) or [text]


def shown(keys: range) -> str:
    """Return the style rules that show the panel of the box pointed at, or else of the one that has the focus."""
    rules = ".cr-graph .tip{visibility:hidden;pointer-events:none}"
    for k in keys:
        rules += f".cr-graph:has(.b{k}:hover) .t{k},.cr-graph:not(:has(.node:hover)):has(.b{k}:focus) .t{k}"
        rules += "{visibility:visible}"
    return rules
