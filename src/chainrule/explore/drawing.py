"""The scene as SVG: each box is a button, and the page fills in what has been computed."""

from collections.abc import Iterator, Sequence

from chainrule.explain.graph.layout import Edge, Place, lay_out, places_needed
from chainrule.explain.graph.svg import text_width
from chainrule.explain.graph.texts import shape_text, symbol_of
from chainrule.present.html import Markup, join, tag
from chainrule.present.texts import Words
from chainrule.present.unicode_math import to_unicode

from .run import Box, Run
from .scene import Item, Scene
from .texts import TEXT

MARGIN = 16.0
ROOM = 74.0
"""The least width of a box: a number of four digits and its sign fit in."""
TALL, LOW = 66.0, 52.0
MOST_PLACES = 6000
"""A drawing that needs more places than this takes seconds to lay out; it is set in rows instead."""
BACKBONE = 1000.0


def draw(run: Run, scene: Scene, lang: str) -> str:
    """Return the drawing of a scene as one SVG element."""
    words = Words(TEXT, lang)
    sizes = [_size(item, run, words) for item in scene.items]
    places, knots, width, height = _placed(run, scene, sizes)
    return tag(
        "svg",
        tag("g", (_edge(line, scene, k) for k, line in enumerate(knots)), class_="edges", aria_hidden="true"),
        (_item(item, place, run, words) for item, place in zip(scene.items, places, strict=True)),
        class_="graph",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-MARGIN:g} {-MARGIN:g} {width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}",
        width=f"{width + 2 * MARGIN:.0f}",
        height=f"{height + 2 * MARGIN:.0f}",
        role="group",
        aria_label=words["graph"],
    )


def _placed(
    run: Run, scene: Scene, sizes: Sequence[tuple[float, float]]
) -> tuple[Sequence[Place], Sequence[Sequence[tuple[float, float]]], float, float]:
    edges = [Edge(a, b, weight=BACKBONE if _computes(run, scene.items[a]) else 1.0) for a, b in scene.edges]
    if places_needed(len(sizes), edges) <= MOST_PLACES:
        found = lay_out(sizes, edges)
        return found.boxes, found.knots, found.width, found.height
    return _in_rows(sizes, scene.edges)


def _computes(run: Run, item: Item) -> bool:
    return run.boxes[item.members[-1]].op is not None


def _in_rows(
    sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], across: int = 8
) -> tuple[Sequence[Place], Sequence[Sequence[tuple[float, float]]], float, float]:
    """Set boxes in rows in the order of the forward pass, with straight edges: for graphs too large to lay out."""
    wide = max(width for width, _ in sizes) + 24
    places = [
        Place(*size, wide * (k % across + 0.5), (TALL + 30) * (k // across) + size[1] / 2)
        for k, size in enumerate(sizes)
    ]
    knots = [[(places[a].x, places[a].bottom), (places[b].x, places[b].top)] for a, b in edges]
    return places, knots, wide * across, places[-1].bottom


def _edge(line: Sequence[tuple[float, float]], scene: Scene, k: int) -> Markup:
    (x, y), *rest = line
    d = [f"M{x:.1f} {y:.1f}"]
    for u, v in rest:
        bend = 0.55 * (v - y)
        d.append(
            f"V{v:.1f}" if abs(u - x) < 0.05 else f"C{x:.1f} {y + bend:.1f} {u:.1f} {v - bend:.1f} {u:.1f} {v:.1f}"
        )
        x, y = u, v
    tail, head = scene.edges[k]
    return join(
        tag("path", class_="edge", d="".join(d), data_from=tail, data_to=head),
        tag("path", class_="arrow", d=f"M{x - 4:.1f} {y - 7:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - 7:.1f}z"),
    )


# Boxes


def _lines(item: Item, run: Run, words: Words) -> tuple[str, str]:
    """Return the two lines that are always there: the symbol, and what makes it."""
    if item.block is not None:
        return f"×{len(item.block.copies)}", item.block.path or words["block"]
    box = run.boxes[item.members[0]]
    below = symbol_of(box.op, box.operation) if box.op is not None else shape_text(box.shape, words.lang)
    return to_unicode(str(box.symbol)), below


def _size(item: Item, run: Run, words: Words) -> tuple[float, float]:
    name, below = _lines(item, run, words)
    wide = max(text_width(name, 15.0), text_width(below, 11.0)) + 24
    return max(wide, ROOM), TALL if item.block or run.boxes[item.members[0]].backward else LOW


def _kind(item: Item, run: Run) -> str:
    return "block" if item.block is not None else run.boxes[item.members[0]].kind


def _item(item: Item, place: Place, run: Run, words: Words) -> Markup:
    name, below = _lines(item, run, words)
    kind = _kind(item, run)
    top = place.top
    return tag(
        "g",
        tag("title", _title(item, run, words)),
        _outline(kind, place),
        _text(name, "name", place.x, top + 17, 15),
        _text(below, "small", place.x, top + 31, 11),
        _text("", "value", place.x, top + 45, 11),
        _text("", "gradient", place.x, top + 59, 11),
        class_=f"box {kind}",
        role="button",
        tabindex=-1,
        aria_label=item.name,
        aria_pressed="false",
        data_node=item.name,
        data_state="waiting",
        data_x=f"{place.x:.0f}",
        data_y=f"{place.y:.0f}",
    )


def _title(item: Item, run: Run, words: Words) -> str:
    if item.block is not None:
        return words("block said", n=len(item.block.copies), path=item.block.path)
    box = run.boxes[item.members[0]]
    return " · ".join(_said(box, words))


def _said(box: Box, words: Words) -> Iterator[str]:
    yield f"{box.name}: {box.operation.replace('_', ' ')}" if box.op is not None else f"{box.name}: {words[box.kind]}"
    yield shape_text(box.shape, words.lang)
    if box.module:
        yield box.module


def _text(text: str, look: str, x: float, y: float, size: float) -> Markup:
    return tag("text", text, class_=look, x=f"{x:.1f}", y=f"{y:.1f}", font_size=size)


def _outline(kind: str, place: Place) -> Markup:
    around = {"x": f"{place.left:.1f}", "y": f"{place.top:.1f}", "width": f"{place.width:.1f}"}
    radius = {"parameter": 4, "input": place.height / 2.4, "block": 4}.get(kind, 10)
    front = tag("rect", class_="shape", height=f"{place.height:.1f}", rx=f"{radius:.1f}", **around)
    if kind != "block":
        return front
    cards = [
        tag("rect", class_="shape card", x=f"{place.left + k:.1f}", y=f"{place.top - k:.1f}", rx=4,
            width=around["width"], height=f"{place.height:.1f}")
        for k in (8, 4)
    ]  # fmt: skip
    return join(*cards, front)
