"""What a notebook shows of a result: small pieces of HTML that need no library and no style sheet."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_CELL = "padding:2px 10px 2px 0;text-align:{side};border-bottom:1px solid #dfe3ea"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; what looks like a number stands on the right.

    >>> table(["epoch"], [[1]]).count("<tr>")
    2
    """
    lines = [_row("th", head)] + [_row("td", [str(cell) for cell in row]) for row in rows]
    return f'<div style="overflow-x:auto"><table style="border-collapse:collapse">{"".join(lines)}</table></div>'


def _row(tag: str, cells: Iterable[str]) -> str:
    sides = [(cell, "right" if cell[:1] in "0123456789-+.−" and cell else "left") for cell in cells]
    return "<tr>" + "".join(f'<{tag} style="{_CELL.format(side=s)}">{escape(c)}</{tag}>' for c, s in sides) + "</tr>"


def text(content: str, lang: str = "en") -> str:
    """Return a text whose columns stay under each other."""
    return f'<pre lang="{lang}">{escape(content)}</pre>'


def paragraph(content: str) -> str:
    """Return one paragraph."""
    return f"<p>{escape(content)}</p>"
