"""A table: numbers to the right, and a wide one scrolls in its own box."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .html import Markup, tag

_NUMBER = re.compile(r"[+−±-]?[‖≤≥]?[+−-]?(\d[\d,.]*|∞|inf|nan)([eE][+−-]?\d+)?‖?(\s?(%|[mµn]?s))?(/[\d.e+-]+)?")


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], label: str, named: bool = False) -> Markup:
    """Return a table in a box that can be scrolled by keyboard; `label` says what it is, once on a page.

    A column in which every cell that is not empty is a number is set to the right, and one of long texts may break its
    lines. With `named` the first cell of each row is its heading. An empty `head` gives a table without one.

    >>> table(["epoch"], [[1], [2]], "history").count('class="number"')
    3
    """
    lines = [list(row) for row in rows]
    looks = [_look(column) for column in zip(*lines, strict=True)] or [None] * len(head)
    top = tag("thead", tag("tr", (_head(cell, look) for cell, look in zip(head, looks, strict=True)))) if head else None
    body = (tag("tr", (_cell(cell, looks[k], named and k == 0) for k, cell in enumerate(row))) for row in lines)
    box = tag("table", top, tag("tbody", body))
    return tag("div", box, class_="scroll", tabindex=0, role="region", aria_label=label)


def _look(cells: Iterable[Any]) -> str | None:
    found = [str(cell) for cell in cells if str(cell) not in ("", "…")]
    if found and all(_NUMBER.fullmatch(text) for text in found):
        return "number"
    return "text" if any(_width(text) > 60 and "<math" not in text for text in found) else None


def _width(markup: str) -> int:
    """Return how many letters wide a text is set: one of Korean takes the room of two."""
    from unicodedata import east_asian_width

    return sum(1 + (east_asian_width(c) in "WF") for c in re.sub("<[^>]*>", "", markup))


def _head(cell: Any, look: str | None) -> Markup:
    return tag("th", cell, scope="col", class_=look) if cell else tag("td")


def _cell(cell: Any, look: str | None, is_name: bool) -> Markup:
    return tag("th", cell, scope="row") if is_name else tag("td", cell, class_=look)
