"""A scene as SVG: boxes, edges with values and gradients, titles, colours, the order of both passes. No scripts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.present.escape import html as escape
from chainrule.present.texts import Words

from .folding import Fold
from .layout import Edge, Layout, Place, lay_out
from .outlines import OUTLINES, front, rectangle
from .panel import named, panel, passed_on, shown, told
from .scene import Earlier, Item, Join, Scene, stage_block
from .style import animation, style, turns
from .texts import TEXT, amount, describe, formula_text, norm, number, shape_text, short, symbol_of
from .vertices import Link, Vertex

MARGIN = 22.0
LEGEND = 54.0
SMALLEST = 0.64
"""How far a page on a narrow screen may shrink a drawing; a wider one can be scrolled."""
HEAD = 62.0
LEAST_WIDTH = 640.0
LABEL_LINE = 13.0
BACKBONE = 1000.0
"""The weight of an edge between operations, relative to a parameter's edge: it is drawn that much straighter."""


@dataclass(frozen=True)
class Line:
    """A line of text in a box; its class sets its style."""

    text: str
    look: str
    size: float

    @property
    def width(self) -> float:
        """Its approximate width, erring wide."""
        return text_width(self.text, self.size)


def text_width(text: str, size: float) -> float:
    """Estimate the width of text in a sans-serif font of this size; Korean letters are as wide as they are tall.

    >>> text_width("ab", 10.0) < text_width("가나", 10.0)
    True
    """
    wide = sum(1.02 if ord(c) > 0x1100 and c not in "‖…−" else 0.9 if c in "mwMW@%" else 0.6 for c in text)
    return wide * size


@dataclass
class Shape:
    """The appearance of an item, before it has a place."""

    item: Item
    kind: str
    lines: list[Line]
    corners: tuple[str, str]
    title: str
    tip: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        # The text is in the middle, so what stands in one corner needs its room on both sides.
        corner = 2 * max(text_width(text, 10.0) + 12 * bool(text) for text in self.corners)
        widest = max((line.width for line in self.lines), default=0.0)
        first = self.lines[0].width if self.lines else 0.0
        padding = {"operation": 18, "parameter": 34, "block": 36}.get(self.kind, 26)
        height = sum(line.size * 1.3 for line in self.lines) + {"block": 24}.get(self.kind, 14)
        return max(widest + padding, first + corner + 16, 44.0), max(height, 30.0)


@dataclass(frozen=True)
class Inside:
    """What goes below a drawing: the drawing of a folded block, with its size."""

    svg: str
    width: float
    height: float


def inside(fold: Fold, lang: str, key: int) -> Inside:
    """Return the drawing of a folded block's first copy; its boxes are numbered from `key` on."""
    words = Words(TEXT, lang)
    heading = words("fold", name=block_name(fold, lang), n=len(fold.copies))
    svg = draw(stage_block(fold), lang, heading, [words["first"]], first=key)
    width, height = (float(x) for x in re.findall(r'(?:width|height)="(\d+)"', svg)[:2])
    return Inside(svg, width, height)


def draw(
    scene: Scene,
    lang: str,
    heading: str,
    notes: Sequence[str],
    animate: bool = False,
    below: Sequence[Inside] = (),
    first: int = 0,
) -> str:
    """Return the drawing of a scene as one self-contained SVG element, with others below it.

    The boxes are numbered from `first` on, so that those of nested drawings differ.
    """
    shapes = [_shape(item, lang) for item in scene.items]
    labels = [_label(scene, join) for join in scene.joins]
    edges = [_edge(scene, join, lines) for join, lines in zip(scene.joins, labels, strict=True)]
    layout = lay_out([shape.size for shape in shapes], edges)
    said = [text_width(heading, 16.5), *(text_width(note, 12.5) for note in notes)]
    width = max(layout.width + 2 * MARGIN, LEAST_WIDTH, *(room + 2 * MARGIN for room in said))
    top = HEAD + 17.0 * len(notes)
    height = layout.height + top + LEGEND + MARGIN
    shift = ((width - layout.width) / 2, top)
    own = height
    width, height = max([width, *(one.width for one in below)]), height + sum(one.height for one in below)
    words = Words(TEXT, lang)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-graph" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="--least:{SMALLEST * width:.0f}px" '
        f'role="graphics-document document" lang="{lang}" '
        f'aria-label="{escape(words["title"] + ": " + heading)}">',
        f"<title>{escape(words['title'])}</title><desc>{escape(heading)}</desc>",
        f"<style>{style()}{shown(range(first, first + len(shapes)))}{animation(scene) if animate else ''}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        *_heading(heading, notes, words["hint"]),
        f'<g transform="translate({shift[0]:.1f} {shift[1]:.1f})">',
        *(_path(scene, join, knots) for join, knots in zip(scene.joins, layout.knots, strict=True)),
        *_labels(scene, labels, layout, lang),
        *(_node(k, shape, place) for k, (shape, place) in enumerate(zip(shapes, layout.boxes, strict=True), first)),
        "</g>",
        *_legend(scene, lang, own - LEGEND, width),
        *_stacked(below, own),
        *_panels(shapes, layout, shift, (width, height), lang, first),
        "</svg>",
    ]
    return "\n".join(parts)


