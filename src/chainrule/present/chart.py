"""A line chart, points, small histograms: SVG of our own.

Places are shares of the picture's width, so that it fills any screen and its letters keep their size (see `style.css`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .axes import LETTER, Axis, axis, named, number, shortened
from .figure import cell_text, figure, number_table, percent, picture, text_at
from .html import Markup, tag

HEIGHT = 210
DOTS = 40
"""A line of more points has no dots."""


def line_chart(
    title: str,
    x: Sequence[float | str],
    lines: Sequence[tuple[str, Sequence[float]]],
    lang: str,
    *,
    x_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    level: tuple[str, float] | None = None,
    ordered: bool = False,
) -> Markup:
    """Return lines over the numbers or names `x`, nothing where no value has a place.

    A line has gaps where it is not finite. On a logarithmic axis zeros stand on the floor, as open dots. `level` is a
    dashed line with its name. `ordered` lines are one series, drawn from faint to strong.
    """
    names = [v for v in x if isinstance(v, str)]
    places = [float(k) if isinstance(v, str) else v for k, v in enumerate(x)]
    across = named(names) if names else axis(places, log_x, is_tight=True)
    values = [v for _, ys in lines for v in ys] + ([level[1]] if level else [])
    upward = axis(values, log_y)
    if across is None or upward is None:
        return Markup("")
    at = [across.place(v) for v in places]
    drawn = [
        _line(at, [upward.place(v) for v in ys], ys, _look(k, len(lines), ordered)) for k, (_, ys) in enumerate(lines)
    ]
    inside = [*drawn, _level(upward, level)]
    looks = [(name, _look(k, len(lines), ordered)) for k, (name, _) in enumerate(lines)]
    entries = [*looks, *([(level[0], {"class_": "s1 dashed"})] if level else [])]
    head = [x_label or "", *(name for name, _ in lines)]
    rows = [[cell_text(v), *(cell_text(ys[k]) for _, ys in lines)] for k, v in enumerate(x)]
    return figure(
        title,
        lang,
        _frame(title, f"{x_label} {_ends(across)}; {title} {_ends(upward)}", across, upward, inside, x_label),
        legend(entries) if len(entries) > 1 else None,
        numbers=number_table(head, rows, title, lang),
    )


def _look(k: int, count: int, ordered: bool) -> dict[str, Any]:
    if not ordered:
        return {"class_": f"s{k % 4}", "stroke_dasharray": ("", "7 3", "2 3")[k // 4 % 3] or None}
    return {"class_": "s0", "opacity": 0.4 + 0.6 * (k / (count - 1) if count > 1 else 1.0)}


def _line(
    at: Sequence[float | None], places: Sequence[float | None], ys: Sequence[float], look: dict[str, Any]
) -> Markup:
    points = [(a, b) if a is not None and b is not None else None for a, b in zip(at, places, strict=True)]
    runs = tag(
        "svg",
        (_run(run) for run in _runs(points)),
        viewBox="0 0 1000 1000",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
        overflow="visible",
        class_="plot",
    )
    dots = (
        _dot(point, "zero" if y == 0 and b == 0 else "", 4.5 if y == 0 and b == 0 else 3)
        for point, y, b in zip(points, ys, places, strict=True)
        if point and (len(points) <= DOTS or (y == 0 and b == 0))
    )
    return tag("g", runs, dots, **look)


def _runs(points: Iterable[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for point in points:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _run(run: Sequence[tuple[float, float]]) -> Markup:
    return tag("polyline", points=" ".join(f"{1000 * a:.5g},{1000 * (1 - b):.5g}" for a, b in run))


def _dot(point: tuple[float, float], class_: str, size: float) -> Markup:
    return tag("circle", cx=percent(point[0]), cy=percent(1 - point[1]), r=size, class_=class_ or None)


def _level(upward: Axis, level: tuple[str, float] | None) -> Markup | None:
    place = None if level is None else upward.place(level[1])
    if place is None:
        return None
    y = percent(1 - place)
    return tag("line", x1=0, x2="100%", y1=y, y2=y, class_="s1 dashed plot")


def scatter(
    title: str, points: Sequence[tuple[float, float]], lang: str, *, x_label: str, y_label: str, diagonal: bool,
    numbers: Markup,
) -> Markup:  # fmt: skip
    """Return points, with the line on which both coordinates are equal, or the one on which the second is 0."""
    both = [v for point in points for v in point]
    across = axis(both if diagonal else [a for a, _ in points])
    upward = across if diagonal else axis([*(b for _, b in points), 0.0])
    if across is None or upward is None:
        return Markup("")
    zero = percent(1 - (upward.place(0.0) or 0.0))
    line = tag(
        "line", x1=0, x2="100%", y1="100%" if diagonal else zero, y2=0 if diagonal else zero, class_="s1 dashed plot"
    )
    placed = [(across.place(a), upward.place(b)) for a, b in points]
    dots = tag(
        "g", (_dot((a, b), "", 2.5) for a, b in placed if a is not None and b is not None), class_="s0", opacity=0.6
    )
    said = f"{x_label} {_ends(across)}; {y_label} {_ends(upward)}"
    return figure(title, lang, _frame(title, said, across, upward, [line, dots], x_label, y_label), numbers=numbers)


def _frame(
    title: str, said: str, across: Axis, upward: Axis, inside: Sequence[Any], x_label: str, y_label: str = ""
) -> Markup:
    """Return a picture with its grid and marks; what is left of it and below lies in its padding."""
    left = max(len(text) for _, text in (*upward.marks, (0.0, ""))) * LETTER + 14
    below, above = (38 if x_label else 22), (24 if y_label else 8)
    grid = [
        tag(
            "g",
            (tag("line", x1=0, x2="100%", y1=percent(1 - p), y2=percent(1 - p)) for p, _ in upward.marks),
            class_="grid",
        ),
        (text_at(tick, -8, percent(1 - p), "end", dy=4) for p, tick in upward.marks),
        (text_at(tick, percent(p), "100%", "middle", dy=17) for p, tick in across.marks),
        text_at(x_label, "50%", "100%", "middle", dy=33) if x_label else None,
        text_at(y_label, -left, 0, "start", dy=-12) if y_label else None,
    ]
    return picture(title, said, [grid, inside], HEIGHT + above + below, (above, 18, below, left))


def legend(entries: Sequence[tuple[str, dict[str, Any]]]) -> Markup:
    """Return what each look of lines or bars stands for."""
    swatch = tag("line", x1=0, x2="100%", y1="50%", y2="50%", stroke_width=3)
    return tag(
        "ul",
        (tag("li", tag("svg", tag("g", swatch, **look), aria_hidden="true"), name) for name, look in entries),
        class_="legend",
    )


def _ends(a: Axis) -> str:
    return f"{a.marks[0][1]} – {a.marks[-1][1]}" if a.marks else ""


# Bars


def histograms(
    title: str, named_counts: Sequence[tuple[str, tuple[Sequence[int], float, float]]], lang: str, head: Sequence[str]
) -> Markup:
    """Return a small histogram for each name: counts between two ends. `head` names the columns of its table."""
    if not named_counts:
        return Markup("")
    cells = (_histogram(name, *counts) for name, counts in named_counts)
    rows = [[name, number(low), number(high), " ".join(map(str, counts))] for name, (counts, low, high) in named_counts]
    return figure(title, lang, tag("div", cells, class_="bars"), numbers=number_table(head, rows, title, lang))


def _histogram(name: str, counts: Sequence[int], low: float, high: float) -> Markup:
    most, wide = max(counts) or 1, 1 / len(counts)
    bars = (
        tag("rect", x=percent(k * wide), y=percent(1 - c / most), width=percent(wide), height=percent(c / most))
        for k, c in enumerate(counts)
    )
    drawn = picture(name, f"{number(low)} – {number(high)}", tag("g", bars, class_="s0 bar"), 44, (0, 0, 0, 0))
    return tag(
        "div",
        tag("div", shortened(name)),
        drawn,
        tag("div", tag("span", number(low)), tag("span", number(high)), class_="ends"),
    )
