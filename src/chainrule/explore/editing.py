"""The fields in which the numbers of inputs, parameters and the target are changed."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.explain.graph.texts import shape_text
from chainrule.present.html import Markup, join, tag
from chainrule.present.texts import Words

from .naming import entry_name
from .run import Box, Run
from .texts import TEXT

OPEN = 240
"""Arrays are opened as long as all open ones together have at most so many numbers."""
MOST = 400
"""The most numbers of an array that have a field from the beginning."""


def editors(run: Run, lang: str) -> Markup:
    """Return a table of fields for each array that can be changed."""
    words = Words(TEXT, lang)
    room = OPEN
    made = []
    for box in changeable(run):
        count = min(np.size(box.value), MOST)
        room -= count
        made.append(_editor(box, room >= 0, words))
    return join(made)


def changeable(run: Run) -> list[Box]:
    """Return the boxes whose numbers can be changed: parameters first."""
    found = [box for box in run.boxes if box.slot is not None and np.asarray(box.value).dtype.kind in "fiu"]
    return sorted(found, key=lambda box: box.kind != "parameter")


def shown_numbers(run: Run) -> dict[str, list[Any]]:
    """Return the numbers that have a field, in order, by the name of their box."""
    return {box.name: np.asarray(box.value).ravel()[:MOST].tolist() for box in changeable(run)}


def _editor(box: Box, is_open: bool, words: Words) -> Markup:
    array = np.asarray(box.value)
    kind = words[box.kind]
    summary = tag("summary", tag("b", box.name), f" {shape_text(array.shape, words.lang)} ", tag("span", kind))
    left = array.size - MOST
    more = tag("p", words("more", n=left), class_="soft") if left > 0 else None
    table = tag("table", tag("tbody", _rows(box, array)), class_="fields", role="presentation")
    return tag("details", summary, tag("div", table, class_="scroll"), more, open=is_open, data_editor=box.name)


def _rows(box: Box, array: Any) -> Iterator[Markup]:
    across = array.shape[-1] if array.ndim else 1
    flat: Sequence[Any] = array.ravel()[:MOST].tolist()
    for start in range(0, len(flat), max(across, 1)):
        cells = (
            tag("td", field(box.name, np.unravel_index(start + k, array.shape), value, array.dtype.kind))
            for k, value in enumerate(flat[start : start + across])
        )
        yield tag("tr", cells)


def field(name: str, index: Sequence[Any], value: Any, kind: str) -> Markup:
    """Return the field of one number."""
    at = tuple(map(int, index))
    return tag(
        "input",
        type="number",
        step="1" if kind in "iu" else "any",
        aria_label=entry_name(name, at),
        data_entry=name,
        data_index=",".join(map(str, at)),
        value=repr(value),
    )