# The text in boxes


def _shape(item: Item, lang: str) -> Shape:
    words = Words(TEXT, lang)
    if isinstance(item, Earlier):
        lines = [Line("⋮", "name", 14.0), Line(words("earlier_short", n=item.operations), "small", 11.0)]
        return Shape(item, "earlier", lines, ("", ""), words("earlier", n=item.operations), "")
    if isinstance(item, Fold):
        return _block(item, lang)
    title = _title(item, lang)
    if item.op is None:
        return Shape(item, item.kind, _leaf_lines(item), ("", ""), title, title)
    symbol = symbol_of(item.op, item.name)
    lines = [Line(symbol, "name", 15.0)] if len(symbol) < 18 else [Line(symbol, "name", 12.0)]
    if symbol.lower() != item.name.replace("_", " "):
        lines.append(Line(item.name.replace("_", " "), "small", 10.5))
    products = ((named(link), passed_on(link, item)) for link in item.inputs)
    lines += [Line(f"∂{name}: {product}", "gradient", 10.0) for name, product in products if product]
    corners = (f"↓{item.forward}" if item.forward else "", f"↑{item.backward}" if item.backward else "")
    return Shape(item, "operation", lines, corners, title, title)


def _leaf_lines(item: Vertex) -> list[Line]:
    if item.kind == "constant":
        value = "?" if item.value is None else number(np.asarray(item.value).item())
        return [Line(f"{item.name} = {value}" if item.name else value, "small", 12.0)]
    name = Line(item.name or "·", "name", 13.0)
    return [name, Line(shape_text(item.shape), "small", 10.5)] if item.shape else [name]


def _block(fold: Fold, lang: str) -> Shape:
    words, operations = Words(TEXT, lang), fold.operations
    chain = [symbol_of(v.op, v.name) for v in operations]
    if len(chain) > 6:
        chain = [*chain[:3], "…", *chain[-2:]]
    key = "contents" if fold.parameters else "operations_each"
    contents = words(key, operations=len(operations), parameters=fold.parameters)
    name = block_name(fold, lang)
    lines = [
        Line(f"×{len(fold.copies)}", "times", 18.0),
        Line(name, "name", 13.0),
        Line(" → ".join(chain), "small", 11.0),
        Line(contents, "small", 10.5),
    ]
    all_operations = [v for copy in fold.copies for v in copy if v.op is not None]
    corners = tuple(_range(mark, [getattr(v, way) for v in all_operations]) for mark, way in _WAYS)
    title = f"{name} ×{len(fold.copies)}\n{contents}\n" + "\n".join(
        f"{v.name}: {formula_text(v.op)}" for v in operations[:12]
    )
    return Shape(fold, "block", lines, (corners[0], corners[1]), title, contents)


_WAYS = (("↓", "forward"), ("↑", "backward"))


def _range(mark: str, numbers: Sequence[int]) -> str:
    found = [n for n in numbers if n]
    return f"{mark}{min(found)}–{max(found)}" if found else ""


def block_name(fold: Fold, lang: str) -> str:
    """Return the paths of the first and the last copy, or the word for a block if there are none."""
    paths = fold.paths()
    return f"{paths[0]} … {paths[-1]}" if all(paths) and paths[0] != paths[-1] else TEXT["block"][lang]


