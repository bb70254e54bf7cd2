"""The derivation next to the graph: every equation with the box that it belongs to."""

from collections.abc import Iterator

import numpy as np

from chainrule.present.html import Markup, join, tag
from chainrule.present.mathematics import formula
from chainrule.present.texts import Words
from chainrule.present.unicode_math import to_unicode

from .run import Box, Run
from .texts import TEXT

MOST = 120
"""The most equations in the list."""


def equations(run: Run, lang: str) -> Markup:
    """Return the equations of both passes as the options of a list; each names its box."""
    words = Words(TEXT, lang)
    with np.errstate(all="ignore"):
        forward = list(_some(_forward(run), MOST // 2))
        backward = list(_some(_backward(run), MOST // 2))
    total = sum(box.entry in run.units for box in run.boxes) + sum(box.backward > 0 for box in run.boxes)
    shown = len(forward) + len(backward)
    cut = words("derivation long", shown=shown, total=total) if shown < total - 1 else ""
    return join(
        _list(words["forward equations"], forward),
        _list(words["backward equations"], backward),
        tag("p", cut, class_="soft") if cut else None,
    )


def _list(name: str, options: list[Markup]) -> Markup:
    return tag("div", tag("h3", name), tag("div", options, role="listbox", aria_label=name, tabindex=0), class_="list")


def _some(found: Iterator[Markup], most: int) -> Iterator[Markup]:
    for _, option in zip(range(most), found, strict=False):
        yield option


def _forward(run: Run) -> Iterator[Markup]:
    for number in run.forward_order:
        box = run.boxes[number]
        unit = run.units.get(box.entry) if box.entry is not None else None
        if unit is not None and not isinstance(box.value, tuple):
            yield _option(box, "forward", run.forward_equation(unit)[0].latex)


def _backward(run: Run) -> Iterator[Markup]:
    order = sorted((box for box in run.boxes if box.backward), key=lambda box: (box.backward, -box.number))
    for box in order:
        if box.entry is None or box.entry is run.recording.loss:
            continue
        uses = [(run.units[user], k) for user, k, _ in box.entry.arrived if user in run.units]
        uses = [(unit, k) for unit, k in uses if k < len(unit.inputs) and unit.inputs[k] is box.entry]
        latex = [run.book.backward(unit, k, alone=len(uses) == 1)[0].latex for unit, k in uses]
        if latex:
            yield _option(box, "backward", *latex)


def _option(box: Box, way: str, *latex: str) -> Markup:
    return tag(
        "div",
        (tag("div", formula(text)) for text in latex),
        role="option",
        aria_label="; ".join(to_unicode(text) for text in latex),
        aria_selected="false",
        data_for=box.name,
        data_pass=way,
        class_="option",
    )
