"""Bars that lie beside their names: one or more series, each as shares of its largest value."""

from collections.abc import Sequence
from typing import Any

from .axes import LETTER, number, shortened
from .chart import legend
from .columns import width_of
from .figure import figure, number_table, percent, picture, text_at
from .html import Markup, tag

_BAR, _GAP = 9, 8


def bar_chart(
    title: str, names: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], lang: str, head: str
) -> Markup:
    """Return a row of bars for each name, one bar for each of the `series` (its name, its values).

    A series is drawn as shares of its own largest value, so that series in different units can stand together; a value
    below zero has no bar. `head` is the heading of the names in the table of the numbers.

    >>> bar_chart("weights", ["a", "b"], [("grams", [1.0, 2.0])], "en", "thing").count("<rect")
    2
    """
    if not names:
        return Markup("")
    step = _BAR * len(series) + _GAP
    height = step * len(names)
    left = max(width_of(shortened(name)) for name in names) * LETTER + 14
    drawn: list[Any] = []
    for k, name in enumerate(names):
        middle = percent((step * k + step / 2) / height)
        drawn.append(text_at(shortened(name), -8, middle, "end", dy=4))
    for s, (_, values) in enumerate(series):
        most = max(*values, 0.0) or 1.0
        bars = (
            tag(
                "rect",
                x=0,
                y=percent((step * k + _GAP / 2 + _BAR * s) / height),
                width=percent(max(value, 0.0) / most),
                height=_BAR - 1,
            )
            for k, value in enumerate(values)
        )
        drawn.append(tag("g", bars, class_=f"s{s % 4} bar"))
    said = "; ".join(f"{name}: {number(max(values))} – {number(min(values))}" for name, values in series)
    rows = [[name, *(number(values[k]) for _, values in series)] for k, name in enumerate(names)]
    return figure(
        title,
        lang,
        picture(title, said, drawn, height + 8, (4, 8, 4, left)),
        legend([(name, {"class_": f"s{s % 4}"}) for s, (name, _) in enumerate(series)]) if len(series) > 1 else None,
        numbers=number_table([head, *(name for name, _ in series)], rows, title, lang),
    )
