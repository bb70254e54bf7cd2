"""What is said of the chosen box: its equation, its numbers, and where its gradient comes from."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.explain.derive.equations import Equation
from chainrule.explain.derive.rests import cleared
from chainrule.explain.derive.symbols import Derivative
from chainrule.explain.derive.unit import Unit
from chainrule.explain.graph.texts import shape_text
from chainrule.explain.write.catalogue import Catalogue
from chainrule.explain.write.sections import parts
from chainrule.observe.entry import Entry
from chainrule.present.escape import page as released
from chainrule.present.html import Markup, join, tag
from chainrule.present.mathematics import formula
from chainrule.present.page import pairs, paragraphs
from chainrule.present.texts import Words
from chainrule.rules.attention.plain import ScaledDotProductAttention

from .naming import entry_name
from .numbers import exact, short
from .run import Box, Run
from .texts import TEXT

ROWS, COLUMNS = 8, 8
"""The most rows and columns of an array that are shown."""
PRODUCTS = 6
"""The most rows of incoming × local = outgoing."""


def panel(run: Run, box: Box, lang: str, state: str = "backward") -> dict[str, Any]:
    """Return what is said of a box whose walk has come to a state; what is unknown there is left out.

    `head` is always there, `forward` and `value` with the value, `backward` and `gradient` with the gradient. `value`
    and `gradient` are exact.
    """
    words = Words(TEXT, lang)
    has_value, has_gradient = state != "waiting", state == "backward"
    with np.errstate(all="ignore"):
        return {
            "node": box.name,
            "head": released(_head(run, box, words)),
            "forward": released(join(_forward(run, box, words))) if has_value else "",
            "backward": released(join(_backward(run, box, words))) if has_gradient else "",
            "value": exact(box.value) if has_value else None,
            "gradient": exact(box.gradient) if has_gradient else None,
            "has_gradient": box.gradient is not None,
        }


def equation(latex: str) -> Markup:
    """Return an equation as MathML."""
    return tag("div", (tag("span", formula(part), class_="scroll") for part in parts(latex)), class_="equation")


def _head(run: Run, box: Box, words: Words) -> Markup:
    name = box.entry.name if box.entry is not None and box.op is None else ""
    unit = None if box.entry is None else run.units.get(box.entry)
    said = [
        (words["made by"], (box.operation.replace("_", " ") if box.op is not None else words[box.kind])),
        (words["shape"], shape_text(box.shape, words.lang)),
        (words["name"], name if name not in ("", box.name) else ""),
        (words["module"], box.module),
        (words["line"], tag("code", _line(run, box)) if _line(run, box) else ""),
    ]
    return join(
        tag("h3", formula(str(box.symbol)), " ", tag("span", box.name, class_="soft")),
        pairs(said),
        equation(run.forward_equation(unit)[0].latex)
        if unit is not None and not isinstance(box.value, tuple)
        else None,
        None if box.op is None or unit is not None else paragraphs(_without_unit(box, words), soft=True),
    )


def _without_unit(box: Box, words: Words) -> str:
    is_part = box.entry is not None and "part" in box.entry.settings
    return words("result part", name=box.operation) if is_part else words["drawn"]


def _line(run: Run, box: Box) -> str:
    """Return the line of the program; nothing where the program only calls the model."""
    source = box.source
    if source is None or not source.text or (source.file, source.line) == run.recording.caller:
        return ""
    file = source.file.replace("\\", "/").rpartition("/")[2]
    return f"{file}:{source.line}  {source.text}"


# Numbers


def _forward(run: Run, box: Box, words: Words) -> Iterator[Markup | None]:
    unit = None if box.entry is None else run.units.get(box.entry)
    if unit is not None and not isinstance(box.value, tuple):
        numbers = run.forward_equation(unit)[0].numbers
        yield equation(f"{box.symbol} = {numbers}") if numbers else None
    if not isinstance(box.value, tuple):
        yield _array(run.shown_value(box), words["value"], words)
        yield _rest(run.rests.value(box.entry), words) if box.entry is not None else None
    if unit is not None and unit.record is ScaledDotProductAttention:
        yield _inside(run, unit, box, words)


def _inside(run: Run, unit: Unit, box: Box, words: Words) -> Markup:
    """Return the values that an attention operation computes on the way, such as its weights."""
    kept = (
        tag("div", equation(e.latex), _array(value, str(symbol), words)) for symbol, e, value in run.book.kept(unit)
    )
    before = (equation(step.latex) for step in run.forward_equation(unit)[1])
    return tag(
        "details", tag("summary", words("inside", name=box.operation.replace("_", " "))), before, kept, class_="inside"
    )


def _array(x: Any, label: str, words: Words) -> Markup:
    """Return an array as a table, its beginning if it is large; a number as itself."""
    array = np.asarray(x)
    if array.ndim == 0:
        return tag("p", f"{label} ", tag("b", exact(array), class_="number"))
    if array.size == 0:
        return tag("p", f"{label} ", shape_text(array.shape, words.lang))
    rows = array.reshape(-1, array.shape[-1])
    shown = rows[:ROWS, :COLUMNS]
    cut = words("some", shown=shown.size, total=array.size) if shown.size < array.size else ""
    body = tag("tbody", (tag("tr", (tag("td", short(float(v))) for v in row)) for row in shown))
    name = f"{label} {cut}".strip()
    return tag("div", tag("table", tag("caption", name), body, class_="array"), class_="scroll")


# The gradient


def _backward(run: Run, box: Box, words: Words) -> Iterator[Markup | None]:
    if box.gradient is None or box.entry is None or isinstance(box.value, tuple):
        return
    symbol = Derivative(box.symbol.base, box.symbol.label)
    if box.entry is run.recording.loss:
        yield equation(rf"\frac{{\partial L}}{{\partial {box.symbol}}} = 1")
        yield from paragraphs_of(words["seed"])
        return
    uses = list(_uses(run, box))
    yield tag("h4", words["where from"])
    if len(uses) > 1:
        yield from paragraphs_of(words("summed", n=len(uses)))
    for unit, k, user, outgoing in uses:
        made, before = run.book.backward(unit, k, alone=len(uses) == 1)
        yield from (equation(step.latex) for step in before)
        yield equation(made.latex)
        yield _in_numbers(made, symbol)
        outgoing = cleared(outgoing, run.rests.gradient(box.entry))
        products = _products(unit, k, user, outgoing, box, words)
        yield products or _both(run, user, outgoing, box, words)
    if len(uses) != 1:
        yield _array(run.shown_gradient(box), f"∂L/∂{box.name}", words)
    yield _rest(run.rests.gradient(box.entry), words)


def _rest(sizes: frozenset[float], words: Words) -> Markup | None:
    """Return the sentence that a 0 stands for a rest of rounding."""
    return tag("p", Catalogue(words.lang)("rest", size=f"{max(sizes):.1e}"), class_="soft") if sizes else None


def _both(run: Run, user: Entry, outgoing: Any, box: Box, words: Words) -> Markup:
    """Return the incoming and the outgoing gradient of a use whose local derivative is more than one number each."""
    name = run.box_of[user].name if user in run.box_of else ""
    tables = [_array(outgoing, f"{words['outgoing']} ∂L/∂{box.name}", words)]
    if user.gradient is not None and not isinstance(user.gradient, tuple):
        incoming = cleared(user.gradient, run.rests.gradient(user))
        tables.insert(0, _array(incoming, f"{words['incoming']} ∂L/∂{name}", words))
    return tag("div", tables, class_="side")


def paragraphs_of(*texts: str) -> Iterator[Markup]:
    """Yield a soft paragraph for each text."""
    yield from (tag("p", text, class_="soft") for text in texts)


def _uses(run: Run, box: Box) -> Iterator[tuple[Unit, int, Entry, Any]]:
    """Yield the unit, the position, the user and the cotangent of each use that sent a gradient, in that order."""
    assert box.entry is not None
    for user, k, outgoing in box.entry.arrived:
        unit = run.units.get(user)
        if unit is None:
            continue
        for position, edge in enumerate(unit.edges):
            if edge[0] is user and edge[1] == k and position < len(unit.inputs):
                yield unit, position, user, outgoing


def _in_numbers(made: Equation, symbol: Derivative) -> Markup | None:
    return equation(f"{symbol.latex()} = {made.numbers}") if made.numbers else None


def _products(unit: Unit, k: int, user: Entry, outgoing: Any, box: Box, words: Words) -> Markup | None:
    """Return incoming × local = outgoing in numbers, where a derivative belongs to a single entry."""
    found = local_of(user, k if len(unit.edges) == len(user.inputs) else unit.edges[k][1], outgoing)
    if found is None:
        return None
    incoming, local = found
    count = np.size(outgoing)
    at = [np.unravel_index(i, np.shape(outgoing)) for i in range(min(count, PRODUCTS))]
    rows = (
        tag(
            "tr",
            tag("th", entry_name(box.name, tuple(map(int, index))), scope="row"),
            tag("td", short(_at(incoming, index))),
            tag("td", "×", class_="sign"),
            tag("td", short(_at(local, index))),
            tag("td", "=", class_="sign"),
            tag("td", short(_at(outgoing, index))),
        )
        for index in at
    )
    head = tag(
        "tr",
        tag("td"),
        tag("th", words["incoming"], scope="col"),
        tag("td"),
        tag("th", words["local"], scope="col"),
        tag("td"),
        tag("th", words["outgoing"], scope="col"),
    )
    cut = words("some", shown=len(at), total=count) if count > len(at) else ""
    name = f"{words['incoming']} × {words['local']} = {words['outgoing']} {cut}".strip()
    return tag(
        "div",
        tag("table", tag("caption", name), tag("thead", head), tag("tbody", rows), class_="products"),
        class_="scroll",
    )


def _at(x: Any, index: tuple[Any, ...]) -> float:
    return float(x if np.ndim(x) == 0 else np.asarray(x)[index])


def local_of(user: Entry, k: int, outgoing: Any) -> tuple[Any, Any] | None:
    """Return the incoming gradient and the local derivative of one use; None where it is not one number per entry.

    The local derivative is what the operation sends for an incoming gradient of ones.
    """
    incoming, node = user.gradient, user.node
    if incoming is None or node is None or isinstance(incoming, tuple) or user.op.several:
        return None
    is_single = user.shape == () or (user.op.is_pointwise and user.shape == np.shape(outgoing))
    if not is_single:
        return None
    ones: Any = np.ones(user.shape)[()]
    saved, settings = getattr(node, "saved", ()), getattr(node, "settings", {})
    sent = user.op.adjoints[k](ones, saved, settings) if user.op.adjoints else user.op.pull(ones, saved, settings)[k]
    local = np.asarray(getattr(sent, "_value", sent), np.float64)
    return incoming, np.broadcast_to(local, np.shape(outgoing)) if np.size(local) in (1, np.size(outgoing)) else local