def _title(vertex: Vertex, lang: str) -> str:
    words = Words(TEXT, lang)
    lines = [f"{words[vertex.kind]} {vertex.name}".strip()]
    if vertex.op is not None:
        lines += [formula_text(vertex.op), *(f"{k} = {v!r}" for k, v in vertex.settings.items() if _is_short(v))]
    lines += [
        f"{words['shape']}: {shape_text(vertex.shape, lang)}",
        f"{words['value']}: {describe(vertex.value, lang)}",
    ]
    if vertex.gradient is not None:
        lines.append(f"{words['gradient']}: {describe(vertex.gradient, lang)}")
    lines += [f"{words[way]}: {getattr(vertex, way)}" for _, way in _WAYS if getattr(vertex, way)]
    lines += [vertex.module] if vertex.module else []
    lines += [source_text(vertex)] if vertex.source is not None else []
    return "\n".join(line for line in lines if line)


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | tuple | type(None)) and len(repr(value)) < 60


def source_text(vertex: Vertex) -> str:
    """Return the user's line that created a vertex: file, line number and text."""
    source = vertex.source
    if source is None:
        return ""
    file = source.file.replace("\\", "/").rpartition("/")[2]
    return f"{file}:{source.line}  {source.text}".rstrip()


# The labels of edges


def _label(scene: Scene, join: Join) -> list[Line]:
    """Return value and gradient; edges from the part left out have no label, as there may be hundreds of them."""
    if isinstance(scene.items[join.tail], Earlier):
        return []
    link, head = join.links[0], scene.items[join.head]
    source = link.source
    lines = []
    if source.kind != "constant":
        value = amount(source.value)
        text = f"{shape_text(source.shape)}  {value}".rstrip() if source.shape else value
        lines.append(Line(text, "value", 11.0))
    found = [one.gradient for one in join.links if one.gradient is not None]
    if found:
        many = f" ×{len(join.links)}" if isinstance(head, Fold) and len(join.links) > 1 else ""
        lines.append(Line(f"∂ {amount(sum(found))}{many}", "gradient", 11.0))
    return [line for line in lines if line.text]


def _edge(scene: Scene, join: Join, lines: Sequence[Line]) -> Edge:
    tail = scene.items[join.tail]
    backbone = not isinstance(tail, Vertex) or tail.op is not None
    weight = BACKBONE if backbone else 1.0
    width = max((line.width for line in lines), default=0.0)
    return Edge(join.tail, join.head, width + (6.0 if lines else 0.0), LABEL_LINE * len(lines), weight)


def _labels(scene: Scene, labels: Sequence[list[Line]], layout: Layout, lang: str) -> Iterator[str]:
    for join, lines, place in zip(scene.joins, labels, layout.labels, strict=True):
        if lines:
            yield f'<g class="label"><title>{escape(_label_title(join, lang))}</title>'
            yield f'<rect class="back" x="{place.left:.1f}" y="{place.top:.1f}" width="{place.width:.1f}" '
            yield f'height="{place.height:.1f}" rx="3"/>'
            yield from _lines(lines, place.x, place.top, LABEL_LINE)
            yield "</g>"


def _label_title(join: Join, lang: str) -> str:
    words, link = Words(TEXT, lang), join.links[0]
    lines = [f"{words['argument']} {link.argument}"] if link.argument else []
    lines += [
        f"{words['shape']}: {shape_text(link.source.shape, lang)}",
        f"{words['value']}: {describe(link.source.value, lang)}",
    ]
    for one in join.links[:6]:
        if one.gradient is not None:
            lines.append(f"{words['gradient']}: {describe(one.gradient, lang)}")
    return "\n".join(lines)


def _lines(lines: Sequence[Line], x: float, top: float, pitch: float | None = None) -> Iterator[str]:
    y = top
    for line in lines:
        height = pitch or line.size * 1.3
        yield (
            f'<text class="{line.look}" x="{x:.1f}" y="{y + height / 2 + line.size * 0.35:.1f}" '
            f'font-size="{line.size:g}">{escape(line.text)}</text>'
        )
        y += height


def _path(scene: Scene, join: Join, knots: Sequence[tuple[float, float]]) -> str:
    head = scene.items[join.head]
    flows = any(link.gradient is not None for link in join.links)
    (x, y), *rest = knots
    d = [f"M{x:.1f} {y:.1f}"]
    for u, v in rest[:-1]:
        if abs(u - x) < 0.05:
            d.append(f"V{v:.1f}")
        else:
            bend = 0.55 * (v - y)
            d.append(f"C{x:.1f} {y + bend:.1f} {u:.1f} {v - bend:.1f} {u:.1f} {v:.1f}")
        x, y = u, v
    end, foot = rest[-1]
    d.append(f"V{max(foot - 6, y):.1f}")
    arrow = f'<path class="arrow" d="M{end - 3.5:.1f} {foot - 7:.1f}L{end:.1f} {foot - 0.5:.1f}L{end + 3.5:.1f} '
    arrow += f'{foot - 7:.1f}z"/>'
    look = "edge flows" if flows else "edge"
    return f'<path class="{look}" d="{"".join(d)}"/>' + (arrow if not isinstance(head, Earlier) else "")


