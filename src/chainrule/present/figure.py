"""What all pictures share: a title, a description, the table of their numbers, places as shares of their width."""

import math
from collections.abc import Sequence
from typing import Any

from .axes import number
from .html import Markup, join, tag
from .page import details, paragraphs
from .table import table
from .texts import SHARED, Words

ROWS = 60
"""The rows of a table of numbers; of more, so many at equal distances."""


def figure(title: str, lang: str, *content: Any, numbers: Markup | None = None) -> Markup:
    """Return a picture under its title, and what its numbers are to be opened below."""
    opened = details(Words(SHARED, lang)["numbers"], numbers) if numbers else None
    return tag("figure", tag("figcaption", title), content, opened)


def number_table(head: Sequence[str], rows: Sequence[Sequence[Any]], label: str, lang: str) -> Markup:
    """Return a table of the numbers of a picture."""
    every = math.ceil(len(rows) / ROWS)
    shown = rows[:: max(every, 1)]
    note = Words(SHARED, lang)("evenly", shown=len(shown), total=len(rows)) if every > 1 else ""
    return join(table(head, shown, label, named=True), paragraphs(note, soft=True))


def picture(
    title: str,
    said: str,
    inside: Any,
    height: float,
    padding: Sequence[float],
    widest: float = 0,
    least: float = 0,
) -> Markup:
    """Return an SVG as wide as there is room, between two limits, with a title and a description.

    `padding` is what it has above, right, below and left, in pixels.
    """
    sides = " ".join(f"{side:.0f}px" for side in padding)
    limits = f"{f';max-width:{widest:.0f}px' if widest else ''}{f';min-width:{least:.0f}px' if least else ''}"
    return tag(
        "svg", tag("title", title), tag("desc", said), inside,
        class_="chart", role="img", width="100%", height=f"{height:.0f}", style=f"padding:{sides}{limits}",
    )  # fmt: skip


def text_at(text: str, x: Any, y: Any, anchor: str, **others: Any) -> Markup:
    """Return a text at a place in a picture."""
    return tag("text", text, x=x, y=y, text_anchor=anchor, **others)


def percent(share: float) -> str:
    """Return a share in percent, for a place in a picture."""
    return f"{100 * share:.4g}%"


def cell_text(value: float | str) -> str:
    """Return a value as a table has it; a float that is not a number leaves its cell empty."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else number(value) if value % 1 else f"{value:g}"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as `5 × 8`; a number has none."""
    return " × ".join(map(str, shape))
