"""Charts, heat maps and diagrams as SVG files of their own, readable on light and on dark paper."""

from collections.abc import Iterable, Sequence
from typing import Any

from chainrule.present.axes import Axis, axis
from chainrule.present.html import Markup, tag

STYLE = """
svg{color-scheme:light dark;--paper:light-dark(#ffffff,#14171d);--ink:light-dark(#1b1f24,#f0f3f6);
--soft:light-dark(#57606a,#a9b4bf);--line:light-dark(#d0d7de,#3a424c);--box:light-dark(#f6f8fa,#222a32);
--c0:light-dark(#0072b2,#56b4e9);--c1:light-dark(#a8410a,#ff9a62);--c2:light-dark(#007a58,#2fc79b);
--c3:light-dark(#a4557f,#dd8fb9);font-family:system-ui,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK KR",sans-serif}
text{font-size:13px;fill:var(--ink);text-anchor:middle}text.soft{fill:var(--soft);font-size:12px}
text.start{text-anchor:start}text.end{text-anchor:end}text.large{font-size:15px;font-weight:600}
.paper{fill:var(--paper)}.grid{stroke:var(--line)}.frame{fill:var(--box);stroke:var(--soft)}
polyline,.arrow{fill:none;stroke-width:2;stroke-linejoin:round}
.dashed{stroke-dasharray:6 4}.dotted{stroke-dasharray:2 3}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.ink{stroke:var(--ink)}
.f0{fill:var(--c0);stroke:none}.f1{fill:var(--c1);stroke:none}.f2{fill:var(--c2);stroke:none}.faint{opacity:.35}
text.t0{fill:var(--c0)}text.t1{fill:var(--c1)}text.t2{fill:var(--c2)}
"""
LINES = ("c0", "c1 dashed", "c2", "c3 dotted")
"""Lines differ in colour and, next to each other, in their dashes."""
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 38, 46


def picture(width: float, height: float, *content: Any) -> str:
    """Return an SVG file."""
    root = tag(
        "svg",
        tag("style", Markup(STYLE)),
        tag("rect", width=width, height=height, class_="paper"),
        content,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )
    return f"{root}\n"


def at(value: float) -> str:
    """Return a place in pixels, in as many digits as can be seen."""
    return f"{value:.1f}"


def text(said: str, x: float, y: float, class_: str = "") -> Markup:
    """Return a text whose baseline is at `y`."""
    return tag("text", said, x=at(x), y=at(y), class_=class_ or None)


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Return a line through points."""
    return tag("polyline", points=" ".join(f"{at(x)},{at(y)}" for x, y in points), class_=class_)


def arrow(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight arrow, level or upright, with a head of its own."""
    length = max(abs(x2 - x1), abs(y2 - y1))
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    left = (x2 - 8 * dx - 4 * dy, y2 - 8 * dy + 4 * dx)
    right = (x2 - 8 * dx + 4 * dy, y2 - 8 * dy - 4 * dx)
    return tag(
        "g", polyline([(x1, y1), (x2, y2)], class_), polyline([left, (x2, y2), right], class_.replace("dashed", ""))
    )


def box(x: float, y: float, width: float, height: float, *lines: str) -> Markup:
    """Return a rounded box with lines of text in its middle, the first of them large."""
    top = y + height / 2 + 5 - 9 * (len(lines) - 1)
    said = [text(line, x + width / 2, top + 18 * k, "soft" if k else "large") for k, line in enumerate(lines)]
    return tag("g", tag("rect", x=at(x), y=at(y), width=at(width), height=at(height), rx=8, class_="frame"), said)


def line_chart(
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    looks: Sequence[str] = LINES,
    dots: Sequence[tuple[float, float]] = (),
    width: float = 640,
    height: float = 340,
) -> str:
    """Return named lines as a file: each has a name (empty: none in the legend), its x and its y."""
    across = axis([v for _, xs, _ in lines for v in xs], log_x, is_tight=True)
    upward = axis([v for _, _, ys in lines for v in ys], log_y)
    if across is None or upward is None:
        raise ValueError("line_chart: no value has a place")
    inside, tall = width - LEFT - RIGHT, height - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + inside * _share(across, x), TOP + tall * (1 - _share(upward, y))

    marks = [
        *(_mark_up(TOP + tall * (1 - share), said, width - RIGHT) for share, said in upward.marks),
        *(text(said, LEFT + inside * share, height - BOTTOM + 18, "soft") for share, said in across.marks),
    ]
    drawn = [
        polyline([place(x, y) for x, y in zip(xs, ys, strict=True)], looks[k % len(looks)])
        for k, (_, xs, ys) in enumerate(lines)
    ]
    points = [tag("circle", cx=at(px), cy=at(py), r=5, class_="f1") for px, py in (place(*dot) for dot in dots)]
    labels = [
        text(x_label, LEFT + inside / 2, height - 8, "soft"),
        text(y_label, 8, 16, "soft start"),
        _legend([(name, looks[k % len(looks)]) for k, (name, _, _) in enumerate(lines) if name], width),
    ]
    return picture(width, height, marks, drawn, points, labels)


def _share(along: Axis, value: float) -> float:
    share = along.place(value)
    return 0.0 if share is None else share


def _mark_up(y: float, said: str, right: float) -> Markup:
    rule = tag("line", x1=LEFT, x2=at(right), y1=at(y), y2=at(y), class_="grid")
    return tag("g", rule, text(said, LEFT - 8, y + 4, "soft end"))


def _legend(entries: Sequence[tuple[str, str]], width: float) -> Markup:
    """Return the names with their lines, from the right end of the top."""
    drawn, x = [], width - RIGHT
    for name, look in reversed(entries):
        x -= sum(13 if ord(c) > 0x1100 else 7.5 for c in name)
        drawn.append(text(name, x, 16, "soft start"))
        drawn.append(polyline([(x - 30, 12), (x - 6, 12)], look))
        x -= 46
    return tag("g", drawn)


def heat_map(
    rows: Sequence[Sequence[float]], names: Sequence[str], row_title: str, column_title: str, cell: float = 58
) -> str:
    """Return a table of shares from 0 to 1 as shaded cells, each with its number."""
    left, top = 110.0, 64.0
    drawn = []
    for i, row in enumerate(rows):
        y = top + cell * i
        drawn.append(text(names[i], left - 10, y + cell / 2 + 5, "end"))
        drawn.append(text(names[i], left + cell * i + cell / 2, top - 10))
        for j, share in enumerate(row):
            x = left + cell * j
            place = {"x": at(x), "y": at(y), "width": at(cell - 2), "height": at(cell - 2)}
            drawn.append(tag("rect", **place, rx=4, class_="f0", opacity=f"{0.04 + 0.5 * share:.3f}"))
            drawn.append(text(f"{share:.2f}", x + cell / 2 - 1, y + cell / 2 + 4))
    wide, tall = left + cell * len(rows) + 20, top + cell * len(rows) + 20
    titles = [text(column_title, left + cell * len(rows) / 2, 22, "soft"), text(row_title, 14, 50, "soft start")]
    return picture(wide, tall, drawn, titles)