# Boxes


def _stacked(below: Sequence[Inside], top: float) -> Iterator[str]:
    for one in below:
        yield one.svg.replace("<svg ", f'<svg x="0" y="{top:.0f}" ', 1)
        top += one.height


def _panels(
    shapes: Sequence[Shape],
    layout: Layout,
    shift: tuple[float, float],
    size: tuple[float, float],
    lang: str,
    first: int,
) -> Iterator[str]:
    """Yield the panel of each box that has something to say."""
    for k, (shape, place) in enumerate(zip(shapes, layout.boxes, strict=True), first):
        item = shape.item
        if isinstance(item, Vertex):
            lines = told(item, source_text(item), lang)
        elif shape.tip:
            lines = [(line, "value") for line in shape.title.split("\n")]
        else:
            continue
        moved = Place(place.width, place.height, place.x + shift[0], place.y + shift[1])
        yield panel(k, lines, moved, *size)


def _node(key: int, shape: Shape, place: Place) -> str:
    face = front(place) if shape.kind == "block" else place
    first = turns(shape.item)[0]
    order = f" n{first}" if first else ""
    label = re.sub(r"\n+", ", ", shape.title)
    text_height = sum(line.size * 1.3 for line in shape.lines)
    parts = [
        f'<g class="node {shape.kind} b{key}{order}" tabindex="0" role="graphics-symbol img" '
        f'aria-label="{escape(label)}">',
        f"<title>{escape(shape.title)}</title>",
        OUTLINES.get(shape.kind, rectangle)(place),
        *_lines(shape.lines, face.x, face.y - text_height / 2),
        *_corner(shape.corners[0], "down", face.left + 5, face.top + 12, "start"),
        *_corner(shape.corners[1], "up", face.right - 5, face.top + 12, "end"),
    ]
    return "".join([*parts, "</g>"])


def _corner(text: str, look: str, x: float, y: float, anchor: str) -> Iterator[str]:
    if text:
        yield f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="10">{text}</text>'


# Around the drawing


def _heading(heading: str, notes: Sequence[str], hint: str) -> Iterator[str]:
    yield f'<text class="heading" x="{MARGIN:g}" y="27">{escape(heading)}</text>'
    yield f'<text class="hint" x="{MARGIN:g}" y="48">{escape(hint)}</text>'
    for k, note in enumerate(notes):
        yield f'<text class="note" x="{MARGIN:g}" y="{66 + 17 * k}">{escape(note)}</text>'


def _legend(scene: Scene, lang: str, top: float, width: float) -> Iterator[str]:
    words = Words(TEXT, lang)
    kinds = dict.fromkeys("block" if isinstance(i, Fold) else getattr(i, "kind", "earlier") for i in scene.items)
    x = MARGIN
    yield f'<g class="legend"><path class="rule" d="M{MARGIN:g} {top:.1f}H{width - MARGIN:.1f}"/>'
    for kind in ("parameter", "input", "constant", "operation", "block", "output"):
        if kind in kinds:
            outline = OUTLINES.get(kind, rectangle)(Place(34.0, 24.0 if kind == "block" else 16.0, x + 17, top + 17))
            yield f'<g class="node {kind}">{outline}</g>'
            yield f'<text class="small" x="{x + 41:.1f}" y="{top + 21:.1f}" text-anchor="start" '
            yield f'font-size="11">{escape(words[kind])}</text>'
            x += 41 + text_width(words[kind], 11.0) + 18
    yield f'<text class="small" x="{MARGIN:g}" y="{top + 42:.1f}" text-anchor="start" font-size="11" '
    yield f'xml:space="preserve">{escape(words["order"])}</text></g>'


def gradient_norm(links: Sequence[Link] | Sequence[Vertex]) -> str:
    """Return the joint norm of all gradients."""
    found = [one.gradient for one in links if one.gradient is not None]
    return short(sum(norm(g) ** 2 for g in found) ** 0.5) if found else ""
