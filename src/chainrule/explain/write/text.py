"""A derivation as plain text for a terminal, its mathematics in Unicode."""

import textwrap
from collections.abc import Iterator

from chainrule.explain.derive.steps import Account
from chainrule.present.columns import set_left, width_of
from chainrule.present.escape import terminal
from chainrule.present.unicode_math import to_unicode

from .sections import Item, Section, Table, cell_text, footer, heading, sections

WIDTH = 100


def write_text(derivation: Account) -> str:
    """Return the whole derivation."""
    title = heading(derivation)
    lines = [title, "=" * width_of(title), ""]
    for number, section in enumerate(sections(derivation), 1):
        lines += _section(number, section, derivation.level == "brief")
    return terminal("\n".join([*lines, footer(derivation)]) + "\n")


def _section(number: int, section: Section, brief: bool) -> Iterator[str]:
    yield f"{number}. {section.heading}"
    yield "-" * (width_of(section.heading) + 3)
    for paragraph in section.paragraphs:
        yield from textwrap.wrap(paragraph, WIDTH)
    yield ""
    for item in section.items:
        yield from _brief(item) if brief else _item(item)
    if brief and section.items:
        yield ""
    for table in section.tables:
        yield from table_lines(table)
        yield ""


def _mark(item: Item) -> str:
    return f"{'✓' if item.is_good else '✗'} {item.verdict}"


def _title(title: str) -> str:
    """Return a line's title, with the mathematics between dollars in Unicode."""
    pieces = [to_unicode(p) if k % 2 else p for k, p in enumerate(title.split("$"))]
    return "".join(pieces) + (": " if title else "")


def _brief(item: Item) -> Iterator[str]:
    if not item.latex:
        yield f"    {item.note}"
        return
    value = f" = {to_unicode(item.value)}" if item.value else ""
    yield f"  {to_unicode(item.latex)}{value}   {item.shape}  {_mark(item)}"


def _item(item: Item) -> Iterator[str]:
    yield f"  {to_unicode(item.latex)}"
    for line in item.lines:
        yield f"      {_title(line.title)}{to_unicode(line.latex)}   {_mark(line)}"
        if line.note:
            yield f"        {line.note}"
    if item.numbers:
        yield f"      = {to_unicode(item.numbers)}"
    yield f"      = {to_unicode(item.value)}"
    yield "      " + "   ".join(part for part in (item.shape, _mark(item), item.where) if part)
    if item.note:
        yield f"      {item.note}"
    yield ""


def table_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table."""
    rows = [table.head, *(tuple(cell_text(cell, to_unicode) for cell in row) for row in table.rows)]
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    for k, row in enumerate(rows):
        cells = map(set_left, row, widths)
        yield ("  " + "   ".join(cells)).rstrip()
        if k == 0:
            yield "  " + "   ".join("─" * width for width in widths)
